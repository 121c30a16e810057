"""``tcserver account``: making, changing and listing accounts. All of it works while the server is running."""

from __future__ import annotations

import argparse
import csv
import getpass
import os
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tcproto.account import PASSWORD_ENTROPY_SIZE, SALT_SIZE, generate_password
from tcproto.identity import format_fingerprint
from tcserver.accounts import MAX_LIST_BYTES, check_account, check_password, derive_credentials, read_agencies
from tcserver.cli_parser import Commands, Parser, add_command, add_group, counted, print_table, site
from tcserver.configuration import Sources
from tcserver.identity import ServerIdentity
from tcserver.records import Account, DeviceRecord, DuplicatePolicy, Role, StoreError
from tcserver.site import Site

_EXAMPLE_KEY = "6162636465666768696a6b6c6d6e6f707172737475767778797a303132333435"


def add_commands(commands: Commands) -> None:
    """Add the commands of this group."""
    group = add_group(commands, "account", "accounts, their passwords, devices and sessions")

    add = add_command(
        group, "add", _add, "make an account", 'tcserver account add kantor-1 --display "Kantor Satu" --generate'
    )
    add.add_argument("name", metavar="NAME", help="what is typed at login: letters, digits and ._-")
    _add_password_options(add)
    _add_settings(add)

    importing = add_command(
        group,
        "import",
        _import,
        "make accounts from a CSV file and print their passwords, once",
        "tcserver account import agencies.csv > passwords.csv",
        "",
        "The file is in UTF-8, and its first line names the columns:",
        "  name,display,role",
        "  kantor-1,Kantor Satu,",
        "  kantor-2,Kantor Dua,chair",
        "The column role may be left out. If any line is wrong, no account is made.",
    )
    importing.add_argument("file", metavar="FILE.csv", help="the table of agencies")

    add_command(group, "list", _list, "list the accounts", "tcserver account list")
    reset = _for_one(group, "reset", _reset, "set a new password, and end the account's sessions")
    _add_password_options(reset)
    change = _for_one(group, "set", _set, "change settings of an account")
    _add_settings(change)
    _for_one(group, "disable", _disable, "keep an account from logging in, and end its sessions")
    _for_one(group, "enable", _enable, "let a disabled account log in again")
    ban = _for_one(group, "ban", _ban, "refuse an account, tell it so, and end its sessions")
    ban.add_argument("--reason", metavar="TEXT", default="", help="what people are told")
    _for_one(group, "unban", _unban, "let a banned account log in again")
    _for_one(group, "remove", _remove, "remove an account, and end its sessions")

    sessions = add_command(group, "sessions", _sessions, "list who is logged in", "tcserver account sessions kantor-1")
    sessions.add_argument("name", metavar="NAME", nargs="?", help="of this account only")

    enroll = _for_one(group, "enroll", _enroll, "add a device that the account may be limited to")
    enroll.add_argument(
        "key", metavar="KEY", type=_device_key, help="its public key, as `tcserver account sessions` shows it"
    )
    enroll.add_argument("--label", default="", help="what the device is called")
    unenroll = _for_one(group, "unenroll", _unenroll, "take a device from an account, and end the account's sessions")
    unenroll.add_argument("key", metavar="KEY", type=_device_key, help="as `tcserver account devices` shows it")
    _for_one(group, "devices", _devices, "list the enrolled devices of an account")


def _for_one(group: Commands, name: str, command: Any, help: str) -> Parser:  # noqa: A002
    key = f" {_EXAMPLE_KEY}" if name in ("enroll", "unenroll") else ""
    parser = add_command(group, name, command, help, f"tcserver account {name} kantor-1{key}")
    parser.add_argument("name", metavar="NAME", help="the account")
    return parser


def _add_password_options(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    source.add_argument("--generate", action="store_true", help="make up a password and print it, once")


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--display", metavar="TEXT", help="what people see before the person's name")
    role = parser.add_mutually_exclusive_group()
    role.add_argument("--role", choices=[*map(str, Role), "none"], help="role in every room; none: each room's default")
    role.add_argument("--admin", action="store_const", const="admin", dest="role", help="the same as --role admin")
    parser.add_argument("--max-sessions", metavar="N", type=int, help="devices that may be in at once")
    parser.add_argument(
        "--duplicates",
        choices=[*map(str, DuplicatePolicy)],
        help="--max-sessions reached: refuse one more (allow), or end the oldest (replace); refuse: one session only",
    )
    devices = parser.add_mutually_exclusive_group()
    devices.add_argument(
        "--devices-only", action="store_true", default=None, help="only devices of `account enroll` may log in"
    )
    devices.add_argument("--any-device", action="store_false", dest="devices_only", help="any device may log in")


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given, by their names in an account."""
    given: dict[str, Any] = {}
    for name in ("display", "max_sessions", "devices_only"):
        if getattr(arguments, name) is not None:
            given[name] = getattr(arguments, name)
    if arguments.role is not None:
        given["role"] = None if arguments.role == "none" else Role(arguments.role)
    if arguments.duplicates is not None:
        given["duplicates"] = DuplicatePolicy(arguments.duplicates)
    return given


def _add(arguments: argparse.Namespace, sources: Sources) -> int:
    configuration = sources.load()
    here = site(sources)
    role = Role(arguments.role) if arguments.role not in (None, "none") else None
    try:
        checked = check_account(arguments.name, arguments.display or arguments.name, role)
    except ValueError as error:
        raise StoreError(str(error)) from None
    if here.exists():
        with here.database() as database:
            if database.account(checked.name):
                raise StoreError(f"an account named {checked.name!r} exists")
    # Asked before anything is made, so that an interrupted question leaves nothing behind.
    password = _password(arguments)
    identity = _identity(here)
    challenge, public_key = derive_credentials(identity, checked.name, password, os.urandom(SALT_SIZE))
    account = Account(
        checked.name,
        checked.display,
        challenge,
        public_key,
        created=time.time(),
        max_sessions=configuration.login.max_sessions_per_account,
    )
    with here.database() as database:
        database.add_account(replace(account, **_settings(arguments)))
    _print_generated(arguments, checked.name, password)
    return 0


def _import(arguments: argparse.Namespace, sources: Sources) -> int:
    configuration = sources.load()
    here = site(sources)
    with Path(arguments.file).open("rb") as file:
        content = file.read(MAX_LIST_BYTES + 1)
    existing: list[Account] = []
    if here.exists():
        with here.database() as database:
            existing = database.accounts()
    try:
        agencies = read_agencies(content, existing)
    except StoreError as error:
        raise StoreError(f"{arguments.file}: {error}; no account was made") from None
    identity = _identity(here)
    print(f"tcserver: making {counted(len(agencies), 'account')}", file=sys.stderr)
    accounts, passwords = [], []
    for agency in agencies:
        password = generate_password(os.urandom(PASSWORD_ENTROPY_SIZE))
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
        passwords.append((agency.name, password))
    with here.database() as database:
        database.add_accounts(accounts)
    csv.writer(sys.stdout, lineterminator="\n").writerows([("name", "password"), *passwords])
    return 0


def _list(arguments: argparse.Namespace, sources: Sources) -> int:
    with site(sources).existing_database() as database:
        accounts = database.accounts()
        sessions = [session.account for session in database.sessions()]
    print_table(
        ("name", "display", "role", "sessions", "duplicates", "devices", "state"),
        [
            (
                account.name,
                account.display,
                account.role or "-",
                f"{sessions.count(account.name)}/{account.max_sessions}",
                account.duplicates,
                "enrolled" if account.devices_only else "any",
                "disabled" if account.disabled else "enabled" if account.banned is None else "banned",
            )
            for account in accounts
        ],
    )
    return 0


def _reset(arguments: argparse.Namespace, sources: Sources) -> int:
    here = site(sources)
    with here.existing_database() as database:
        database.sessions(arguments.name)
        password = _password(arguments)
        challenge, public_key = derive_credentials(here.identity(), arguments.name, password, os.urandom(SALT_SIZE))
        account = database.change_account(
            arguments.name, lambda account: replace(account, challenge=challenge, public_key=public_key)
        )
    _print_generated(arguments, account.name, password)
    return 0


def _set(arguments: argparse.Namespace, sources: Sources) -> int:
    given = _settings(arguments)
    if not given:
        raise StoreError("nothing to change is given (see: tcserver account set --help)")
    with site(sources).existing_database() as database:
        database.change_account(arguments.name, lambda account: replace(account, **given))
    return 0


def _disable(arguments: argparse.Namespace, sources: Sources) -> int:
    with site(sources).existing_database() as database:
        database.change_account(arguments.name, lambda account: replace(account, disabled=True))
    return 0


def _enable(arguments: argparse.Namespace, sources: Sources) -> int:
    with site(sources).existing_database() as database:
        database.change_account(arguments.name, lambda account: replace(account, disabled=False))
    return 0


def _ban(arguments: argparse.Namespace, sources: Sources) -> int:
    with site(sources).existing_database() as database:
        database.change_account(arguments.name, lambda account: replace(account, banned=arguments.reason))
    return 0


def _unban(arguments: argparse.Namespace, sources: Sources) -> int:
    with site(sources).existing_database() as database:
        database.change_account(arguments.name, lambda account: replace(account, banned=None))
    return 0


def _remove(arguments: argparse.Namespace, sources: Sources) -> int:
    with site(sources).existing_database() as database:
        database.remove_account(arguments.name)
    return 0


def _sessions(arguments: argparse.Namespace, sources: Sources) -> int:
    with site(sources).existing_database() as database:
        sessions = database.sessions(arguments.name)
    print_table(
        ("account", "person", "address", "since", "session", "device"),
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
    with site(sources).existing_database() as database:
        database.enroll_device(DeviceRecord(arguments.name, arguments.key, arguments.label, time.time()))
    return 0


def _unenroll(arguments: argparse.Namespace, sources: Sources) -> int:
    with site(sources).existing_database() as database:
        database.remove_device(arguments.name, arguments.key)
    return 0


def _devices(arguments: argparse.Namespace, sources: Sources) -> int:
    with site(sources).existing_database() as database:
        devices = database.devices(arguments.name)
    print_table(
        ("device", "label", "enrolled"),
        [(device.key.hex(), device.label or "-", _moment(device.enrolled)) for device in devices],
    )
    return 0


def _password(arguments: argparse.Namespace) -> str:
    """The new password, checked: made up, from standard input, or asked for twice."""
    if arguments.generate:
        return generate_password(os.urandom(PASSWORD_ENTROPY_SIZE))
    if arguments.password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != password:
            raise StoreError("the two passwords differ")
    else:
        raise StoreError("there is no terminal to ask for the password: use --password-stdin or --generate")
    check_password(password)
    return password


def _print_generated(arguments: argparse.Namespace, name: str, password: str) -> None:
    if arguments.generate:
        csv.writer(sys.stdout, lineterminator="\n").writerows([("name", "password"), (name, password)])


def _identity(here: Site) -> ServerIdentity:
    """The server's identity; it is made with the first account, because passwords depend on it."""
    here.make()
    identity, made = here.open_identity()
    if made:
        print(f"tcserver: made the server key {format_fingerprint(identity.fingerprint)}", file=sys.stderr)
    return identity


def _device_key(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise argparse.ArgumentTypeError("a device key is 64 hexadecimal digits") from None


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
