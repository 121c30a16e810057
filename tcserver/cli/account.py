"""``tcserver account``: makes, changes and lists accounts, also while the server runs."""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tcproto.account import SALT_SIZE
from tcproto.identity import format_fingerprint
from tcproto.link import Link
from tcproto.messages import Role
from tcproto.names import fold_account
from tcserver.cli.parser import Commands, Parser, add_command, add_group, counted, data_directory, named, print_table
from tcserver.cli.password import add_password_options, handed_out, made_up_password, new_password
from tcserver.cli.record_options import add_options, cells, given, headings, reader
from tcserver.config.configuration import Sources
from tcserver.config.sections import Configuration
from tcserver.identity import ServerIdentity
from tcserver.records import Account, DeviceRecord, StoreError
from tcserver.records.account import DEVICE_KEY
from tcserver.records.kinds import Number
from tcserver.storage.agency_list import MAX_LIST_BYTES, check_account, read_agencies
from tcserver.storage.credentials import derive_credentials
from tcserver.storage.data_directory import DataDirectory
from tcserver.storage.database import Database
from tcserver.storage.private_files import check_new

BAN_DAYS = Number(0.01, 3650)
"""Days of a ban: from a quarter of an hour to ten years. Longer ones have no end."""
_COLUMNS = ("name", "display name", "user name", "password", "link", "web link")
_EXAMPLE_KEY = "6162636465666768696a6b6c6d6e6f707172737475767778797a303132333435"


def add_commands(commands: Commands) -> None:
    """Add the commands of this group."""
    group = add_group(commands, "account", "accounts, their passwords, devices and sessions")

    add = add_command(
        group, "add", _add, "make an account", 'tcserver account add kantor-1 --display "Kantor Satu" --generate'
    )
    add.add_argument("name", metavar="NAME", help="the name for the login: letters, digits and ._-")
    add_password_options(add)
    _add_settings(add)

    importing = add_command(
        group,
        "import",
        _import,
        "make accounts from a CSV file, and write or print their passwords once",
        "tcserver account import agencies.csv --output passwords.csv --set server.public_host=conference.example",
        "tcserver account import agencies.csv",
        "",
        "The file is in UTF-8, and its first line names the columns:",
        "  name,display,role",
        "  kantor-1,Kantor Satu,",
        "  kantor-2,Kantor Dua,chair",
        "The column role is optional. If a line is wrong, no account is made.",
        "Without --output the command prints a table of name and password. With --output it writes a new file that",
        "only its owner can read, with name, display name, user name, password, join link and web link.",
    )
    importing.add_argument("file", metavar="FILE.csv", type=named, help="the table of agencies")
    importing.add_argument(
        "--output", metavar="FILE", type=named, help="a new file for passwords and links; links need server.public_host"
    )
    importing.add_argument(
        "--room", metavar="NAME", default="", help="with --output: the room in the links (default: none)"
    )

    add_command(group, "list", _list, "list the accounts", "tcserver account list")
    reset = _for_one(group, "reset", _reset, "set a new password, and end the sessions of the account")
    add_password_options(reset)
    change = _for_one(group, "set", _set, "change settings of an account")
    _add_settings(change)
    _for_one(group, "disable", _disable, "keep an account from logging in, and end its sessions")
    _for_one(group, "enable", _enable, "allow a disabled account to log in again")
    ban = _for_one(group, "ban", _ban, "refuse the logins of an account with a reason, and end its sessions")
    ban.add_argument("--reason", metavar="TEXT", default="", help="the reason that people see")
    ban.add_argument(
        "--days", metavar="N", type=reader(BAN_DAYS), help="after which the ban ends by itself (default: account unban)"
    )
    _for_one(group, "unban", _unban, "allow a banned account to log in again")
    _for_one(group, "remove", _remove, "remove an account, and end its sessions")

    sessions = add_command(group, "sessions", _sessions, "list who is logged in", "tcserver account sessions kantor-1")
    sessions.add_argument("name", metavar="NAME", nargs="?", help="of this account only")

    enroll = _for_one(group, "enroll", _enroll, "add a device to those that the account may be limited to")
    enroll.add_argument(
        "key",
        metavar="KEY",
        type=reader(DEVICE_KEY),
        help="the public key of the device, as `tcserver account sessions` shows it",
    )
    enroll.add_argument("--label", default="", help="a name for the device")
    unenroll = _for_one(
        group, "unenroll", _unenroll, "remove a device from an account, and end the sessions of the account"
    )
    unenroll.add_argument("key", metavar="KEY", type=reader(DEVICE_KEY), help="as `tcserver account devices` shows it")
    _for_one(group, "devices", _devices, "list the enrolled devices of an account")


def _for_one(group: Commands, name: str, command: Any, help: str) -> Parser:  # noqa: A002
    key = f" {_EXAMPLE_KEY}" if name in ("enroll", "unenroll") else ""
    parser = add_command(group, name, command, help, f"tcserver account {name} kantor-1{key}")
    parser.add_argument("name", metavar="NAME", help="the account")
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    role = add_options(parser, Account)["role"]
    role.add_argument(
        "--admin", action="store_const", const=Role.ADMIN, dest="role", default=argparse.SUPPRESS,
        help="the same as --role admin",
    )  # fmt: skip


def _add(arguments: argparse.Namespace, sources: Sources) -> int:
    configuration = sources.load()
    directory = data_directory(sources)
    settings = given(arguments, Account)
    try:
        checked = check_account(arguments.name, settings.get("display") or arguments.name, settings.get("role"))
    except ValueError as error:
        raise StoreError(str(error)) from None
    if directory.exists():
        with directory.database() as database:
            if database.account(checked.name):
                raise StoreError(f"an account named {checked.name!r} exists")
    # Ask before anything is made, so that an interrupted question leaves nothing behind.
    password = new_password(arguments)
    identity = _identity(directory)
    challenge, public_key = derive_credentials(identity, checked.name, password, os.urandom(SALT_SIZE))
    account = Account(
        checked.name,
        checked.display,
        challenge,
        public_key,
        created=time.time(),
        max_sessions=configuration.login.max_sessions_per_account,
    )
    with directory.database() as database, _handed_out(arguments, checked.name, password):
        database.add_account(replace(account, **settings))
    return 0


def _import(arguments: argparse.Namespace, sources: Sources) -> int:
    configuration = sources.load()
    directory = data_directory(sources)
    with Path(arguments.file).open("rb") as file:
        content = file.read(MAX_LIST_BYTES + 1)
    existing: list[Account] = []
    if directory.exists():
        with directory.database() as database:
            existing = database.accounts()
    output = Path(arguments.output) if arguments.output is not None else None
    if output is not None:
        _check_output(output, configuration)
    elif arguments.room:
        raise StoreError("--room is for the links of --output")
    try:
        agencies = read_agencies(content, existing)
    except StoreError as error:
        raise StoreError(f"{arguments.file}: {error}; no account was made") from None
    identity = _identity(directory)
    print(f"tcserver: making {counted(len(agencies), 'account')}", file=sys.stderr)
    accounts, passwords = [], []
    for agency in agencies:
        password = made_up_password()
        challenge, public_key = derive_credentials(identity, agency.name, password, os.urandom(SALT_SIZE))
        accounts.append(
            Account(
                agency.name,
                agency.display,
                challenge,
                public_key,
                created=time.time(),
                role=agency.role,
                max_sessions=configuration.login.max_sessions_per_account,
            )
        )
        passwords.append(password)
    rows = list(zip(agencies, accounts, passwords, strict=True))
    with directory.database() as database:
        if output is None:
            table: list[tuple[str, ...]] = [
                ("name", "password"),
                *((account.name, password) for _, account, password in rows),
            ]
        else:
            link = _join_link(configuration, identity, database, arguments.room)
            web = configuration.web
            links = (str(link), link.on_the_web(web.link_port(link.port)) if web.enabled else "")
            table = [
                _COLUMNS,
                *((a.written, a.display, account.name, password, *links) for a, account, password in rows),
            ]
        with handed_out(table, output):
            database.add_accounts(accounts)
    return 0


def _check_output(output: Path, configuration: Configuration) -> None:
    """Refuse what cannot be written later, before the keys are derived."""
    try:
        check_new(output)
    except FileExistsError:
        raise StoreError(f"{output} exists") from None
    if not configuration.server.public_host or not configuration.server.port:
        raise StoreError(
            "the links need the name or address and the port at which people reach the server: set server.public_host "
            "(and server.port) in the configuration, or with --set server.public_host=NAME"
        )


def _join_link(configuration: Configuration, identity: ServerIdentity, database: Database, room: str) -> Link:
    """Return the join link. It says if a permanent room is without end-to-end encryption."""
    record = database.room(room) if room else None
    server = configuration.server
    return Link(server.public_host, server.port, room, identity.fingerprint, record is None or record.e2ee)


def _list(arguments: argparse.Namespace, sources: Sources) -> int:
    with data_directory(sources).existing_database() as database:
        accounts = database.accounts()
        sessions = [session.account for session in database.sessions()]
    print_table([*headings(Account), "state"], [_cells(account, sessions.count(account.name)) for account in accounts])
    return 0


def _cells(account: Account, sessions: int) -> list[str]:
    """Return the cells of an account that has so many ``sessions``."""
    shown = cells(account)
    shown["sessions"] = f"{sessions}/{account.max_sessions}"
    return [*shown.values(), _state(account)]


def _state(account: Account) -> str:
    if account.disabled:
        return "disabled"
    if not account.is_banned(time.time()):
        return "enabled"
    return "banned" if account.banned_until is None else f"banned until {_moment(account.banned_until)}"


def _reset(arguments: argparse.Namespace, sources: Sources) -> int:
    directory = data_directory(sources)
    with directory.existing_database() as database:
        database.sessions(arguments.name)
        password = new_password(arguments)
        challenge, public_key = derive_credentials(
            directory.identity(), arguments.name, password, os.urandom(SALT_SIZE)
        )
        with _handed_out(arguments, fold_account(arguments.name), password):
            database.change_account(
                arguments.name, lambda account: replace(account, challenge=challenge, public_key=public_key)
            )
    return 0


def _handed_out(arguments: argparse.Namespace, name: str, password: str) -> AbstractContextManager[None]:
    """Hand out a made-up password (see ``handed_out``). A password that somebody chose is known already."""
    return handed_out([("name", "password"), (name, password)]) if arguments.generate else nullcontext()


def _set(arguments: argparse.Namespace, sources: Sources) -> int:
    changes = given(arguments, Account)
    if not changes:
        raise StoreError("nothing to change is given (see: tcserver account set --help)")
    with data_directory(sources).existing_database() as database:
        database.change_account(arguments.name, lambda account: replace(account, **changes))
    return 0


def _disable(arguments: argparse.Namespace, sources: Sources) -> int:
    with data_directory(sources).existing_database() as database:
        database.change_account(arguments.name, lambda account: replace(account, disabled=True))
    return 0


def _enable(arguments: argparse.Namespace, sources: Sources) -> int:
    with data_directory(sources).existing_database() as database:
        database.change_account(arguments.name, lambda account: replace(account, disabled=False))
    return 0


def _ban(arguments: argparse.Namespace, sources: Sources) -> int:
    until = None if arguments.days is None else time.time() + arguments.days * 86_400
    with data_directory(sources).existing_database() as database:
        database.change_account(
            arguments.name, lambda account: replace(account, banned=arguments.reason, banned_until=until)
        )
    return 0


def _unban(arguments: argparse.Namespace, sources: Sources) -> int:
    with data_directory(sources).existing_database() as database:
        database.change_account(arguments.name, lambda account: replace(account, banned=None, banned_until=None))
    return 0


def _remove(arguments: argparse.Namespace, sources: Sources) -> int:
    with data_directory(sources).existing_database() as database:
        database.remove_account(arguments.name)
    return 0


def _sessions(arguments: argparse.Namespace, sources: Sources) -> int:
    with data_directory(sources).existing_database() as database:
        sessions = database.sessions(arguments.name)
    print_table(
        ("account", "name", "address", "since", "session", "device"),
        [
            (
                session.account,
                session.display,
                session.address,
                _moment(session.since),
                session.session_id,
                session.device_key.hex(),
            )
            for session in sessions
        ],
    )
    return 0


def _enroll(arguments: argparse.Namespace, sources: Sources) -> int:
    with data_directory(sources).existing_database() as database:
        database.enroll_device(DeviceRecord(arguments.name, arguments.key, arguments.label, time.time()))
    return 0


def _unenroll(arguments: argparse.Namespace, sources: Sources) -> int:
    with data_directory(sources).existing_database() as database:
        database.remove_device(arguments.name, arguments.key)
    return 0


def _devices(arguments: argparse.Namespace, sources: Sources) -> int:
    with data_directory(sources).existing_database() as database:
        devices = database.devices(arguments.name)
    print_table(
        ("device", "label", "enrolled"),
        [(device.key.hex(), device.label or "-", _moment(device.enrolled)) for device in devices],
    )
    return 0


def _identity(directory: DataDirectory) -> ServerIdentity:
    """Return the identity of the server. It is made with the first account, because passwords depend on it."""
    directory.make()
    identity, made = directory.open_identity()
    if made:
        print(f"tcserver: made the server key {format_fingerprint(identity.fingerprint)}", file=sys.stderr)
    return identity


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
