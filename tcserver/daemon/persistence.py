"""What the conference reads from the database, and writes to it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from tcproto.account import Challenge
from tcserver.conference import Conference, effects
from tcserver.monitoring.logs import EventLog
from tcserver.records import Account, SessionRecord, StoreError, session_id
from tcserver.storage.session_book import SessionBook
from tcserver.storage.store_thread import StoreThread

POLL_INTERVAL = 1.0
"""Seconds between two polls of the database for changes by commands. A disabled account is out within two.

If the list of sessions, which operators read, could not be written, it is tried again as often.
"""


class Persistence:
    """Carries out the effects that need the database, and gives the answers to the conference.

    ``changes`` and ``look_ups`` are threads with a database connection each. So a look-up never waits for a change that
    waits for the lock of another process. Effects of the answers go to ``carry_out``; ``now`` is the clock of the
    conference.
    """

    def __init__(
        self,
        changes: StoreThread,
        look_ups: StoreThread,
        conference: Conference,
        carry_out: Callable[[list[effects.Effect]], None],
        now: Callable[[], float],
        log: EventLog,
    ) -> None:
        self._changes = changes
        self._look_ups = look_ups
        self._conference = conference
        self._carry_out = carry_out
        self._now = now
        self._log = log
        self._sessions = SessionBook()
        self._is_writing = False
        self._saves = 0
        """Changes of rooms that have begun or ended. What was read while this number changed may be too old."""
        self._has_to_look = True
        self._is_open = False

    async def open(self) -> None:
        """Open the database, and tell the conference its accounts and rooms. Raises ``StoreError``."""
        await self._changes.open()
        await self._look_ups.open()
        await self._look()
        self._is_open = True

    async def follow(self) -> None:
        """Poll for changes by the account and room commands, until cancelled."""
        while True:
            self._write_sessions()
            await asyncio.sleep(POLL_INTERVAL)
            self._log.report_suppressed()
            try:
                await self._look()
            except Exception as error:  # the next look is due after any error
                self._complain("database poll failed", error)

    async def close(self) -> None:
        """Write the list of sessions, if there is time, and close the database."""
        if self._is_open:
            self._write_sessions()
        await asyncio.gather(self._changes.close(), self._look_ups.close())

    def do(self, effect: effects.Effect) -> None:
        """Begin to carry out an effect. An effect that is not for the database is ignored."""
        match effect:
            case effects.FindAccount(connection, name):
                self._look_ups.start(lambda db: db.account(name), partial(self._account_found, connection))
            case effects.FindDevices(connection, name):
                self._look_ups.start(lambda db: db.device_keys(name), partial(self._devices_found, connection))
            case effects.SaveRoom(ticket, name, changes):
                self._saves += 1
                self._changes.start(
                    lambda db: db.change_room(name, lambda room: replace(room, **changes)), partial(self._saved, ticket)
                )
            case effects.SavePassword(session, name, old_key, challenge, public_key):
                change = partial(_with_password, old_key, challenge, public_key)
                self._changes.start(lambda db: db.change_account(name, change), partial(self._password_saved, session))
            case effects.SessionStarted(session, account, name, device_key, address, unix_ms):
                self._sessions.begun(
                    SessionRecord(session_id(session), account, device_key, name, address, unix_ms / 1000)
                )
                self._write_sessions()
            case effects.SessionEnded(session):
                self._sessions.ended(session_id(session))
                self._write_sessions()

    async def _look(self) -> None:
        """Tell the conference what others have changed, unless this process has changed a room meanwhile."""
        saves, surely = self._saves, self._has_to_look
        changed = await self._look_ups.run(lambda db: db.changed_elsewhere(surely=surely))
        if changed is None:
            return
        self._has_to_look = saves != self._saves
        standing, rooms = changed
        self._carry_out(self._conference.accounts_changed(standing, self._now()))
        if not self._has_to_look:
            self._carry_out(self._conference.rooms_changed(rooms, self._now()))

    def _write_sessions(self) -> None:
        """Write the changes of the list of sessions. Changes during the write are written together after it."""
        if self._is_writing or not self._sessions.is_due:
            return
        self._is_writing = True
        changes, afresh = self._sessions.take()
        self._changes.start(lambda db: db.note_sessions(changes, afresh=afresh), self._written)

    def _written(self, _: object, error: BaseException | None) -> None:
        self._is_writing = False
        self._sessions.written(error is None)
        if error is not None:
            self._complain("sessions not written", error, waiting=len(self._sessions))
        else:
            self._write_sessions()

    def _account_found(self, connection: int, account: Account | None, error: BaseException | None) -> None:
        if error is not None:
            self._complain("account lookup failed", error)
            self._carry_out(self._conference.lookup_failed(connection, self._now()))
        else:
            self._carry_out(self._conference.account_found(connection, account, self._now()))

    def _devices_found(self, connection: int, devices: set[bytes] | None, error: BaseException | None) -> None:
        if error is not None:
            self._complain("device lookup failed", error)
            self._carry_out(self._conference.lookup_failed(connection, self._now()))
        else:
            self._carry_out(self._conference.devices_found(connection, devices or (), self._now()))

    def _saved(self, ticket: int, _: object, error: BaseException | None) -> None:
        self._saves += 1
        if error is not None:
            self._complain("room not saved", error)
        self._carry_out(self._conference.saved(ticket, error is None, self._now()))

    def _password_saved(self, session: int, account: Account | None, error: BaseException | None) -> None:
        if error is not None:
            self._complain("password not saved", error)
        self._has_to_look = True  # changes of the account have not ended the session meanwhile
        self._carry_out(self._conference.password_saved(session, account if error is None else None, self._now()))

    def _complain(self, event: str, error: BaseException, **fields: object) -> None:
        """Log an error of the database: a lock or the disk in one line, a fault of ours with its traceback."""
        if isinstance(error, sqlite3.OperationalError | OSError | StoreError):
            self._log.error(event, reason=str(error), **fields)
        else:
            self._log.crash(event, error, **fields)


def _with_password(old_key: bytes, challenge: Challenge, public_key: bytes, stored: Account) -> Account:
    """Return a stored account with another password; raises ``StoreError`` if it has not the old one any more."""
    if stored.public_key != old_key:
        raise StoreError("the password was changed meanwhile")
    return replace(stored, challenge=challenge, public_key=public_key)
