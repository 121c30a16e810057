"""The cameras that a room may show while the server has too much to do."""

from __future__ import annotations

REDUCTION = 0.75
"""Share of the cameras that is left after an overload."""
RESTORATION = 1.25
"""Factor of the number of cameras after a calm time."""
REDUCTION_INTERVAL = 5.0
"""Seconds between two reductions. The effect of one has to show before the next."""
CALM = 60.0
"""Seconds without overload before cameras come back. Each camera that comes back costs a keyframe."""
SPIKE_CALM = 10.0
"""Seconds without overload after a single overload. It must not cost everybody a minute of pictures."""


class CameraCap:
    """The cameras that any room may show while the server has too much to do. ``limit`` None: no limit."""

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
