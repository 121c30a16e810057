"""One declaration for each field of a stored record, and for each setting: its kind, its help, where it is kept.

``storage.table`` makes SQL of the declarations, ``storage.transfer`` JSON, ``cli.record_options`` the options and
tables of commands, ``config.configuration`` the file of settings, and ``tests.documents.settings_table`` tables of the
manual. So a new field of a room is one declaration, and whatever uses its value::

    @dataclass(frozen=True, slots=True)
    class RoomRecord:
        name: Annotated[str, Declaration(Name(fold_room))]
        floor: Annotated[bool, Declaration(Flag(), "whether people ask before they speak", since=4)] = False
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, get_type_hints

from tcserver.records.kinds import Kind, NotAllowed

R = TypeVar("R")


@dataclass(frozen=True)
class Parts:
    """A value that takes several columns: a tuple, which ``make`` builds from its parts in order."""

    make: Callable[..., tuple[Any, ...]]
    kinds: Mapping[str, Kind]
    """By the name of the column."""


class Opposite(NamedTuple):
    """The second option of a flag, which makes it false."""

    option: str
    help: str


@dataclass(frozen=True)
class Declaration:
    """What is known about a field besides its name and its default; it stands in the annotation of the field."""

    kind: Kind | Parts
    help: str = ""
    """As ``--help`` and the manual say it; empty: no option of a command sets the field."""
    live: bool = False
    """Of a setting: whether a reload applies it to the running server."""
    by_chair: bool = False
    """Of a room: whether a chair may change it in a meeting, with the field of ``update_room`` that has its name."""
    since: int = 1
    """Version of the database that brought the column; older databases and documents get the default."""
    is_column: bool = True
    """Whether the record's own table has a column for it."""
    is_exported: bool = True
    """Whether documents have it. The database itself gives the value of a column that they do not have."""
    opposite: Opposite | None = None
    heading: str | None = None
    """Above the column of a table on the terminal; empty: there is none; ``None``: the name of the field."""


class Field(NamedTuple):
    """A field of a record or of a section of settings."""

    name: str
    known: Declaration
    default: Any
    """``dataclasses.MISSING``: none."""


class Column(NamedTuple):
    """One value of a record, as tables and documents have it; a field with ``Parts`` has several."""

    name: str
    kind: Kind
    field: Field


def fields_of(cls: type) -> tuple[Field, ...]:
    """Return the fields of a dataclass, in order. Raises ``TypeError`` for one without a declaration."""
    return _read(cls)[0]


def columns_of(cls: type) -> tuple[Column, ...]:
    """Return the columns of a dataclass, in the order of its fields. Raises ``TypeError`` as ``fields_of``."""
    return _read(cls)[1]


def values_of(record: object) -> dict[str, Any]:
    """Return the values of a record by the names of its columns."""
    values: dict[str, Any] = {}
    for field in fields_of(type(record)):
        value = getattr(record, field.name)
        if isinstance(field.known.kind, Parts):
            values.update(zip(field.known.kind.kinds, value, strict=True))
        else:
            values[field.name] = value
    return values


def arguments_of(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a record class from values by column. Missing ones are left to their defaults."""
    arguments: dict[str, Any] = {}
    for field in fields_of(cls):
        kind = field.known.kind
        if isinstance(kind, Parts):
            arguments[field.name] = kind.make(*(values[name] for name in kind.kinds))
        elif field.name in values:
            arguments[field.name] = values[field.name]
    return arguments


def checked(record: R) -> R:
    """Return the record with each value as it is kept. Raises ``ValueError`` that names the first wrong field."""
    values = values_of(record)
    for column in columns_of(type(record)):
        try:
            values[column.name] = column.kind.checked(values[column.name])
        except NotAllowed as error:
            raise ValueError(f"{column.name}{error.path} {error}") from None
    return type(record)(**arguments_of(type(record), values))


_CLASSES: dict[type, tuple[tuple[Field, ...], tuple[Column, ...]]] = {}
"""What was read of the declarations of a class, each once."""


def _read(cls: type) -> tuple[tuple[Field, ...], tuple[Column, ...]]:
    if cls not in _CLASSES:
        hints = get_type_hints(cls, include_extras=True)
        fields = tuple(_field(cls, field, hints[field.name]) for field in dataclasses.fields(cls))
        columns: list[Column] = []
        for field in fields:
            kind = field.known.kind
            parts = kind.kinds if isinstance(kind, Parts) else {field.name: kind}
            columns += [Column(name, part, field) for name, part in parts.items()]
        _CLASSES[cls] = fields, tuple(columns)
    return _CLASSES[cls]


def _field(cls: type, field: dataclasses.Field[Any], hint: Any) -> Field:
    known = [item for item in getattr(hint, "__metadata__", ()) if isinstance(item, Declaration)]
    if len(known) != 1:
        raise TypeError(f"{cls.__name__}.{field.name} should have one declaration")
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    return Field(field.name, known[0], default)
