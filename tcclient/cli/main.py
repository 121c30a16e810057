"""The command line of the client.

Exit status: 0 done, 1 it failed, 2 the input was wrong, 3 the server refused, 4 the server is not trusted,
5 the password is wrong, 6 the seat was taken away, 7 the meeting was closed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import os
import sys
from importlib import metadata
from typing import NoReturn

from tcclient.cli import demo, devices, forget, join, mix, probe
from tcclient.cli.exits import FAILED, INTERRUPTED, WRONG_INPUT, status_of
from tcproto.foreign import visible

_EXAMPLES = """\
examples:
  tcclient demo --web                                     a meeting on this machine, with your browser in it
  tcclient demo                                           a whole conference on this machine, in half a minute
  tcclient join tc://HOST/rapat --user dinkes --listen    hear a room, see who speaks
  tcclient join tc://HOST/rapat --user dinkes --audio speech.wav --video clip.mp4 --record DIR
  tcclient mix DIR                                        one file of sound from a recording
  tcclient probe tc://HOST                                is there a server, does UDP get through?

A join link comes from the operator: tc://HOST[:PORT]/ROOM?fp=FINGERPRINT[&e2ee=off]
"""

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
"""Standard input, output and error by descriptor; cron jobs and supervisors may have closed them."""

_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
"""Errors of a full disk. Those that name no file are of standard output."""


class Parser(argparse.ArgumentParser):
    """Reports what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with the message and where to find help."""
        self.exit(WRONG_INPUT, f"tcclient: {message} (see: {self.prog} --help)\n")


def main(argv: list[str] | None = None) -> int:
    """Run one command, and return the exit status.

    Never raises for mistakes of a user, or faults of files and the network.
    """
    _occupy_standard_files()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that cannot show a text of a participant must not end the meeting.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _run(argv)
    except ModuleNotFoundError as error:
        return _complain(f"{error.name} is missing; the client is installed with: pip install '.[client]'", FAILED)
    finally:
        _give_up_output()


def _run(argv: list[str] | None) -> int:
    try:
        status = _status(argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except BrokenPipeError:
        return FAILED
    except Exception as error:
        status = status_of(error)
        if not status:
            raise
        return _complain(_words(error), status)
    return status


def _status(argv: list[str] | None) -> int:
    try:
        arguments = command_parser().parse_args(argv)
        status: int = arguments.command(arguments)
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return status


def _give_up_output() -> None:
    """Drop what was printed and cannot be written.

    The interpreter would try it again, complain in words of its own, and end with a status of its own.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        place = error.filename or ("standard output" if error.errno in _FULL else None)
        return f"{place}: {error.strerror}" if place else error.strerror
    return str(error)


def _complain(text: str, status: int) -> int:
    with contextlib.suppress(OSError):  # the terminal was closed: nobody can read a message
        print(f"tcclient: {visible(text)}", file=sys.stderr)
    return status


def command_parser() -> Parser:
    """Return the parser of all commands."""
    parser = Parser(
        prog="tcclient",
        description="The reference client: join a room, probe a server, or see a demonstration.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tcclient {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    demo.add_command(commands)
    devices.add_command(commands)
    join.add_command(commands)
    probe.add_command(commands)
    mix.add_command(commands)
    forget.add_command(commands)
    return parser


def _version() -> str:
    try:
        return metadata.version("teleconference")
    except metadata.PackageNotFoundError:
        return "of a source tree"


def _occupy_standard_files() -> None:
    """Put the null device in place of closed standard files, for this process and its children.

    Otherwise a socket or a file gets the number of a standard file. Printed text would then be written into it, and
    libuv ends the process when it has to close such a descriptor.
    """
    for descriptor, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened == descriptor:
                os.set_inheritable(descriptor, True)
            else:
                os.dup2(opened, descriptor)
                os.close(opened)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", errors="backslashreplace", closefd=False))  # noqa: SIM115


if __name__ == "__main__":
    sys.exit(main())
