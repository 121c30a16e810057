"""Keyframe requests of many receivers, joined and throttled."""

from __future__ import annotations

LOW_INTERVAL = 0.5
"""Seconds between requests for the lowest layer, whose keyframes are small."""
HIGH_INTERVAL = 1.0
"""Seconds between requests for a higher layer."""


class KeyframeThrottle:
    """The requests for one stream, by spatial layer."""

    def __init__(self) -> None:
        self._next_at: dict[int, float] = {}

    def ask(self, spatial: int, now: float) -> float:
        """Return when the publisher is to be asked: ``now``, or when the interval since the last request is over."""
        return max(now, self._next_at.get(spatial, now))

    def asked(self, spatial: int, now: float) -> None:
        """Note that the publisher was asked."""
        self._next_at[spatial] = now + (HIGH_INTERVAL if spatial else LOW_INTERVAL)
