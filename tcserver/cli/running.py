"""Commands for the running server: show rooms, mute or remove a participant, send a notice, end a meeting."""

from __future__ import annotations

import argparse
import json
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

from tcproto.names import fold_room
from tcserver.cli.parser import Commands, add_command, counted, data_directory, print_table
from tcserver.config.configuration import Sources
from tcserver.config.sections import LOG_LEVELS
from tcserver.records import StoreError

_HELD = {True: "held muted", False: "held no longer"}
_MINUTE = 60
_HOUR = 3600
_DAY = 86_400


def add_commands(commands: Commands) -> None:
    """Add the commands that are in no group."""
    kick = add_command(
        commands,
        "kick",
        _kick,
        "remove somebody from a room of the running server",
        'tcserver kick "Rapat Pagi" kantor-1 --reason "please come back with a headset"',
        "",
        "To keep an account out permanently: tcserver account disable.",
    )
    kick.add_argument("room", metavar="ROOM", help="the room")
    kick.add_argument(
        "who", metavar="WHO", help="an account, or the number of a participant as `tcserver room show` prints it"
    )
    add_reason(kick)
    add_json(kick)
    mute = add_command(
        commands,
        "mute",
        _mute,
        "hold the microphone of somebody muted in a room of the running server, or of all but chairs",
        'tcserver mute "Rapat Pagi" kantor-1',
        'tcserver mute "Rapat Pagi" --source camera',
        'tcserver mute "Rapat Pagi" kantor-1 --release',
        "",
        "The server drops the sound, and nobody can unmute before --release. Then each unmutes the own microphone. Who",
        "comes later is not muted.",
    )
    mute.add_argument("room", metavar="ROOM", help="the room")
    mute.add_argument(
        "who", metavar="WHO", nargs="?", help="as for `tcserver kick`; without it all but chairs and admins"
    )
    mute.add_argument(
        "--source", metavar="WORD", default="microphone", help="microphone (the default), camera, screen, screen_audio"
    )
    mute.add_argument("--release", action="store_true", help="end the hold")
    add_json(mute)
    notice = add_command(
        commands,
        "notice",
        _notice,
        "show a text to everybody on the running server",
        'tcserver notice "The server restarts at 17:00"',
        'tcserver notice --room "Rapat Pagi" "Ten minutes left"',
    )
    notice.add_argument("text", metavar="TEXT", help="the text")
    notice.add_argument("--room", metavar="NAME", help="only the participants of this room")
    add_json(notice)

    drain = add_command(
        commands,
        "drain",
        _drain,
        "announce the end of the running server, let no further room begin, and end it at that time",
        "tcserver drain --minutes 10",
        'tcserver drain --minutes 10 --text "The server is updated at 17:00, and back five minutes later"',
        "tcserver drain --cancel",
        "",
        "Everybody is told now, and again a minute before. At the end the server stops as after SIGTERM, and clients",
        "come back by themselves when it runs again. Call it again for another time.",
    )
    drain.add_argument("--minutes", metavar="M", type=float, default=10.0, help="until the end (default: 10)")
    drain.add_argument("--text", metavar="TEXT", help="what everybody is told (default: the time of the end)")
    drain.add_argument("--cancel", action="store_true", help="let the server go on after all")
    add_json(drain)

    figures = add_command(
        commands,
        "statistics",
        _statistics,
        "print the figures of the running server: who is there, what was forwarded, dropped and refused",
        "tcserver statistics",
        "tcserver statistics --json",
        "",
        "Counts are since the start. The metrics have the same figures, and more, over time.",
    )
    add_json(figures)
    level = add_command(
        commands,
        "log-level",
        _log_level,
        "change the least severity that the running server logs, until its next start or reload",
        "tcserver log-level debug",
    )
    level.add_argument("level", metavar="LEVEL", choices=LOG_LEVELS, help=", ".join(LOG_LEVELS))


def add_reason(parser: argparse.ArgumentParser) -> None:
    """Add the option for the reason that removed participants see."""
    parser.add_argument("--reason", metavar="TEXT", default="", help="the reason that they see")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option for output as JSON."""
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def show(arguments: argparse.Namespace, sources: Sources) -> int:
    """Print the open rooms and their participants."""
    rooms = _ask(sources, {"do": "rooms"})
    if arguments.name is not None:
        rooms = [room for room in rooms if room["name"] == _folded(arguments.name)]
        if not rooms:
            raise StoreError(f"the room {arguments.name!r} is not open")
    if arguments.json:
        _print_json(rooms)
        return 0
    for place, room in enumerate(rooms):
        if place:
            print()
        kind = "permanent" if room["permanent"] else "temporary"
        encryption = "end-to-end encrypted" if room["e2ee"] else "encrypted to the server only"
        participants = f"{len(room['seats'])} of {room['max_participants']}"
        print(f"{room['name']}: {participants}, {kind}, {encryption}, open for {_lasted(room['seconds'])}")
        if room["seats"]:
            header = ("number", "account", "name", "role", "here for", "path", "loss", "address", "sends")
            print_table(header, [_row(seat) for seat in room["seats"]])
    if not rooms:
        print("no room is open")
    return 0


def close(arguments: argparse.Namespace, sources: Sources) -> int:
    """End the meeting in a room."""
    count = _ask(sources, {"do": "close", "room": arguments.name, "reason": arguments.reason})
    return _told(arguments, count, f"the meeting is over for {counted(count, 'participant')}")


def _kick(arguments: argparse.Namespace, sources: Sources) -> int:
    request = {"do": "kick", "room": arguments.room, "who": arguments.who, "reason": arguments.reason}
    count = _ask(sources, request)
    return _told(arguments, count, f"{counted(count, 'participant')} removed")


def _mute(arguments: argparse.Namespace, sources: Sources) -> int:
    held = not arguments.release
    request = {"do": "mute", "room": arguments.room, "who": arguments.who, "source": arguments.source, "held": held}
    count = _ask(sources, request)
    return _told(arguments, count, f"{arguments.source} of {counted(count, 'participant')} {_HELD[held]}")


def _drain(arguments: argparse.Namespace, sources: Sources) -> int:
    if arguments.cancel:
        return _told(arguments, _ask(sources, {"do": "end_drain"}), "the server goes on")
    seconds = arguments.minutes * _MINUTE
    if not isfinite(seconds):
        raise StoreError("--minutes should be a number")
    ends = (datetime.now() + timedelta(seconds=min(max(seconds, 0.0), _DAY))).astimezone().strftime("%H:%M %Z")
    count = _ask(sources, {"do": "drain", "seconds": seconds, "text": arguments.text or f"The server ends at {ends}"})
    return _told(arguments, count, f"the server ends at {ends}; told to {counted(count, 'participant')}")


def _statistics(arguments: argparse.Namespace, sources: Sources) -> int:
    found = _ask(sources, {"do": "statistics"})
    if arguments.json:
        _print_json(found)
    else:
        rows = [(f"{group}.{name}", value) for group, values in found.items() for name, value in values.items()]
        print_table(("figure", "value"), [(name, "-" if value is None else value) for name, value in rows])
    return 0


def _log_level(arguments: argparse.Namespace, sources: Sources) -> int:
    print(f"logged from {_ask(sources, {'do': 'log_level', 'level': arguments.level})} on")
    return 0


def _notice(arguments: argparse.Namespace, sources: Sources) -> int:
    count = _ask(sources, {"do": "notice", "text": arguments.text, "room": arguments.room})
    return _told(arguments, count, f"told to {counted(count, 'participant')}")


def _told(arguments: argparse.Namespace, count: int, text: str) -> int:
    if arguments.json:
        _print_json({"participants": count})
    else:
        print(text)
    return 0


def _ask(sources: Sources, request: dict[str, Any]) -> Any:
    """Return the answer of the running server. Raises ``StoreError`` if it refuses."""
    from tcserver.daemon.local_socket import ask  # only these commands need the code of the event loop

    answer = json.loads(ask(data_directory(sources).path, json.dumps(request).encode()))
    if "error" in answer:
        raise StoreError(answer["error"])
    return answer["result"]


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def _folded(name: str) -> str:
    try:
        return fold_room(name)
    except ValueError as error:
        raise StoreError(str(error)) from None


def _row(seat: dict[str, Any]) -> tuple[object, ...]:
    sends = [f"{source} (muted)" if muted else source for source, muted in seat["publications"].items()]
    return (
        seat["participant"],
        seat["account"],
        seat["name"],
        seat["role"],
        _lasted(seat["seconds"]),
        seat["path"] or "none",
        f"{100 * seat['lost'] / seat['sent']:.1f} %" if seat["sent"] else "-",
        seat["address"] or "-",
        ", ".join(sends) or "-",
    )


def _lasted(seconds: int) -> str:
    """Return "12 s", "3 min", "2 h 5 min"."""
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min"
