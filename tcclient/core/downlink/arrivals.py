"""What comes down: bits of each stream, and how long datagrams wait on the line."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from tcproto.datagram import MIN_DATAGRAM, RELAY_TIME_SIZE

Layer = tuple[int, int]
"""A stream id, and a spatial layer of it."""

BUCKET = 0.05
"""Seconds that are counted together."""
KEPT = 3.0
"""Seconds that are remembered: the rate of pictures varies from one to the next."""
QUEUE_WINDOW = 0.15
"""Seconds in which the least delay counts as that of the queue: jitter delays some datagrams, a queue delays all."""
FRESH_WINDOW = 0.1
"""Seconds in which it counts as that of a queue which has just begun."""
FRESH_DATAGRAMS = 3
"""Datagrams that have to come in that time, or nobody knows."""
RATE_WINDOW = 0.2
"""Seconds over which the rate is taken: what a line carries that has just become slower is to be known at once."""
LEAST_SPAN = 0.5
"""Seconds over which the usual rates are taken at least: those of pictures vary."""
REPLACED = 10
"""Buckets in which another layer of a stream came instead, after which a layer is no longer what comes: 0.5 s."""
IP_UDP = 28
"""Bytes of IPv4 and UDP around a datagram."""
OVERHEAD = IP_UDP + MIN_DATAGRAM + RELAY_TIME_SIZE
"""Bytes around the items of a room datagram."""


class Line(NamedTuple):
    """How the way down does."""

    bitrate: float
    """Bit/s that came of late, with all headers. While a queue stands, that is what the line can bear."""
    queue: float
    """Seconds that datagrams wait longer than the quickest."""
    proven: float | None = None
    """Bit/s that it would bear, as probes have shown; None: nobody knows."""
    fresh: float = 0.0
    """The same of the last moment, where enough came to know."""
    pace: float = inf
    """Bit/s at which the newest came, one after the other: where they had to queue, what the line can bear (packet
    dispersion). What a stall has held up comes much faster."""
    usual: float = 0.0
    """Bit/s that came in the last ``KEPT`` seconds."""
    jitter: float = 0.0
    """Seconds that the quickest datagrams of each ``BUCKET`` waited in that time, on average, twice."""
    loss: float = 0.0
    """Share of packets that it has lost of late, 0 to 1, before anything was repaired."""


class _Newest(NamedTuple):
    """One of the newest datagrams that tell of the queue."""

    at: float
    """When it came."""
    delay: float
    total: int
    """Bytes that had come by then."""


@dataclass(slots=True)
class _Bucket:
    number: int
    size: int = 0
    delay: float | None = None
    """The least."""
    sizes: dict[Layer, int] = field(default_factory=dict)
    lost: dict[Layer, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Run:
    """What came of a layer, in bytes."""

    first: int
    """Number of the bucket."""
    last: int = 0
    size: int = 0
    lost: int = 0


class Arrivals:
    """Counts the room datagrams of the last ``KEPT`` seconds."""

    def __init__(self) -> None:
        self.total = 0
        """Bytes of all that came down, with the headers of IP and UDP."""
        self.datagrams = 0
        """How many came."""
        self._buckets: deque[_Bucket] = deque()
        self._newest = deque([_Newest(-inf, 0.0, 0)], maxlen=FRESH_DATAGRAMS)

    def datagram(self, size: int, delay: float | None, at: float) -> None:
        """Count a datagram: its bytes, its seconds behind the quickest (None: they say nothing), and when it came."""
        self.total += size + IP_UDP
        self.datagrams += 1
        number = int(at / BUCKET)
        buckets = self._buckets
        if not buckets or buckets[-1].number < number:
            buckets.append(_Bucket(number))
            while buckets[0].number <= number - KEPT / BUCKET:
                buckets.popleft()
        bucket = buckets[-1]
        bucket.size += size + IP_UDP
        if delay is not None:
            self._newest.append(_Newest(at, delay, self.total))
            bucket.delay = delay if bucket.delay is None else min(bucket.delay, delay)

    def other(self, size: int) -> None:
        """Count a datagram that brings no media: it is not of the room, or came before. It takes the line as well."""
        self.total += size + IP_UDP
        if self._buckets:
            self._buckets[-1].size += size + IP_UDP

    def packet(self, layer: Layer, size: int) -> None:
        """Count bytes of the last datagram for the layer of a stream."""
        sizes = self._buckets[-1].sizes
        sizes[layer] = sizes.get(layer, 0) + size

    def lost(self, layer: Layer, size: int) -> None:
        """Count bytes for the layer of a stream that did not come; below 0 for those that came after all."""
        lost = self._buckets[-1].lost
        lost[layer] = lost.get(layer, 0) + size

    def line(self, now: float) -> Line:
        """Return how the way down does. The queue is 0 where nothing came for a while, since then nobody knows."""
        delays = [bucket.delay for bucket in self._since(now, QUEUE_WINDOW) if bucket.delay is not None]
        waits = [bucket.delay for bucket in self._buckets if bucket.delay is not None]
        first, last = self._newest[0], self._newest[-1]
        is_known = first.at >= now - FRESH_WINDOW
        size = sum(bucket.size for bucket in self._since(now, RATE_WINDOW))
        every = sum(bucket.size for bucket in self._buckets)
        span = now - self._buckets[0].number * BUCKET if self._buckets else KEPT
        return Line(
            size * 8 / RATE_WINDOW,
            min(delays, default=0.0),
            fresh=min(each.delay for each in self._newest) if is_known else 0.0,
            pace=(last.total - first.total) * 8 / (last.at - first.at) if is_known and last.at > first.at else inf,
            usual=every * 8 / max(span, LEAST_SPAN),
            jitter=2 * sum(waits) / max(len(waits), 1),
        )

    @property
    def queue(self) -> float:
        """Seconds that datagrams wait longer than the quickest, as of the last one that tells it."""
        first = self._newest[-1].at - QUEUE_WINDOW
        return min(each.delay for each in self._newest if each.at >= first)

    def bitrates(self, now: float, with_lost: bool = False) -> dict[Layer, float]:
        """Return the bit/s of each layer that comes, since it came first within ``KEPT``.

        ``with_lost`` adds what was lost: so much was sent.
        """
        return {
            layer: (run.size + with_lost * run.lost) * 8 / max(now - run.first * BUCKET, LEAST_SPAN)
            for layer, run in self._runs().items()
        }

    def begun_since(self, since: float) -> set[Layer]:
        """Return the layers that come only since then, so that little is known of what they take."""
        return {layer for layer, run in self._runs().items() if run.first >= int(since / BUCKET)}

    def _runs(self) -> dict[Layer, _Run]:
        """Return what came of each layer without a pause in which another one of its stream came."""
        runs: dict[Layer, _Run] = {}
        latest: dict[int, int] = {}
        for bucket in self._buckets:
            for layer, size in bucket.sizes.items():
                run = runs.get(layer)
                if run is None or run.last < latest[layer[0]] - REPLACED:
                    run = runs[layer] = _Run(bucket.number)
                run.last = latest[layer[0]] = bucket.number
                run.size += size
                run.lost += bucket.lost.get(layer, 0)
        return {layer: run for layer, run in runs.items() if run.last >= latest[layer[0]] - REPLACED}

    def heard_since(self, since: float) -> set[int]:
        """Return the streams of which something came since then, at most ``KEPT`` seconds back."""
        first = int(since / BUCKET)
        return {stream for bucket in self._buckets if bucket.number >= first for stream, _ in bucket.sizes}

    def _since(self, now: float, window: float) -> list[_Bucket]:
        first = int(now / BUCKET) - round(window / BUCKET)
        return [bucket for bucket in self._buckets if bucket.number > first]
