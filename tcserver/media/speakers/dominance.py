"""The dominant speaker of a room.

After I. Volfin and I. Cohen, "Dominant speaker identification for multipoint videoconferencing", Computer Speech and
Language 27 (2013). Speech activity is scored over an immediate, a medium and a long time. The dominant speaker changes
only if another one is ahead in all three.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from math import comb, log
from typing import NamedTuple, TypeVar

LEVEL_INTERVAL = 0.02
"""Seconds that one level stands for."""
MAX_LEVEL = 127
FLOOR_LEVELS = 750
"""Levels whose minimum is the noise floor of a speaker: those of 15 s."""
MIN_SCORE = 1e-10

_SUBUNITS = 13
_SUBUNIT = 10
_IMMEDIATES = 5
"""Immediate values in a medium one."""
_MEDIUMS = 10
"""Medium values in a long one."""
_MEDIUM_THRESHOLD = 7
_LOUD = (_MEDIUM_THRESHOLD + 1) * _SUBUNIT
"""Levels from here on have an immediate value above that threshold."""
_LONG_THRESHOLD = 4
_C1 = 3.0
_C2 = 2.0
_C3 = 0.0
LEVELS = _IMMEDIATES * _MEDIUMS
"""Levels that are kept: those of 1 s."""


def _scores(n: int, rate: float) -> tuple[float, ...]:
    """Return the score of each count from 0 to n: the log-likelihood ratio of speech and silence.

    Under speech a count is binomial with p = 1/2, under silence exponential with this rate. At least ``MIN_SCORE``.
    """
    return tuple(max(MIN_SCORE, log(comb(n, v)) + n * log(0.5) - log(rate) + rate * v) for v in range(n + 1))


_IMMEDIATE_SCORES = _scores(_SUBUNITS, 0.78)
_MEDIUM_SCORES = _scores(_IMMEDIATES, 24.0)
_LONG_SCORES = _scores(_MEDIUMS, 47.0)


class Scores(NamedTuple):
    """Speech activity of one speaker."""

    immediate: float
    medium: float
    long: float


_SILENCE = Scores(MIN_SCORE, MIN_SCORE, MIN_SCORE)
Key = TypeVar("Key", bound=Hashable)


class Activity:
    """The last levels of a speaker."""

    __slots__ = ("_floor", "_levels", "_minimum", "_seen")

    def __init__(self) -> None:
        self._levels: deque[int] = deque(bytes(LEVELS), maxlen=LEVELS)
        self._floor = 0
        self._minimum = MAX_LEVEL
        self._seen = 0

    def hear(self, loudness: int) -> None:
        """Add a level: 0 silence, ``MAX_LEVEL`` loudest."""
        self._levels.appendleft(loudness)
        if not loudness:
            return
        if loudness < self._minimum:
            self._minimum = loudness
            if loudness < self._floor:
                self._floor = loudness
        self._seen += 1
        if self._seen == FLOOR_LEVELS:
            self._floor, self._minimum, self._seen = self._minimum, MAX_LEVEL, 0

    def idle(self, levels: int) -> None:
        """Add silence for a number of levels."""
        self._levels.extendleft(bytes(min(levels, LEVELS)))

    def scores(self) -> Scores:
        """Return the scores over the last 20 ms, 100 ms and second."""
        threshold = self._floor + _SUBUNIT if self._floor else 0
        newest = self._levels[0]
        immediate = newest // _SUBUNIT if newest >= threshold else 0
        loud = max(threshold, _LOUD)
        louds = [level >= loud for level in self._levels]
        mediums = [sum(louds[start : start + _IMMEDIATES]) for start in range(0, LEVELS, _IMMEDIATES)]
        long = sum(value > _LONG_THRESHOLD for value in mediums)
        return Scores(_IMMEDIATE_SCORES[immediate], _MEDIUM_SCORES[mediums[0]], _LONG_SCORES[long])


def dominant(activities: Mapping[Key, Activity], current: Key | None) -> Key | None:
    """Return the dominant speaker; ``current`` is that of the last decision. None: there is none, and was none."""
    incumbent = activities[current].scores() if current is not None and current in activities else _SILENCE
    best, best_lead = current, _C2
    for key, activity in activities.items():
        if key == current:
            continue
        scores = activity.scores()
        lead = log(scores.medium / incumbent.medium)
        if (
            lead > best_lead
            and log(scores.immediate / incumbent.immediate) > _C1
            and log(scores.long / incumbent.long) > _C3
        ):
            best, best_lead = key, lead
    return best
