"""Accounts and rooms as one JSON document, for moving to another machine and for reading with other programs.

The document holds salts and public keys, no password and not the server's key; passwords go on working only where
``identity.key`` is the same.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any, TypeVar

from tcproto.account import Challenge
from tcproto.identity import format_fingerprint
from tcserver.records import Account, DeviceRecord, DuplicatePolicy, Role, RoomRecord, StoreError
from tcserver.storage.database import Database

FORMAT = "tcserver export"
VERSION = 1
MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
"""Bytes of a document: 50,000 accounts; bounds the memory of an import."""

_Value = TypeVar("_Value")
_Choice = TypeVar("_Choice", bound=StrEnum)


def export_document(database: Database, fingerprint: bytes) -> str:
    """Everything but sessions as JSON; ``fingerprint`` says which server's passwords these are."""
    with database.transaction():
        accounts = [_account_out(account, database.devices(account.name)) for account in database.accounts()]
        rooms = [_room_out(room) for room in database.rooms()]
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
    """Add everything in a document to the database, or nothing; returns the numbers of accounts and of rooms.

    Raises `StoreError` with the place and the reason if anything in it is wrong or there already, and for the document
    of a server with another key unless ``other_server``.
    """
    if len(content) > MAX_DOCUMENT_BYTES:
        raise StoreError(f"the document has more than {MAX_DOCUMENT_BYTES} bytes")
    try:
        document = _Fields(json.loads(content, parse_constant=_refuse_constant), "document")
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
            account = fields.stored(database.add_account, _account_in(fields))
            for device in devices:
                device.stored(database.enroll_device, _device_in(device, account.name))
        for fields in rooms:
            fields.stored(database.add_room, _room_in(fields))
    return len(accounts), len(rooms)


class _Fields:
    """The fields of one JSON object, each taken once; refusals name the place."""

    def __init__(self, value: object, place: str) -> None:
        if not isinstance(value, dict):
            raise StoreError(f"{place}: an object is expected")
        self._fields: dict[str, Any] = dict(value)
        self._place = place

    def take(self, name: str, kind: type[_Value]) -> _Value:
        if name not in self._fields:
            raise StoreError(f"{self._place}: {name} is missing")
        value = self._fields.pop(name)
        # JSON may write a whole float without its point; a bool is an int for Python only.
        if kind is float and type(value) is int and abs(value) < 2**53:
            value = float(value)
        if type(value) is not kind:
            raise StoreError(f"{self._place}: {name} should be of type {kind.__name__}")
        return value

    def optional(self, name: str, kind: type[_Value]) -> _Value | None:
        """Take a field that may be null, or missing as in documents from before it."""
        if self._fields.get(name) is None:
            self._fields.pop(name, None)
            return None
        return self.take(name, kind)

    def data(self, name: str) -> bytes:
        try:
            return base64.b64decode(self.take(name, str), validate=True)
        except (binascii.Error, ValueError):
            raise StoreError(f"{self._place}: {name} should be in base64") from None

    def choice(self, name: str, kind: type[_Choice]) -> _Choice:
        return self.chosen(name, self.take(name, str), kind)

    def chosen(self, name: str, value: str, kind: type[_Choice]) -> _Choice:
        if value not in tuple(kind):
            raise StoreError(f"{self._place}: {name} should be one of {', '.join(kind)}")
        return kind(value)

    def role(self, name: str) -> Role | None:
        if name in self._fields and self._fields[name] is None:
            del self._fields[name]
            return None
        return self.choice(name, Role)

    def records(self, name: str) -> list[_Fields]:
        items = self.take(name, list)
        return [_Fields(item, f"{self._place}.{name}[{position}]") for position, item in enumerate(items)]

    def object(self, name: str) -> _Fields:
        return _Fields(self.take(name, dict), f"{self._place}.{name}")

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._fields))

    def finish(self) -> None:
        if self._fields:
            raise StoreError(f"{self._place}: unknown field {next(iter(self._fields))!r}")

    def stored(self, store: Callable[[_Value], Any], value: _Value) -> Any:
        self.finish()
        try:
            return store(value)
        except StoreError as error:
            raise StoreError(f"{self._place}: {error}") from None


def _account_out(account: Account, devices: list[DeviceRecord]) -> dict[str, object]:
    return {
        "name": account.name,
        "display": account.display,
        "salt": _base64(account.challenge.salt),
        "memory": account.challenge.memory_bytes,
        "passes": account.challenge.passes,
        "public_key": _base64(account.public_key),
        "created": account.created,
        "role": account.role,
        "disabled": account.disabled,
        "banned": account.banned,
        "max_sessions": account.max_sessions,
        "duplicates": account.duplicates,
        "devices_only": account.devices_only,
        "devices": [
            {"key": _base64(device.key), "label": device.label, "enrolled": device.enrolled} for device in devices
        ],
    }


def _account_in(fields: _Fields) -> Account:
    return Account(
        name=fields.take("name", str),
        display=fields.take("display", str),
        challenge=Challenge(fields.data("salt"), fields.take("memory", int), fields.take("passes", int)),
        public_key=fields.data("public_key"),
        created=fields.take("created", float),
        role=fields.role("role"),
        disabled=fields.take("disabled", bool),
        banned=fields.optional("banned", str),
        max_sessions=fields.take("max_sessions", int),
        duplicates=fields.choice("duplicates", DuplicatePolicy),
        devices_only=fields.take("devices_only", bool),
    )


def _device_in(fields: _Fields, account: str) -> DeviceRecord:
    return DeviceRecord(account, fields.data("key"), fields.take("label", str), fields.take("enrolled", float))


def _room_out(room: RoomRecord) -> dict[str, object]:
    return {
        "name": room.name,
        "title": room.title,
        "e2ee": room.e2ee,
        "max_participants": room.max_participants,
        "default_role": room.default_role,
        "roles": dict(room.roles),
        "permissions": dict(room.permissions),
        "loudest": room.loudest,
    }


def _room_in(fields: _Fields) -> RoomRecord:
    roles = fields.object("roles")
    permissions = fields.object("permissions")
    return RoomRecord(
        name=fields.take("name", str),
        title=fields.take("title", str),
        e2ee=fields.take("e2ee", bool),
        max_participants=fields.take("max_participants", int),
        default_role=fields.choice("default_role", Role),
        roles={account: roles.choice(account, Role) for account in roles},
        permissions={fields.chosen("permissions", role, Role): permissions.take(role, int) for role in permissions},
        loudest=fields.optional("loudest", int),
    )


def _refuse_constant(name: str) -> None:
    """Python's reader would take ``NaN`` and ``Infinity``, which are not JSON."""
    raise ValueError(name)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
