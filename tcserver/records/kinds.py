"""Kinds of values: what a setting or a stored field may hold, and how options, documents and SQL carry it.

A field is declared once, with its kind (``tcserver.records.declaration``). The configuration, the database, the export,
the options of commands and the manual all read and write the value by this kind.
"""

from __future__ import annotations

import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_QUOTED_CHARACTERS = 60
"""Characters of a wrong value that an error repeats."""


class NotAllowed(ValueError):
    """A value that its field may not hold. Its text follows the name of the field: "should be ..., not ..."."""

    def __init__(self, allowed: str, value: object, path: str = "") -> None:
        self.value = value
        self.path = path
        """Place inside the value, as ``.chair``; empty: the value itself."""
        self.allowed = allowed
        shown = f"{len(value)}" if isinstance(value, bytes) else repr(value)[:MAX_QUOTED_CHARACTERS]
        super().__init__(f"should be {allowed}, not {shown}")


class Kind(ABC):
    """What one value may be. Options give a text, documents (TOML, JSON) their own types, SQL a column."""

    sql: str = "TEXT"
    """Type of the column."""
    constraint: str = ""
    """Condition of the column in SQL, with ``{}`` in place of its name; empty: none."""
    metavar: str = "TEXT"
    """Placeholder for the argument of an option."""
    is_optional: bool = False
    """Whether the value may be ``None``."""

    @property
    @abstractmethod
    def allowed(self) -> str:
        """What the value should be, in words."""

    @abstractmethod
    def checked(self, value: Any) -> Any:
        """Return the value as it is kept. Raises ``NotAllowed``, or another ``ValueError`` that gives the reason."""

    def from_text(self, text: str) -> Any:
        """Return the value that an option or a variable of the environment gives. Raises ``NotAllowed``."""
        return self.checked(text)

    def from_document(self, value: object) -> Any:
        """Return the value that stands in a document. Raises ``NotAllowed``."""
        return self.checked(value)

    def to_document(self, value: Any) -> object:
        """Return what a JSON document holds for the value."""
        return value

    def from_sql(self, value: Any) -> Any:
        """Return the value of a column."""
        return value

    def to_sql(self, value: Any) -> Any:
        """Return what the column holds for the value."""
        return value

    def shown(self, value: Any) -> str:
        """Return the value as a table on the terminal shows it."""
        return str(value) or "-"


@dataclass(frozen=True)
class Flag(Kind):
    """True or false; ``yes`` and ``no`` are the words for them in a table."""

    yes: str = "yes"
    no: str = "no"

    sql = "INTEGER"
    constraint = "{} IN (0, 1)"
    allowed = "true or false"

    def checked(self, value: Any) -> bool:
        """Return a bool; nothing else is one."""
        if not isinstance(value, bool):
            raise NotAllowed(self.allowed, value)
        return value

    def from_text(self, text: str) -> bool:
        """Read ``true`` or ``false``."""
        if text not in ("true", "false"):
            raise NotAllowed(self.allowed, text)
        return text == "true"

    def from_sql(self, value: Any) -> bool:
        """Read 0 or 1: SQLite has no bool."""
        return bool(value)

    def shown(self, value: Any) -> str:
        """Return the word."""
        return self.yes if value else self.no


@dataclass(frozen=True)
class Number(Kind):
    """A number from ``low`` to ``high``, both included."""

    low: float
    high: float

    sql = "REAL"
    metavar = "N"

    @property
    def constraint(self) -> str:  # type: ignore[override]
        """The lower bound alone: a later version may raise the upper one."""
        return f"{{}} >= {_number(self.low)}"

    @property
    def allowed(self) -> str:
        """As in "a number from 0.01 to 100"."""
        return f"a number from {_number(self.low)} to {_number(self.high)}"

    def checked(self, value: Any) -> Any:
        """Return a float in the range. An integer becomes one: documents write whole numbers without a point."""
        if type(value) not in (int, float) or not self.low <= value <= self.high:
            raise NotAllowed(self.allowed, value)
        return float(value)

    def from_text(self, text: str) -> Any:
        """Read a decimal number."""
        try:
            return self.checked(float(text))
        except ValueError:
            raise NotAllowed(self.allowed, text) from None


@dataclass(frozen=True)
class Whole(Number):
    """A whole number from ``low`` to ``high``, both included."""

    sql = "INTEGER"

    @property
    def allowed(self) -> str:
        """As in "a whole number from 0 to 64"."""
        return f"a whole {super().allowed.removeprefix('a ')}"

    def checked(self, value: Any) -> Any:
        """Return an integer in the range; a bool is none."""
        if type(value) is not int or not self.low <= value <= self.high:
            raise NotAllowed(self.allowed, value)
        return value

    def from_text(self, text: str) -> Any:
        """Read a decimal integer."""
        try:
            return self.checked(int(text))
        except ValueError:
            raise NotAllowed(self.allowed, text) from None


@dataclass(frozen=True)
class Choice(Kind):
    """One of some words. They may be members of a ``StrEnum``; the value is then a member."""

    choices: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """As in "one of text, json"."""
        return f"one of {', '.join(self.choices)}"

    @property
    def metavar(self) -> str:  # type: ignore[override]
        """As in ``{text,json}``."""
        return f"{{{','.join(self.choices)}}}"

    def checked(self, value: Any) -> str:
        """Return the choice that is equal to the value."""
        for choice in self.choices:
            if isinstance(value, str) and choice == value:
                return choice
        raise NotAllowed(self.allowed, value)

    def from_sql(self, value: Any) -> str:
        """Return the choice of this name."""
        return self.checked(value)

    def to_sql(self, value: Any) -> str:
        """Return the name of the choice."""
        return str(value)


@dataclass(frozen=True)
class Name(Kind):
    """A text that people type or read. ``clean`` returns how it is kept, or raises ``ValueError`` with the reason."""

    clean: Callable[[str], str]
    may_be_empty: bool = False
    """Whether an empty text is kept as it is."""

    allowed = "text"

    def checked(self, value: Any) -> str:
        """Return the text, cleaned."""
        text = self.from_document(value)
        return text if self.may_be_empty and not text else self.clean(text)

    def from_text(self, text: str) -> str:
        """Return the text as it is: it is cleaned with the record that it goes into."""
        return text

    def from_document(self, value: object) -> str:
        """Return the text as it is: it is cleaned with the record that it goes into."""
        if not isinstance(value, str):
            raise NotAllowed(self.allowed, value)
        return value


@dataclass(frozen=True)
class Data(Kind):
    """``size`` bytes: base64 in documents, hexadecimal digits in options and tables."""

    size: int

    sql = "BLOB"
    metavar = "HEX"

    @property
    def allowed(self) -> str:
        """As in "32 bytes"."""
        return f"{self.size} bytes"

    def checked(self, value: Any) -> bytes:
        """Return bytes of the size."""
        if not isinstance(value, bytes) or len(value) != self.size:
            raise NotAllowed(self.allowed, value)
        return value

    def from_text(self, text: str) -> bytes:
        """Read hexadecimal digits."""
        try:
            return self.checked(bytes.fromhex(text))
        except ValueError:
            raise NotAllowed(f"{2 * self.size} hexadecimal digits", text) from None

    def from_document(self, value: object) -> bytes:
        """Read base64."""
        try:
            data = base64.b64decode(str(value) if isinstance(value, str) else "?", validate=True)
        except ValueError:
            raise NotAllowed(f"{self.allowed} in base64", value) from None
        return self.checked(data)

    def to_document(self, value: Any) -> str:
        """Write base64."""
        return base64.b64encode(value).decode()

    def shown(self, value: Any) -> str:
        """Write hexadecimal digits."""
        return str(value.hex())


@dataclass(frozen=True)
class Maybe(Kind):
    """A value of another kind, or ``None``, which an option gives as ``word``."""

    kind: Kind
    word: str

    is_optional = True

    @property
    def sql(self) -> str:  # type: ignore[override]
        """Type of the column of the other kind."""
        return self.kind.sql

    @property
    def constraint(self) -> str:  # type: ignore[override]
        """Condition of the other kind, which NULL fulfils."""
        return self.kind.constraint

    @property
    def metavar(self) -> str:  # type: ignore[override]
        """Placeholder of the other kind, with the word where it lists words."""
        metavar = self.kind.metavar
        return f"{metavar[:-1]},{self.word}}}" if metavar.endswith("}") else metavar

    @property
    def allowed(self) -> str:
        """As in "a whole number from 0 to 1000, or default"."""
        return f"{self.kind.allowed}, or {self.word}"

    def checked(self, value: Any) -> Any:
        """Return ``None``, or what the other kind checks."""
        return None if value is None else self._attempt(self.kind.checked, value)

    def from_text(self, text: str) -> Any:
        """Read the word, or what the other kind reads."""
        return None if text == self.word else self._attempt(self.kind.from_text, text)

    def from_document(self, value: object) -> Any:
        """Read null, or what the other kind reads."""
        return None if value is None else self._attempt(self.kind.from_document, value)

    def to_document(self, value: Any) -> object:
        """Write null, or what the other kind writes."""
        return None if value is None else self.kind.to_document(value)

    def from_sql(self, value: Any) -> Any:
        """Read NULL, or what the other kind reads."""
        return None if value is None else self.kind.from_sql(value)

    def to_sql(self, value: Any) -> Any:
        """Write NULL, or what the other kind writes."""
        return None if value is None else self.kind.to_sql(value)

    def shown(self, value: Any) -> str:
        """Show a hyphen, or what the other kind shows."""
        return "-" if value is None else self.kind.shown(value)

    def _attempt(self, read: Callable[[Any], Any], value: Any) -> Any:
        try:
            return read(value)
        except NotAllowed as error:
            raise NotAllowed(self.allowed, error.value) from None


@dataclass(frozen=True)
class ByKey(Kind):
    """A mapping: keys of one kind, which are texts, to values of another. Its column holds JSON."""

    key: Kind
    value: Kind

    allowed = "an object"
    metavar = "JSON"

    def checked(self, value: Any) -> Mapping[Any, Any]:
        """Return the mapping with keys and values checked."""
        return self._each(value, self.key.checked, self.value.checked)

    def from_text(self, text: str) -> Mapping[Any, Any]:
        """Read JSON."""
        try:
            return self.from_document(json.loads(text))
        except (ValueError, RecursionError):
            raise NotAllowed("an object in JSON", text) from None

    def from_document(self, value: object) -> Mapping[Any, Any]:
        """Read an object."""
        return self._each(value, self.key.from_document, self.value.from_document)

    def to_document(self, value: Any) -> dict[str, object]:
        """Write an object."""
        return {str(key): self.value.to_document(held) for key, held in value.items()}

    def from_sql(self, value: Any) -> Mapping[Any, Any]:
        """Read JSON."""
        return self.from_document(json.loads(value))

    def to_sql(self, value: Any) -> str:
        """Write JSON."""
        return json.dumps(self.to_document(value))

    def shown(self, value: Any) -> str:
        """As in ``kantor-1=chair kantor-2=speaker``."""
        return " ".join(f"{key}={self.value.shown(held)}" for key, held in value.items()) or "-"

    def _each(self, value: Any, key: Callable[[Any], Any], item: Callable[[Any], Any]) -> dict[Any, Any]:
        if not isinstance(value, Mapping):
            raise NotAllowed(self.allowed, value)
        result = {}
        for name, held in value.items():
            kept = key(name)
            try:
                result[kept] = item(held)
            except NotAllowed as error:
                raise NotAllowed(error.allowed, error.value, f".{name}{error.path}") from None
        return result


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)
