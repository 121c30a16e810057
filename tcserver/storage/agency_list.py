"""Lists of agencies in CSV, as spreadsheets save them. Accounts are made of them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from tcproto.account import (
    DEFAULT_MEMORY,
    DEFAULT_PASSES,
    SALT_SIZE,
    Challenge,
)
from tcproto.identity import KEY_SIZE
from tcproto.messages import Role
from tcproto.names import skeleton
from tcserver.records import ROLES, Account, StoreError

MAX_LIST_BYTES = 4 * 1024 * 1024
"""Bytes of an agency list. A larger file is something else."""
MAX_LIST_ROWS = 10_000
"""Agencies in one list: deriving their keys takes twenty minutes."""

MAX_QUOTED = 60
"""Characters of a cell that an error repeats."""

_COLUMNS = ("name", "display")
_OPTIONAL_COLUMNS = ("role",)


@dataclass(frozen=True, slots=True)
class Agency:
    """A row of an agency list, checked."""

    name: str
    """Folded account name."""
    display: str
    role: Role | None
    written: str = field(default="", compare=False)
    """The name as the list has it."""


def check_account(name: str, display: str, role: Role | None) -> Agency:
    """Return name and display as the database will have them. Raises ``ValueError`` with the reason."""
    blank = Challenge(bytes(SALT_SIZE), DEFAULT_MEMORY, DEFAULT_PASSES)
    account = Account(name, display, blank, bytes(KEY_SIZE), role=role).checked()
    return Agency(account.name, account.display, role)


def read_agencies(content: bytes, existing: Iterable[Account]) -> list[Agency]:
    """Return the agencies of a CSV file in UTF-8, checked against ``existing`` accounts and each other.

    The first line that is not empty names the columns: ``name``, ``display`` and optionally ``role``. Commas,
    semicolons or tabs separate them, or the character that a line ``sep=`` names before. Empty columns without a name,
    which spreadsheets save, are ignored. Raises ``StoreError`` with the line and the reason of the first mistake.
    """
    if len(content) > MAX_LIST_BYTES:
        raise StoreError(f"the file has more than {MAX_LIST_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise StoreError(f"line {line}: not UTF-8; save the file as CSV UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise StoreError(f"line {line}: not UTF-8 but, as it seems, UTF-16; save the file as CSV UTF-8")
    taken = {skeleton(account.name): account.name for account in existing}
    agencies = []
    for line, row in _rows(text):
        try:
            agency = check_account(row["name"], row["display"], _role(row.get("role", "")))
        except ValueError as error:
            raise StoreError(f"line {line}: {error}") from None
        shape = skeleton(agency.name)
        if shape in taken:
            raise StoreError(f"line {line}: the name {agency.name!r} exists or looks like {taken[shape]!r}")
        taken[shape] = agency.name
        agencies.append(replace(agency, written=row["name"].strip()))
    if not agencies:
        raise StoreError("line 2: the file names no agency")
    if len(agencies) > MAX_LIST_ROWS:
        raise StoreError(f"line {MAX_LIST_ROWS + 2}: more than {MAX_LIST_ROWS} agencies")
    return agencies


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number of the line and the fields by column, for each row that is not empty."""
    lines = io.StringIO(text, newline="").readlines()
    first = next((number for number, line in enumerate(lines) if line.strip(_BLANK)), 0)
    delimiter = ""
    if named := _SEPARATOR.fullmatch("".join(lines[first : first + 1]).strip("\r\n")):
        delimiter = named[1]
        first += 1
        first += next((number for number, line in enumerate(lines[first:]) if line.strip(_BLANK + delimiter)), 0)
    rest = "".join(lines[first:])
    delimiter = delimiter or _delimiter("".join(lines[first : first + 1]))
    reader = csv.reader(io.StringIO(rest, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [column.strip().casefold() for column in next(reader, [])]
        _check_header(header, f"line {first + 1}")
        for fields in reader:
            line = first + reader.line_num
            if not any(field.strip() for field in fields):
                continue
            yield line, _by_column(header, fields, f"line {line}")
    except csv.Error as error:
        raise StoreError(f"line {first + reader.line_num}: {error}") from None


_BLANK = ' \t\r\n,;"'
"""Characters of a line of empty cells."""
_SEPARATOR = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
"""How Excel names the separator of cells."""


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _check_header(header: list[str], place: str) -> None:
    named = [column for column in header if column]
    if len(set(named)) != len(named) or not set(_COLUMNS) <= set(named) <= {*_COLUMNS, *_OPTIONAL_COLUMNS}:
        found = ",".join(named)[:MAX_QUOTED] or "nothing"
        raise StoreError(f"{place}: the columns should be name,display or name,display,role, not {found!r}")


def _by_column(header: list[str], fields: list[str], place: str) -> dict[str, str]:
    """Return the fields of a row by column. Raises ``StoreError`` for a cell without a column that is not empty."""
    if any(field.strip() for field in fields[len(header) :]) or any(header[len(fields) :]):
        raise StoreError(f"{place}: {len(fields)} fields instead of {len(header)}")
    cells = list(zip(header, fields, strict=False))
    for column, text in cells:
        if not column and text.strip():
            raise StoreError(f"{place}: {text.strip()[:MAX_QUOTED]!r} stands in a column without a name")
    return {column: text for column, text in cells if column}


def _role(text: str) -> Role | None:
    """Return the role in a cell; None if the cell is empty."""
    name = text.strip().casefold()
    if not name:
        return None
    if name not in ROLES:
        raise ValueError(f"the role {text.strip()!r} is none of {', '.join(ROLES)}")
    return Role(name)
