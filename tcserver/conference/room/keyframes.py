"""Keyframe requests of many receivers, limited for each receiver, and joined and throttled for the publisher."""

from __future__ import annotations

from tcproto.packet import KEYFRAME_INTERVAL, KEYFRAME_REQUEST_INTERVAL, MAX_KEYFRAME_REQUEST_INTERVAL
from tcserver.conference.limits.token_bucket import TokenBucket
from tcserver.conference.settings import Rate

ASKER_RATE = Rate(0.5, 8)
"""Rate at which the requests of one receiver for a stream reach the publisher, whether or not they help."""
HELPED = 0.75
"""Seconds without a request from which on the last keyframe is taken to have helped: clients that still need one ask
every half second."""


class _Asker:
    """One receiver of a stream.

    Its waits double while keyframes do not help. A receiver that loses too much to get one whole would make the
    pictures of everybody worse, and would have nothing of it.
    """

    __slots__ = ("_asked_at", "_bucket", "_granted_at", "_wait")

    def __init__(self, now: float) -> None:
        self._bucket = TokenBucket(ASKER_RATE, now)
        self._asked_at = self._granted_at = float("-inf")
        self._wait = KEYFRAME_REQUEST_INTERVAL

    def ask(self, now: float) -> float | None:
        """Return when the request counts; None where it does not."""
        quiet, self._asked_at = now - self._asked_at, now
        if self._granted_at > now:
            return self._granted_at
        if self._bucket.take(now):
            return None
        self._granted_at = max(now, self._granted_at + self._wait)
        self._wait = (
            KEYFRAME_REQUEST_INTERVAL if quiet >= HELPED else min(2 * self._wait, MAX_KEYFRAME_REQUEST_INTERVAL)
        )
        return self._granted_at


class KeyframeThrottle:
    """The requests for one stream, by spatial layer."""

    def __init__(self) -> None:
        self._next_at: dict[int, float] = {}
        self._askers: dict[int, _Asker] = {}
        """By media id of a receiver."""

    def ask(self, media_id: int, spatial: int, now: float) -> float | None:
        """Return when to ask the publisher: ``now``, or later where it was asked just before; None: not at all."""
        asker = self._askers.get(media_id)
        if asker is None:
            asker = self._askers[media_id] = _Asker(now)
        due = asker.ask(now)
        return None if due is None else max(due, self._next_at.get(spatial, now))

    def forget(self, media_id: int) -> None:
        """Forget a receiver that is gone."""
        self._askers.pop(media_id, None)

    def asked(self, spatial: int, now: float) -> None:
        """Note that the publisher was asked."""
        self._next_at[spatial] = now + (KEYFRAME_INTERVAL if spatial else KEYFRAME_REQUEST_INTERVAL)
