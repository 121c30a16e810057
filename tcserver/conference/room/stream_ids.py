"""The stream ids of a room. They have 16 bits, so ids of streams that ended are given again after a while."""

from __future__ import annotations

from collections import deque

from tcproto.errors import ErrorCode, Refusal

MAX_STREAM = 0xFFFF
"""The highest stream id: it has two bytes. 0 is none."""
QUARANTINE = 60.0
"""Seconds for which an id is not given again after its stream ended, as long as there are others."""
MIN_QUARANTINE = 10.0
"""Seconds for which an id is never given again after its stream ended. By then everybody was told of the end, and no
packet is on its way any more (senders stop at once, changes are sent within 100 ms, room keys overlap 10 s)."""
RESERVE = 1024
"""Ids that are kept for participants who join, each of whom needs one for its beacon: enough for 20 s of joins."""


class StreamIds:
    """The ids of one life of a room.

    Ids that were never used are given first, then those whose streams ended, the oldest first. At most 33,000 are in
    use (1,000 seats with 32 publications and a beacon each), so there always are some. In a flood of publications that
    begin and end, ids are given again sooner, but not before ``MIN_QUARANTINE``. What one account can do is limited by
    ``PUBLICATIONS``.
    """

    def __init__(self) -> None:
        self._last = 0
        self._ended: deque[tuple[float, int]] = deque()
        """Time of the end and id, the oldest first."""

    def take(self, now: float, *, for_beacon: bool = False) -> int:
        """Return an id.

        Raises ``Refusal`` (``rate_limited``, with the time when one comes back; ``too_many_streams`` where none does).
        """
        ended = self._ended
        if not ended or now < ended[0][0] + QUARANTINE:
            if self._last + (0 if for_beacon else RESERVE) < MAX_STREAM:
                self._last += 1
                return self._last
            if not ended:
                raise Refusal(ErrorCode.TOO_MANY_STREAMS)
            wait = ended[0][0] + MIN_QUARANTINE - now
            if wait > 0:
                raise Refusal(ErrorCode.RATE_LIMITED, "publications begin and end too fast", int(wait * 1000) + 1)
        return ended.popleft()[1]

    def free(self, stream: int, now: float) -> None:
        """Take back the id of a stream that has ended."""
        self._ended.append((now, stream))
