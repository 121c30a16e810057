"""Items about the media path: pings, proof of the path, positions of the sealers."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

from tcproto.datagram import MAX_DATAGRAM, MIN_DATAGRAM

PATH_TOKEN_SIZE = 8
"""Bytes of a path challenge: nobody guesses 64 bits in its lifetime."""
CHALLENGE_LIFETIME = 3.0
"""Seconds for which a path challenge can be answered."""
PING_NUMBER_BITS = 16
PING_INTERVAL_IDLE = 5.0
"""Seconds between pings on a path without subscriptions and publications. They keep NAT bindings alive."""
PING_INTERVAL_CALL = 1.0
"""Seconds between pings on a path in a call."""
PING_INTERVAL_LOST = 0.5
"""Seconds between pings on a path that is lost: after an outage sound is back within one second, with the round trip
and a half that a proof takes."""
PATH_SILENCE = 3.0
"""Seconds after which a path counts as lost, if pings were sent and nothing at all came."""
PING_PATIENCE = 1.0
"""Seconds after a ping without anything, after which pings follow faster, because some may be lost."""
SPEECH_PATIENCE = 0.15
"""Seconds without any datagram while somebody speaks, after which a client pings at once. A NAT may have given it
another address, which the server finds by its next datagram. Seven frames of 20 ms that are lost in a row are rare."""
PING_INTERVAL_SILENT = 0.1
"""Seconds between these faster pings: 20 more within ``PATH_SILENCE``. On a usable path not all of them are lost."""
CONTROL_TIMEOUT = 15.0
"""Seconds without anything from the peer after which a control connection is dead."""
MAX_PROBE = 16
"""Datagrams of a bandwidth probe at most."""
MIN_PROBE_SIZE = MIN_DATAGRAM + 7
"""Bytes of each of them at least: it has an item of 3 bytes with its head of 3, and a head of padding."""
_PING = Struct(">HI")
_PONG = Struct(">HIIHII")
_POSITION = Struct(">IHI")
_PROBE_REQUEST = Struct(">HBH")
_PROBE = Struct(">HB")


class PingItem(NamedTuple):
    """A ping; ``time`` is the sender's clock in µs, modulo 2**32."""

    number: int
    time: int

    def pack(self) -> bytes:
        """Return the 6 bytes."""
        return _PING.pack(*self)


class PongItem(NamedTuple):
    """Answer to a ping: when it came, and what else had come by then."""

    number: int
    time: int
    """Copied from the ping."""
    received_at: int
    """The answering side's clock in µs, modulo 2**32."""
    highest: int
    """Highest counter accepted from the asking side."""
    received: int
    """Datagrams accepted from the asking side, modulo 2**32. With ``highest`` this gives the loss on the way."""

    def pack(self) -> bytes:
        """Return the 20 bytes."""
        number, time, received_at, highest, received = self
        return _PONG.pack(number, time, received_at, highest >> 32, highest & 0xFFFFFFFF, received)


class ProbeRequest(NamedTuple):
    """Asks for so many datagrams of ``size`` bytes at once, which show how fast the way down is."""

    number: int
    datagrams: int
    size: int

    def pack(self) -> bytes:
        """Return the 5 bytes."""
        return _PROBE_REQUEST.pack(*self)


class ProbeItem(NamedTuple):
    """One of these datagrams, which count from 0; the rest of it is padding."""

    number: int
    """Of the request."""
    place: int

    def pack(self) -> bytes:
        """Return the 3 bytes."""
        return _PROBE.pack(*self)


class Position(NamedTuple):
    """The counter that a sealer will use next. The ceiling of its replay window follows from it."""

    sealer: int
    counter: int


def parse_ping(value: bytes) -> PingItem:
    """Parse a ping. Raises ``ValueError`` for a wrong length."""
    if len(value) != _PING.size:
        raise ValueError("ping of a wrong length")
    return PingItem(*_PING.unpack(value))


def parse_pong(value: bytes) -> PongItem:
    """Parse a pong. Raises ``ValueError`` for a wrong length."""
    if len(value) != _PONG.size:
        raise ValueError("pong of a wrong length")
    number, time, received_at, high, low, received = _PONG.unpack(value)
    return PongItem(number, time, received_at, high << 32 | low, received)


def parse_probe_request(value: bytes) -> ProbeRequest:
    """Parse a request for a bandwidth probe. Raises ``ValueError`` where it is malformed, or asks for too much."""
    if len(value) != _PROBE_REQUEST.size:
        raise ValueError("probe request of a wrong length")
    request = ProbeRequest(*_PROBE_REQUEST.unpack(value))
    if not 1 <= request.datagrams <= MAX_PROBE or not MIN_PROBE_SIZE <= request.size <= MAX_DATAGRAM:
        raise ValueError("a probe that nobody sends")
    return request


def parse_probe(value: bytes) -> ProbeItem:
    """Parse the item of a datagram of a bandwidth probe. Raises ``ValueError`` for a wrong length."""
    if len(value) != _PROBE.size:
        raise ValueError("probe of a wrong length")
    return ProbeItem(*_PROBE.unpack(value))


def pack_positions(positions: Sequence[Position]) -> bytes:
    """Return 10 bytes for each position."""
    return b"".join(_POSITION.pack(sealer, counter >> 32, counter & 0xFFFFFFFF) for sealer, counter in positions)


def parse_positions(value: bytes) -> list[Position]:
    """Parse positions. Raises ``ValueError`` for a wrong length."""
    if len(value) % _POSITION.size:
        raise ValueError("positions of a wrong length")
    return [Position(sealer, high << 32 | low) for sealer, high, low in _POSITION.iter_unpack(value)]
