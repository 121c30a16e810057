"""Unexpected exceptions of a media plane: counted, and the last one kept for the log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tcserver.media.forwarding.drops import Counters, Fault


class Faults:
    """An error of ours ends what it happened in, and nothing else."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._last: tuple[Fault, Exception] | None = None

    def note(self, fault: Fault, error: Exception) -> None:
        """Count an error."""
        self._counters.faults[fault] += 1
        self._last = fault, error

    @contextmanager
    def within(self, fault: Fault) -> Iterator[None]:
        """Count an error that happens within, and go on behind."""
        try:
            yield
        except Exception as error:
            self.note(fault, error)

    def take(self) -> tuple[Fault, Exception] | None:
        """Return what failed last, and forget it."""
        last, self._last = self._last, None
        return last
