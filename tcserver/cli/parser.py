"""Parts of all commands: options, help, tables, and the data directory."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeAlias

from tcserver.config.configuration import Sources
from tcserver.storage.data_directory import DataDirectory

WRONG_INPUT = 2
"""Exit status of a command whose arguments or files are wrong."""


class Parser(argparse.ArgumentParser):
    """A parser that reports a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with the message and a hint to the help."""
        self.exit(WRONG_INPUT, f"tcserver: {message} (see: {self.prog} --help)\n")


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
Command = Callable[[argparse.Namespace, Sources], int]
"""Runs one command, and returns the exit status."""


def add_group(commands: Commands, name: str, help: str) -> Commands:  # noqa: A002 - the argparse word for it
    """Add a group of commands: ``tcserver NAME COMMAND``."""
    group = commands.add_parser(name, help=help, description=_sentence(help))
    return group.add_subparsers(metavar="COMMAND", required=True)


def add_command(
    commands: Commands,
    name: str,
    command: Command,
    help: str,  # noqa: A002 - the argparse word for it
    *examples: str,
) -> Parser:
    """Add a command with the options of all commands. Return its parser, for more options."""
    parser = commands.add_parser(
        name,
        help=help,
        description=_sentence(help),
        epilog="\n".join(["examples:", *(f"  {line}".rstrip() for line in examples)]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=command)
    common = parser.add_argument_group("where and how")
    common.add_argument("--data", metavar="DIR", type=named, help="data directory (default: $XDG_DATA_HOME/tcserver)")
    common.add_argument(
        "--config",
        metavar="FILE",
        type=named,
        help="configuration (default: tcserver.toml in --data or $XDG_CONFIG_HOME/tcserver)",
    )
    common.add_argument(
        "--set",
        metavar="SECTION.KEY=VALUE",
        type=_assignment,
        action="append",
        default=[],
        help="a setting; may be repeated",
    )
    return parser


def named(text: str) -> str:
    """Return the name of a file or a folder. Raises ``ArgumentTypeError`` for an empty one.

    A script whose variable is not set gives an empty name. It must not stand for another file or folder.
    """
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return text


def data_directory(sources: Sources) -> DataDirectory:
    """Return the data directory that the sources name."""
    return DataDirectory.of(sources.load(), os.environ)


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows in columns as wide as they need, under a header in capitals."""
    lines = [[column.upper() for column in header], *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def counted(number: int, noun: str) -> str:
    """Return "1 room", "2 rooms"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _sentence(help: str) -> str:  # noqa: A002 - the argparse word for it
    return f"{help[0].upper()}{help[1:]}."


def _assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or "." not in key:
        raise argparse.ArgumentTypeError(f"{text!r} should be SECTION.KEY=VALUE")
    return key, value
