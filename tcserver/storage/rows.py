"""Rows of the database as records, and records as the values of a row."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tcproto.account import Challenge
from tcserver.records import Account, DuplicatePolicy, Role, RoomRecord

ACCOUNT_COLUMNS = (
    "name, display, salt, memory, passes, public_key, created, role, disabled, max_sessions, duplicates, devices_only,"
    " banned, id, generation"
)
ROOM_COLUMNS = "name, title, e2ee, max_participants, default_role, permissions, loudest, id"
Row = tuple[Any, ...]


def read_account(row: Row) -> Account:
    """Return the account of a row of ``ACCOUNT_COLUMNS``."""
    name, display, salt, memory, passes, public_key, created, role, disabled, *rest = row
    max_sessions, duplicates, devices_only, banned, account_id, generation = rest
    return Account(
        name=name,
        display=display,
        challenge=Challenge(salt, memory, passes),
        public_key=public_key,
        created=created,
        role=Role(role) if role else None,
        disabled=bool(disabled),
        max_sessions=max_sessions,
        duplicates=DuplicatePolicy(duplicates),
        devices_only=bool(devices_only),
        banned=banned,
        id=account_id,
        generation=generation,
    )


def account_values(account: Account) -> Row:
    """Return the values of the columns from ``name`` to ``banned``."""
    return (
        account.name,
        account.display,
        *account.challenge,
        account.public_key,
        account.created,
        account.role,
        account.disabled,
        account.max_sessions,
        account.duplicates,
        account.devices_only,
        account.banned,
    )


def read_room(row: Row, roles: Iterable[tuple[str, str]]) -> RoomRecord:
    """Return the room of a row of ``ROOM_COLUMNS``; ``roles`` are accounts and what they are there."""
    name, title, e2ee, max_participants, default_role, permissions, loudest, room_id = row
    return RoomRecord(
        name=name,
        title=title,
        e2ee=bool(e2ee),
        max_participants=max_participants,
        default_role=Role(default_role),
        roles={account: Role(role) for account, role in roles},
        permissions={Role(role): bits for role, bits in json.loads(permissions).items()},
        loudest=loudest,
        id=room_id,
    )


def room_values(room: RoomRecord) -> Row:
    """Return the values of the columns from ``name`` to ``loudest``."""
    permissions = json.dumps(dict(room.permissions))
    return room.name, room.title, room.e2ee, room.max_participants, room.default_role, permissions, room.loudest
