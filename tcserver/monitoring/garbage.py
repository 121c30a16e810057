"""Garbage collection: it leaves out what was made at the start, and examines the rest less often."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping

from tcserver.monitoring.histogram import Histogram

THRESHOLDS = (1000, 5, 200)
"""For ``gc.set_threshold``. Joining makes garbage, forwarding does not. A collection of young objects takes less than
1 ms, so it may come often. A full one takes 30 ms with 2,000 seats, so it has to be rare."""
PAUSE_BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
"""Seconds: from pauses that nobody notices to pauses that everybody hears."""
GENERATIONS = 3


def configure() -> None:
    """Leave out what exists now, and set the thresholds. Call it once, when the process has loaded its modules."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


class PauseMeter:
    """Measures collections between ``start`` and ``stop``. ``clock`` returns seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = 0.0
        self.pauses = [Histogram(PAUSE_BOUNDS) for _ in range(GENERATIONS)]
        """Seconds, by generation."""

    def start(self) -> None:
        """Begin to measure."""
        gc.callbacks.append(self._watch)

    def stop(self) -> None:
        """Stop measuring."""
        gc.callbacks.remove(self._watch)

    def _watch(self, phase: str, info: Mapping[str, int]) -> None:
        if phase == "start":
            self._began = self._clock()
        else:
            self.pauses[info["generation"]].observe(self._clock() - self._began)
