"""The control connections, from the first byte to the last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from math import ceil

from tcproto.errors import CODES, Action, ErrorCode
from tcproto.messages import Close, Ping
from tcserver.conference.connection import Connection, Session
from tcserver.conference.context import Context
from tcserver.conference.limiter import Limiter

WATCH_STEP = 0.05
"""Seconds; clients are looked after at multiples of it, some together: waking up for each costs more than its ping."""


class Connections:
    """All connections. Whatever ends one passes through here, and ends its session and seat by ``end_session``."""

    def __init__(self, context: Context, end_session: Callable[[Session, float, ErrorCode | None], None]) -> None:
        self._context = context
        self._end_session = end_session
        self._connections: dict[int, Connection] = {}
        self._half_open: Counter[str] = Counter()
        """By address: those that have not logged in."""

    def __len__(self) -> int:
        """Connections that are open."""
        return len(self._connections)

    @property
    def half_open(self) -> int:
        """Connections that have not logged in."""
        return self._half_open.total()

    def __iter__(self) -> Iterator[Connection]:
        """Go through the connections, as they are now."""
        return iter(list(self._connections.values()))

    def get(self, number: int) -> Connection | None:
        """Return a connection that is open."""
        return self._connections.get(number)

    def may_connect(self, address: str) -> bool:
        """Tell whether one more connection of an address may be accepted."""
        settings = self._context.settings
        return self._half_open[address] < settings.max_half_open_per_address and self.half_open < settings.max_half_open

    def open(self, number: int, address: str, now: float) -> None:
        """Take a connection in, whose handshake is still to come."""
        settings = self._context.settings
        limiter = Limiter(settings.rates, settings.total_rate, now)
        self._connections[number] = Connection(number, address, limiter, last_heard=now)
        self._half_open[address] += 1
        self._await_login(number, now)

    def handshake_done(self, connection: Connection, handshake_hash: bytes, now: float) -> None:
        """Let messages to the connection out from now on, and await its login."""
        connection.handshake_hash = handshake_hash
        self._context.outbox.open(connection.number)
        self._await_login(connection.number, now)

    def log_in(self, connection: Connection, session: Session, now: float) -> None:
        """Put a session on a connection."""
        connection.session = session
        self._forget_half_open(connection.address)
        self._context.timers.cancel(("login", connection.number))
        self._watch(connection, now)

    def hang_up(
        self, connection: Connection, code: ErrorCode, now: float, text: str = "", retry_after_ms: int = 0
    ) -> None:
        """Close a connection and say why, if the handshake is done."""
        self._context.counters[f"closed_{code}"] += 1
        action = CODES[code].action
        if action is Action.NONE:
            action = Action.RECONNECT
        close = Close(code=code, text=text or CODES[code].text, action=action, retry_after_ms=retry_after_ms)
        self._context.outbox.disconnect(connection.number, close)
        self._forget(connection, now, code)

    def gone(self, connection: Connection, now: float) -> None:
        """Forget a connection that ended by itself."""
        self._context.outbox.forget(connection.number)
        self._forget(connection, now, None)

    def farewell(self, connection: Connection, now: float) -> None:
        """End a connection whose client said that it goes."""
        self._context.outbox.disconnect(connection.number)
        self._forget(connection, now, None)

    def _forget(self, connection: Connection, now: float, code: ErrorCode | None) -> None:
        del self._connections[connection.number]
        for name in ("login", "failed login", "idle"):
            self._context.timers.cancel((name, connection.number))
        if connection.session is None:
            self._forget_half_open(connection.address)
        else:
            self._end_session(connection.session, now, code)

    def _forget_half_open(self, address: str) -> None:
        self._half_open[address] -= 1
        if not self._half_open[address]:
            del self._half_open[address]

    def _await_login(self, number: int, now: float) -> None:
        connection = self._connections[number]
        late = partial(self.hang_up, connection, ErrorCode.LOGIN_TIMEOUT)
        self._context.timers.set(("login", number), now + self._context.settings.login_timeout, late)

    def _watch(self, connection: Connection, now: float) -> None:
        """Ping a silent client, and give up one that stays silent."""
        settings = self._context.settings
        silence = now - connection.last_heard
        if silence >= settings.idle_timeout:
            self.hang_up(connection, ErrorCode.IDLE_TIMEOUT, now)
            return
        if silence >= settings.ping_interval:
            connection.pings += 1
            self._context.outbox.send(connection.number, Ping(time=self._context.unix_ms()), connection.pings)
        watch = partial(self._watch, connection)
        due = ceil((now + settings.ping_interval) / WATCH_STEP) * WATCH_STEP
        self._context.timers.set(("idle", connection.number), due, watch)
