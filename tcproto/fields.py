"""Constraints: what a field of a control message may hold. Message classes have them in their annotations.

``tcproto.codec`` makes its tables of them.
"""

from __future__ import annotations

import re
import typing
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

Value: TypeAlias = "bool | int | float | str | bytes | list[Value] | dict[str, Value] | None"
"""A control message between bytes and message classes."""

MAX_ARRAY_LEN = 4096
"""The most elements of an array: more than the members of the largest room. It is allocated before they are read."""
MAX_STR_LEN = 16384
"""The most bytes of a str: room for a long chat message."""
MAX_BIN_LEN = 32768
"""The most bytes of a bin: room for many key boxes."""
INT_MIN, INT_MAX = -(1 << 63), (1 << 64) - 1
"""The integers of msgpack."""


class Invalid(ValueError):
    """A value does not fit its field. ``path`` says where, such as ``members[3].name``."""

    def __init__(self, reason: str, path: str = "") -> None:
        self.reason = reason
        self.path = path
        super().__init__(f"{path}: {reason}" if path else reason)

    def inside(self, step: str) -> Invalid:
        """Return the same error with ``step``, a field name or an index in brackets, in front of its path."""
        dot = "." if self.path and not self.path.startswith("[") else ""
        return Invalid(self.reason, step + dot + self.path)


class Kind(ABC):
    """How one field is checked, decoded and encoded."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The type for the document, such as ``u32``."""

    @abstractmethod
    def decode(self, value: object) -> Any:
        """Return the value of the field from what ``unpack`` returned. Raises ``Invalid``."""

    @abstractmethod
    def encode(self, value: object) -> Value:
        """Return what ``pack`` takes from the value of the field. Raises ``Invalid``."""


class Constraint(Kind):
    """A kind of exactly one type, with a condition. Its value is the same in the map and in the message."""

    base: ClassVar[type]
    """The exact type: a bool is not an int, and a subclass of str is not a str."""

    @abstractmethod
    def fits(self, value: Any) -> bool:
        """Tell whether a value of the type ``base`` is allowed."""

    def decode(self, value: object) -> Any:
        """Return the value itself."""
        if type(value) is not self.base or not self.fits(value):
            raise Invalid(f"not {self.text}")
        return value

    def encode(self, value: object) -> Value:
        """Return the value itself."""
        return typing.cast(Value, self.decode(value))


@dataclass(frozen=True, slots=True)
class Range(Constraint):
    """An integer from ``low`` to ``high``, both included."""

    base: ClassVar[type] = int
    low: int
    high: int

    def __post_init__(self) -> None:
        if not INT_MIN <= self.low <= self.high <= INT_MAX:
            raise TypeError(f"Range({self.low}, {self.high})")

    @property
    def text(self) -> str:
        """Such as ``int 0..127``."""
        return f"int {self.low}..{self.high}"

    def fits(self, value: int) -> bool:
        """Tell whether it is in the range."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class UInt(Constraint):
    """An integer of ``bits`` bits (1 to 64), not negative."""

    base: ClassVar[type] = int
    bits: Literal[8, 16, 24, 32, 48, 64]

    @property
    def text(self) -> str:
        """Such as ``u32``."""
        return f"u{self.bits}"

    def fits(self, value: int) -> bool:
        """Tell whether it has no more bits."""
        return 0 <= value < 1 << self.bits


# C0, DEL, C1, lone surrogates, and the two separators that many programs take for line ends.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_UNPRINTABLE_IN_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Text(Constraint):
    """A str of ``min_chars`` to ``max_chars`` code points and at most ``max_bytes`` bytes of UTF-8.

    Without control characters, line separators and lone surrogates; ``multiline`` allows newline and tab.
    """

    base: ClassVar[type] = str
    max_chars: int
    max_bytes: int
    min_chars: int = 0
    multiline: bool = False

    def __post_init__(self) -> None:
        _fits_in_message("Text", self.max_bytes, MAX_STR_LEN)

    @property
    def text(self) -> str:
        """Such as ``str ≤ 64 chars, 256 bytes``."""
        chars = f"{self.min_chars}..{self.max_chars}" if self.min_chars else f"≤ {self.max_chars}"
        return f"str {chars} chars, {self.max_bytes} bytes" + ", multiline" * self.multiline

    def fits(self, value: str) -> bool:
        """Tell whether length and characters are allowed."""
        refused = _UNPRINTABLE_IN_LINES if self.multiline else _UNPRINTABLE
        return (
            self.min_chars <= len(value) <= self.max_chars
            and not refused.search(value)
            and len(value.encode()) <= self.max_bytes
        )


@dataclass(frozen=True, slots=True)
class Exactly(Constraint):
    """A bin of ``size`` bytes."""

    base: ClassVar[type] = bytes
    size: int

    def __post_init__(self) -> None:
        _fits_in_message("Exactly", self.size, MAX_BIN_LEN)

    @property
    def text(self) -> str:
        """Such as ``bin 32``."""
        return f"bin {self.size}"

    def fits(self, value: bytes) -> bool:
        """Tell whether it has the size."""
        return len(value) == self.size


@dataclass(frozen=True, slots=True)
class UpTo(Constraint):
    """A bin of at most ``size`` bytes."""

    base: ClassVar[type] = bytes
    size: int

    def __post_init__(self) -> None:
        _fits_in_message("UpTo", self.size, MAX_BIN_LEN)

    @property
    def text(self) -> str:
        """Such as ``bin ≤ 1024``."""
        return f"bin ≤ {self.size}"

    def fits(self, value: bytes) -> bool:
        """Tell whether it has at most the size."""
        return len(value) <= self.size


@dataclass(frozen=True, slots=True)
class Items:
    """At most ``most`` elements, ``Annotated[tuple[X, ...], Items(16)]``. X is the type of a required field."""

    most: int

    def __post_init__(self) -> None:
        _fits_in_message("Items", self.most, MAX_ARRAY_LEN)


def _fits_in_message(name: str, size: int, most: int) -> None:
    if not 0 <= size <= most:
        raise TypeError(f"{name} of {size}, at most {most} fit into a message")
