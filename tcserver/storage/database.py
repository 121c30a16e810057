"""The database: accounts, devices, permanent rooms and the list of sessions, in SQLite.

When a method has returned, its change is on disk (write-ahead log, synced at each commit). Several processes may use
one database: the running server and the operator's commands. A ``Database`` belongs to the thread that made it. The
server gives it a thread of its own, so that no query runs on the media path.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self, TypeVar

from tcproto.messages import Role
from tcproto.names import fold_account, fold_room, skeleton
from tcserver.records import (
    MAX_DEVICES,
    Account,
    DeviceRecord,
    RoomRecord,
    SessionRecord,
    Standing,
    StoreError,
)
from tcserver.storage import private_files
from tcserver.storage.schema import ACCOUNTS, DEVICES, ROOMS, SESSIONS, migrate
from tcserver.storage.table import Row

BUSY_TIMEOUT_MS = 5000
"""Milliseconds that a change waits for the change of another process, which takes a few."""

_RETRY_S = 0.01
"""Seconds between two tries to switch a new file to the write-ahead log."""

_Record = TypeVar("_Record", Account, DeviceRecord, RoomRecord)


class Database:
    """An open database; a context manager that closes it.

    The file is made with mode 0600 and brought to the newest version. Raises ``StoreError`` for a file that others can
    read, that is newer than this program, or that is no database. Every method raises ``sqlite3.Error`` if the disk
    fails, or if another process holds the lock for ``busy_ms``; then nothing has changed.
    """

    def __init__(self, path: Path, busy_ms: int = BUSY_TIMEOUT_MS) -> None:
        private_files.create_private(path)
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=busy_ms / 1000)
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{path} cannot be used as a database: {error}") from None
        try:
            self._write_ahead(time.monotonic() + busy_ms / 1000)
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            migrate(self._connection)
        except StoreError:
            self.close()
            raise
        except sqlite3.DatabaseError as error:
            self.close()
            raise StoreError(f"{path} cannot be used as a database: {error}") from None
        self._seen = self._data_version()

    def _write_ahead(self, until: float) -> None:
        """Use the write-ahead log. SQLite itself does not wait for others that open or close the file meanwhile."""
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                    raise
            time.sleep(_RETRY_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database. Call no method after it."""
        self._connection.close()

    # Accounts

    def add_account(self, account: Account) -> Account:
        """Store a new account, and return it with its id. Raises ``StoreError`` for a bad, taken or look-alike name."""
        return self.add_accounts([account])[0]

    def add_accounts(self, accounts: Iterable[Account]) -> list[Account]:
        """Store new accounts, all of them or none. Raises as ``add_account``."""
        with self.transaction():
            return [self._insert_account(account) for account in accounts]

    def account(self, name: str) -> Account | None:
        """Return the account of this name in any spelling; ``None`` if there is none."""
        try:
            folded = fold_account(name)
        except ValueError:
            return None
        query = f"SELECT {ACCOUNTS.selection} FROM accounts WHERE name = ?"  # noqa: S608
        row = self._connection.execute(query, (folded,)).fetchone()
        return ACCOUNTS.read(row) if row else None

    def accounts(self) -> list[Account]:
        """Return all accounts, sorted by name."""
        found = self._connection.execute(f"SELECT {ACCOUNTS.selection} FROM accounts ORDER BY name")  # noqa: S608
        return [ACCOUNTS.read(row) for row in found]

    def change_account(self, name: str, change: Callable[[Account], Account]) -> Account:
        """Change an account in one transaction: store what ``change`` returns for it, and return that.

        Name and id stay. The generation grows, which ends the sessions of the account, if the password or the role
        changes, or whether it is disabled, banned or limited to its devices. Raises ``StoreError``.
        """
        with self.transaction():
            old = self._existing_account(name)
            new = _checked(replace(change(old), name=old.name, id=old.id, generation=old.generation))
            if _authority(new) != _authority(old):
                new = replace(new, generation=old.generation + 1)
            ACCOUNTS.update(self._connection, new, new.id, generation=new.generation)
        return new

    def remove_account(self, name: str) -> None:
        """Remove an account with its devices and roles. Raises ``StoreError`` if there is none."""
        with self.transaction():
            account = self._existing_account(name)
            self._connection.execute("DELETE FROM accounts WHERE id = ?", (account.id,))

    def standing(self) -> Standing:
        """Return what the running server knows of all accounts at any time."""
        accounts, now = self.accounts(), time.time()
        return Standing(
            {a.id: a.generation for a in accounts if not a.disabled and not a.is_banned(now)},
            {a.id: a.banned or "" for a in accounts if a.is_banned(now)},
            Counter((a.challenge.memory_bytes, a.challenge.passes) for a in accounts),
        )

    # Devices

    def enroll_device(self, device: DeviceRecord) -> None:
        """Add a device to its account, or give it a new label. Raises ``StoreError``."""
        with self.transaction():
            account = self._existing_account(device.account)
            checked = _checked(device)
            others = [known for known in self.devices(account.name) if known.key != checked.key]
            if len(others) >= MAX_DEVICES:
                raise StoreError(f"the account {account.name!r} has {MAX_DEVICES} devices, which is the limit")
            DEVICES.insert(
                self._connection, checked, "ON CONFLICT DO UPDATE SET label = excluded.label", account_id=account.id
            )

    def remove_device(self, name: str, key: bytes) -> None:
        """Take a device from an account, and end its sessions. Raises ``StoreError`` if the account lacks it."""
        with self.transaction():
            account = self._existing_account(name)
            removed = self._connection.execute(
                "DELETE FROM devices WHERE account_id = ? AND key = ?", (account.id, key)
            )
            if not removed.rowcount:
                raise StoreError(f"the account {account.name!r} has no such device")
            self._connection.execute("UPDATE accounts SET generation = generation + 1 WHERE id = ?", (account.id,))

    def devices(self, name: str) -> list[DeviceRecord]:
        """Return the devices of an account, sorted by time of enrolment. Raises ``StoreError`` for an unknown name."""
        account = self._existing_account(name)
        query = f"SELECT {DEVICES.selection} FROM devices WHERE account_id = ? ORDER BY enrolled, key"  # noqa: S608
        return [DEVICES.read(row, account=account.name) for row in self._connection.execute(query, (account.id,))]

    def device_keys(self, name: str) -> set[bytes]:
        """Return the keys of the devices of an account, by its folded name; none for an unknown name."""
        query = "SELECT key FROM devices JOIN accounts ON accounts.id = account_id WHERE accounts.name = ?"
        return {row[0] for row in self._connection.execute(query, (name,))}

    # Rooms

    def add_room(self, room: RoomRecord) -> RoomRecord:
        """Store a new permanent room, and return it with its id. Raises ``StoreError`` for a bad or taken name."""
        with self.transaction():
            checked = _checked(room)
            with _unique_room(checked.name):
                cursor = ROOMS.insert(self._connection, checked)
            stored = replace(checked, id=_row_id(cursor))
            return replace(stored, roles=self._write_roles(stored))

    def room(self, name: str) -> RoomRecord | None:
        """Return the permanent room of this name in any spelling; ``None`` if there is none."""
        try:
            folded = fold_room(name)
        except ValueError:
            return None
        query = f"SELECT {ROOMS.selection} FROM rooms WHERE name = ?"  # noqa: S608
        row = self._connection.execute(query, (folded,)).fetchone()
        return self._room(row) if row else None

    def rooms(self) -> list[RoomRecord]:
        """Return all permanent rooms, sorted by name."""
        found = self._connection.execute(f"SELECT {ROOMS.selection} FROM rooms ORDER BY name").fetchall()  # noqa: S608
        return [self._room(row) for row in found]

    def change_room(self, name: str, change: Callable[[RoomRecord], RoomRecord]) -> RoomRecord:
        """Change a room, also its name, in one transaction: store what ``change`` returns for it, and return that.

        Raises ``StoreError``.
        """
        with self.transaction():
            old = self._existing_room(name)
            new = _checked(replace(change(old), id=old.id))
            with _unique_room(new.name):
                ROOMS.update(self._connection, new, new.id)
            return replace(new, roles=self._write_roles(new))

    def remove_room(self, name: str) -> None:
        """Remove a permanent room. Raises ``StoreError`` if there is none."""
        with self.transaction():
            self._connection.execute("DELETE FROM rooms WHERE id = ?", (self._existing_room(name).id,))

    # Sessions

    def note_sessions(self, changes: Mapping[str, SessionRecord | None], *, afresh: bool = False) -> None:
        """Write changes of the list of sessions by id, in one transaction. None: the session is over.

        ``afresh`` deletes all others: a server has started. Sessions of accounts that do not exist are left out.
        """
        with self.transaction():
            if afresh:
                self._connection.execute("DELETE FROM sessions")
            for session_id, session in changes.items():
                self._connection.execute("DELETE FROM sessions WHERE session_id = ?", (session_id,))
                if session is not None and (account := self._account_id(session.account)) is not None:
                    SESSIONS.insert(self._connection, session, account_id=account)

    def sessions(self, name: str | None = None) -> list[SessionRecord]:
        """Return the sessions, all or of one account, by time of login. Raises ``StoreError`` for an unknown name."""
        account = self._existing_account(name) if name is not None else None
        found = self._connection.execute(
            f"SELECT accounts.name, {SESSIONS.selection} FROM sessions JOIN accounts ON accounts.id = account_id"  # noqa: S608
            " WHERE ?1 IS NULL OR account_id = ?1 ORDER BY since, session_id",
            (account.id if account else None,),
        )
        return [SESSIONS.read(row, account=name) for name, *row in found]

    # The whole

    def changed_elsewhere(self, *, surely: bool = False) -> tuple[Standing, list[RoomRecord]] | None:
        """Return ``standing`` and ``rooms`` if another connection (an operator's command) has changed anything.

        It looks for changes after the last call that returned, or after the opening. Without changes it returns None
        after microseconds; with ``surely`` it returns both anyway.
        """
        version = self._data_version()
        if version == self._seen and not surely:
            return None
        found = self.standing(), self.rooms()
        self._seen = version
        return found

    def backup(self, target: Path) -> None:
        """Copy the database to a new file of mode 0600. The copy is consistent, also while servers write.

        Raises ``StoreError`` if ``target`` exists.
        """
        if not private_files.create_private(target):
            raise StoreError(f"{target} exists")
        with closing(sqlite3.connect(target)) as copy:
            self._connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Return a context: all changes in it are stored, or none. A context inside another is part of that one."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _data_version(self) -> int:
        version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        return version

    def _account_id(self, name: str) -> int | None:
        found = self._connection.execute("SELECT id FROM accounts WHERE name = ?", (name,)).fetchone()
        return found[0] if found else None

    def _existing_account(self, name: str) -> Account:
        account = self.account(name)
        if account is None:
            raise StoreError(f"there is no account named {name!r}")
        return account

    def _existing_room(self, name: str) -> RoomRecord:
        room = self.room(name)
        if room is None:
            raise StoreError(f"there is no room named {name!r}")
        return room

    def _insert_account(self, account: Account) -> Account:
        checked = _checked(account)
        shape = skeleton(checked.name)
        taken = self._connection.execute("SELECT name FROM accounts WHERE skeleton = ?", (shape,)).fetchone()
        if taken:
            same = taken[0] == checked.name
            raise StoreError(
                f"an account named {checked.name!r} exists"
                if same
                else f"the name {checked.name!r} looks like the account {taken[0]!r}"
            )
        cursor = ACCOUNTS.insert(self._connection, checked, skeleton=shape, generation=1)
        return replace(checked, id=_row_id(cursor), generation=1)

    def _room(self, row: Row) -> RoomRecord:
        room = ROOMS.read(row)
        roles = self._connection.execute(
            "SELECT name, room_roles.role FROM room_roles JOIN accounts ON accounts.id = account_id WHERE room_id = ?"
            " ORDER BY name",
            (room.id,),
        )
        return replace(room, roles={account: Role(role) for account, role in roles})

    def _write_roles(self, room: RoomRecord) -> dict[str, Role]:
        roles = {self._existing_account(name): role for name, role in room.roles.items()}
        self._connection.execute("DELETE FROM room_roles WHERE room_id = ?", (room.id,))
        self._connection.executemany(
            "INSERT INTO room_roles (room_id, account_id, role) VALUES (?, ?, ?)",
            [(room.id, account.id, role) for account, role in roles.items()],
        )
        return {account.name: role for account, role in sorted(roles.items(), key=lambda item: item[0].name)}


@contextmanager
def _unique_room(name: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError:
        raise StoreError(f"a room named {name!r} exists") from None


def _checked(record: _Record) -> _Record:
    try:
        return record.checked()
    except ValueError as error:
        raise StoreError(str(error)) from None


def _row_id(cursor: sqlite3.Cursor) -> int:
    assert cursor.lastrowid is not None, "an insertion has a row"
    return cursor.lastrowid


def _authority(account: Account) -> tuple[object, ...]:
    """Return what the sessions of the account depend on."""
    return (
        account.challenge,
        account.public_key,
        account.role,
        account.disabled,
        account.devices_only,
        account.banned,
        account.banned_until,
    )
