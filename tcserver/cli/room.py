"""``tcserver room``: permanent rooms and open rooms. All commands work while the server runs."""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import reduce
from operator import or_

from tcproto.messages import Role
from tcproto.names import fold_account
from tcserver.cli import running
from tcserver.cli.parser import Commands, add_command, add_group, data_directory, print_table
from tcserver.cli.record_options import add_options, cells, given, headings
from tcserver.config.configuration import Sources
from tcserver.records import RIGHTS, ROLES, RoomRecord, StoreError


def add_commands(commands: Commands) -> None:
    """Add the commands of this group."""
    group = add_group(commands, "room", "permanent rooms, roles in them, and the participants of open rooms")
    add = add_command(
        group, "add", _add, "make a permanent room", 'tcserver room add "Rapat Pagi" --max-participants 50'
    )
    add.add_argument("name", metavar="NAME", help="the name in the join link")
    add_options(add, RoomRecord)
    add_command(group, "list", _list, "list the permanent rooms", "tcserver room list")
    change = add_command(
        group,
        "set",
        _set,
        "change settings of a room; encryption changes when everybody has left",
        'tcserver room set "Rapat Pagi" --no-e2ee',
    )
    change.add_argument("name", metavar="NAME", help="the room")
    change.add_argument("--name", metavar="NEW", dest="new_name", help="a new name")
    add_options(change, RoomRecord)
    role = add_command(
        group,
        "role",
        _role,
        "give a role in a room to an account, or take it away",
        'tcserver room role "Rapat Pagi" kantor-1 chair',
        "",
        "admin     like chair; also sends notices to everybody on the server",
        "chair     like speaker; also removes participants, gives roles, changes and closes the room",
        "speaker   sends sound, pictures and text",
        "listener  sends text only",
        "observer  only hears and sees; recorder: the same, for somebody who records",
    )
    role.add_argument("name", metavar="NAME", help="the room")
    role.add_argument("account", metavar="ACCOUNT", help="the account, by its name")
    role.add_argument(
        "role",
        metavar="ROLE",
        choices=[*ROLES, "none"],
        help="a role of those below; none: the role of the account, else the default of the room",
    )
    permit = add_command(
        group,
        "permit",
        _permit,
        "say what a role may do in a room, those who are there included",
        'tcserver room permit "Rapat Pagi" speaker hear voice chat private',
        'tcserver room permit "Rapat Pagi" speaker default',
        "",
        "hear                    gets sound and pictures",
        "voice, camera, screen   sends them; what is lost in mid-meeting ends at once",
        "chat, private           writes to all; to one participant",
        "notice                  writes to everybody on the server",
        "remove, roles           removes participants; gives roles",
        "room, close             changes or locks the room; ends the meeting",
        "mute                    mutes others, and lowers their hands",
    )
    permit.add_argument("name", metavar="NAME", help="the room")
    permit.add_argument("role", metavar="ROLE", choices=ROLES, help="the role")
    permit.add_argument(
        "rights",
        metavar="RIGHT",
        nargs="+",
        choices=[*RIGHTS, "nothing", "default"],
        help="all that the role may do, in words of those below; or: nothing; or: default, as in other rooms",
    )
    show = add_command(
        group,
        "show",
        running.show,
        "show the rooms of the running server and their participants",
        'tcserver room show "Rapat Pagi"',
        "tcserver room show --json",
        "",
        "udp    whether sound and pictures reach the participant; if not, only text does",
        "loss   part of the datagrams of the participant that was lost, since its key is in use (at most a day)",
    )
    show.add_argument("name", metavar="NAME", nargs="?", help="only this room")
    running.add_json(show)
    close = add_command(
        group,
        "close",
        running.close,
        "end the meeting in a room of the running server, for everybody",
        'tcserver room close "Rapat Pagi" --reason "the building closes"',
        "",
        "A permanent room stays: the next participant opens it again. To remove it: tcserver room remove.",
    )
    close.add_argument("name", metavar="NAME", help="the room")
    running.add_reason(close)
    running.add_json(close)
    remove = add_command(group, "remove", _remove, "remove a permanent room", 'tcserver room remove "Rapat Pagi"')
    remove.add_argument("name", metavar="NAME", help="the room")


def _add(arguments: argparse.Namespace, sources: Sources) -> int:
    directory = data_directory(sources)
    room = RoomRecord(arguments.name, "", max_participants=sources.load().rooms.max_participants)
    directory.make()
    directory.open_identity()
    with directory.database() as database:
        database.add_room(replace(room, **given(arguments, RoomRecord)))
    return 0


def _list(arguments: argparse.Namespace, sources: Sources) -> int:
    with data_directory(sources).existing_database() as database:
        rooms = database.rooms()
    print_table(headings(RoomRecord), [list(cells(room).values()) for room in rooms])
    return 0


def _set(arguments: argparse.Namespace, sources: Sources) -> int:
    changes = given(arguments, RoomRecord)
    if arguments.new_name is not None:
        changes = {"name": arguments.new_name, "title": "", **changes}
    if not changes:
        raise StoreError("nothing to change is given (see: tcserver room set --help)")
    with data_directory(sources).existing_database() as database:
        database.change_room(arguments.name, lambda room: replace(room, **changes))
    return 0


def _role(arguments: argparse.Namespace, sources: Sources) -> int:
    try:
        account = fold_account(arguments.account)
    except ValueError as error:
        raise StoreError(str(error)) from None

    def change(room: RoomRecord) -> RoomRecord:
        others = {name: role for name, role in room.roles.items() if name != account}
        return replace(room, roles=others if arguments.role == "none" else {**others, account: Role(arguments.role)})

    with data_directory(sources).existing_database() as database:
        database.change_room(arguments.name, change)
    return 0


def _permit(arguments: argparse.Namespace, sources: Sources) -> int:
    words, role = arguments.rights, Role(arguments.role)
    if len(words) > 1 and not set(words) <= RIGHTS.keys():
        raise StoreError("nothing and default stand alone (see: tcserver room permit --help)")

    def change(room: RoomRecord) -> RoomRecord:
        others = {other: bits for other, bits in room.permissions.items() if other is not role}
        bits = reduce(or_, (int(RIGHTS[word]) for word in words if word in RIGHTS), 0)
        return replace(room, permissions=others if words == ["default"] else {**others, role: bits})

    with data_directory(sources).existing_database() as database:
        database.change_room(arguments.name, change)
    return 0


def _remove(arguments: argparse.Namespace, sources: Sources) -> int:
    with data_directory(sources).existing_database() as database:
        database.remove_room(arguments.name)
    return 0
