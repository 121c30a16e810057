"""``tcserver backup``, ``restore``, ``export`` and ``import``: the database as a whole."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from tcproto.identity import format_fingerprint
from tcserver.cli.parser import Commands, add_command, counted, data_directory, named
from tcserver.cli.standard_files import print_data, read_data
from tcserver.config.configuration import Sources
from tcserver.records import StoreError
from tcserver.storage.archive import back_up, restore
from tcserver.storage.private_files import write_private
from tcserver.storage.transfer import MAX_DOCUMENT_BYTES, export_document, import_document


def add_commands(commands: Commands) -> None:
    """Add the commands."""
    backup = add_command(
        commands,
        "backup",
        _backup,
        "write database, key and settings to a new file",
        "tcserver backup /backup/conference.backup",
        "",
        "The file has the key of the server, and only its owner can read it: keep it as safe as a key. It has the",
        "settings of a configuration file, but not those of the environment and of flags.",
    )
    backup.add_argument("file", metavar="FILE", type=named, help="a new file; an existing one is never overwritten")
    restoring = add_command(
        commands,
        "restore",
        _restore,
        "put a backup into an empty data directory",
        "tcserver restore /backup/conference.backup --data /srv/conference",
        "",
        "Nothing is overwritten: move an old data directory away first. The settings go to tcserver.toml in --data;",
        "without --data they go to the configuration file of the user.",
    )
    restoring.add_argument("file", metavar="FILE", type=named, help="a file of `tcserver backup`")
    export = add_command(commands, "export", _export, "write accounts and rooms as JSON", "tcserver export rooms.json")
    export.add_argument("file", metavar="FILE", type=named, help="a new file, or - for standard output")
    importing = add_command(
        commands,
        "import",
        _import,
        "add the accounts and rooms of an export, all of them or none",
        "tcserver import rooms.json",
        "",
        "Passwords work only with the identity.key of the server that made the export.",
    )
    importing.add_argument("file", metavar="FILE", type=named, help="a file, or - for standard input")
    importing.add_argument(
        "--other-server",
        action="store_true",
        help="accept an export of a server with another key; its passwords will not work here",
    )


def _backup(arguments: argparse.Namespace, sources: Sources) -> int:
    back_up(data_directory(sources), sources.file, Path(arguments.file), int(time.time()))
    return 0


def _restore(arguments: argparse.Namespace, sources: Sources) -> int:
    directory = data_directory(sources)
    accounts, rooms = restore(directory, sources.file, Path(arguments.file))
    print(f"{counted(accounts, 'account')} and {counted(rooms, 'room')} restored to {directory.path}")
    print(f"fingerprint  {format_fingerprint(directory.identity().fingerprint)}")
    return 0


def _export(arguments: argparse.Namespace, sources: Sources) -> int:
    directory = data_directory(sources)
    with directory.existing_database() as database:
        document = export_document(database, directory.identity().fingerprint)
    if arguments.file == "-":
        print_data(document)
        return 0
    try:
        write_private(Path(arguments.file), document.encode())
    except FileExistsError:
        raise StoreError(f"{arguments.file} exists") from None
    return 0


def _import(arguments: argparse.Namespace, sources: Sources) -> int:
    directory = data_directory(sources)
    if arguments.file == "-":
        content = read_data(MAX_DOCUMENT_BYTES + 1)
    else:
        with Path(arguments.file).open("rb") as file:
            content = file.read(MAX_DOCUMENT_BYTES + 1)
    directory.make()
    if not arguments.other_server and not directory.has_identity():
        raise StoreError(
            f"there is no server key in {directory.path}: copy identity.key of the server that made the export there "
            "first, with mode 600; with a new key (--other-server) you have to set every password again"
        )
    identity = directory.open_identity()[0]
    with directory.database() as database:
        try:
            accounts, rooms = import_document(
                database, content, identity.fingerprint, other_server=arguments.other_server
            )
        except StoreError as error:
            name = "standard input" if arguments.file == "-" else arguments.file
            raise StoreError(f"{name}: {error}") from None
    print(f"{counted(accounts, 'account')} and {counted(rooms, 'room')} added")
    return 0
