"""The control connections, from the first byte to the last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import ceil

from tcproto.errors import CODES, Action, ErrorCode
from tcproto.messages import Close, Ping
from tcserver.conference.context import Context
from tcserver.conference.limits.token_bucket import ConnectionBuckets
from tcserver.conference.login.connection import Connection
from tcserver.conference.login.half_open import PATIENCE, HalfOpen, Step, network_of
from tcserver.conference.login.session import FAREWELL, LOST, Ending, Session

WATCH_STEP = 0.05
"""Seconds. Silent clients are looked for at multiples of it, many at a time: a wake-up costs more than a ping."""

CROWDED = "too many connections that have not logged in"
"""Text for a connection that is closed to make room for a new one."""
CROWDED_RETRY_MS = 1000
"""Milliseconds that its client waits. If it came back at once it would only push out the next one."""

MAX_UNANSWERED_PINGS = 4
"""Pings without an answer before no more are sent. The client is closed when it has been silent for too long."""


class Connections:
    """All control connections. Each of them ends here; ``detached`` is called with the session that was on it."""

    def __init__(self, context: Context, detached: Callable[[Session, Ending, float], None]) -> None:
        self._context = context
        self._detached = detached
        self._connections: dict[int, Connection] = {}
        self._half_open = HalfOpen()

    def __len__(self) -> int:
        """Connections that are open."""
        return len(self._connections)

    @property
    def half_open(self) -> int:
        """Connections that have not logged in."""
        return len(self._half_open)

    def stood_still(self, seconds: float, now: float) -> None:
        """Forgive the clients a silence in which the server itself did not run."""
        for connection in self._connections.values():
            connection.last_heard = min(now, connection.last_heard + seconds)

    def __iter__(self) -> Iterator[Connection]:
        """Go through the connections, as they are now."""
        return iter(list(self._connections.values()))

    def get(self, number: int) -> Connection | None:
        """Return a connection that is open."""
        return self._connections.get(number)

    def open(self, number: int, address: str, now: float) -> None:
        """Add a connection, before its handshake. Close another one if there is no room for it."""
        settings, network = self._context.settings, network_of(address)
        most, most_of_network = settings.login.max_half_open, settings.login.max_half_open_per_address
        while (leaver := self._half_open.leaver(network, most, most_of_network, now)) is not None:
            self.hang_up(self._connections[leaver], ErrorCode.SERVER_FULL, now, CROWDED, CROWDED_RETRY_MS)
        buckets = ConnectionBuckets(settings.message_rates, settings.total_rate, now)
        self._connections[number] = Connection(number, address, network, buckets, last_heard=now)
        self._half_open.add(number, network, now)
        first_frame = min(PATIENCE[Step.CONNECTED], settings.login.time_limit_s)
        due = partial(self._first_frame_due, number, now + settings.login.time_limit_s)
        self._context.timers.set(("login", number), now + first_frame, due)

    def handshake_done(self, connection: Connection, handshake_hash: bytes, now: float) -> None:
        """Allow messages to the connection, and wait for its login."""
        connection.handshake_hash = handshake_hash
        self._half_open.advance(connection.number, Step.GREETED, now)
        self._context.outbox.open(connection.number)
        self._await_login(connection.number, now + self._context.settings.login.time_limit_s)

    def named(self, connection: Connection, account: str, now: float) -> None:
        """Note the account that a connection wants to log in with (folded name)."""
        self._half_open.advance(connection.number, Step.NAMED, now, account)

    def put(self, session: Session, connection: Connection, now: float) -> None:
        """Put a session on a connection."""
        connection.session = session
        self._half_open.remove(connection.number)
        self._half_open.know(connection.network)
        self._context.timers.cancel(("login", connection.number))
        self._watch(connection, now)

    def hang_up(
        self, connection: Connection, code: ErrorCode, now: float, text: str = "", retry_after_ms: int = 0
    ) -> None:
        """Close a connection. If the handshake is done, its client is told why."""
        self._context.counters[f"closed_{code}"] += 1
        action = CODES[code].action
        if action is Action.NONE:
            action = Action.RECONNECT
        close = Close(code=code, text=text or CODES[code].text, action=action, retry_after_ms=retry_after_ms)
        self._context.outbox.disconnect(connection.number, close)
        self._forget(connection, Ending(code, text), now)

    def failed(self, connection: Connection, code: ErrorCode, now: float, detail: str) -> None:
        """Forget a connection that the shell closes. The shell has told its client why."""
        self._context.counters[f"closed_{code}"] += 1
        self._context.outbox.forget(connection.number)
        self._forget(connection, Ending(code, detail), now)

    def gone(self, connection: Connection, now: float, *, left: bool = False) -> None:
        """Forget a connection that ended by itself, or that its client closed because it leaves."""
        self._context.outbox.forget(connection.number)
        self._forget(connection, FAREWELL if left else LOST, now)

    def withdrawn(self, connection: Connection) -> None:
        """Forget a connection that is one of another protocol. Nothing was read from it, so nothing is logged."""
        self._context.outbox.forget(connection.number)
        self._half_open.remove(connection.number)
        self._remove(connection)

    def farewell(self, connection: Connection, now: float) -> None:
        """Close a connection whose client has said goodbye, or uses another one."""
        self._context.outbox.disconnect(connection.number)
        self._forget(connection, FAREWELL, now)

    def _remove(self, connection: Connection) -> None:
        del self._connections[connection.number]
        for name in ("login", "challenge", "failed login", "idle"):
            self._context.timers.cancel((name, connection.number))

    def _forget(self, connection: Connection, ending: Ending, now: float) -> None:
        self._remove(connection)
        session = connection.session
        if session is None:
            self._half_open.remove(connection.number)
            self._context.outbox.log(
                "connection_ended",
                address=connection.address,
                **ending.fields(),
                step="login" if connection.handshake_hash else "handshake",
                account=connection.attempt.lookup_name,
            )
        elif session.channel.connection == connection.number:
            self._detached(session, ending, now)

    def _first_frame_due(self, number: int, latest: float, now: float) -> None:
        """Close a connection without a handshake if others need its place, else wait as long as for a login."""
        connection, settings = self._connections[number], self._context.settings
        most, most_of_network = settings.login.max_half_open, settings.login.max_half_open_per_address
        if self._half_open.is_crowded(connection.network, most, most_of_network):
            self.hang_up(connection, ErrorCode.LOGIN_TIMEOUT, now)
            return
        self._await_login(number, latest)

    def _await_login(self, number: int, due: float) -> None:
        late = partial(self.hang_up, self._connections[number], ErrorCode.LOGIN_TIMEOUT)
        self._context.timers.set(("login", number), due, late)

    def _watch(self, connection: Connection, now: float) -> None:
        """Ping a silent client. Close the connection of one that stays silent."""
        settings = self._context.settings
        silence = now - connection.last_heard
        if silence >= settings.limits.idle_s:
            self.hang_up(connection, ErrorCode.IDLE_TIMEOUT, now)
            return
        if silence >= settings.ping_interval and connection.unanswered < MAX_UNANSWERED_PINGS:
            connection.pings += 1
            connection.unanswered += 1
            self._context.outbox.send(connection.number, Ping(time=self._context.unix_ms()), connection.pings)
        if connection.session is not None:
            connection.session.channel.forget_old(now, settings.limits.idle_s + settings.limits.resume_s)
        watch = partial(self._watch, connection)
        due = ceil((now + settings.ping_interval) / WATCH_STEP) * WATCH_STEP
        self._context.timers.set(("idle", connection.number), due, watch)
