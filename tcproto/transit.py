"""Transit times by the clocks of two machines. Of the clocks is only known that they go at nearly the same speed."""

from __future__ import annotations

from tcproto.serial import Unwrapper

LATE = 0.2
"""A packet counts as late if it takes so many seconds more than the quickest one: more than a usual play-out delay."""
TRANSIT_MEMORY = 30.0
"""Seconds after which the quickest transit is measured again, because clocks drift and routes change."""


class TransitClock:
    """Compares the clock of a sender with that of the receiver: transit times but for a constant, and added delay."""

    __slots__ = ("_candidate", "_quickest", "_since", "_unwrap")

    def __init__(self) -> None:
        self._unwrap = Unwrapper()
        self._quickest = self._candidate = float("inf")
        self._since: float | None = None

    def transit(self, sent_at: int, arrived_at: float) -> tuple[float, float]:
        """Return the transit in seconds plus an unknown constant, and the delay: how much more it is than the quickest.

        ``sent_at`` is by the sender's clock in µs, modulo 2**32. ``arrived_at`` is by the receiver's in seconds.
        """
        if self._since is None:
            self._since = arrived_at
        transit = arrived_at - self._unwrap(sent_at) * 1e-6
        if arrived_at - self._since >= TRANSIT_MEMORY:
            self._quickest, self._candidate, self._since = self._candidate, float("inf"), arrived_at
        self._candidate = min(self._candidate, transit)
        self._quickest = min(self._quickest, self._candidate)
        return transit, transit - self._quickest
