"""Making accounts: from a name and a password, or many from an agency list in CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tcproto.account import (
    DEFAULT_MEMORY,
    DEFAULT_PASSES,
    MAX_PASSWORD_BYTES,
    SALT_SIZE,
    Challenge,
    derive_account_key,
    effective_salt,
)
from tcproto.identity import KEY_SIZE
from tcproto.names import fold_account, skeleton
from tcserver.identity import ServerIdentity
from tcserver.records import Account, Role, StoreError

MIN_PASSWORD_CHARACTERS = 8
"""Shorter passwords are refused (NIST SP 800-63B, 5.1.1.2)."""
MAX_LIST_BYTES = 4 * 1024 * 1024
"""Bytes of an agency list; a larger file is some other file."""
MAX_LIST_ROWS = 10_000
"""Agencies in one list: deriving their keys takes twenty minutes."""

_COLUMNS = ("name", "display")
_OPTIONAL_COLUMNS = ("role",)


@dataclass(frozen=True, slots=True)
class Agency:
    """A row of an agency list, checked."""

    name: str
    """Folded account name."""
    display: str
    role: Role | None


def check_password(password: str) -> None:
    """Raise `StoreError` for a password that is too short or too long."""
    if len(password) < MIN_PASSWORD_CHARACTERS:
        raise StoreError(f"a password has at least {MIN_PASSWORD_CHARACTERS} characters")
    if len(password) > MAX_PASSWORD_BYTES:
        raise StoreError(f"a password has at most {MAX_PASSWORD_BYTES} bytes")


def derive_credentials(identity: ServerIdentity, name: str, password: str, salt: bytes) -> tuple[Challenge, bytes]:
    """The challenge and the public key of a new ``password`` of the account ``name``; takes a tenth of a second.

    ``salt`` is 16 fresh random bytes. Raises `StoreError` for a bad name or password.
    """
    check_password(password)
    challenge = Challenge(salt, DEFAULT_MEMORY, DEFAULT_PASSES)
    try:
        bound = effective_salt(identity.public, fold_account(name), salt)
        return challenge, derive_account_key(password, bound, challenge.memory_bytes, challenge.passes).public
    except ValueError as error:
        raise StoreError(str(error)) from None


def check_account(name: str, display: str, role: Role | None) -> Agency:
    """The name and display as they would be stored; raises ``ValueError`` with the reason if they cannot be."""
    blank = Challenge(bytes(SALT_SIZE), DEFAULT_MEMORY, DEFAULT_PASSES)
    account = Account(name, display, blank, bytes(KEY_SIZE), role=role).checked()
    return Agency(account.name, account.display, role)


def read_agencies(content: bytes, existing: Iterable[Account]) -> list[Agency]:
    """The agencies of a CSV file in UTF-8, checked against ``existing`` accounts and each other.

    The first line names the columns: ``name``, ``display`` and, if wanted, ``role``; commas or
    semicolons stand between. Raises `StoreError` with the line
    and the reason for the first thing that is wrong.
    """
    if len(content) > MAX_LIST_BYTES:
        raise StoreError(f"the file has more than {MAX_LIST_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise StoreError(f"line {line}: not UTF-8; save the file as CSV UTF-8") from None
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
        agencies.append(agency)
    if not agencies:
        raise StoreError("line 2: the file names no agency")
    if len(agencies) > MAX_LIST_ROWS:
        raise StoreError(f"line {MAX_LIST_ROWS + 2}: more than {MAX_LIST_ROWS} agencies")
    return agencies


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Number of the line and fields by column, of each row that is not empty."""
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [column.strip().casefold() for column in next(reader, [])]
        if len(set(header)) != len(header) or not set(_COLUMNS) <= set(header) <= {*_COLUMNS, *_OPTIONAL_COLUMNS}:
            raise StoreError("line 1: the columns should be name,display or name,display,role")
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            if len(fields) != len(header):
                raise StoreError(f"line {reader.line_num}: {len(fields)} fields instead of {len(header)}")
            yield reader.line_num, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise StoreError(f"line {reader.line_num}: {error}") from None


def _role(text: str) -> Role | None:
    """The role named in a list; none if the field is empty."""
    name = text.strip().casefold()
    if not name:
        return None
    if name not in tuple(Role):
        raise ValueError(f"the role {text.strip()!r} is none of {', '.join(Role)}")
    return Role(name)
