"""When to send: absolute deadlines, so that small delays never add up."""

from __future__ import annotations

MAX_CATCH_UP = 3
"""Frames that may be sent at once to catch up with the schedule; what is later than that moves the timeline."""

TOO_LATE = 0.5
"""Seconds after which a frame of a stream that follows is left out: until then it may catch up."""


class Timeline:
    """Where time 0 of the media stands on the monotonic clock, in seconds; shared by streams that keep in step."""

    def __init__(self, start: float) -> None:
        self.start = start
        self.skipped = 0.0
        """By how much it has moved in all."""

    def skip(self, seconds: float) -> None:
        """Move it, for all streams alike."""
        self.start += seconds
        self.skipped += seconds


class Schedule:
    """The deadlines of one stream: time ``t`` of the media is due at ``timeline.start + t``.

    A loop that was held up sends at most ``MAX_CATCH_UP`` frames, of ``period`` seconds, in a burst: beyond that the
    timeline moves, and receivers see a pause instead of a flood. A stream that ``follows`` never moves it, and leaves
    frames out instead: sound does not wait for pictures.
    """

    def __init__(self, timeline: Timeline, period: float, *, follows: bool = False) -> None:
        self.timeline = timeline
        self.period = period
        self._follows = follows

    def wait(self, media_time: float, now: float) -> float:
        """Return how long to wait until ``media_time`` is due, 0 if it is; moves the timeline when far too late."""
        late = now - (self.timeline.start + media_time)
        if late <= 0:
            return -late
        if not self._follows and late > MAX_CATCH_UP * self.period:
            self.timeline.skip(late)
        return 0.0

    def too_late(self, media_time: float, now: float) -> bool:
        """Tell whether a stream that follows should leave a frame out."""
        return self._follows and now - (self.timeline.start + media_time) > TOO_LATE
