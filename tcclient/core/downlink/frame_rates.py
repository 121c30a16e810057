"""How many pictures per second come: who wants fewer leaves out upper temporal layers, where there are any.

Each temporal layer doubles the rate of those below it. So the rate of the lowest, which comes in any case, tells that
of each layer.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from math import floor, log2

from tcclient.core.membership.roster import RoomState
from tcproto.messages import StreamChoice, Subscribe
from tcproto.messages.types import MAX_CHOICES
from tcproto.packet import MAX_TEMPORAL, VIDEO_CLOCK, VideoHeader
from tcproto.serial import difference

KEPT = 5
"""Intervals of which the shortest counts: a picture that was lost makes one longer."""
TOLERANCE = 1.1
"""Times the wanted rate that still counts as it: cameras do not keep theirs to the last digit."""


@dataclass(slots=True)
class _Lowest:
    """The lowest temporal layer of a spatial layer."""

    timestamp: int
    intervals: deque[int] = field(default_factory=lambda: deque(maxlen=KEPT))
    """Ticks of ``VIDEO_CLOCK`` from one picture to the next."""
    highest: int = 0
    """The highest temporal layer of which a picture has come."""


class FrameRates:
    """Measures the rates of the streams of others, and asks for so much that none has a higher one than is wanted."""

    def __init__(self, room: RoomState) -> None:
        self._room = room
        self._most = 0.0
        self._lowest: dict[int, dict[int, _Lowest]] = {}
        """By stream id and spatial layer."""

    @property
    def most(self) -> float:
        """Pictures per second that are wanted at most; 0: any. Nothing is measured then."""
        return self._most

    @most.setter
    def most(self, most: float) -> None:
        self._most = most
        if not most:
            self._lowest.clear()

    def received(self, header: VideoHeader) -> bool:
        """Take a packet; return whether other temporal layers of its stream are wanted from now on."""
        if not self._most:
            return False
        before, layers = self._highest(header.stream), self._lowest.setdefault(header.stream, {})
        lowest = layers.get(header.spatial)
        if lowest is None:
            if not header.temporal:
                layers[header.spatial] = _Lowest(header.timestamp)
        elif header.temporal:
            lowest.highest = max(lowest.highest, header.temporal)
        elif (interval := difference(header.timestamp, lowest.timestamp)) > 0:
            lowest.timestamp = header.timestamp
            lowest.intervals.append(interval)
        return self._highest(header.stream) != before

    def ended(self, stream: int) -> None:
        """Forget a stream: its id may be used again."""
        self._lowest.pop(stream, None)

    def refine(self, wanted: Subscribe) -> Subscribe:
        """Return what is to be asked for: of streams that have a higher rate fewer temporal layers."""
        chosen = {choice.stream: choice for choice in wanted.choices}
        for info in self._room.publications.values():
            highest, choice = self._highest(info.stream), chosen.get(info.stream)
            if choice is None and info.source in wanted.defaults:
                choice = StreamChoice(info.stream, by_default=True)
            if choice is not None and highest < choice.max_temporal:
                chosen[info.stream] = replace(choice, max_temporal=highest)
        return replace(wanted, choices=tuple(chosen.values())[-MAX_CHOICES:])

    def _highest(self, stream: int) -> int:
        """Return the highest temporal layer of a stream that is wanted; ``MAX_TEMPORAL`` where all are."""
        wanted = MAX_TEMPORAL
        for lowest in self._lowest.get(stream, {}).values():
            if lowest.intervals:
                share = TOLERANCE * self._most * min(lowest.intervals) / VIDEO_CLOCK
                within = floor(log2(max(share, 1.0)))
                if within < lowest.highest:
                    wanted = min(wanted, within)
        return wanted
