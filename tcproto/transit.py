"""Transit times by the clocks of two machines, of which nothing is known but that they go at nearly the same speed."""

from __future__ import annotations

from tcproto.serial import Unwrapper

LATE = 0.2
"""Seconds behind the quickest packet from which on a packet counts as late: beyond a usual play-out delay."""
TRANSIT_MEMORY = 30.0
"""Seconds after which the quickest transit is measured anew: clocks drift, routes change."""


class TransitClock:
    """A sender's clock against the receiver's: transit times up to a constant, and delay above the quickest."""

    __slots__ = ("_candidate", "_quickest", "_since", "_unwrap")

    def __init__(self) -> None:
        self._unwrap = Unwrapper()
        self._quickest = self._candidate = float("inf")
        self._since: float | None = None

    def transit(self, sent_at: int, arrived_at: float) -> tuple[float, float]:
        """Return the transit in seconds, shifted by an unknown constant, and how much more it is than the quickest.

        ``sent_at`` is by the sender's clock in µs, modulo 2**32, ``arrived_at`` by the receiver's in seconds.
        """
        if self._since is None:
            self._since = arrived_at
        transit = arrived_at - self._unwrap(sent_at) * 1e-6
        if arrived_at - self._since >= TRANSIT_MEMORY:
            self._quickest, self._candidate, self._since = self._candidate, float("inf"), arrived_at
        self._candidate = min(self._candidate, transit)
        self._quickest = min(self._quickest, self._candidate)
        return transit, transit - self._quickest
