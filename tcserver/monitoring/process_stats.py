"""Figures of a process of the server at one moment. They may come from another process."""

from __future__ import annotations

from dataclasses import dataclass

from tcserver.monitoring.histogram import Histogram


@dataclass(frozen=True, slots=True)
class ProcessStats:
    """One process at one moment. Totals count from the start of its measuring."""

    loop_lag: Histogram
    """Seconds by which the event loop was late."""
    pauses: tuple[Histogram, ...]
    """Seconds of garbage collections, by generation."""
    cpu: float
    """Processor time of all its threads in seconds, since its start."""
    memory: int | None
    """Resident bytes. None: the platform does not tell."""
    log_dropped: int = 0
    """Lines of the log that were dropped because nobody read them."""
