"""The client's end of a control connection: how it begins, and whether the server still answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tcclient.core.timers import Timers
from tcproto.control import ControlConnection
from tcproto.identity import KEY_SIZE
from tcproto.messages import Ping
from tcproto.path import CONTROL_TIMEOUT

CONTROL_PING = 5.0
"""Seconds between pings on the control connection. Two may be late before the connection counts as lost."""
PROBE_PATIENCE = 2.0
"""Seconds for a sign of the server after the network has changed: a slow round trip with one retransmission."""
MAX_ANSWERED = 20
"""Pings of the server that are answered in ``CONTROL_PING`` seconds, in which it sends one. A server that reads no
answers must not make a client keep any number of them."""
SOFTWARE = "tcclient"
"""Name of this software in the handshake."""


def control_connection(random_bytes: Callable[[int], bytes]) -> ControlConnection:
    """Return the client's end of a control connection, for a session; ``random_bytes`` is like ``os.urandom``."""
    return ControlConnection.client(software=SOFTWARE, ephemeral_private=random_bytes(KEY_SIZE))


class Line:
    """What is said on the control connections of a session, one after the other.

    While there is none, messages are kept, and sent when the session is resumed.
    """

    def __init__(self, control: ControlConnection) -> None:
        self._control = control
        self._is_up = True

    def request(self, message: object) -> int:
        """Send a request, and return its id; as ``ControlConnection.request``."""
        request_id = self._control.request(message)
        self._drop_unless_up()
        return request_id

    def ask(self, message: object) -> None:
        """Send a request that a timer repeats; as ``ControlConnection.ask``."""
        self._control.ask(message)
        self._drop_unless_up()

    def send(self, message: object) -> None:
        """Send a notification; as ``ControlConnection.send``."""
        self._control.send(message)
        self._drop_unless_up()

    def went_down(self) -> ControlConnection:
        """Note that the connection was lost, and return it: it has what the next one takes over."""
        self._is_up = False
        return self._control

    def come_up(self, control: ControlConnection) -> None:
        """Go on with another connection."""
        self._control, self._is_up = control, True

    def _drop_unless_up(self) -> None:
        if not self._is_up:
            self._control.data_to_send()  # encrypted for a connection that is lost; the message itself is kept


class Liveness:
    """Watches whether the server is there. ``lost`` is called after ``CONTROL_TIMEOUT`` seconds without a byte of it.

    Its deadline in ``timers`` is ``Liveness.KEY``.
    """

    KEY = "ping"

    def __init__(self, control: ControlConnection, timers: Timers, lost: Callable[[], None]) -> None:
        self.rtt: float | None = None
        """Seconds of the last round trip."""
        self._control = control
        self._timers = timers
        self._lost = lost
        self._pings = False
        self._heard_at = 0.0
        self._pinged_since = float("-inf")
        self._pinged = 0

    def watch(self, now: float, *, pings: bool) -> None:
        """Watch from now on. Pings are sent after the handshake only, the first at once: it measures the round trip."""
        self._pings = pings
        self._heard_at = now
        self._due(now)

    def probe(self, now: float) -> None:
        """Find out at once whether the server is still there: it has ``PROBE_PATIENCE`` to say anything."""
        if self._pings:
            self._control.ask(Ping(int(now * 1e6)))
            self._timers.set(self.KEY, now + PROBE_PATIENCE, partial(self._probed, now))

    def _probed(self, since: float, now: float) -> None:
        if self._heard_at <= since:
            self._lost()
        else:
            self._due(now)

    def pause(self) -> None:
        """Expect nothing, until ``watch`` is called again."""
        self._timers.cancel(self.KEY)

    def heard(self, now: float) -> None:
        """Note that something came."""
        self._heard_at = now

    def may_answer(self, now: float) -> bool:
        """Count a ping of the server, and tell whether to answer it."""
        if now >= self._pinged_since + CONTROL_PING:
            self._pinged_since, self._pinged = now, 0
        self._pinged += 1
        return self._pinged <= MAX_ANSWERED

    def answered(self, ping: Ping, now: float) -> None:
        """Take the answer to a ping."""
        self.rtt = now - ping.time / 1e6

    def _due(self, now: float) -> None:
        if now >= self._heard_at + CONTROL_TIMEOUT:
            self._lost()
            return
        self._timers.set(self.KEY, now + CONTROL_PING, self._due)
        if self._pings:
            self._control.ask(Ping(int(now * 1e6)))
