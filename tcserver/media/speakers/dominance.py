"""The dominant speaker of a room.

After I. Volfin and I. Cohen, "Dominant speaker identification for multipoint videoconferencing", Computer Speech and
Language 27 (2013). Speech activity is scored over an immediate, a medium and a long time. The dominant speaker changes
only if another one is ahead in all three.

Where several talk at once, that alone would change with each pause between two sentences. So who has talked beside the
dominant speaker for a while waits until that one has been silent for longer than such a pause, or until being clearly
louder. Who begins when the other ends does not wait.
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
_WORD_GAP = 25
"""Levels without speech after which the next speech is a new turn: those of 0.5 s."""
_OVERLAP = 25
"""Levels for which a turn may overlap the end of another one, to be taken for an answer: those of 0.5 s."""
_PATIENCE = LEVELS
"""Levels without speech that end the turn of the dominant speaker for those who talk beside it: those of 1 s."""
_SYLLABLES = 10
"""Levels of the last second whose least is how loud somebody is: those of 0.2 s. Vowels are, and gaps are not."""
_LOUDER = 6
"""dB that make a speaker clearly louder: twice the amplitude."""


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

    __slots__ = ("_floor", "_levels", "_loud", "_minimum", "_run", "_seen", "_threshold", "quiet", "turn")

    def __init__(self) -> None:
        self._levels: deque[int] = deque(bytes(LEVELS), maxlen=LEVELS)
        self._set_floor(0)
        self._minimum = MAX_LEVEL
        self._seen = 0
        self._run = 0
        """Levels of speech without a gap, until now."""
        self.turn = 0
        """Levels since a turn began: since there was speech after more than ``_WORD_GAP`` of silence."""
        self.quiet = LEVELS
        """Levels since there was speech: 100 ms of it, since a click is shorter."""

    def hear(self, loudness: int) -> None:
        """Add a level: 0 silence, ``MAX_LEVEL`` loudest."""
        self._levels.appendleft(loudness)
        self.turn += 1
        self.quiet += 1
        self._run = self._run + 1 if loudness >= self._loud else 0
        if self._run >= _IMMEDIATES:
            if self.quiet > _WORD_GAP:
                self.turn = 0
            self.quiet = 0
        if not loudness:
            return
        if loudness < self._minimum:
            self._minimum = loudness
            if loudness < self._floor:
                self._set_floor(loudness)
        self._seen += 1
        if self._seen == FLOOR_LEVELS:
            self._set_floor(self._minimum)
            self._minimum, self._seen = MAX_LEVEL, 0

    def idle(self, levels: int) -> None:
        """Add silence for a number of levels."""
        self._levels.extendleft(bytes(min(levels, LEVELS)))
        self._run = 0
        self.turn += levels
        self.quiet += levels

    def _set_floor(self, floor: int) -> None:
        self._floor = floor
        self._threshold = floor + _SUBUNIT if floor else 0
        self._loud = max(self._threshold, _LOUD)

    @property
    def loudness(self) -> int:
        """How loud the speech of the last second was."""
        return sorted(self._levels)[-_SYLLABLES]

    def scores(self) -> Scores:
        """Return the scores over the last 20 ms, 100 ms and second."""
        newest = self._levels[0]
        immediate = newest // _SUBUNIT if newest >= self._threshold else 0
        loud = self._loud
        louds = [level >= loud for level in self._levels]
        mediums = [sum(louds[start : start + _IMMEDIATES]) for start in range(0, LEVELS, _IMMEDIATES)]
        long = sum(value > _LONG_THRESHOLD for value in mediums)
        return Scores(_IMMEDIATE_SCORES[immediate], _MEDIUM_SCORES[mediums[0]], _LONG_SCORES[long])


def dominant(activities: Mapping[Key, Activity], current: Key | None) -> Key | None:
    """Return the dominant speaker; ``current`` is that of the last decision. None: there is none, and was none."""
    holder = activities.get(current) if current is not None else None
    incumbent = holder.scores() if holder is not None else _SILENCE
    best, best_lead = current, _C2
    for key, activity in activities.items():
        if key == current or (holder is not None and _waits(activity, holder)):
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


def _waits(challenger: Activity, holder: Activity) -> bool:
    """Return whether a challenger talks beside the dominant speaker, whose turn is not over."""
    talks_beside = challenger.turn > holder.quiet + _OVERLAP
    return talks_beside and holder.quiet < _PATIENCE and challenger.loudness < holder.loudness + _LOUDER
