"""Records of the database: accounts, their devices, rooms, and the list of sessions."""

from __future__ import annotations

from tcserver.records.account import (
    DEFAULT_MAX_SESSIONS,
    MAX_DEVICES,
    MAX_SESSIONS_CEILING,
    ROLES,
    Account,
    DeviceRecord,
    DuplicatePolicy,
    Standing,
)
from tcserver.records.room import MAX_PARTICIPANTS_CEILING, RIGHTS, RoomRecord, changes_of
from tcserver.records.session import SessionRecord, session_id

__all__ = [
    "DEFAULT_MAX_SESSIONS",
    "MAX_DEVICES",
    "MAX_PARTICIPANTS_CEILING",
    "MAX_SESSIONS_CEILING",
    "RIGHTS",
    "ROLES",
    "Account",
    "DeviceRecord",
    "DuplicatePolicy",
    "RoomRecord",
    "SessionRecord",
    "Standing",
    "StoreError",
    "changes_of",
    "session_id",
]


class StoreError(Exception):
    """A change is refused, or a file cannot be used. The text is one line for the operator."""
