"""Decides which pictures a decoder may get, and when to request a keyframe."""

from __future__ import annotations

from tcproto.packet import FRAME_ID_BITS, KEYFRAME_REQUEST_INTERVAL, MAX_KEYFRAME_REQUEST_INTERVAL, VideoHeader
from tcproto.serial import wrapped

GROWTH = 4
"""Factor by which the time to the next request grows while keyframes do not help. A receiver then asks three times in
its first ten seconds. Together with the encoder's own keyframes, the publisher makes at most twice as many as without
it."""

ENOUGH = 5
"""Pictures that must follow a keyframe before it counts as helpful: more than arrive by chance on a bad path."""

MAX_REFERENCE_DISTANCE = 255
"""Furthest distance, in frames, of a reference: the field on the wire has one byte."""


class ReferenceTracker:
    """Follows the chain of frame ids of one stream.

    A picture is decodable if it is a keyframe, or if it refers to a decodable picture. So the loss of a picture in a
    discardable layer stops nothing, and a loss in the base layer stops everything up to the next keyframe. Pure:
    ``now`` in seconds of a monotonic clock.
    """

    def __init__(self) -> None:
        self._decodable: set[int] = set()
        self._waiting = True
        self._asked: float | None = None
        self._interval = KEYFRAME_REQUEST_INTERVAL
        self._admitted = 0
        """Pictures since the last request."""

    def admit(self, header: VideoHeader) -> bool:
        """Return whether the next picture of the stream, in order, may be decoded."""
        frame_id, distance = header.frame_id, header.reference
        if header.keyframe:
            self._decodable = {frame_id}
            self._admitted += 1
            self._waiting = False
            return True
        reference = wrapped(frame_id - distance, FRAME_ID_BITS)
        if not 0 < distance <= MAX_REFERENCE_DISTANCE or reference not in self._decodable:
            self._waiting = self._waiting or header.temporal == 0
            return False
        if len(self._decodable) > 2 * MAX_REFERENCE_DISTANCE:
            self._decodable = {
                known for known in self._decodable if wrapped(frame_id - known, FRAME_ID_BITS) <= MAX_REFERENCE_DISTANCE
            }
        self._decodable.add(frame_id)
        self._admitted += 1
        return True

    def broken(self) -> None:
        """Note that the decoder failed, or was started again: nothing is decodable before the next keyframe."""
        self._decodable.clear()
        self._waiting = True

    def keyframe_due(self, now: float) -> bool:
        """Return whether to ask the sender for a keyframe now. True counts as a request."""
        if not self._waiting or (self._asked is not None and now - self._asked < self._interval):
            return False
        if self._asked is None or self._admitted >= ENOUGH:
            self._interval = KEYFRAME_REQUEST_INTERVAL
        else:
            self._interval = min(GROWTH * self._interval, MAX_KEYFRAME_REQUEST_INTERVAL)
        self._asked = now
        self._admitted = 0
        return True
