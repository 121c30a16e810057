"""Random identifiers that are not used again for a while."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

QUARANTINE = 600.0
"""Seconds for which a freed identifier is not used again. What still travels under it must reach nobody else."""
MAX_QUARANTINED = 65_536
"""Freed identifiers that are kept back. Beyond it the oldest may come back, with a chance of one in 65,536 or less."""


class IdPool:
    """Distinct random 32-bit identifiers, never 0. The bits of ``reserved`` are not random: they mean something."""

    def __init__(self, random_bytes: Callable[[int], bytes], reserved: int = 0) -> None:
        self._random_bytes = random_bytes
        self._reserved = reserved
        self._taken: set[int] = set()
        self._freed: deque[tuple[float, int]] = deque()

    def __len__(self) -> int:
        """Return the number of identifiers in use."""
        return len(self._taken) - len(self._freed)

    def take(self, now: float, bits: int = 0) -> int:
        """Return an identifier that is neither in use nor kept back, with ``bits`` among the reserved ones."""
        while self._freed and (self._freed[0][0] <= now or len(self._freed) > MAX_QUARANTINED):
            self._taken.discard(self._freed.popleft()[1])
        while True:
            value = int.from_bytes(self._random_bytes(4), "big") & ~self._reserved | bits
            if value and value not in self._taken:
                self._taken.add(value)
                return value

    def free(self, value: int, now: float) -> None:
        """Give an identifier back, exactly once."""
        self._freed.append((now + QUARANTINE, value))
