"""Control messages as bytes: strict msgpack below, frozen dataclasses above.

Two layers:

- ``pack`` and ``unpack`` turn a ``Value`` into bytes and back. They take a subset of msgpack: nil, bool, integers of 64
  bits, finite floats, str, bin, arrays and maps with distinct str keys, all within the limits below.
- ``encode_fields`` and ``decode_fields`` turn a message class into a map and back. They use a table that is made once
  for each class from the annotations of its fields::

      @dataclass(frozen=True, slots=True)
      class Join:
          room: Annotated[str, Text(max_chars=64, max_bytes=256)]        # required
          mode: Mode                                                     # a StrEnum; unknown values become UNKNOWN
          member: Member                                                 # another message class
          keys: Annotated[tuple[Annotated[bytes, Exactly(32)], ...], Items(16)]
          ticket: Annotated[bytes, UpTo(64)] | None                      # absent or nil; None leaves the key out
          muted: bool = False                                            # may be absent

  Unknown keys are ignored, so that the protocol can grow. A ``__post_init__`` that raises ``ValueError`` refuses a
  combination of values. ``describe`` returns the rows of the table.

A fault in what a peer sent raises ``ProtocolError`` (``bad_message``). A fault in what is to be sent raises
``ValueError``. A fault in a message class raises ``TypeError`` when the class is first used.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sized
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar, Union, cast

import msgpack

from tcproto.errors import ErrorCode, ProtocolError
from tcproto.fields import (
    INT_MAX,
    INT_MIN,
    MAX_ARRAY_LEN,
    MAX_BIN_LEN,
    MAX_STR_LEN,
    Constraint,
    Invalid,
    Items,
    Kind,
    Value,
)

T = TypeVar("T")

MAX_MESSAGE = 65518
"""The most bytes of a packed message: a frame of 65,535 less the tag of 16 and the type byte."""
MAX_DEPTH = 8
"""The most arrays and maps inside each other. No message needs more than five, and recursion stays shallow."""
MAX_MAP_LEN = 64
"""The most pairs of a map. Maps are messages, and no message has as many fields."""
MAX_VALUES = 16_384
"""The most values of a message. Keys count, and values inside others. The largest message is a subscription with all
choices, which has two thirds of this. Each value takes time to read, however few bytes it has."""


def pack(value: Value) -> bytes:
    """Return the msgpack form of a value, as short as msgpack allows.

    Raises ``ValueError`` for what ``unpack`` would refuse.
    """
    _check(value)
    data: bytes = msgpack.packb(value)
    if len(data) > MAX_MESSAGE:
        raise ValueError(f"message of {len(data)} bytes")
    return data


def unpack(data: bytes) -> Value:
    """Return the value of exactly one msgpack object.

    Raises ``ProtocolError`` (``bad_message``) for all that is not one whole object of the subset, and nothing else.
    """
    try:
        if len(data) > MAX_MESSAGE:
            raise ValueError(f"message of {len(data)} bytes")
        value: Value = msgpack.unpackb(
            data,
            object_pairs_hook=_distinct,
            max_str_len=MAX_STR_LEN,
            max_bin_len=MAX_BIN_LEN,
            max_array_len=MAX_ARRAY_LEN,
            max_map_len=MAX_MAP_LEN,
            max_ext_len=0,
        )
        _check(value)
    except ValueError as error:  # all errors of msgpack, and of UTF-8, are of this class
        raise ProtocolError(ErrorCode.BAD_MESSAGE, str(error)) from None
    return value


def _distinct(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    # With two equal keys one reader takes the first and another the last: a classic way past a check.
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key occurs twice")
    return result


def _check(value: Any) -> None:
    """Raise ``ValueError`` for what is outside the subset, such as an ext or a timestamp."""
    left, level = MAX_VALUES, [value]
    for depth in range(MAX_DEPTH + 1):
        members: list[Any] = []
        for member in level:
            if _check_one(member, members) and depth == MAX_DEPTH:
                raise ValueError("nested too deeply")
        left -= len(members)
        if left < 0:
            raise ValueError("too many values")
        level = members


def _check_one(value: Any, members: list[Any]) -> bool:
    """Check a value, and add the values inside it to ``members``. Return whether it is an array or a map."""
    kind = type(value)
    if kind is int:
        if not INT_MIN <= value <= INT_MAX:
            raise ValueError("an integer of more than 64 bits")
    elif kind is str:
        # Most texts are short, and then need not be encoded here.
        if len(value) > MAX_STR_LEN // 4:
            _bound("str", value.encode(), MAX_STR_LEN)
    elif kind is bytes:
        _bound("bin", value, MAX_BIN_LEN)
    elif kind is dict:
        _bound("map", value, MAX_MAP_LEN)
        if not all(type(key) is str for key in value):
            raise ValueError("a key is not a str")
        members += value
        members += value.values()
        return True
    elif kind is list:
        _bound("array", value, MAX_ARRAY_LEN)
        members += value
        return True
    elif kind is float:
        if not math.isfinite(value):
            raise ValueError("a float is not finite")
    elif kind is not bool and value is not None:
        raise ValueError(f"{kind.__name__} is not allowed")
    return False


def _bound(name: str, sized: Sized, most: int) -> None:
    if len(sized) > most:
        raise ValueError(f"a {name} of more than {most}")


class _Bool(Constraint):
    base: ClassVar[type] = bool
    text = "bool"

    def fits(self, value: bool) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class _Array(Kind):
    element: Kind
    most: int

    @property
    def text(self) -> str:
        return f"array ≤ {self.most} of {self.element.text}"

    def decode(self, value: object) -> tuple[Any, ...]:
        return tuple(self._each(value, list, self.element.decode))

    def encode(self, value: object) -> Value:
        return self._each(value, tuple, self.element.encode)

    def _each(self, value: object, base: type, convert: Callable[[object], Any]) -> list[Any]:
        if not isinstance(value, base) or len(cast(Sized, value)) > self.most:
            raise Invalid(f"not {self.text}")
        converted: list[Any] = []
        try:
            converted.extend(map(convert, cast("Iterable[object]", value)))
        except Invalid as error:
            raise error.inside(f"[{len(converted)}]") from None
        return converted


@dataclass(frozen=True, slots=True)
class _Enum(Kind):
    enum: type[StrEnum]

    @property
    def text(self) -> str:
        return f"str {self.enum.__name__}"

    def decode(self, value: object) -> StrEnum:
        if type(value) is str:
            try:
                return self.enum(value)
            except ValueError:
                if "UNKNOWN" in self.enum.__members__:
                    return self.enum["UNKNOWN"]
        raise Invalid(f"not {self.text}")

    def encode(self, value: object) -> Value:
        if type(value) is not self.enum:
            raise Invalid(f"not {self.text}")
        return str(value.value)


# Message classes


class FieldRow(NamedTuple):
    """One row of a message's table in the document."""

    name: str
    type: str
    """Such as ``u32``, ``str ≤ 9 chars, 9 bytes``, ``bin 32``, ``map Member``, ``str Source``, ``array ≤ 16 of u8``."""
    presence: str
    """``required``, ``optional`` (absent or nil), or ``default`` and the default as JSON, with bytes in hexadecimal."""


def encode_fields(message: object) -> dict[str, Value]:
    """Return the map of an instance of a message class.

    A field that is None is left out. Other defaults are written, so that a reader with other defaults reads the same.
    Raises ``ValueError`` that names class and key path.
    """
    try:
        return _table(type(message)).encode(message)
    except Invalid as error:
        raise error.inside(type(message).__name__) from None


def decode_fields(cls: type[T], mapping: Mapping[str, Value]) -> T:
    """Return an instance of the message class ``cls``.

    Raises ``ProtocolError`` (``bad_message``) that names class and key path.
    """
    try:
        return cast(T, _table(cls).decode(mapping))
    except Invalid as error:
        raise ProtocolError(ErrorCode.BAD_MESSAGE, str(error.inside(cls.__name__))) from None


def describe(cls: type) -> list[FieldRow]:
    """Return the fields of a message class, in order."""
    return [FieldRow(field.name, field.kind.text, field.presence) for field in _table(cls).fields]


class _Field(NamedTuple):
    name: str
    kind: Kind
    get: Callable[[object], object]
    optional: bool
    required: bool
    presence: str


@dataclass(frozen=True, slots=True)
class _Message(Kind):
    """The table of a message class."""

    cls: type
    fields: tuple[_Field, ...]

    @property
    def text(self) -> str:
        return f"map {self.cls.__name__}"

    def decode(self, value: object) -> object:
        if not isinstance(value, Mapping):
            raise Invalid(f"not {self.text}")
        arguments = {}
        for field in self.fields:
            raw = value.get(field.name, _ABSENT)
            if raw is not _ABSENT and not (raw is None and field.optional):
                try:
                    arguments[field.name] = field.kind.decode(raw)
                except Invalid as error:
                    raise error.inside(field.name) from None
            elif field.required:
                raise Invalid("missing", field.name)
            elif field.optional:
                arguments[field.name] = None
        try:
            return self.cls(**arguments)
        except ValueError as error:
            raise Invalid(str(error)) from None

    def encode(self, value: object) -> dict[str, Value]:
        if type(value) is not self.cls:
            raise Invalid(f"not {self.text}")
        mapping = {}
        for field in self.fields:
            raw = field.get(value)
            if raw is None and field.optional:
                continue
            try:
                mapping[field.name] = field.kind.encode(raw)
            except Invalid as error:
                raise error.inside(field.name) from None
        return mapping


_ABSENT = object()


_TABLES: dict[type, _Message] = {}


def _table(cls: type) -> _Message:
    table = _TABLES.get(cls)
    if table is None:
        if not dataclasses.is_dataclass(cls):
            raise TypeError(f"{cls.__name__} is not a dataclass")
        hints = typing.get_type_hints(cls, include_extras=True)
        fields = tuple(_field(cls, field, hints[field.name]) for field in dataclasses.fields(cls))
        table = _TABLES[cls] = _Message(cls, fields)
    return table


def _field(cls: type, field: dataclasses.Field[Any], hint: Any) -> _Field:
    where = f"{cls.__name__}.{field.name}"
    members = typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)
    optional = type(None) in members
    kinds = [_kind(where, member) for member in members if member is not type(None)]
    if len(kinds) != 1:
        raise TypeError(f"{where}: one type, or one type and None")
    kind = kinds[0]
    presence = "optional" if optional else "required"
    if field.default_factory is not dataclasses.MISSING:
        raise TypeError(f"{where}: a plain default, not a factory")
    required = not optional and field.default is dataclasses.MISSING
    if optional and field.default not in (None, dataclasses.MISSING):
        # None is left out, so it would come back as that default.
        raise TypeError(f"{where}: the default of an optional field is None")
    if not optional and not required:
        try:
            presence = "default " + json.dumps(kind.encode(field.default), default=bytes.hex, ensure_ascii=False)
        except Invalid as error:
            raise TypeError(f"{where}: default {error}") from None
    return _Field(field.name, kind, attrgetter(field.name), optional, required, presence)


def _kind(where: str, hint: Any) -> Kind:
    if typing.get_origin(hint) is Annotated:
        base, *constraints = typing.get_args(hint)
        match constraints:
            case [Constraint() as constraint] if constraint.base is base:
                return constraint
            case [Items(most)] if typing.get_origin(base) is tuple and typing.get_args(base)[1:] == (...,):
                return _Array(_kind(where, typing.get_args(base)[0]), most)
    elif hint is bool:
        return _Bool()
    elif isinstance(hint, type) and issubclass(hint, StrEnum):
        return _Enum(hint)
    elif dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _table(hint)
    raise TypeError(f"{where}: no kind of field for {hint}")
