"""A shell without sockets: a conference, clients that speak to it, a media plane that keeps records, and a clock.

Every effect is checked against the rules that must always hold, so each test checks more than it says.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import replace

from tcproto import messages as m
from tcproto.errors import ErrorCode
from tcserver.conference import (
    Conference,
    Crash,
    Disconnect,
    FindAccount,
    FindDevices,
    LogEvent,
    MediaCommand,
    SavePassword,
    SaveRoom,
    Send,
    SessionEnded,
    SessionStarted,
)
from tcserver.conference.effects import Stop
from tcserver.conference.policy import POLICIES, Policies
from tcserver.conference.room.room import Room
from tcserver.conference.room.rooms import Rooms
from tcserver.media import interface
from tcserver.records import Account, RoomRecord, Standing
from tests.support.conference.client import Client, LostConnection
from tests.support.conference.identities import SERVER, make_account
from tests.support.conference.plane import Plane
from tests.support.conference.settings import settings

UNHURRIED = {
    "limits__account_ms_per_s": 1e6,
    "limits__account_burst_ms": 1e6,
    "login__logins_per_s": 10_000,
    "login__login_burst": 10_000,
    "rooms__joins_per_s": 10_000,
    "rooms__join_burst": 10_000,
}
"""Rates that a test does not meet by accident."""


class Driver:
    def __init__(
        self,
        *,
        accounts: tuple[Account, ...] = (),
        rooms: tuple[RoomRecord, ...] = (),
        policies: Policies = POLICIES,
        seed: int = 1,
        **changes: object,
    ) -> None:
        self.random = random.Random(seed)
        self.now = 1000.0
        self.unix_ms = 1_700_000_000_000
        self.accounts = {account.name: account for account in accounts}
        self.devices: dict[str, set[bytes]] = {}
        self.conference = Conference(
            settings(**{**UNHURRIED, "limits__resume_s": 0.0, **changes}),
            SERVER,
            self.random.randbytes,
            lambda: self.unix_ms,
            rooms,
            self.now,
            policies,
        )
        self.plane = Plane()
        self.clients: dict[int, Client | LostConnection] = {}
        self.numbers = iter(range(1, 1_000_000))
        self.devices_made = iter(range(1, 1_000_000))
        self.sessions: dict[int, SessionStarted] = {}
        self.session_numbers: list[int] = []
        self.logged: list[LogEvent] = []
        self.crashes: list[Crash] = []
        self.expects_crashes = False
        self.is_stopped = False
        """Whether the conference has wanted the server to end."""
        self.rested: list[float] = []
        """How long each message had to wait because the budget of its account was spent."""
        self.writes: list[SaveRoom | SavePassword] = []
        self.hold_lookups = self.hold_seats = self.hold_writes = False
        self.held: deque = deque()
        self._events: deque = deque()
        self._is_busy = False

    # Clients

    def client(self, account: str = "dinkes", name: str = "", device: int = 0, address: str = "10.0.0.1") -> Client:
        """Return a client with a connection after the handshake. The account is made if it is new."""
        self.add_account(account)
        device = device or next(self.devices_made)
        client = Client(self, account, name or f"Client {device}", device, address)
        self.clients[client.connection] = client
        return client.connect()

    def add_account(self, name: str, **values: object) -> Account:
        if name not in self.accounts:
            self.accounts[name] = make_account(name, len(self.accounts) + 1, **{"max_sessions": 1000, **values})
        return self.accounts[name]

    def user(self, account: str = "dinkes", **values: object) -> Client:
        """Return a client that has logged in."""
        client = self.client(account, **values)
        assert isinstance(client.log_in(), m.Welcome), client.replies
        return client

    def participant(self, room: str = "room", account: str = "dinkes", **values: object) -> Client:
        """Return a client that has a seat."""
        client = self.user(account, **values)
        reply = client.enter(room)
        assert isinstance(reply, m.Joined), reply
        return client

    @property
    def rooms(self) -> Rooms:
        """The rooms, as the conference has them."""
        return self.conference._rooms

    def room_of(self, client: Client) -> Room:
        """Return the room of a seated client."""
        return self.rooms.of(self.conference.context.seats[client.media_id])

    # Inputs

    def receive(self, client: Client, message: object, request_id: int, size: int = 200) -> None:
        """Bring a message. It waits while the budget of its account is spent."""
        while True:
            wait, effects = self.conference.charge(client.connection, size, self.now)
            self.apply(effects)
            if not wait:
                break
            self.rested.append(wait)
            self.advance(wait)
        self.apply(self.conference.received(client.connection, m.Envelope(message, request_id), self.now))

    def event(self, event: interface.Event) -> None:
        self.apply(self.conference.media_event(event, self.now))

    def change_accounts(
        self, generations: dict[int, int], bans: dict[int, str] | None = None, costs: dict | None = None
    ) -> None:
        """Change accounts, as the operator does."""
        standing = Standing(generations, bans or {}, costs or {})
        self.apply(self.conference.accounts_changed(standing, self.now))

    def replace_worker(self, worker: int = 0) -> None:
        """End a media worker, and put another in its place."""
        self.plane.lose(worker)
        self.event(interface.WorkerReplaced(worker))

    def advance(self, seconds: float) -> None:
        """Let time pass, with all that is due in it."""
        end = self.now + seconds
        while (due := self.conference.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.apply(self.conference.timeout(self.now))
        self.now = end

    def answer_held(self) -> None:
        """Give the answers that were held back, in order."""
        self.hold_lookups = self.hold_seats = self.hold_writes = False
        while self.held:
            self.apply(self.held.popleft()())

    # Effects

    def apply(self, effects: list) -> None:
        self._events.extend(effects)
        if self._is_busy:
            return
        self._is_busy = True
        try:
            while self._events:
                self._carry_out(self._events.popleft())
        finally:
            self._is_busy = False

    def _carry_out(self, effect: object) -> None:
        conference, now = self.conference, self.now
        match effect:
            case Send():
                client = self.clients[effect.connection]
                assert not client.is_gone, "nothing is sent to who is gone"
                decoded = m.decode(m.encode(effect.message, effect.request_id))
                assert decoded == (effect.message, effect.request_id)
                client.take(*decoded)
                if isinstance(effect.message, m.Ping):
                    pong = m.Envelope(m.Pong(effect.message.time), effect.request_id)
                    self._events.extend(conference.received(effect.connection, pong, now))
            case Disconnect():
                client = self.clients[effect.connection]
                assert not client.is_gone
                client.is_gone = True
            case FindAccount():
                self._answer(
                    self.hold_lookups,
                    lambda: conference.account_found(effect.connection, self.accounts.get(effect.name), self.now),
                )
            case FindDevices():
                self._answer(
                    self.hold_lookups,
                    lambda: conference.devices_found(effect.connection, self.devices.get(effect.name, ()), self.now),
                )
            case SaveRoom():
                self.writes.append(effect)
                self._answer(self.hold_writes, lambda: conference.saved(effect.ticket, True, self.now))
            case SavePassword():
                self.writes.append(effect)
                self._answer(self.hold_writes, lambda: self._save_password(effect))
            case MediaCommand():
                for event in self.plane.apply(effect.command):
                    self._answer(self.hold_seats, lambda event=event: conference.media_event(event, self.now))
            case SessionStarted():
                assert effect.session not in self.session_numbers
                self.sessions[effect.session] = effect
                self.session_numbers.append(effect.session)
            case SessionEnded():
                del self.sessions[effect.session]
            case LogEvent():
                self.logged.append(effect)
            case Stop():
                self.is_stopped = True
            case Crash():
                self.crashes.append(effect)
                if not self.expects_crashes:
                    raise effect.error
            case _:
                raise AssertionError(effect)

    def _save_password(self, wanted: SavePassword) -> list:
        stored = self.accounts[wanted.account]
        if stored.public_key != wanted.old_key:
            return self.conference.password_saved(wanted.session, None, self.now)
        stored = replace(
            stored,
            challenge=wanted.challenge,
            public_key=wanted.public_key,
            generation=stored.generation + 1,
        )
        self.accounts[wanted.account] = stored
        return self.conference.password_saved(wanted.session, stored, self.now)

    def _answer(self, hold: bool, give: object) -> None:
        if hold:
            self.held.append(give)
        else:
            self._events.extend(give())

    # What must hold when no change is pending

    def check(self) -> None:
        self.advance(0.1)
        conference = self.conference
        assert conference.sessions == len(self.sessions)
        assert len(conference.context.session_ids) == len(self.sessions)
        assert len(conference.context.media_ids) == len(self.plane.seats) == len(conference.context.seats)
        assert len(conference.context.participant_ids) == len(self.plane.seats)
        assert conference.rooms == len(self.plane.rooms)
        assert sum(map(len, self.plane.sealers.values())) == len(conference.context.sealer_ids)
        there = [c for c in self.clients.values() if not c.is_gone and isinstance(c, Client)]
        half_open = [client for client in there if not client.is_logged_in]
        assert conference.half_open == len(half_open)
        rooms: dict[bytes, list[Client]] = {}
        for client in there:
            if client.is_logged_in and client.view is not None:
                rooms.setdefault(client.view.info.life, []).append(client)
        for members in rooms.values():
            first = members[0].view
            room = self.plane.seats[members[0].media_id].room
            sealers = {states[0].sealer for states in self.plane.sealers[room].values()}
            assert all(client.view.sealers == sealers for client in members)
            media_ids = {client.media_id for client in members}
            assert media_ids == set(self.plane.rooms[room])
            for key, receivers in self.plane.forwarding.items():
                if key[0] in media_ids:
                    assert receivers.keys() <= media_ids, "nothing is sent to who is gone"
            assert first.members.keys() == {client.participant for client in members}
            for client in members[1:]:
                assert client.view.number == first.number
                assert client.view.members == first.members
                assert client.view.publications == first.publications
                assert client.view.info == first.info


def error_code(reply: object) -> ErrorCode | None:
    return reply.code if isinstance(reply, m.Error) else None
