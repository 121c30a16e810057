"""Options and tables of commands about records, made of the declarations of their fields."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

from tcserver.records.declaration import Column, columns_of, values_of
from tcserver.records.kinds import Flag, Kind, NotAllowed


def settable(record: type) -> Iterator[Column]:
    """The values of a record class that an option sets."""
    return (column for column in columns_of(record) if column.field.known.help)


def option(column: Column) -> str:
    """The option that sets a value, as ``--max-sessions``."""
    return f"--{column.name.replace('_', '-')}"


def add_options(parser: argparse.ArgumentParser, record: type) -> dict[str, argparse._MutuallyExclusiveGroup]:
    """Add the options of a record class; returns the group of each by its name, for more options that set the same."""
    groups = {}
    for column in settable(record):
        group = groups[column.name] = parser.add_mutually_exclusive_group()
        common: dict[str, Any] = {"dest": column.name, "default": argparse.SUPPRESS, "help": column.field.known.help}
        if isinstance(column.kind, Flag):
            group.add_argument(option(column), action="store_true", **common)
        else:
            group.add_argument(option(column), metavar=column.kind.metavar, type=reader(column.kind), **common)
        if opposite := column.field.known.opposite:
            group.add_argument(opposite.option, action="store_false", **{**common, "help": opposite.help})
    return groups


def given(arguments: argparse.Namespace, record: type) -> dict[str, Any]:
    """The values that options gave, by the names of their fields."""
    return {column.name: getattr(arguments, column.name) for column in settable(record) if column.name in arguments}


def cells(record: object) -> dict[str, str]:
    """The values of a record that a table on the terminal shows, by the headings of its columns."""
    values = values_of(record)
    return {heading: column.kind.shown(values[column.name]) for heading, column in _listed(type(record)).items()}


def headings(record: type) -> list[str]:
    """The headings of a table of records of a class."""
    return list(_listed(record))


def _listed(record: type) -> dict[str, Column]:
    found = {}
    for column in columns_of(record):
        known = column.field.known
        if known.is_exported and known.heading != "":
            found[known.heading or column.name.replace("_", " ")] = column
    return found


def reader(kind: Kind) -> Callable[[str], Any]:
    """The ``type`` of an argument that is of a kind."""

    def read(text: str) -> Any:
        try:
            return kind.from_text(text)
        except NotAllowed as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read
