"""What a process of the server tells about itself: plain values of one moment, which may come from another process."""

from __future__ import annotations

from dataclasses import dataclass

from tcserver.monitoring.histogram import Histogram


@dataclass(frozen=True, slots=True)
class ProcessStats:
    """One process at one moment; totals are those since it began to measure."""

    loop_lag: Histogram
    """Seconds by which the event loop was late."""
    pauses: tuple[Histogram, ...]
    """Seconds of garbage collections, by generation."""
    cpu: float
    """Seconds of processor of all its threads, since its start."""
    memory: int | None
    """Resident bytes; None where the platform does not tell."""
    log_dropped: int = 0
    """Lines of the log that were dropped since nobody read them."""
