"""Instances of message classes, made from the annotations of their fields."""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import StrEnum
from typing import Any

from hypothesis import strategies as st

from tcproto.fields import Exactly, Items, Range, Text, UInt, UpTo

_LETTERS = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])


def instances(cls: type) -> st.SearchStrategy[Any]:
    """Any instance of a message class."""
    return st.builds(cls, **{name: _any(hint) for name, hint in _fields(cls)})


def smallest(cls: type) -> Any:
    """The instance with the fewest bytes, all optional fields absent."""
    return cls(**{name: _extreme(hint, False) for name, hint in _fields(cls)})


def largest(cls: type) -> Any:
    """The instance with the most bytes, all fields present."""
    return cls(**{name: _extreme(hint, True) for name, hint in _fields(cls)})


def _fields(cls: type) -> list[tuple[str, Any]]:
    hints = typing.get_type_hints(cls, include_extras=True)
    return [(field.name, hints[field.name]) for field in dataclasses.fields(cls)]


def _split(hint: Any) -> tuple[Any, Any, bool]:
    """The type, its constraint if it has one, and whether None is allowed."""
    optional = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
    if optional:
        hint = next(member for member in typing.get_args(hint) if member is not type(None))
    if typing.get_origin(hint) is typing.Annotated:
        base, constraint = typing.get_args(hint)
        return base, constraint, optional
    return hint, None, optional


def _any(hint: Any) -> st.SearchStrategy[Any]:
    base, constraint, optional = _split(hint)
    match constraint:
        case Range(low, high):
            strategy = st.integers(low, high)
        case UInt(bits):
            strategy = st.integers(0, 2**bits - 1)
        case Text(chars, size, least):
            strategy = st.text(_LETTERS, min_size=least, max_size=min(chars, size // 4, 8))
        case Exactly(size):
            strategy = st.binary(min_size=size, max_size=size)
        case UpTo(size):
            strategy = st.binary(max_size=min(size, 20))
        case Items(most):
            strategy = st.lists(_any(typing.get_args(base)[0]), max_size=min(most, 2)).map(tuple)
        case _ if base is bool:
            strategy = st.booleans()
        case _ if issubclass(base, StrEnum):
            strategy = st.sampled_from(base)
        case _:
            strategy = instances(base)
    return st.none() | strategy if optional else strategy


def _extreme(hint: Any, large: bool) -> Any:
    base, constraint, optional = _split(hint)
    if optional and not large:
        return None
    match constraint:
        case Range(low, high):
            return high if large else low
        case UInt(bits):
            return 2**bits - 1 if large else 0
        case Text(chars, size, least):
            wide = min(chars, size // 4)
            return "\U0001f600" * wide + "x" * min(chars - wide, size - 4 * wide) if large else "x" * least
        case Exactly(size):
            return bytes(size)
        case UpTo(size):
            return bytes(size) if large else b""
        case Items(most):
            return (_extreme(typing.get_args(base)[0], large),) * most if large else ()
    if base is bool:
        return large
    if issubclass(base, StrEnum):
        return (max if large else min)(base, key=len)
    return largest(base) if large else smallest(base)
