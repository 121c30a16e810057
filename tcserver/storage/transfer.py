"""Accounts and rooms as one JSON document, to move to another machine and for other programs.

The document has salts and public keys, but no passwords and not the key of the server. Passwords work only where
``identity.key`` is the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from tcproto.identity import format_fingerprint
from tcserver.records import Account, DeviceRecord, RoomRecord, StoreError
from tcserver.records.declaration import Column, arguments_of, columns_of, values_of
from tcserver.records.kinds import NotAllowed
from tcserver.storage.database import Database

FORMAT = "tcserver export"
VERSION = 1
MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
"""Bytes of a document: enough for 50,000 accounts. Bounds the memory of an import."""

_Value = TypeVar("_Value")
_Record = TypeVar("_Record")


def export_document(database: Database, fingerprint: bytes) -> str:
    """Return everything but sessions as JSON. ``fingerprint`` is that of the server that the passwords belong to."""
    with database.transaction():
        accounts = [
            {**exported(account), "devices": [exported(device) for device in database.devices(account.name)]}
            for account in database.accounts()
        ]
        rooms = [exported(room) for room in database.rooms()]
    document = {
        "format": FORMAT,
        "version": VERSION,
        "server": format_fingerprint(fingerprint),
        "accounts": accounts,
        "rooms": rooms,
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def import_document(
    database: Database, content: bytes, fingerprint: bytes, *, other_server: bool = False
) -> tuple[int, int]:
    """Add everything in a document to the database, or nothing. Return the numbers of accounts and rooms.

    Raises ``StoreError`` with the place and the reason if anything in it is wrong or exists already. The document of a
    server with another key is refused unless ``other_server``.
    """
    if len(content) > MAX_DOCUMENT_BYTES:
        raise StoreError(f"the document has more than {MAX_DOCUMENT_BYTES} bytes")
    try:
        document = Fields(json.loads(content, parse_constant=_refuse_constant), "document")
    except (ValueError, RecursionError):
        raise StoreError("the document is no JSON") from None
    if document.take("format", str) != FORMAT or document.take("version", int) != VERSION:
        raise StoreError(f"the document is no {FORMAT} of version {VERSION}")
    if document.take("server", str) != format_fingerprint(fingerprint) and not other_server:
        raise StoreError("the document is of a server with another identity.key, so its passwords would not work here")
    accounts = document.records("accounts")
    rooms = document.records("rooms")
    document.finish()
    with database.transaction():
        for fields in accounts:
            devices = fields.records("devices")
            account = fields.stored(database.add_account, fields.record(Account))
            for device in devices:
                device.stored(database.enroll_device, device.record(DeviceRecord, account=account.name))
        for fields in rooms:
            fields.stored(database.add_room, fields.record(RoomRecord))
    return len(accounts), len(rooms)


def exported(record: object) -> dict[str, object]:
    """Return what the document has for a record."""
    values = values_of(record)
    return {column.name: column.kind.to_document(values[column.name]) for column in _columns(type(record))}


class Fields:
    """The fields of one JSON object, each taken once. Every method raises ``StoreError`` with the place."""

    def __init__(self, value: object, place: str) -> None:
        if not isinstance(value, dict):
            raise StoreError(f"{place}: an object is expected")
        self._fields: dict[str, Any] = dict(value)
        self._place = place

    def take(self, name: str, kind: type[_Value]) -> _Value:
        """Take a field that has one of the types of JSON."""
        value = self._take(name)
        if type(value) is not kind:
            raise StoreError(f"{self._place}: {name} should be of type {kind.__name__}")
        return value

    def records(self, name: str) -> list[Fields]:
        """Take a list of objects."""
        items = self.take(name, list)
        return [Fields(item, f"{self._place}.{name}[{position}]") for position, item in enumerate(items)]

    def record(self, cls: type[_Record], **others: Any) -> _Record:
        """Take the fields of a record. ``others`` are fields of it that a document does not have."""
        values = {column.name: self._value(column) for column in _columns(cls) if not self._is_older(column)}
        return cls(**arguments_of(cls, {**values, **others}))

    def finish(self) -> None:
        """Refuse the object if it has more fields than were taken."""
        if self._fields:
            raise StoreError(f"{self._place}: unknown field {next(iter(self._fields))!r}")

    def stored(self, store: Callable[[_Value], Any], value: _Value) -> Any:
        """Store the record of these fields, after ``finish``."""
        self.finish()
        try:
            return store(value)
        except StoreError as error:
            raise StoreError(f"{self._place}: {error}") from None

    def _is_older(self, column: Column) -> bool:
        """Tell whether the document is older than the field."""
        return column.field.known.since > 1 and column.name not in self._fields

    def _value(self, column: Column) -> Any:
        try:
            return column.kind.from_document(self._take(column.name))
        except NotAllowed as error:
            raise StoreError(f"{self._place}: {column.name}{error.path} {error}") from None

    def _take(self, name: str) -> Any:
        if name not in self._fields:
            raise StoreError(f"{self._place}: {name} is missing")
        return self._fields.pop(name)


def _columns(cls: type) -> list[Column]:
    return [column for column in columns_of(cls) if column.field.known.is_exported]


def _refuse_constant(name: str) -> None:
    """Refuse ``NaN`` and ``Infinity``: Python reads them, but they are not JSON."""
    raise ValueError(name)
