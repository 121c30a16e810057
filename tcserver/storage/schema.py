"""The tables, and the steps from each version of the database to the next."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from tcserver.records import Account, DeviceRecord, RoomRecord, SessionRecord, StoreError
from tcserver.storage.table import Table

ACCOUNTS = Table("accounts", Account)
DEVICES = Table("devices", DeviceRecord)
ROOMS = Table("rooms", RoomRecord)
SESSIONS = Table("sessions", SessionRecord)
TABLES: tuple[Table[Any], ...] = (ACCOUNTS, DEVICES, ROOMS, SESSIONS)

_FIRST = (
    """
    CREATE TABLE accounts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        skeleton TEXT NOT NULL UNIQUE,
        display TEXT NOT NULL,
        salt BLOB NOT NULL CHECK (length(salt) = 16),
        memory INTEGER NOT NULL,
        passes INTEGER NOT NULL,
        public_key BLOB NOT NULL CHECK (length(public_key) = 32),
        created REAL NOT NULL,
        role TEXT CHECK (role IN ('admin', 'chair', 'speaker', 'listener', 'observer', 'recorder')),
        disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
        max_sessions INTEGER NOT NULL CHECK (max_sessions >= 1),
        duplicates TEXT NOT NULL CHECK (duplicates IN ('allow', 'replace', 'refuse')),
        devices_only INTEGER NOT NULL CHECK (devices_only IN (0, 1)),
        generation INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE devices (
        account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
        key BLOB NOT NULL CHECK (length(key) = 32),
        label TEXT NOT NULL,
        enrolled REAL NOT NULL,
        PRIMARY KEY (account_id, key)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE rooms (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        e2ee INTEGER NOT NULL CHECK (e2ee IN (0, 1)),
        max_participants INTEGER NOT NULL CHECK (max_participants >= 1),
        default_role TEXT NOT NULL
            CHECK (default_role IN ('admin', 'chair', 'speaker', 'listener', 'observer', 'recorder')),
        permissions TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE room_roles (
        room_id INTEGER NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
        account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
        role TEXT NOT NULL CHECK (role IN ('admin', 'chair', 'speaker', 'listener', 'observer', 'recorder')),
        PRIMARY KEY (room_id, account_id)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE sessions (
        session_id TEXT PRIMARY KEY,
        account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
        device_key BLOB NOT NULL,
        display TEXT NOT NULL,
        address TEXT NOT NULL,
        since REAL NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX room_roles_by_account ON room_roles (account_id)",
    "CREATE INDEX sessions_by_account ON sessions (account_id)",
)
"""The tables of version 1, as they were published. They never change, while declarations of records may."""


def steps_of(tables: Iterable[Table[Any]]) -> tuple[tuple[str, ...], ...]:
    """Return the statements that lead from each version to the next. Each version after the first adds columns.

    A published step never changes: a field that is added gets a ``since`` of its own, one above the newest.
    """
    newest = max(column.field.known.since for table in tables for column in table.columns)
    later = range(2, newest + 1)
    return (_FIRST, *(tuple(step for table in tables for step in table.added(version)) for version in later))


MIGRATIONS = steps_of(TABLES)
"""Statements that lead from version ``i`` to version ``i + 1``."""


def migrate(connection: sqlite3.Connection, migrations: tuple[tuple[str, ...], ...] = MIGRATIONS) -> None:
    """Bring the database to the newest version, each step whole or not at all.

    ``connection`` is in autocommit mode. Raises ``StoreError`` for a database of a newer version.
    """
    while (version := _version(connection)) != len(migrations):
        if version > len(migrations):
            raise StoreError(
                f"the database has version {version}, this tcserver knows up to {len(migrations)}: install a newer one"
            )
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have taken the step while this one waited for the lock.
        if _version(connection) == version:
            try:
                for statement in migrations[version]:
                    connection.execute(statement)
            except sqlite3.Error:
                connection.execute("ROLLBACK")
                raise
            connection.execute(f"PRAGMA user_version = {version + 1}")
        connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
