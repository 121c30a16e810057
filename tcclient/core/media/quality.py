"""How good our connection is for speech, and what would make it better: from loss, jitter and round trips."""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import NamedTuple

from tcclient.core.path.proof import PathState
from tcclient.core.path.statistics import DirectionStatistics
from tcclient.core.timers import NEVER
from tcproto.messages import Quality

LOOK_INTERVAL = 1.0
"""Seconds between two looks at the figures."""
WINDOW = 10.0
"""Seconds in which loss is counted."""
MAX_WINDOW = 60.0
"""The same where that is needed to see ``ENOUGH`` packets: who only listens sends one a second."""
ENOUGH = 50
"""Packets in which loss is counted at least: one of them is 2 %."""
BETTER_AFTER = 5.0
"""Seconds for which a connection has to be better until that is told. What is worse is told at once."""
EXCELLENT, GOOD = 4.0, 3.0
"""Least scores: "satisfied", and "nearly all dissatisfied" below it, in the words of ITU-T G.107."""
_OWN_DELAY = 60.0
"""ms of a frame and of the least jitter buffer."""
_ROBUSTNESS = 10.0
"""How well a codec stands packet loss: ITU-T G.113 has 4.3 for one without concealment, and 25.1 for the best."""


class Advice(StrEnum):
    """What could be done about a poor connection."""

    CAMERA_OFF = "camera_off"
    """The way to the server is poor, and we send pictures: without them there is more room for our sound."""
    UPLINK = "uplink"
    """The way to the server is poor, though we send no pictures: others hear us badly."""
    FEWER_PICTURES = "fewer_pictures"
    """The way from the server is poor, and pictures come: with fewer of them there is more room for sound."""
    DOWNLINK = "downlink"
    """The way from the server is poor, though no pictures come: we hear others badly."""
    DELAY = "delay"
    """Little is lost, but it takes long: people begin to speak at the same time."""


class Figures(NamedTuple):
    """What is measured of the connection."""

    path: PathState
    rtt: float | None
    """Seconds."""
    up: DirectionStatistics
    down: DirectionStatistics


class Use(NamedTuple):
    """What the connection is used for."""

    sends_pictures: bool = False
    gets_pictures: bool = False


def score(loss: float, jitter_ms: float, rtt: float) -> float:
    """Return the mean opinion score to expect of speech in one direction, 1 to 4.5.

    It is the E-model of ITU-T G.107 with its defaults, in the simplified form of Cole and Rosenbluth (2001). ``loss``
    is a share from 0 to 1, ``rtt`` in seconds.
    """
    delay = rtt / 2 * 1000 + 2 * jitter_ms + _OWN_DELAY
    impairment = 0.024 * delay + 0.11 * max(0.0, delay - 177.3) + 95 * loss / (loss + _ROBUSTNESS / 100)
    rating = min(max(93.2 - impairment, 0.0), 100.0)
    return max(1.0, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6)


class QualityMeter:
    """Our connection: ``quality``, the score of each direction, and ``advice`` where something could be done."""

    def __init__(self) -> None:
        self.quality = Quality.UNKNOWN
        self.advice: Advice | None = None
        self.up: float | None = None
        self.down: float | None = None
        """Scores, as ``score`` returns them; None until the path is proved."""
        self._up, self._down = _LossWindow(), _LossWindow()
        self._better = Quality.UNKNOWN
        """The least that was found since it is better."""
        self._better_since = NEVER

    def look(self, figures: Figures, use: Use, now: float) -> None:
        """Take the figures as of now; to be called each ``LOOK_INTERVAL``."""
        rtt = figures.rtt or 0.0
        losses = self._up.loss(figures.up, now), self._down.loss(figures.down, now)
        if figures.path is PathState.UNKNOWN:
            return
        up, down = (
            score(loss, direction.jitter_ms, rtt)
            for loss, direction in zip(losses, (figures.up, figures.down), strict=True)
        )
        self.up, self.down = up, down
        lost = figures.path is PathState.LOST
        self._settle(Quality.LOST if lost else _graded(min(up, down)), now)
        if self.quality is not Quality.POOR:
            self.advice = None
        elif min(up, down) < GOOD:
            self.advice = _advise(up, down, losses, use)

    def _settle(self, found: Quality, now: float) -> None:
        if self.quality is Quality.LOST or _ORDER.index(found) <= _ORDER.index(self.quality):
            self.quality, self._better, self._better_since = found, Quality.UNKNOWN, NEVER
            return
        self._better = min(self._better, found, key=_ORDER.index)
        self._better_since = min(self._better_since, now)
        if now >= self._better_since + BETTER_AFTER:
            self.quality, self._better, self._better_since = self._better, Quality.UNKNOWN, NEVER


_ORDER = (Quality.LOST, Quality.POOR, Quality.GOOD, Quality.EXCELLENT, Quality.UNKNOWN)


def _graded(score: float) -> Quality:
    return Quality.EXCELLENT if score >= EXCELLENT else Quality.GOOD if score >= GOOD else Quality.POOR


def _advise(up: float, down: float, losses: tuple[float, float], use: Use) -> Advice:
    """Return what to do about a poor connection. Pictures go first: they are most of what is sent."""
    if min(score(loss, 0.0, 0.0) for loss in losses) >= GOOD:
        return Advice.DELAY
    if up <= down:
        return Advice.CAMERA_OFF if use.sends_pictures else Advice.UPLINK
    return Advice.FEWER_PICTURES if use.gets_pictures else Advice.DOWNLINK


class _LossWindow:
    """Loss in the last seconds, over enough packets."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int, int]] = deque(maxlen=int(MAX_WINDOW / LOOK_INTERVAL) + 1)

    def loss(self, counts: DirectionStatistics, now: float) -> float:
        """Take the counts as of now; return the share that was lost, 0 to 1; 0 as long as too little was sent."""
        marks = self._marks
        marks.append((now, counts.packets, counts.lost))
        while len(marks) > 1 and marks[1][0] <= now - WINDOW and counts.packets - marks[1][1] >= ENOUGH:
            marks.popleft()
        _, packets, lost = marks[0]
        sent = counts.packets - packets
        return min(max(counts.lost - lost, 0) / sent, 1.0) if sent >= ENOUGH else 0.0
