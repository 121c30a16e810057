"""Which layers of pictures anybody wants: joined over all receivers, and told to the publisher (dynacast)."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from tcproto import messages
from tcproto.messages import LayerInterest
from tcproto.packet import MAX_TEMPORAL
from tcserver.conference.timers import Timers
from tcserver.media.interface import Receiver

INTEREST_INTERVAL = 0.2
"""Seconds between two messages about a stream: receivers that choose one after the other are told of together."""
INTEREST_HOLD = 2.0
"""Seconds after which a publisher is told that something is wanted no more: a receiver that comes back sooner finds it
still sent, and costs no keyframe."""
NOBODY = -1
"""In place of a temporal layer: nobody wants the spatial layer."""


class Interest:
    """The receivers of a stream's layers, counted, and what the publisher knows of that.

    ``key`` is that of its deadlines, ``send`` the way to the publisher.
    """

    __slots__ = ("_counts", "_less_key", "_more_key", "_send", "_stream", "_timers", "_told", "_told_at")

    def __init__(
        self,
        stream: int,
        layers: int,
        timers: Timers,
        key: tuple[Hashable, ...],
        send: Callable[[messages.Interest], None],
    ) -> None:
        self._stream = stream
        self._counts = [[0] * (MAX_TEMPORAL + 1) for _ in range(layers)]
        """Receivers by spatial layer and highest temporal layer."""
        self._timers = timers
        self._more_key, self._less_key = (*key, "more"), (*key, "less")
        self._send = send
        self._told: tuple[int, ...] | None = None
        """None: the publisher may not send yet, or no more."""
        self._told_at = 0.0

    @property
    def wanted(self) -> tuple[int, ...]:
        """The highest temporal layer that anybody wants of each spatial layer, or ``NOBODY``."""
        return tuple(
            max((temporal for temporal, receivers in enumerate(counts) if receivers), default=NOBODY)
            for counts in self._counts
        )

    def begin(self, now: float) -> None:
        """Tell the publisher, which may send from now on; further changes follow by themselves."""
        self._tell(self.wanted, now)

    def change(self, before: Receiver | None, after: Receiver | None, now: float) -> None:
        """Count a receiver that wants other parts than before; None: it wants nothing."""
        for receiver, step in ((before, -1), (after, 1)):
            if receiver is not None:
                for spatial, counts in enumerate(self._counts):
                    if receiver.wants(spatial):
                        counts[receiver.max_temporal] += step
        if self._told is not None:
            wanted, told = self.wanted, self._told
            more = any(new > old for new, old in zip(wanted, told, strict=True))
            less = any(new < old for new, old in zip(wanted, told, strict=True))
            self._set(self._more_key, more, max(now, self._told_at + INTEREST_INTERVAL), self._more)
            self._set(self._less_key, less, now + INTEREST_HOLD, self._less)

    def end(self) -> None:
        """Tell nothing more."""
        self._told = None
        self._timers.cancel(self._more_key)
        self._timers.cancel(self._less_key)

    def _set(self, key: Hashable, needed: bool, due: float, action: Callable[[float], None]) -> None:
        if not needed:
            self._timers.cancel(key)
        elif self._timers.when(key) is None:
            self._timers.set(key, due, action)

    def _more(self, now: float) -> None:
        """Tell what is wanted in addition."""
        self._tell(tuple(map(max, self.wanted, self._told or ())), now)

    def _less(self, now: float) -> None:
        """Tell all that holds."""
        self._timers.cancel(self._more_key)
        self._tell(self.wanted, now)

    def _tell(self, wanted: tuple[int, ...], now: float) -> None:
        self._told, self._told_at = wanted, now
        layers = tuple(
            LayerInterest(self._stream, spatial, max(temporal, 0), temporal != NOBODY)
            for spatial, temporal in enumerate(wanted)
        )
        self._send(messages.Interest(layers))
