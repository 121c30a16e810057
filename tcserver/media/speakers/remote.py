"""The selection of a worker that is not the room's home: it sends levels to the home, and follows its decisions."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

from tcserver.media.interface import SpeakersChanged
from tcserver.media.speakers.selection import Level, News, Ranked, SpeakerSelection

SUMMARY_INTERVAL = 0.02
"""Seconds between two summaries: as long as one packet of sound lasts."""
MAX_LEVELS = 8192
"""Levels that wait for a summary at most; a thousand open microphones send a thousand in an interval."""


class RemoteSelection(SpeakerSelection):
    """Collects the levels for the home, and knows who holds a place there."""

    __slots__ = ("_always", "_holders", "_levels", "_limit", "_ranking")

    def __init__(self, limit: int = 0, always: Collection[int] = ()) -> None:
        self._limit = limit
        self._always = frozenset(always)
        self._holders: frozenset[int] = frozenset()
        self._levels: deque[Level] = deque(maxlen=MAX_LEVELS)
        """Since the last summary."""
        self._ranking: tuple[Ranked, ...] = ()

    @property
    def limit(self) -> int:
        """Places for talkers; 0: all are forwarded."""
        return self._limit

    @property
    def always(self) -> Collection[int]:
        """Media ids of seats that are forwarded at any level."""
        return self._always

    @property
    def holders(self) -> tuple[int, ...]:
        """Streams that hold a place, as far as the home has told."""
        return tuple(self._holders)

    @property
    def ranking(self) -> tuple[Ranked, ...]:
        """Streams of those who spoke last, the most important first, as far as the home has told."""
        return self._ranking

    def configure(self, limit: int, always: Collection[int]) -> None:
        """Set the number of places, and the seats that are forwarded at any level, without a place."""
        self._limit, self._always = limit, frozenset(always)

    def hear(
        self,
        stream: int,
        seat: int,
        account: int,
        participant: int,
        level: int,
        duration_ms: int,
        voice: bool,
        now: float,
    ) -> bool:
        """Note the level (in -dBov) and voice flag of an audio packet; return whether the packet is forwarded."""
        self._levels.append(Level(stream, seat, account, participant, level, duration_ms, voice))
        return not self._limit or stream in self._holders or seat in self._always

    def forget(self, stream: int) -> None:
        """Tell the home that a stream was closed or muted: its speaker stops, and its place is free."""
        self._levels.append(Level(stream, 0, 0, 0, 0, 0))
        self._holders -= {stream}

    def forget_lost(self, since: float, known: Collection[int]) -> None:
        """Do nothing: the home looks after such streams."""

    def decide(self, room: int, now: float) -> SpeakersChanged | None:
        """Return None: the home decides."""
        return None

    @property
    def has_news(self) -> bool:
        """Whether something was heard since the last summary."""
        return bool(self._levels)

    def take_news(self) -> News:
        """Return the summary of what was heard since the last one."""
        levels = tuple(self._levels)
        self._levels.clear()
        return News(levels)

    def repeat(self) -> None:
        """Do nothing: levels are of the moment, and those that were lost are not said again."""

    def take_levels(self, levels: Iterable[Level], now: float) -> None:
        """Raise ``ValueError``: nothing is decided here."""
        raise ValueError("levels of a room whose home is not here")

    def take_holders(self, streams: frozenset[int]) -> None:
        """Follow the home: these streams hold a place."""
        self._holders = streams

    def take_ranking(self, ranking: tuple[Ranked, ...]) -> None:
        """Follow the home: this is the ranking."""
        if ranking != self._ranking:
            self._ranking = ranking
