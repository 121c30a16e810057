"""Measures its own process: the lag of the event loop, the length of garbage collections, processor and memory."""

from __future__ import annotations

import asyncio
import os
import time

from tcserver.monitoring import logs
from tcserver.monitoring.garbage import PauseMeter
from tcserver.monitoring.histogram import Histogram
from tcserver.monitoring.process_stats import ProcessStats

LAG_INTERVAL = 0.1
"""Seconds between measurements of the lag: often enough to meet every stall that people hear."""
LAG_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds; the timers of uvloop have whole milliseconds."""
_STATM = "/proc/self/statm"
"""A file of Linux. Its second field is the number of resident pages."""


class ProcessMeter:
    """Measures between ``start`` and ``stop``. It costs a timer ten times a second."""

    def __init__(self) -> None:
        self._lag = LagMeter()
        self._pauses = PauseMeter(time.perf_counter)

    def start(self) -> None:
        """Begin to measure, on the running event loop."""
        self._lag.start()
        self._pauses.start()

    def stop(self) -> None:
        """Stop measuring. Call it once, after ``start``."""
        self._pauses.stop()
        self._lag.stop()

    def stats(self) -> ProcessStats:
        """Return what was measured since the start, and what the process uses."""
        pauses = tuple(self._pauses.pauses)
        return ProcessStats(self._lag.lags, pauses, time.process_time(), _resident(), logs.output.dropped)


class LagMeter:
    """Measures by how much a timer of the running event loop is late."""

    def __init__(self) -> None:
        self.lags = Histogram(LAG_BOUNDS)
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to measure."""
        self._due = time.monotonic() + LAG_INTERVAL
        self._timer = asyncio.get_running_loop().call_later(LAG_INTERVAL, self._look)

    def stop(self) -> None:
        """Stop measuring."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self.lags.observe(max(0.0, time.monotonic() - self._due))
        self.start()


def _resident() -> int | None:
    try:
        with open(_STATM, "rb") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
