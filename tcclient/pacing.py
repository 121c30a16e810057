"""When to send: absolute deadlines, so that small delays never add up."""

from __future__ import annotations

MAX_CATCH_UP = 3
"""Frames that may be sent at once to catch up with the schedule; what is later than that moves the schedule."""


class Schedule:
    """The deadlines of a stream of media: time ``t`` of the media is due at ``start + t``.

    A loop that was held up sends at most ``MAX_CATCH_UP`` frames in a burst: beyond that the whole schedule moves, and
    the receiver sees a pause instead of a flood. All times in seconds.
    """

    def __init__(self, start: float, period: float) -> None:
        self.start = start
        self.period = period
        self.skipped = 0.0
        """By how much the schedule has moved in all."""

    def wait(self, media_time: float, now: float) -> float:
        """Return how long to wait until ``media_time`` is due, 0 if it is; moves the schedule when far too late."""
        late = now - (self.start + media_time)
        if late <= 0:
            return -late
        if late > MAX_CATCH_UP * self.period:
            self.start += late
            self.skipped += late
        return 0.0
