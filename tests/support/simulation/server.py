"""A server in virtual time: conference, media plane and control connections, wired as the daemon wires them."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable

from tcproto.account import DEFAULT_MEMORY, DEFAULT_PASSES, Challenge
from tcproto.control import ControlConnection
from tcproto.identity import SigningKey
from tcproto.messages import Envelope
from tcserver.conference import Conference, Settings, effects
from tcserver.identity import ServerIdentity
from tcserver.media import Drop, MediaPlane
from tcserver.media.forwarding.path import AMPLIFICATION
from tcserver.media.interface import Address, Event, PathProven, WorkerReplaced
from tcserver.records import Account
from tests.support.simulation.clock import Clock, HostClock, Timer
from tests.support.simulation.network import Pipe, Stream
from tests.support.simulation.planes import Planes
from tests.support.simulation.processor import Processor
from tests.support.simulation.server_connection import ServerConnection

LOOKUP_TIME = 0.003
"""Seconds that the database takes for an account."""
ACCOUNT_KEY = SigningKey(b"key of every account in the test")


class Server:
    """The shell of a conference and a media plane. It checks all the time what must always hold.

    ``routes`` are the pipes down to the addresses that exist; a datagram to any other address is lost.
    """

    def __init__(self, clock: Clock, rng: random.Random, settings: Settings) -> None:
        self.clock = HostClock(clock)
        self.identity = ServerIdentity(rng.randbytes(32))
        self.processor = Processor(clock)
        """What it is late for is to send what it has sealed."""
        self.is_down = False
        """Whether nobody listens."""
        self._settings = settings
        self.accounts: dict[str, Account] = {}
        self.routes: dict[tuple[str, int], Pipe | Stream] = {}
        self.bytes_in: Counter[Address] = Counter()
        self.bytes_out: Counter[Address] = Counter()
        self.tap: list[tuple[Address, bytes]] | None = None
        """Where to note datagrams that leave by UDP, for a wiretap."""
        self.told: list[tuple[float, int, object]] | None = None
        """Where to note control messages that leave: time, connection and message."""
        self.sessions: set[int] = set()
        self.events: list[Event] = []
        """The events of the media plane."""
        self._rng = rng
        self._clock = clock
        self._connections: dict[int, ServerConnection] = {}
        self._effects: deque[effects.Effect] = deque()
        self._events: deque[Event] = deque()
        self._proven: set[Address] = set()
        self._busy = False
        self._numbers = 0
        self._begin()
        self._conference_timer = Timer(self.clock, self._conference_due)
        self._plane_timer = Timer(self.clock, self._plane_due)

    def _begin(self) -> None:
        settings, randbytes = self._settings, self._rng.randbytes
        self.conference = Conference(settings, self.identity, randbytes, self.clock.unix_ms, now=self.clock.now)
        self.planes = Planes(settings.media_workers, randbytes)

    def die(self) -> None:
        """End at once, as a process that is killed."""
        self.is_down = True
        for connection in self._connections.values():
            connection.reset()
        self._connections.clear()
        self.sessions.clear()
        self._begin()

    def start(self) -> None:
        """Begin again, with the same identity and accounts."""
        self.is_down = False

    def reset(self, down: Stream) -> None:
        """Lose the TCP connection that a stream is a half of."""
        for connection in list(self._connections.values()):
            if connection.down is down:
                connection.reset()
                self.disconnected(connection)

    @property
    def plane(self) -> MediaPlane:
        """The media plane, of a server that has one."""
        (plane,) = self.planes.all
        return plane

    def replace_worker(self, worker: int) -> None:
        """End a media worker, and put another in its place."""
        self.planes.replace(worker)
        self._events.append(WorkerReplaced(worker))
        self._carry_out([])

    def account(self, name: str, **values: object) -> Account:
        """Make an account, unless there is one."""
        if name not in self.accounts:
            challenge = Challenge(name.encode().ljust(16, b"\0")[:16], DEFAULT_MEMORY, DEFAULT_PASSES)
            values = {"id": len(self.accounts) + 1, "generation": 1, "max_sessions": 100} | values
            self.accounts[name] = Account(name, name.title(), challenge, ACCOUNT_KEY.public, **values)  # type: ignore[arg-type]
        return self.accounts[name]

    def accept(self, down: Stream, host: str) -> ServerConnection:
        """Take a TCP connection."""
        assert self.conference.may_connect()
        self._numbers += 1
        control = ControlConnection.server(
            self.identity.secret, software="simulated", ephemeral_private=self._rng.randbytes(32)
        )
        connection = self._connections[self._numbers] = ServerConnection(self._numbers, host, control, self, down)
        self.do(self.conference.connected, connection.number, host)
        return connection

    def receive(self, data: bytes, source: tuple[str, int]) -> None:
        """Take a datagram."""
        if self.is_down:
            return
        address = Address(0, *source)
        self.bytes_in[address] += len(data)
        self.planes.receive(data, address, self.clock.now)
        self._drain()

    def do(self, verb: Callable[..., list[effects.Effect]], *arguments: object) -> None:
        """Call a verb of the conference; the operator may use it, too."""
        self._carry_out(verb(*arguments, self.clock.now))

    def drops(self) -> dict[Drop, int]:
        """Return the drops of the media plane by reason."""
        drops: Counter[Drop] = Counter()
        for plane in self.planes.all:
            drops.update(plane.counters.drops)
        return dict(+drops)

    # Called by the control connections.

    def handshake_done(self, connection: ServerConnection, handshake_hash: bytes) -> None:
        self.do(self.conference.handshake_done, connection.number, handshake_hash)

    def received(self, connection: ServerConnection, envelope: Envelope) -> None:
        self.do(self.conference.received, connection.number, envelope)

    def disconnected(self, connection: ServerConnection) -> None:
        if self._connections.pop(connection.number, None) is not None:
            self.do(self.conference.disconnected, connection.number)

    # Effects, commands and events, in the daemon's order.

    def _carry_out(self, wanted: list[effects.Effect]) -> None:
        self._effects.extend(wanted)
        if self._busy:
            return
        self._busy = True
        touched: dict[ServerConnection, None] = {}
        try:
            while self._effects or self._events:
                while self._effects:
                    self._do(self._effects.popleft(), touched)
                if self._events:
                    self._effects.extend(self.conference.media_event(self._events.popleft(), self.clock.now))
        finally:
            self._busy = False
        for connection in touched:
            connection.flush()
        self._conference_timer.arm(self.conference.next_deadline())

    def _do(self, effect: effects.Effect, touched: dict[ServerConnection, None]) -> None:
        match effect:
            case effects.Send(number, message, request_id):
                if self.told is not None:
                    self.told.append((self.clock.now, number, message))
                if connection := self._connections.get(number):
                    connection.send(message, request_id)
                    touched[connection] = None
            case effects.Disconnect(number):
                if connection := self._connections.get(number):
                    connection.close()
            case effects.MediaCommand(command):
                self.planes.apply(command, self.clock.now)
                self._drain()
            case effects.FindAccount(number, name):
                self._clock.after(
                    LOOKUP_TIME, lambda: self.do(self.conference.account_found, number, self.accounts.get(name))
                )
            case effects.FindDevices(number, _):
                self._clock.after(LOOKUP_TIME, lambda: self.do(self.conference.devices_found, number, ()))
            case effects.SaveRoom(ticket, _):
                self._clock.after(LOOKUP_TIME, lambda: self.do(self.conference.saved, ticket, True))
            case effects.Crash(error=error):
                raise error
            case effects.SessionStarted(session=session):
                assert session not in self.sessions
                self.sessions.add(session)
            case effects.SessionEnded(session=session):
                self.sessions.remove(session)

    def _drain(self) -> None:
        events = self.planes.take_events()
        self._proven |= {event.address for event in events if isinstance(event, PathProven)}
        for address, datagram in self.planes.outgoing(self.clock.now):
            self.send(address, datagram)
        if events:
            self.events += events
            self._events.extend(events)
            self._carry_out([])
        self._plane_timer.arm(self.planes.next_deadline())

    def send(self, address: Address, datagram: bytes) -> None:
        self.bytes_out[address] += len(datagram)
        if address not in self._proven:
            assert self.bytes_out[address] <= AMPLIFICATION * self.bytes_in[address]
        if self.tap is not None:
            self.tap.append((address, datagram))
        pipe = self.routes.get((address.host, address.port))
        if pipe is not None:
            self.processor.do(lambda: pipe.send(datagram))

    def _conference_due(self) -> None:
        self._carry_out(self.conference.timeout(self.clock.now))

    def _plane_due(self) -> None:
        self.planes.poll(self.clock.now)
        self._drain()
