"""``tcserver backup``, ``export`` and ``import``: the database as a whole, while the server is running or not."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tcserver.cli_parser import Commands, add_command, counted, site
from tcserver.configuration import Sources
from tcserver.paths import write_private
from tcserver.records import StoreError
from tcserver.transfer import MAX_DOCUMENT_BYTES, export_document, import_document


def add_commands(commands: Commands) -> None:
    """Add the commands."""
    backup = add_command(
        commands,
        "backup",
        _backup,
        "copy the database to a new file",
        "tcserver backup /backup/conference.db",
        "",
        "Keep a copy of identity.key, too: without it every password has to be set anew.",
        "To restore: stop the server, put both files back as tcserver.db and identity.key, and remove",
        "tcserver.db-wal and tcserver.db-shm if they are there.",
    )
    backup.add_argument("file", metavar="FILE", help="a new file; what is there is never overwritten")
    export = add_command(commands, "export", _export, "write accounts and rooms as JSON", "tcserver export rooms.json")
    export.add_argument("file", metavar="FILE", help="a new file, or - for standard output")
    importing = add_command(
        commands,
        "import",
        _import,
        "add the accounts and rooms of an export, all or none",
        "tcserver import rooms.json",
        "",
        "Passwords work only where identity.key is that of the server that made the export.",
    )
    importing.add_argument("file", metavar="FILE", help="a file, or - for standard input")
    importing.add_argument(
        "--other-server", action="store_true", help="of a server with another key; its passwords will not work here"
    )


def _backup(arguments: argparse.Namespace, sources: Sources) -> int:
    with site(sources).existing_database() as database:
        database.backup(Path(arguments.file))
    return 0


def _export(arguments: argparse.Namespace, sources: Sources) -> int:
    here = site(sources)
    with here.existing_database() as database:
        document = export_document(database, here.identity().fingerprint)
    if arguments.file == "-":
        print(document, end="")
        return 0
    try:
        write_private(Path(arguments.file), document.encode())
    except FileExistsError:
        raise StoreError(f"{arguments.file} exists") from None
    return 0


def _import(arguments: argparse.Namespace, sources: Sources) -> int:
    here = site(sources)
    if arguments.file == "-":
        content = sys.stdin.buffer.read(MAX_DOCUMENT_BYTES + 1)
    else:
        with Path(arguments.file).open("rb") as file:
            content = file.read(MAX_DOCUMENT_BYTES + 1)
    here.make()
    if not arguments.other_server and not here.has_identity():
        raise StoreError(
            f"there is no server key in {here.data}: copy identity.key of the server that made the export there first; "
            "with a new key (--other-server) every password would have to be set anew"
        )
    identity = here.open_identity()[0]
    with here.database() as database:
        try:
            accounts, rooms = import_document(
                database, content, identity.fingerprint, other_server=arguments.other_server
            )
        except StoreError as error:
            name = "standard input" if arguments.file == "-" else arguments.file
            raise StoreError(f"{name}: {error}") from None
    print(f"{counted(accounts, 'account')} and {counted(rooms, 'room')} added")
    return 0
