"""Options and tables for records, made of the declarations of their fields."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

from tcserver.records.declaration import Column, columns_of, values_of
from tcserver.records.kinds import Flag, Kind, NotAllowed


def settable(record: type) -> Iterator[Column]:
    """Yield the columns of a record class that an option sets."""
    return (column for column in columns_of(record) if column.field.known.help)


def option(column: Column) -> str:
    """Return the option that sets a column, as ``--max-sessions``."""
    return f"--{column.name.replace('_', '-')}"


def add_options(parser: argparse.ArgumentParser, record: type) -> dict[str, argparse._MutuallyExclusiveGroup]:
    """Add the options of a record class. Return the group of each by its column, for more options that set the same."""
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
    """Return the values of the options that were given, by their fields."""
    return {column.name: getattr(arguments, column.name) for column in settable(record) if column.name in arguments}


def cells(record: object) -> dict[str, str]:
    """Return the cells of a record in a table on the terminal, by heading."""
    values = values_of(record)
    return {heading: column.kind.shown(values[column.name]) for heading, column in _listed(type(record)).items()}


def headings(record: type) -> list[str]:
    """Return the headings of a table of records of a class."""
    return list(_listed(record))


def _listed(record: type) -> dict[str, Column]:
    found = {}
    for column in columns_of(record):
        known = column.field.known
        if known.is_exported and known.heading != "":
            found[known.heading or column.name.replace("_", " ")] = column
    return found


def reader(kind: Kind) -> Callable[[str], Any]:
    """Return the ``type`` of an argument that holds a value of a kind."""

    def read(text: str) -> Any:
        try:
            return kind.from_text(text)
        except NotAllowed as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read
