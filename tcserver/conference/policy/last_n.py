"""Whose cameras a large room shows: those of the participants who spoke last; and of how many."""

from __future__ import annotations

from collections.abc import Collection

LAST_N = ((50, 10), (30, 15), (20, 20))
"""(participants of the room, cameras): from so many participants on, no more than so many cameras."""
REDUCTION = 0.75
"""Of the cameras, what is left after an overload."""
RESTORATION = 1.25
"""Of the cameras, how many there are after a calm time."""
REDUCTION_INTERVAL = 5.0
"""Seconds between two reductions: one has to show before the next."""
CALM = 60.0
"""Seconds without overload before cameras come back: each that comes costs a keyframe."""


def last_n(participants: int) -> int | None:
    """Return how many cameras a room of a size shows; None: all."""
    return next((cameras for size, cameras in LAST_N if participants >= size), None)


SPIKE_CALM = 10.0
"""The same after an overload that did not come again: a hiccup must not cost everybody a minute of pictures."""


class CameraCap:
    """The cameras that any room may show while the server has too much to do; ``limit`` None: as many as it wants."""

    def __init__(self) -> None:
        self.limit: int | None = None
        self._reduced_at = float("-inf")
        self._most = 0
        self._reductions = 0

    @property
    def calm(self) -> float:
        """Seconds without overload before cameras come back."""
        return SPIKE_CALM if self._reductions == 1 else CALM

    def overloaded(self, shown: int, now: float) -> bool:
        """Lower the limit, given the most cameras that a room shows; return whether it changed."""
        if now < self._reduced_at + REDUCTION_INTERVAL:
            return False
        before = self.limit
        self._reduced_at = now
        if before is None:
            self._most = shown
            self._reductions = 0
        self._reductions += 1
        self.limit = max(1, int(shown * REDUCTION))
        return self.limit != before

    def restore(self) -> float | None:
        """Raise the limit after a calm time; return the seconds until the next step, None when there is no limit."""
        if self.limit is None:
            return None
        self.limit = max(self.limit + 1, int(self.limit * RESTORATION))
        if self.limit >= self._most:
            self.limit = None
            return None
        return CALM


class Stage:
    """The participants of a room by when they spoke last."""

    def __init__(self) -> None:
        self._spoke: dict[int, None] = {}
        """Who spoke last stands last."""

    def spoke(self, participant: int) -> None:
        """Somebody began to speak."""
        self._spoke.pop(participant, None)
        self._spoke[participant] = None

    def leave(self, participant: int) -> None:
        """Somebody is gone."""
        self._spoke.pop(participant, None)

    def choose(self, candidates: Collection[int], most: int) -> set[int]:
        """Return those of ``candidates`` who are on stage: who spoke last, then who was there first."""
        chosen: set[int] = set()
        for participant in (*reversed(self._spoke), *candidates):
            if len(chosen) >= most:
                break
            if participant in candidates:
                chosen.add(participant)
        return chosen
