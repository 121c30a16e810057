"""The speaker selection of a room: who speaks in it, and which of its talkers are forwarded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from tcserver.media.interface import SpeakersChanged


class Level(NamedTuple):
    """What the home of a room has to know of an audio packet."""

    stream: int
    seat: int
    """Media id."""
    account: int
    participant: int
    level: int
    """-dBov."""
    duration_ms: int
    """0: the stream is muted or over."""
    voice: bool = False


class Ranked(NamedTuple):
    """A place in the ranking of those who spoke last."""

    stream: int
    seat: int
    """Media id of the publisher, for which its own streams do not count."""


class News(NamedTuple):
    """What one side of a speaker selection tells the other."""

    levels: Sequence[Level] = ()
    """For the home: what was heard elsewhere."""
    holders: Collection[int] | None = None
    """From the home: the streams that hold a place; None: they have not changed."""
    ranking: Sequence[Ranked] | None = None
    """From the home: as ``SpeakerSelection.ranking``; None: it has not changed."""


class SpeakerSelection(ABC):
    """What a room asks about its speakers.

    One media worker decides for all of a room: its home. There the selection is a ``LocalSelection``. Another worker
    with seats of the room has a ``RemoteSelection``. That reports to the home what it hears, and follows what the home
    decides. The relay carries the messages between them.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def limit(self) -> int:
        """Places for talkers; 0: all are forwarded."""

    @property
    @abstractmethod
    def always(self) -> Collection[int]:
        """Media ids of seats that are forwarded at any level."""

    @property
    @abstractmethod
    def holders(self) -> tuple[int, ...]:
        """Streams that hold a place."""

    @property
    @abstractmethod
    def ranking(self) -> tuple[Ranked, ...]:
        """Streams of those who spoke last, the most important first, for receivers that want few of them.

        It is the same object until it changes.
        """

    @abstractmethod
    def configure(self, limit: int, always: Collection[int]) -> None:
        """Set the number of places, and the seats that are forwarded at any level, without a place."""

    @abstractmethod
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

    @abstractmethod
    def forget(self, stream: int) -> None:
        """Forget a stream that was closed or muted: its speaker stops, and its place is free."""

    @abstractmethod
    def forget_lost(self, since: float, known: Collection[int]) -> None:
        """Forget the streams that have sent nothing since then, except those that are ``known``."""

    @abstractmethod
    def decide(self, room: int, now: float) -> SpeakersChanged | None:
        """Return what changed in a room since the last decision; None where nothing did, or another worker decides."""

    @property
    @abstractmethod
    def has_news(self) -> bool:
        """Whether ``take_news`` returns something."""

    @abstractmethod
    def take_news(self) -> News:
        """Return what the other side has to know, once."""

    @abstractmethod
    def repeat(self) -> None:
        """Say again what the other side has to know: a message was lost, or a worker is new."""

    @abstractmethod
    def take_levels(self, levels: Iterable[Level], now: float) -> None:
        """Hear what another worker has heard of its seats; raises ``ValueError`` where nothing is decided here."""

    @abstractmethod
    def take_holders(self, streams: frozenset[int]) -> None:
        """Follow the home: these streams hold a place. A selection that decides itself ignores it."""

    @abstractmethod
    def take_ranking(self, ranking: tuple[Ranked, ...]) -> None:
        """Follow the home: this is the ranking. A selection that decides itself ignores it."""
