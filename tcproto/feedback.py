"""Items that report loss, and ask for what was lost: reports, heads, requests for packets.

Those that are reserved (PROTOCOL.md, appendix A) have fixed bytes and test vectors. Nothing sends them yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

from tcproto.packet import Series, parse_series
from tcproto.serial import wrapped

REPEAT_INTERVAL = 0.02
"""Seconds in which a packet is sent again to the one who asks only once: asking more often has no use.

Where much is lost, sound is asked for twice before an answer can have come. With 0.1 s, which others use, that is not
possible, and a picture is tried five times before it is given up. At 20 % loss both ways that leaves one in a hundred
broken, and each costs everybody a keyframe.
"""
MAX_TRIES = 10
"""Requests for one packet at most, as in libwebrtc."""
REPORT_INTERVAL = 1.0
"""Seconds between two reports of a receiver."""
MAX_ARRIVALS = 256
"""The most datagrams in one arrival report."""
LEAST_ARRIVAL_INTERVAL, MOST_ARRIVAL_INTERVAL = 0.05, 1.0
"""Seconds between two arrival reports at least and at most, whatever is asked for.

With more, the times in one might lie so far apart that no delta tells it.
"""
DELTA_UNIT = 250
"""Unit of arrival times, in µs."""
ESCAPE = 255
"""The delta byte that is followed by 2 bytes."""
_ARRIVALS = Struct(">HIBI")
_RECEPTION = Struct(">IHBIIHHH")
_HEAD = Struct(">HBH")
_NOT_SENT = Struct(">IHBHH")
_RETRANSMISSION = Struct(">IHBHH")
_RESEND = Struct(">HI")


class ArrivalReport(NamedTuple):
    """When up datagrams arrived: base counter 6, count 1, reference time 4, bitmap, a delta for each that came.

    ``arrivals[i]`` belongs to counter ``base + i``. It is in µs by the server's clock and a multiple of ``DELTA_UNIT``,
    or None where none came. The reference time is the first arrival. Each delta is from the arrival before it, in units
    of ``DELTA_UNIT``, signed and folded (0, -1, 1, -2 … as 0, 1, 2, 3 …). From 255 on it takes 2 more bytes.
    """

    base: int
    arrivals: tuple[int | None, ...]

    def pack(self) -> bytes:
        """Return the bytes. Raises ``ValueError`` for too many arrivals or a delta of more than 16 bits."""
        count = len(self.arrivals)
        if not 0 < count <= MAX_ARRIVALS:
            raise ValueError(f"{count} arrivals do not fit a report")
        bitmap = bytearray((count + 7) // 8)
        deltas = bytearray()
        reference = last = None
        for i, arrival in enumerate(self.arrivals):
            if arrival is None:
                continue
            bitmap[i // 8] |= 0x80 >> i % 8
            units = arrival // DELTA_UNIT
            if last is None:
                reference = units
            else:
                difference = units - last
                folded = difference * 2 if difference >= 0 else -difference * 2 - 1
                if folded > 0xFFFF:
                    raise ValueError("arrivals too far apart for one report")
                deltas += bytes((folded,)) if folded < ESCAPE else bytes((ESCAPE,)) + folded.to_bytes(2, "big")
            last = units
        head = _ARRIVALS.pack(self.base >> 32, self.base & 0xFFFFFFFF, count - 1, wrapped(reference or 0))
        return head + bytes(bitmap) + bytes(deltas)


def pack_arrival_request(interval: float) -> bytes:
    """Return the 2 bytes that ask for an arrival report every ``interval`` seconds, at most 65."""
    return round(interval * 1000).to_bytes(2, "big")


def parse_arrival_request(value: bytes) -> float:
    """Return the interval that is asked for, in seconds. Raises ``ValueError`` for a wrong length."""
    if len(value) != 2:
        raise ValueError("arrival request of a wrong length")
    return int.from_bytes(value, "big") / 1000


def parse_arrival_report(value: bytes) -> ArrivalReport:
    """Parse an arrival report. Raises ``ValueError`` where it is malformed."""
    if len(value) < _ARRIVALS.size:
        raise ValueError("arrival report cut off")
    high, low, count, reference = _ARRIVALS.unpack_from(value)
    count += 1
    start = _ARRIVALS.size
    deltas = start + (count + 7) // 8
    if len(value) < deltas:
        raise ValueError("arrival report cut off in its bitmap")
    rest = iter(value[deltas:])
    arrivals: list[int | None] = []
    units: int | None = None
    try:
        for i in range(count):
            if not value[start + i // 8] & 0x80 >> i % 8:
                arrivals.append(None)
                continue
            if units is None:
                units = reference
            else:
                folded = next(rest)
                if folded == ESCAPE:
                    folded = next(rest) << 8 | next(rest)
                units += -(folded + 1 >> 1) if folded & 1 else folded >> 1
            arrivals.append(units * DELTA_UNIT)
    except StopIteration:
        raise ValueError("arrival report cut off in its deltas") from None
    if next(rest, None) is not None:
        raise ValueError("arrival report with bytes left over")
    return ArrivalReport(high << 32 | low, tuple(arrivals))


class Reception(NamedTuple):
    """What a receiver got of one series of one sealer since it joined the room."""

    sealer: int
    series: Series
    received: int
    lost: int
    highest: int
    """Highest forward number."""
    jitter: int
    """Interarrival jitter in units of 0.1 ms, by relay times, as in RFC 3550 section 6.4.1."""
    delay: int
    """Delay of play-out in ms; 0 where nothing is played."""


def pack_receiver_report(receptions: Sequence[Reception]) -> bytes:
    """Return 21 bytes for each series."""
    return b"".join(
        _RECEPTION.pack(r.sealer, r.series.stream, r.series.code(), r.received, r.lost, r.highest, r.jitter, r.delay)
        for r in receptions
    )


def parse_receiver_report(value: bytes) -> list[Reception]:
    """Parse a receiver report. Raises ``ValueError`` where it is malformed."""
    if len(value) % _RECEPTION.size:
        raise ValueError("receiver report of a wrong length")
    return [
        Reception(sealer, parse_series(stream, code), received, lost, highest, jitter, delay)
        for sealer, stream, code, received, lost, highest, jitter, delay in _RECEPTION.iter_unpack(value)
    ]


class Head(NamedTuple):
    """The highest forward number of a series that was sent to this receiver."""

    series: Series
    forward: int


def pack_heads(sealer: int, heads: Sequence[Head]) -> bytes:
    """Return sealer id and 5 bytes for each head. They show the loss of the last packets, which leaves no gap."""
    return sealer.to_bytes(4, "big") + b"".join(_HEAD.pack(s.stream, s.code(), forward) for s, forward in heads)


def parse_heads(value: bytes) -> tuple[int, list[Head]]:
    """Parse heads. Raises ``ValueError`` where they are malformed."""
    if len(value) < 4 or (len(value) - 4) % _HEAD.size:
        raise ValueError("heads of a wrong length")
    heads = [Head(parse_series(stream, code), forward) for stream, code, forward in _HEAD.iter_unpack(value[4:])]
    return int.from_bytes(value[:4], "big"), heads


class NotSent(NamedTuple):
    """Forward numbers, first to last, that were not sent to this receiver. They are not lost."""

    sealer: int
    series: Series
    first: int
    last: int

    def pack(self) -> bytes:
        """Return the 11 bytes."""
        return _NOT_SENT.pack(self.sealer, self.series.stream, self.series.code(), self.first, self.last)


def parse_not_sent(value: bytes) -> NotSent:
    """Parse a range. Raises ``ValueError`` where it is malformed."""
    if len(value) != _NOT_SENT.size:
        raise ValueError("range of a wrong length")
    sealer, stream, code, first, last = _NOT_SENT.unpack(value)
    return NotSent(sealer, parse_series(stream, code), first, last)


class RetransmissionRequest(NamedTuple):
    """Asks for forward numbers of a series again: ``base``, and ``base + 1 + i`` for each bit i of ``bitmap``."""

    sealer: int
    series: Series
    base: int
    bitmap: int

    def pack(self) -> bytes:
        """Return the 11 bytes."""
        return _RETRANSMISSION.pack(self.sealer, self.series.stream, self.series.code(), self.base, self.bitmap)


def parse_retransmission_request(value: bytes) -> RetransmissionRequest:
    """Parse a request. Raises ``ValueError`` where it is malformed."""
    if len(value) != _RETRANSMISSION.size:
        raise ValueError("retransmission request of a wrong length")
    sealer, stream, code, base, bitmap = _RETRANSMISSION.unpack(value)
    return RetransmissionRequest(sealer, parse_series(stream, code), base, bitmap)


def pack_resend_request(counters: Sequence[int]) -> bytes:
    """Return 6 bytes for each up counter. Its packets are asked for again, in new up datagrams."""
    return b"".join(_RESEND.pack(counter >> 32, counter & 0xFFFFFFFF) for counter in counters)


def parse_resend_request(value: bytes) -> list[int]:
    """Parse a request. Raises ``ValueError`` for a wrong length."""
    if len(value) % _RESEND.size:
        raise ValueError("resend request of a wrong length")
    return [high << 32 | low for high, low in _RESEND.iter_unpack(value)]
