"""The conference: accounts log in, participants meet in rooms. A pure state machine: inputs in, effects out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping

from tcproto.errors import ErrorCode, ProtocolError, Refusal
from tcproto.messages import Envelope, Source
from tcproto.resumption import is_counted
from tcserver.conference.context import Context
from tcserver.conference.crashes import CONNECTION_TIMERS, SESSION_TIMERS
from tcserver.conference.dispatch import Dispatcher
from tcserver.conference.effects import Effect, Where
from tcserver.conference.limits.budget import BYTE_COST, FRAME_COST, MAX_RESTS, Solvency
from tcserver.conference.login.authenticator import Authenticator
from tcserver.conference.login.connection import Connection, Request
from tcserver.conference.login.connections import Connections
from tcserver.conference.login.passwords import Passwords
from tcserver.conference.login.session import Ending, Session
from tcserver.conference.login.sessions import Sessions
from tcserver.conference.media_reports import MediaReports
from tcserver.conference.policy import POLICIES, Policies
from tcserver.conference.requests.operator import Operator
from tcserver.conference.room.room import Room
from tcserver.conference.room.rooms import Rooms
from tcserver.conference.services import Services
from tcserver.conference.settings import Settings
from tcserver.identity import ServerIdentity
from tcserver.media.interface import Event
from tcserver.records import Account, RoomRecord, Standing

STANDSTILL = 2.0
"""Seconds: a deadline that is so late means that the process, or its machine, stood still. No load does it."""
RECOVERY = 1.0
"""Seconds after a standstill before anything is due. In them the server reads what came meanwhile."""


class Conference:
    """Each input returns the effects that it has, to be carried out in order.

    An input that comes of an effect (a seat opened at once, a connection found broken) has to wait until all effects
    before it are carried out. ``policies`` are what each room decides by itself. ``now`` is monotonic time in seconds
    and never goes back; ``unix_ms`` tells the time that people see, in ms since 1970, and decides nothing.
    """

    def __init__(
        self,
        settings: Settings,
        server: ServerIdentity,
        random_bytes: Callable[[int], bytes],
        unix_ms: Callable[[], int],
        rooms: Iterable[RoomRecord] = (),
        now: float = 0.0,
        policies: Policies = POLICIES,
    ) -> None:
        self.context = context = Context(settings, server, random_bytes, unix_ms)
        """What all parts share; for looking, not for changing."""
        self._connections = connections = Connections(context, self._detached)
        self._sessions = sessions = Sessions(context, connections, self._vacate, now)
        self._authenticator = Authenticator(context, connections, sessions, now)
        self._rooms = Rooms(context, rooms, policies, now)
        self._reports = MediaReports(context, self._rooms, sessions.left)
        self._passwords = Passwords(context, sessions)
        services = Services(context, connections, sessions, self._authenticator, self._passwords, self._rooms)
        self._dispatcher = Dispatcher(services)
        self.operator = Operator(context, sessions, self._rooms)
        """Serves the operator, apart from changes that are on disk."""
        self._is_shut_down = False

    @property
    def counters(self) -> Mapping[str, int]:
        """Counts of what was ignored, by a fixed set of names."""
        return self.context.counters

    @property
    def refusals(self) -> Mapping[ErrorCode, int]:
        """Messages that were refused, or ended their connection, by the reason that the client was told."""
        return self.context.refusals

    @property
    def limited(self) -> Mapping[str, int]:
        """Messages beyond a rate, by their class. ``all`` are those that ended their connection.

        Of those beyond their account's budget ``account`` were refused, ``rest`` had to wait to be read, and ``closed``
        ended their connection.
        """
        return self.context.limited

    @property
    def crashes(self) -> Mapping[str, int]:
        """Errors of our own, by what failed (see ``Where``)."""
        return self.context.crashes

    @property
    def connections(self) -> int:
        """Control connections that are open."""
        return len(self._connections)

    @property
    def half_open(self) -> int:
        """Control connections that have not logged in."""
        return self._connections.half_open

    @property
    def seats(self) -> int:
        """Seats of all rooms, those that are being opened included."""
        return len(self.context.seats)

    @property
    def publications(self) -> Mapping[Source, int]:
        """Publications of all rooms, by their source."""
        streams = (stream for seat in self.context.seats.values() for stream in seat.publications.values())
        return Counter(stream.info.source for stream in streams if stream.info is not None)

    @property
    def sessions(self) -> int:
        """Sessions that are on."""
        return len(self._sessions)

    @property
    def detached(self) -> int:
        """Sessions that have lost their connection, and wait for another one."""
        return sum(session.channel.connection is None for session in self._sessions)

    @property
    def rooms(self) -> int:
        """Rooms that are open."""
        return len(self._rooms)

    # Connections

    def may_connect(self) -> bool:
        """Tell whether connections may be accepted: until ``shutdown``."""
        return not self._is_shut_down

    def connected(self, connection: int, address: str, now: float) -> list[Effect]:
        """Take a connection in that was accepted; ``connection`` is a number that is never used again."""
        self._connections.open(connection, address, now)
        return self.context.outbox.take()

    def handshake_done(self, connection: int, handshake_hash: bytes, now: float) -> list[Effect]:
        """Let a client log in whose Noise handshake is done; the hash of the handshake has 64 bytes."""
        return self._about(connection, lambda found: self._connections.handshake_done(found, handshake_hash, now), now)

    def charge(self, connection: int, size: int, now: float) -> tuple[float, list[Effect]]:
        """Charge a frame of ``size`` bytes to its account, before it is decrypted.

        Return the seconds for which it has to wait, to be charged then; 0: it is charged, and may be read. A client
        that goes on sending is closed.
        """
        found = self._connections.get(connection)
        if found is None or found.session is None:
            return 0.0, []
        budget = found.budget = self.context.budget(found.session.account, now)
        solvency = budget.solvency(now)
        found.is_overdrawn = solvency is not Solvency.GOOD
        match solvency:
            case Solvency.GOOD:
                found.rests = 0
            case Solvency.SPENT if found.rests == MAX_RESTS:
                self.context.limited["closed"] += 1
                wait_ms = int(budget.wait(now) * 1000) + 1
                self._connections.hang_up(found, ErrorCode.RATE_LIMITED, now, retry_after_ms=wait_ms)
                return 0.0, self.context.outbox.take()
            case Solvency.SPENT:
                found.rests += 1
                self.context.limited["rest"] += 1
                return budget.rest(now), []
        found.charged = FRAME_COST + BYTE_COST * size
        budget.spend(found.charged)
        return 0.0, []

    def spent(self, connection: int, microseconds: float) -> None:
        """Charge the processor time that a frame took, less what it was charged before it was read."""
        found = self._connections.get(connection)
        if found is not None and found.budget is not None:
            found.budget.spend(max(0.0, microseconds - found.charged))
            found.charged = max(found.charged, microseconds)

    def received(self, connection: int, envelope: Envelope, now: float) -> list[Effect]:
        """Serve a message; one that comes on a closed connection is ignored."""
        found = self._connections.get(connection)
        if found is not None:
            found.last_heard = now
            request = Request(found, envelope.message, envelope.request_id, now, self.context.outbox)
            if found.session is not None:
                self._sessions.heard(found.session)
                found.session.channel.received += is_counted(envelope.message)
            room = self._room_of(found)
            try:
                self._dispatcher.dispatch(request)
            except Refusal as refusal:
                self.context.refusals[refusal.code] += 1
                if not request.request_id:
                    self.context.counters[f"notification_{refusal.code}"] += 1
                request.refuse(refusal)
            except ProtocolError as error:
                self.context.refusals[error.code] += 1
                self._connections.hang_up(found, error.code, now, error.detail)
            except Exception as error:
                self._connection_crashed(found, room, error, now, type(request.message).__name__)
        return self.context.outbox.take()

    def disconnected(self, connection: int, now: float, *, left: bool = False) -> list[Effect]:
        """Forget a connection that broke, or that its peer closed; ``left`` tells whether as one that leaves."""
        return self._about(connection, lambda found: self._connections.gone(found, now, left=left), now)

    def withdrawn(self, connection: int, now: float) -> list[Effect]:
        """Forget a connection that is one of another protocol: nothing was read from it."""
        return self._about(connection, self._connections.withdrawn, now)

    def hang_up(self, connection: int, code: ErrorCode, now: float, text: str = "") -> list[Effect]:
        """Close a connection for a reason that the shell has, such as a bad frame or a full queue."""
        return self._about(connection, lambda found: self._connections.hang_up(found, code, now, text), now)

    def failed(self, connection: int, code: ErrorCode, now: float, detail: str = "") -> list[Effect]:
        """Forget a connection that the shell closes. The shell has told the client why."""
        return self._about(connection, lambda found: self._connections.failed(found, code, now, detail), now)

    # Answers to effects

    def account_found(self, connection: int, account: Account | None, now: float) -> list[Effect]:
        """Take the answer to ``FindAccount``: the account, or None."""
        return self._about(connection, lambda found: self._authenticator.account_found(found, account, now), now)

    def devices_found(self, connection: int, devices: Collection[bytes], now: float) -> list[Effect]:
        """Take the answer to ``FindDevices``: the keys of the account's enrolled devices."""
        return self._about(connection, lambda found: self._authenticator.devices_found(found, devices, now), now)

    def lookup_failed(self, connection: int, now: float) -> list[Effect]:
        """Take that the database could not answer ``FindAccount`` or ``FindDevices``."""
        return self._about(connection, lambda found: self._authenticator.lookup_failed(found), now)

    def saved(self, ticket: int, ok: bool, now: float) -> list[Effect]:
        """Take the answer to ``SaveRoom``: whether the room is on disk."""
        self._rooms.saved(ticket, ok, now)
        return self.context.outbox.take()

    def password_saved(self, session: int, account: Account | None, now: float) -> list[Effect]:
        """Take the answer to ``SavePassword``: the account as it is stored now, None where it was not written."""
        self._passwords.saved(session, account, now)
        return self.context.outbox.take()

    # The operator

    def accounts_changed(self, standing: Standing, now: float) -> list[Effect]:
        """Follow a change of accounts, or take the first list of them."""
        self.context.costs = standing.costs
        for connection in self._connections:
            self._authenticator.accounts_changed(connection, standing.generations)
        self._sessions.accounts_changed(standing, now)
        return self.context.outbox.take()

    def rooms_changed(self, rooms: Iterable[RoomRecord], now: float) -> list[Effect]:
        """Follow a change of permanent rooms; ``rooms`` are all of them."""
        self._rooms.records_changed(rooms, now)
        return self.context.outbox.take()

    def settings_changed(self, settings: Settings) -> None:
        """Take new settings; rates hold for new connections."""
        self.context.settings = settings

    def shutdown(self, reason: str, retry_after_ms: int, now: float) -> list[Effect]:
        """Close everything."""
        self._is_shut_down = True
        for connection in self._connections:
            self._connections.hang_up(connection, ErrorCode.SHUTDOWN, now, reason, retry_after_ms)
        self._sessions.hang_up_all(ErrorCode.SHUTDOWN, now)  # those without a connection
        self._rooms.close_all(now)
        return self.context.outbox.take()

    # The media plane

    def media_event(self, event: Event, now: float) -> list[Effect]:
        """Take a report of the media plane; one about a seat or a room that is gone is ignored."""
        self._reports.take(event, now)
        return self.context.outbox.take()

    # Time

    def next_deadline(self) -> float | None:
        """Return when ``timeout`` has to be called."""
        return self.context.timers.next()

    def timeout(self, now: float) -> list[Effect]:
        """Do what is due. Time in which the process stood still counts for nobody."""
        timers = self.context.timers
        late = now - (timers.next() or now)
        if late >= STANDSTILL:
            timers.postpone(late + RECOVERY)
            self._connections.stood_still(late, now)
            self.context.counters["stood_still"] += 1
            self.context.outbox.log("stood_still", ms=round(late * 1000))
        timers.run(now, self._timer_crashed)
        return self.context.outbox.take()

    def _room_of(self, connection: Connection) -> Room | None:
        """Return the room where a connection has a seat, or is about to have one."""
        seat = self.context.seat_on(connection)
        return None if seat is None else self._rooms.of(seat)

    def _detached(self, session: Session, ending: Ending, now: float) -> None:
        self._sessions.detached(session, ending, now)

    def _vacate(self, session: Session, code: ErrorCode | None, now: float) -> None:
        """Take the seat of a session away, if it has one; an error of ours ends the life of that room."""
        seat = self.context.seat_of.get(session.number)
        if seat is not None:
            room = self._rooms.of(seat)
            try:
                room.remove(seat, now, code)
            except Exception as error:
                self._rooms.crashed(room, error, now)

    # Errors of our own

    def crashed(self, where: Where, error: Exception, **fields: str | int) -> list[Effect]:
        """Count an error of the shell; one of the effects logs it."""
        self.context.crashed(where, error, **fields)
        return self.context.outbox.take()

    def _about(self, connection: int, do: Callable[[Connection], None], now: float) -> list[Effect]:
        """Do something about a connection, if it is still there."""
        found = self._connections.get(connection)
        if found is not None:
            room = self._room_of(found)
            try:
                do(found)
            except Exception as error:
                self._connection_crashed(found, room, error, now)
        return self.context.outbox.take()

    def _connection_crashed(
        self, connection: Connection, room: Room | None, error: Exception, now: float, message: str = ""
    ) -> None:
        """End the session for which something failed. End the life of a room that was left half changed, too.

        ``room`` is where the session had a seat before.
        """
        self.context.crashed(Where.FRAME, error, address=connection.address, message=message)
        concerned = dict.fromkeys((room, self._room_of(connection)))
        if self._connections.get(connection.number) is connection:
            self._connections.hang_up(connection, ErrorCode.INTERNAL, now)
        for each in concerned:
            if each is not None:
                self._rooms.mend(each, now)

    def _timer_crashed(self, key: Hashable, error: Exception, now: float) -> None:
        """End the connection, or the life of the room, whose deadline failed."""
        name, number = key[:2] if isinstance(key, tuple) else (key, None)
        self.context.crashed(Where.TIMER, error, timer=str(name))
        if name in CONNECTION_TIMERS:
            if (connection := self._connections.get(number)) is not None:
                self._connections.hang_up(connection, ErrorCode.INTERNAL, now)
        elif name in SESSION_TIMERS:
            if (session := self._sessions.get(number)) is not None:
                self._sessions.hang_up(session, ErrorCode.INTERNAL, now)
        elif (room := self._rooms.by_number(number)) is not None:
            self._rooms.restart(room, now)
