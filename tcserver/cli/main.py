"""The command line of the server: ``tcserver run``, and commands for accounts, rooms and files.

Exit status: 0 done, 1 it failed, 2 the input was wrong, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import os
import sqlite3
import sys
from pathlib import Path

from tcproto.identity import format_fingerprint
from tcserver.cli import account, check, estimate, letters, room, running, standard_files, store
from tcserver.cli.parser import WRONG_INPUT, Command, Parser, add_command, data_directory
from tcserver.config.configuration import ConfigurationError, Sources, dump
from tcserver.records import StoreError
from tcserver.storage import private_files
from tcserver.version import version

FAILED = 1
INTERRUPTED = 130
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
"""Errors of a full disk. Those that name no file are of standard output."""

_EXAMPLES = """\
examples:
  tcserver run                                  serve with the data in ~/.local/share/tcserver
  tcserver run --data /srv/conference           ... with the data elsewhere
  tcserver account add kantor-1 --display "Kantor Satu"
  tcserver account import agencies.csv --output passwords.csv --set server.public_host=conference.example
  tcserver letters passwords.csv --output letters.html --title "Rapat Pagi"
  tcserver room add "Rapat Pagi" --max-participants 50
  tcserver room show                            who is in which room
  tcserver kick "Rapat Pagi" kantor-1           remove somebody from a meeting
  tcserver mute "Rapat Pagi" kantor-1           drop the sound of a microphone
  tcserver notice "The server restarts at 17:00"
  tcserver check                                what this machine lacks, and whether the ports are reached
  tcserver estimate --participants 35           what a meeting takes of the lines
  tcserver fingerprint                          the fingerprint that people compare at their first connection
  tcserver config > tcserver.toml               a configuration file to start from
  tcserver backup /backup/conference.backup     while the server is running
  tcserver restore /backup/conference.backup --data /srv/conference

Every setting of the configuration file can be given as a flag (--set media.sender=sendto) or in the environment
(TCSERVER_MEDIA_SENDER=sendto).
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return the exit status. Mistakes of operators and errors of disks do not raise."""
    standard_files.occupy()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # If a terminal cannot show a name, the password beside it has to be printed all the same.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = _status(argv)
        sys.stdout.flush()
    except (StoreError, ConfigurationError) as error:
        return _complain(str(error), WRONG_INPUT)
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except BrokenPipeError:
        return FAILED
    except OSError as error:
        place = error.filename or ("standard output" if error.errno in _FULL else None)
        return _complain(f"{place}: {error.strerror}" if place else error.strerror or str(error), FAILED)
    except sqlite3.Error as error:
        return _complain(f"the database failed: {error}; nothing was changed", FAILED)
    finally:
        standard_files.give_up_output()
    return status


def _status(argv: list[str] | None) -> int:
    try:
        arguments = command_parser().parse_args(argv)
        command: Command = arguments.command
        return command(arguments, _sources(arguments))
    except SystemExit as leaving:
        return int(leaving.code or 0)


def _complain(text: str, status: int) -> int:
    with contextlib.suppress(OSError):  # nobody can read it
        print(f"tcserver: {text}", file=sys.stderr)
    return status


def command_parser() -> Parser:
    """Return the parser of all commands."""
    parser = Parser(
        prog="tcserver",
        description="A self-hosted, end-to-end encrypted teleconference server.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tcserver {version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    run = add_command(
        commands,
        "run",
        _run,
        "run the server until it is interrupted",
        "tcserver run",
        "tcserver run --data /srv/conference --set server.public_host=conference.example --set server.port=7433",
        "",
        "Prints the fingerprint of the key and the join link. The log goes to standard error.",
        "SIGHUP reads the configuration again. SIGTERM and Ctrl-C end all meetings and the server.",
    )
    run.add_argument(
        "--until-eof",
        action="store_true",
        help="end like after SIGTERM when standard input ends; for programs that start a server",
    )
    account.add_commands(commands)
    room.add_commands(commands)
    running.add_commands(commands)
    check.add_commands(commands)
    estimate.add_commands(commands)
    letters.add_commands(commands)
    add_command(
        commands, "config", _config, "print the effective configuration, with help for every setting", "tcserver config"
    )
    add_command(
        commands, "fingerprint", _fingerprint, "print the fingerprint of the key of the server", "tcserver fingerprint"
    )
    add_command(
        commands,
        "new-identity",
        _new_identity,
        "make a new key for a server that has lost its key",
        "tcserver new-identity",
        "",
        "Use it only if there is no backup with identity.key. Afterwards every account needs a new password (`tcserver",
        "account reset`), and everybody the new link. Clients refuse the server until they have forgotten the old key.",
    )
    store.add_commands(commands)
    return parser


def _sources(arguments: argparse.Namespace) -> Sources:
    """Return the sources of the settings: ``--config``, else the file in ``--data``, else the file of the user."""
    flags = dict(arguments.set)
    if arguments.data is not None:
        flags["server.data"] = arguments.data
    if arguments.config is not None:
        file: Path | None = Path(arguments.config)
    elif arguments.data is not None:
        file = Path(arguments.data) / private_files.CONFIGURATION_FILE
    else:
        file = private_files.default_configuration_file(os.environ)
    return Sources(file, dict(os.environ), flags, required=arguments.config is not None)


def _run(arguments: argparse.Namespace, sources: Sources) -> int:
    configuration = sources.load()
    from tcserver.daemon.process import run

    return run(configuration, sources.load, until_eof=arguments.until_eof)


def _config(arguments: argparse.Namespace, sources: Sources) -> int:
    standard_files.print_data(dump(sources.load()))
    return 0


def _fingerprint(arguments: argparse.Namespace, sources: Sources) -> int:
    print(format_fingerprint(data_directory(sources).identity().fingerprint))
    return 0


def _new_identity(arguments: argparse.Namespace, sources: Sources) -> int:
    print(format_fingerprint(data_directory(sources).replace_lost_identity().fingerprint))
    return 0


if __name__ == "__main__":
    sys.exit(main())
