"""The selection of a room's home: who begins and stops speaking, who is dominant, and who is forwarded."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable

from tcproto.messages.types import MAX_VOICES
from tcproto.packet import SPEECH_LEVEL
from tcserver.media.interface import SpeakersChanged
from tcserver.media.speakers.dominance import LEVEL_INTERVAL, LEVELS, MAX_LEVEL, Activity, dominant
from tcserver.media.speakers.loudest import Loudest
from tcserver.media.speakers.selection import Level, News, Ranked, SpeakerSelection

DECISION_INTERVAL = 0.3
"""Seconds between decisions."""
SPEECH_WINDOW = 0.4
"""Seconds that decide whether somebody speaks."""
SPEECH_MS = 160
"""Milliseconds of the window that have to be loud: 40 %."""
VOICED_MS = 120
"""Milliseconds with voice between two decisions that make a stream one that speaks, for the ranking: 40 % as well. Who
speaks softly is not lit up as a speaker, but is heard."""
RANKED_FOR = 2.0
"""Seconds after the last speech for which a speaker is ranked before those who are silent: pauses are shorter."""
MAX_RANKED = MAX_VOICES
"""Streams in the ranking: nobody can want more."""
IDLE_AFTER = 0.04
"""Seconds without a level, after which they count as silence."""
_CANDIDATE_LEVEL = 47
"""-dBov. What is softer scores only over 20 ms, and so cannot make anybody dominant."""
_MAX_LOUD = 64
"""Loud packets that are kept: more than a window holds at 10 ms each."""


class _Talk:
    """What is known of one audio stream."""

    __slots__ = (
        "account",
        "activity",
        "arrived",
        "candidate_until",
        "heard",
        "loud",
        "packets",
        "participant",
        "ranked_until",
        "seat",
        "voiced_ms",
    )

    def __init__(self, seat: int, account: int, participant: int, now: float) -> None:
        self.seat = seat
        self.account = account
        self.participant = participant
        self.packets: list[tuple[int, int, float]] = []
        """Level, ms and arrival of the packets since the last decision; the next one takes them in."""
        self.voiced_ms = 0
        """Milliseconds with voice, or loud, since the last decision."""
        self.activity = Activity()
        self.loud: deque[tuple[float, int]] = deque(maxlen=_MAX_LOUD)
        """(arrival, ms) of loud packets."""
        self.heard = now
        """The time up to which the activity is filled."""
        self.arrived = now
        """When the newest packet came that a decision has taken in."""
        self.candidate_until = now
        """From then on the levels that are kept cannot make this the dominant speaker."""
        self.ranked_until = now
        """Until when it is ranked as one that speaks."""

    def _hear(self, level: int, duration_ms: int, now: float) -> None:
        if level <= SPEECH_LEVEL:
            self.loud.append((now, duration_ms))
        if level <= _CANDIDATE_LEVEL:
            self.candidate_until = now + LEVELS * LEVEL_INTERVAL
        start = now - duration_ms / 1000
        if start - self.heard > IDLE_AFTER:
            self._fill(start)
        self.activity.hear(MAX_LEVEL - level)
        for _ in range(40, duration_ms + 1, 20):
            self.activity.hear(MAX_LEVEL - level)
        self.heard = now

    def decide(self, now: float) -> bool:
        """Take in the packets since the last decision; return whether somebody speaks."""
        for packet in self.packets:
            self._hear(*packet)
            self.arrived = packet[2]
        self.packets.clear()
        self._fill(now)
        loud = self.loud
        while loud and loud[0][0] <= now - SPEECH_WINDOW:
            loud.popleft()
        speaks = sum(duration for _, duration in loud) >= SPEECH_MS
        if self.voiced_ms >= VOICED_MS:
            self.ranked_until = now + RANKED_FOR
        self.voiced_ms = 0
        return speaks

    def _fill(self, now: float) -> None:
        silence = now - self.heard
        if silence > IDLE_AFTER:
            self.activity.idle(int(min(silence / LEVEL_INTERVAL, LEVELS)))
            self.heard = now


class LocalSelection(SpeakerSelection):
    """Decides who speaks and who is dominant, and lets the loudest contend for the places.

    Levels are what their publishers claim: end-to-end encrypted audio cannot be measured here.
    """

    __slots__ = ("_contest", "_dominant", "_ranking", "_ranking_told", "_reported", "_speaking", "_talks")

    def __init__(self) -> None:
        self._talks: dict[int, _Talk] = {}
        self._contest = Loudest()
        self._speaking: frozenset[int] = frozenset()
        self._dominant: int | None = None
        """Stream of the dominant speaker; None: nobody has spoken yet."""
        self._reported = 0
        self._ranking: tuple[Ranked, ...] = ()
        self._ranking_told = False

    @property
    def limit(self) -> int:
        """Places for talkers; 0: all are forwarded."""
        return self._contest.limit

    @property
    def always(self) -> Collection[int]:
        """Media ids of seats that are forwarded at any level."""
        return self._contest.always

    @property
    def holders(self) -> tuple[int, ...]:
        """Streams that hold a place."""
        return self._contest.holders

    @property
    def ranking(self) -> tuple[Ranked, ...]:
        """Streams of those who spoke last, the most important first."""
        return self._ranking

    def configure(self, limit: int, always: Collection[int]) -> None:
        """Set the number of places, and the seats that are forwarded at any level, without a place."""
        self._contest.configure(limit, always)

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
        talk = self._talks.get(stream)
        if talk is None:
            talk = self._talks[stream] = _Talk(seat, account, participant, now)
        talk.packets.append((level, duration_ms, now))
        if voice or level <= SPEECH_LEVEL:
            talk.voiced_ms += duration_ms
        contest = self._contest
        return not contest.limit or contest.hear(stream, seat, account, level, voice, now)

    def forget(self, stream: int) -> None:
        """Forget a stream that was closed or muted: its speaker stops, and its place is free."""
        self._talks.pop(stream, None)
        self._contest.forget(stream)

    def forget_lost(self, since: float, known: Collection[int]) -> None:
        """Forget the streams that have sent nothing since then, except those that are ``known``."""
        for stream in [stream for stream, talk in self._talks.items() if talk.arrived < since and stream not in known]:
            self.forget(stream)

    def decide(self, room: int, now: float) -> SpeakersChanged | None:
        """Return what changed since the last decision; None where nothing did."""
        speaking = frozenset(talk.participant for talk in self._talks.values() if talk.decide(now))
        activities = {
            stream: talk.activity
            for stream, talk in self._talks.items()
            if now < talk.candidate_until or stream == self._dominant
        }
        self._dominant = self._contest.dominant = dominant(activities, self._dominant)
        self._rank(now)
        talk = self._talks.get(self._dominant) if self._dominant is not None else None
        participant = talk.participant if talk else 0
        if speaking == self._speaking and participant == self._reported:
            return None
        started, stopped = tuple(sorted(speaking - self._speaking)), tuple(sorted(self._speaking - speaking))
        self._speaking, self._reported = speaking, participant
        return SpeakersChanged(room, started, stopped, participant)

    def _rank(self, now: float) -> None:
        """Put those who speak before the others, and the dominant speaker first; all others keep their order.

        Of those who speak, further streams of an account are behind the first ones of all others. Otherwise an account
        that has many could be all that anybody hears who wants few.
        """
        talks = self._talks
        before = [place.stream for place in self._ranking if place.stream in talks]
        new = sorted(talks.keys() - set(before), key=lambda stream: -talks[stream].ranked_until)
        order = sorted(before + new, key=lambda stream: (now >= talks[stream].ranked_until, stream != self._dominant))
        seen: Counter[int] = Counter()
        grades: dict[int, int] = {}
        for stream in order:
            talk = talks[stream]
            grades[stream] = len(order) if now >= talk.ranked_until else seen[talk.account]
            seen[talk.account] += 1
        order.sort(key=grades.__getitem__)
        ranking = tuple(Ranked(stream, talks[stream].seat) for stream in order[:MAX_RANKED])
        if ranking != self._ranking:
            self._ranking, self._ranking_told = ranking, False

    @property
    def has_news(self) -> bool:
        """Whether holders or ranking have changed since ``take_news``."""
        return self._contest.changed or not self._ranking_told

    def take_news(self) -> News:
        """Return holders and ranking, each if it has changed since the last call."""
        holders = self.holders if self._contest.changed else None
        ranking = None if self._ranking_told else self._ranking
        self._contest.changed, self._ranking_told = False, True
        return News(holders=holders, ranking=ranking)

    def repeat(self) -> None:
        """Tell holders and ranking again, though they have not changed: a message was lost, or a worker is new."""
        self._contest.changed, self._ranking_told = True, False

    def take_levels(self, levels: Iterable[Level], now: float) -> None:
        """Hear what another worker has heard of its seats."""
        for stream, seat, account, participant, level, duration_ms, voice in levels:
            if duration_ms:
                self.hear(stream, seat, account, participant, level, duration_ms, voice, now)
            else:
                self.forget(stream)

    def take_holders(self, streams: frozenset[int]) -> None:
        """Ignore it: the holders are decided here."""

    def take_ranking(self, ranking: tuple[Ranked, ...]) -> None:
        """Ignore it: the ranking is decided here."""
