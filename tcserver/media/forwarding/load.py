"""How busy the media plane is: by how much it is late, and how much it sends."""

from __future__ import annotations

from tcserver.media.interface import MAX_LAG, Overloaded

MAX_RATE = 400_000
"""Datagrams sent per second, all receivers counted: two fifths of what a core sends at best, which is in trains
(benchmarks/README.md, fanout). Without trains a core sends fewer than this, and its lag tells that it is too much."""


class LoadMeter:
    """Takes the lateness of each deadline and the datagrams sent in between."""

    __slots__ = ("_lags", "_sent", "_since")

    def __init__(self) -> None:
        self._lags: list[float] = []
        self._since = 0.0
        self._sent = 0

    def late(self, lag: float) -> None:
        """A deadline was met so many seconds late."""
        self._lags.append(lag)

    def measure(self, sent: int, now: float) -> Overloaded | None:
        """Return what is too much since the last call, if anything is; ``sent`` counts from the beginning."""
        elapsed = now - self._since
        rate = (sent - self._sent) / elapsed if elapsed > 0 else 0.0
        # The least: a single hiccup, or a machine that was suspended, is no load.
        lag = min(self._lags) if len(self._lags) > 1 else 0.0
        self._lags.clear()
        self._since, self._sent = now, sent
        return Overloaded(lag, rate) if lag > MAX_LAG or rate > MAX_RATE else None
