"""Who speaks in a room whose home is another worker: levels go there in summaries, and what it decides holds here."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from tcserver.media.interface import SpeakersChanged
from tcserver.media.relay.wire import LEVELS_IN_MESSAGE, Level, pack_levels

SUMMARY_INTERVAL = 0.02
"""Seconds between summaries: as often as somebody who speaks sends a packet."""
MAX_LEVELS = 8192
"""Levels that wait for a summary; a room of a thousand open microphones sends a thousand in an interval."""


class Summary:
    """The levels since the last summary."""

    __slots__ = ("levels",)

    def __init__(self) -> None:
        self.levels: deque[Level] = deque(maxlen=MAX_LEVELS)

    def take(self, room: int) -> list[bytes]:
        """Return the messages to the home of the room, and begin anew."""
        levels = list(self.levels)
        self.levels.clear()
        return [
            pack_levels(room, levels[at : at + LEVELS_IN_MESSAGE]) for at in range(0, len(levels), LEVELS_IN_MESSAGE)
        ]


class DistantSpeakers:
    """Stands for the `Speakers` that the home of the room has."""

    __slots__ = ("_summary",)

    dominant = None
    """Only the home knows."""

    def __init__(self, summary: Summary) -> None:
        self._summary = summary

    def hear(self, stream: int, participant: int, level: int, duration_ms: int, now: float) -> None:
        """Note the level (in -dBov) of an audio packet for the home."""
        self._summary.levels.append(Level(stream, 0, 0, participant, level, duration_ms))

    def forget(self, stream: int) -> None:
        """A stream was closed or muted: the home has to know."""
        self._summary.levels.append(Level(stream, 0, 0, 0, 0, 0))

    def silent(self, since: float) -> list[int]:
        """Return none: the home looks after them."""
        return []

    def decide(self, room: int, now: float) -> SpeakersChanged | None:
        """Return None: the home decides."""
        return None


class DistantLoudest:
    """Stands for the `Loudest` that the home of the room has, and knows who holds a slot there."""

    __slots__ = ("_holders", "_summary", "always", "dominant", "limit")

    def __init__(self, summary: Summary) -> None:
        self.limit = 0
        """Slots; 0: all are forwarded."""
        self.dominant: int | None = None
        """Of use only at home."""
        self._summary = summary
        self.always: frozenset[int] = frozenset()
        """Seats that are forwarded whatever their level."""
        self._holders: frozenset[int] = frozenset()

    @property
    def holders(self) -> tuple[int, ...]:
        """Streams that hold a slot, as far as the home has told."""
        return tuple(self._holders)

    def hold(self, streams: frozenset[int]) -> None:
        """Take what the home has decided."""
        self._holders = streams

    def configure(self, limit: int, always: Collection[int]) -> None:
        """Set the number of slots, and the seats that are forwarded whatever their level."""
        self.limit = limit
        self.always = frozenset(always)

    def forget(self, stream: int) -> None:
        """A stream was closed or muted, of which `DistantSpeakers` tells the home."""
        self._holders -= {stream}

    def hear(self, stream: int, seat: int, account: int, level: int, voice: bool, now: float) -> bool:
        """Add to the level that was just noted whose it is and whether it is voice; return whether it is forwarded."""
        levels = self._summary.levels
        levels[-1] = levels[-1]._replace(seat=seat, account=account, voice=voice)
        return stream in self._holders or seat in self.always
