"""When to send: absolute deadlines, so that small delays never add up."""

from __future__ import annotations

MAX_CATCH_UP = 3
"""Frames that may be sent at once to catch up with the schedule. If a frame is later than that, the timeline moves."""

TOO_LATE = 0.5
"""Seconds by which a frame of a stream that follows may be late. It may catch up until then, and is left out after it.
"""


class Timeline:
    """The monotonic time, in seconds, of time 0 of the media. Streams that keep in step share it."""

    def __init__(self, start: float) -> None:
        self.start = start
        self.skipped = 0.0
        """Seconds by which it has moved in all."""

    def skip(self, seconds: float) -> None:
        """Move it, for all streams alike."""
        self.start += seconds
        self.skipped += seconds


class Schedule:
    """The deadlines of one stream: time ``t`` of the media is due at ``timeline.start + t``.

    A loop that was held up sends at most ``MAX_CATCH_UP`` frames, of ``period`` seconds, in a burst. Beyond that the
    timeline moves, and receivers notice a pause in place of a flood. A stream that ``follows`` never moves the
    timeline, and leaves frames out instead: sound does not wait for pictures.
    """

    def __init__(self, timeline: Timeline, period: float, *, follows: bool = False) -> None:
        self.timeline = timeline
        self.period = period
        self._follows = follows

    def wait(self, media_time: float, now: float) -> float:
        """Return the seconds until ``media_time`` is due, or 0. Moves the timeline if it is far too late."""
        late = now - (self.timeline.start + media_time)
        if late <= 0:
            return -late
        if not self._follows and late > MAX_CATCH_UP * self.period:
            self.timeline.skip(late)
        return 0.0

    def too_late(self, media_time: float, now: float) -> bool:
        """Return whether a stream that follows should leave a frame out."""
        return self._follows and now - (self.timeline.start + media_time) > TOO_LATE
