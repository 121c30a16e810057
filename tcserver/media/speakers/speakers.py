"""Speakers of a room: who begins and stops speaking, and who is dominant."""

from __future__ import annotations

from collections import deque

from tcproto.packet import SPEECH_LEVEL
from tcserver.media.interface import SpeakersChanged
from tcserver.media.speakers.dominance import LEVEL_INTERVAL, LEVELS, MAX_LEVEL, Activity, dominant

DECISION_INTERVAL = 0.3
"""Seconds between decisions."""
SPEECH_WINDOW = 0.4
"""Seconds that are looked at for whether somebody speaks."""
SPEECH_MS = 160
"""How much of the window has to be loud: 40 %."""
IDLE_AFTER = 0.04
"""Seconds without a level that count as silence."""
_CANDIDATE_LEVEL = 47
"""-dBov: nothing below it counts over more than 20 ms, so that it alone makes nobody dominant."""
_MAX_LOUD = 64
"""Loud packets kept: more than a window holds at 10 ms each."""


class _Talk:
    """What is known of one audio stream."""

    __slots__ = ("activity", "arrived", "candidate_until", "heard", "loud", "packets", "participant")

    def __init__(self, participant: int, now: float) -> None:
        self.participant = participant
        self.packets: list[tuple[int, int, float]] = []
        """Level, ms and arrival of packets since the last decision, where their turn comes."""
        self.activity = Activity()
        self.loud: deque[tuple[float, int]] = deque(maxlen=_MAX_LOUD)
        """(arrival, ms) of loud packets."""
        self.heard = now
        """Until when the activity is filled."""
        self.arrived = now
        """When the last packet of those came that were decided on."""
        self.candidate_until = now
        """From then on no level that is kept could make this the dominant speaker."""

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
        """Whether somebody speaks."""
        for packet in self.packets:
            self._hear(*packet)
            self.arrived = packet[2]
        self.packets.clear()
        self._fill(now)
        loud = self.loud
        while loud and loud[0][0] <= now - SPEECH_WINDOW:
            loud.popleft()
        return sum(duration for _, duration in loud) >= SPEECH_MS

    def _fill(self, now: float) -> None:
        silence = now - self.heard
        if silence > IDLE_AFTER:
            self.activity.idle(int(min(silence / LEVEL_INTERVAL, LEVELS)))
            self.heard = now


class Speakers:
    """Levels by stream, as their publishers claim them: end-to-end encrypted audio cannot be measured here."""

    __slots__ = ("_dominant", "_reported", "_speaking", "_talks")

    def __init__(self) -> None:
        self._talks: dict[int, _Talk] = {}
        self._speaking: frozenset[int] = frozenset()
        self._dominant: int | None = None
        self._reported = 0

    @property
    def dominant(self) -> int | None:
        """Stream of the dominant speaker."""
        return self._dominant

    def hear(self, stream: int, participant: int, level: int, duration_ms: int, now: float) -> None:
        """Note the level (in -dBov) of an audio packet."""
        talk = self._talks.get(stream)
        if talk is None:
            talk = self._talks[stream] = _Talk(participant, now)
        talk.packets.append((level, duration_ms, now))

    def forget(self, stream: int) -> None:
        """A stream was closed or muted: whoever spoke in it stops."""
        self._talks.pop(stream, None)

    def silent(self, since: float) -> list[int]:
        """Return the streams of which nothing has come since then."""
        return [stream for stream, talk in self._talks.items() if talk.arrived < since]

    def decide(self, room: int, now: float) -> SpeakersChanged | None:
        """Return what changed since the last decision; None where nothing did."""
        speaking = frozenset(talk.participant for talk in self._talks.values() if talk.decide(now))
        activities = {
            stream: talk.activity
            for stream, talk in self._talks.items()
            if now < talk.candidate_until or stream == self._dominant
        }
        self._dominant = dominant(activities, self._dominant)
        talk = self._talks.get(self._dominant) if self._dominant is not None else None
        participant = talk.participant if talk else 0
        if speaking == self._speaking and participant == self._reported:
            return None
        started, stopped = tuple(sorted(speaking - self._speaking)), tuple(sorted(self._speaking - speaking))
        self._speaking, self._reported = speaking, participant
        return SpeakersChanged(room, started, stopped, participant)
