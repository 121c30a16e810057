"""Garbage collection: what was made at the start is left out of it, the rest is looked at less often."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping

from tcserver.monitoring.histogram import Histogram

THRESHOLDS = (1000, 5, 200)
"""For ``gc.set_threshold``. Forwarding makes no garbage, joining does: looking at little and often, in less than a ms,
is nobody's loss; a look at everything that 2,000 seats hold takes 30 ms, so it has to be rare."""
PAUSE_BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
"""Seconds: from what nobody notices to what everybody hears."""
GENERATIONS = 3


def settle() -> None:
    """Call it once, when the process has started: modules and classes live as long as it does."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


class PauseMeter:
    """Measures collections; ``clock`` returns seconds. In effect between `start` and `stop`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = 0.0
        self.pauses = [Histogram(PAUSE_BOUNDS) for _ in range(GENERATIONS)]
        """Seconds, by generation."""

    def start(self) -> None:
        """Begin to measure."""
        gc.callbacks.append(self._watch)

    def stop(self) -> None:
        """Measure no longer."""
        gc.callbacks.remove(self._watch)

    def _watch(self, phase: str, info: Mapping[str, int]) -> None:
        if phase == "start":
            self._began = self._clock()
        else:
            self.pauses[info["generation"]].observe(self._clock() - self._began)
