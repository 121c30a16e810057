"""What more the line would carry, by a few datagrams that the server sends at once."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from tcclient.core.downlink.arrivals import IP_UDP
from tcproto.datagram import MAX_DATAGRAM, Item, ItemType
from tcproto.path import MIN_PROBE_SIZE, PING_NUMBER_BITS, ProbeRequest, parse_probe
from tcproto.serial import wrapped

DATAGRAMS = 5
"""Datagrams of a probe, so that enough of them come where a fifth is lost, with a short wait for others behind them."""
SPAN = 0.04
"""Seconds for which a probe may take the line, as it was when it was found too thin."""
INTERVAL = 1.0
"""Seconds between two probes."""
ENOUGH = 3
"""Datagrams that have to come, so that the loss of one does not spoil all."""
LEAST_TIME = 0.001
"""Seconds in which they come at least: the event loop takes what came meanwhile at once."""
AGREEING = 2
"""Probes whose lowest rate counts: a stall of the network gathers datagrams, which then come too fast."""
ALIKE = 0.8
"""The lowest rate of these, of the highest, from which the line has no jitter that would matter."""
LOST = 0.25
"""Seconds after which a probe that was not measured counts as lost."""
LIFETIME = 5.0
"""Seconds for which a probe tells something."""


class _Probe(NamedTuple):
    at: float
    size: int
    """Bytes that came after its first datagram, with all headers."""
    span: float
    """Seconds in which they came."""


class BandwidthProbes:
    """Asks for probes, and measures them. ``rate`` is what the last ``AGREEING`` of them have shown."""

    def __init__(self) -> None:
        self._number = 0
        self._asked_at = float("-inf")
        self._first: tuple[float, int] | None = None
        """When the first datagram of the present probe came, and how many bytes there had been then."""
        self._count = 0
        self._measured: deque[_Probe] = deque(maxlen=AGREEING)
        """The present one is the last."""

    def request(self, capacity: float, now: float, interval: float = INTERVAL) -> Item | None:
        """Return what asks for a probe of a line of so many bit/s; None within ``interval`` of the last one."""
        if now < self._asked_at + interval:
            return None
        self._asked_at = now
        self._number = wrapped(self._number + 1, PING_NUMBER_BITS)
        self._first, self._count = None, 0
        size = round(capacity * SPAN / 8 / DATAGRAMS) - IP_UDP
        size = min(max(size, MIN_PROBE_SIZE), MAX_DATAGRAM)
        return Item(ItemType.BANDWIDTH_PROBE, ProbeRequest(self._number, DATAGRAMS, size).pack())

    def arrived(self, value: bytes, total: int, now: float) -> None:
        """Take a datagram of a probe, and how many bytes came until now; raises ``ValueError``."""
        number, _ = parse_probe(value)
        if number != self._number:
            return
        self._count += 1
        if self._first is None:
            self._first = now, total
        elif self._count >= ENOUGH:
            began, before = self._first
            if self._count > ENOUGH:
                self._measured.pop()
            self._measured.append(_Probe(now, total - before, max(now - began, LEAST_TIME)))

    @property
    def is_answered(self) -> bool:
        """Whether the last probe was measured."""
        return self._count >= ENOUGH

    def bound(self, jitter: float, now: float) -> float | None:
        """Return the bit/s beyond which the line cannot carry; None where too few probes came of late.

        Jitter spreads the datagrams of a probe too. So seconds of it are left out where the probes differ, and the best
        one counts. Where the probe after the first one is lost, as on a line that is full by then, that counts alone.
        """
        fresh = [probe for probe in self._measured if now < probe.at + LIFETIME]
        is_lost = not self.is_answered and now >= self._asked_at + LOST
        if len(fresh) < (1 if is_lost else AGREEING):
            return None
        rates = [probe.size * 8 / probe.span for probe in fresh]
        if min(rates) >= ALIKE * max(rates):
            return max(rates)
        return max(probe.size * 8 / max(probe.span - jitter, LEAST_TIME) for probe in fresh)

    def rate(self, now: float) -> float | None:
        """Return the bit/s that the line carries at least; None where too few probes came of late."""
        rates = [probe.size * 8 / probe.span for probe in self._measured if now < probe.at + LIFETIME]
        return min(rates) if len(rates) == AGREEING else None
