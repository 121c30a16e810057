"""The bookkeeper: what the conference wants to know of the database, and to have written there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from tcserver.conference import Conference, effects
from tcserver.database import Database
from tcserver.logs import EventLog
from tcserver.records import Account, RoomRecord, SessionRecord, StoreError, session_id
from tcserver.store_thread import StoreThread

POLL_INTERVAL = 1.0
"""Seconds between looks at the database for changes by the account command: a disabled account is out in two."""


class Bookkeeper:
    """Carries out effects that need the database, and gives the conference the answers.

    What it has to do then goes to ``carry_out``; ``now`` is the conference's clock.
    """

    def __init__(
        self,
        store: StoreThread,
        conference: Conference,
        carry_out: Callable[[list[effects.Effect]], None],
        now: Callable[[], float],
        log: EventLog,
    ) -> None:
        self._store = store
        self._conference = conference
        self._carry_out = carry_out
        self._now = now
        self._log = log

    async def open(self) -> None:
        """Open the database, and tell the conference which rooms there are; raises ``StoreError``."""
        await self._store.open()
        await self._store.run(Database.clear_sessions)
        self._carry_out(self._conference.rooms_changed(await self._store.run(Database.rooms), self._now()))

    async def follow(self) -> None:
        """Notice what the account and room commands change meanwhile, until cancelled."""
        while True:
            await asyncio.sleep(POLL_INTERVAL)
            self._log.report_suppressed()
            try:
                changed = await self._store.run(Database.changed_elsewhere)
                if changed is not None:
                    generations, rooms = changed
                    self._carry_out(self._conference.accounts_changed(generations, self._now()))
                    self._carry_out(self._conference.rooms_changed(rooms, self._now()))
            except Exception as error:  # whatever it was, the next look is due
                self._log.crash("database poll failed", error)

    def do(self, effect: effects.Effect) -> None:
        """Begin to carry out an effect; one that is not for the database is ignored."""
        match effect:
            case effects.FindAccount(connection, name):
                self._store.start(lambda db: _account(db, name), partial(self._account_found, connection))
            case effects.SaveRoom(ticket, room):
                self._store.start(
                    lambda db: db.change_room(room.name, partial(_changed, room)), partial(self._saved, ticket)
                )
            case effects.SessionStarted(session, account, name, device_key, address, unix_ms):
                record = SessionRecord(session_id(session), account, device_key, name, address, unix_ms / 1000)
                self._store.start(lambda db: db.open_session(record), self._noted)
            case effects.SessionEnded(session):
                self._store.start(lambda db: db.close_session(session_id(session)), self._noted)

    def _account_found(
        self, connection: int, found: tuple[Account, set[bytes]] | None, error: BaseException | None
    ) -> None:
        if error is not None:
            self._log.crash("account lookup failed", error)
        account, devices = found if found is not None else (None, set[bytes]())
        self._carry_out(self._conference.account_found(connection, account, self._now(), devices))

    def _saved(self, ticket: int, _: object, error: BaseException | None) -> None:
        if error is not None:
            self._log.crash("room not saved", error)
        self._carry_out(self._conference.saved(ticket, error is None, self._now()))

    def _noted(self, _: object, error: BaseException | None) -> None:
        """A session's record is for the operator to read; without it the session goes on."""
        if error is not None and not isinstance(error, StoreError):
            self._log.crash("session record not written", error)


def _account(database: Database, name: str) -> tuple[Account, set[bytes]] | None:
    """Look an account up, with as many queries for a name that is not there."""
    account = database.account(name)
    devices = database.device_keys(name)
    return (account, devices) if account is not None else None


def _changed(room: RoomRecord, stored: RoomRecord) -> RoomRecord:
    """Return a stored room with what participants can change; the rest may be an operator's newer word."""
    return replace(stored, title=room.title, max_participants=room.max_participants)
