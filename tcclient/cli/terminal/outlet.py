"""A file to which lines are written without waiting for its reader."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from tcclient.cli.terminal.backlog import Backlog

FLUSH_DEADLINE = 1.0
"""Seconds that the end waits for the reader: enough for a living one, and no time is wasted on a dead one."""


class Outlet:
    """Writes lines from a thread of its own.

    A reader that is too slow misses the oldest lines, and is told how many. ``lost_line`` makes the line that reports
    so many lost lines. A line that cannot be written (a full disk) is lost, too. ``gone``, if given, is called from the
    thread when there is no reader any more.
    """

    def __init__(
        self,
        descriptor: int,
        lost_line: Callable[[int], str],
        *,
        encoding: str = "utf-8",
        errors: str = "backslashreplace",
        gone: Callable[[], None] | None = None,
        backlog: Backlog | None = None,
    ) -> None:
        self._descriptor = descriptor
        self._lost_line = lost_line
        self._encoding = encoding
        self._errors = errors
        self._gone = gone
        self._backlog = Backlog() if backlog is None else backlog
        self._changed = threading.Condition()
        self._ended = False
        self._gone_already = False
        self._failed = 0
        # A daemon: a write that waits for ever must not hold up the end of the process.
        self._thread = threading.Thread(target=self._run, name="outlet", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Queue a line."""
        with self._changed:
            if not self._gone_already and not self._ended:
                self._backlog.put(line)
                self._changed.notify()

    def finish(self, deadline: float = FLUSH_DEADLINE) -> int:
        """Write the lines that wait, if the reader takes them within so many seconds. Return how many it lost."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join(deadline)
        with self._changed:
            return 0 if self._gone_already else len(self._backlog) + self._backlog.lost + self._failed

    def _run(self) -> None:
        while (line := self._next()) is not None:
            try:
                self._write(line)
            except BrokenPipeError:
                with self._changed:
                    self._gone_already = True
                if self._gone is not None:
                    self._gone()
                return
            except OSError:
                self._failed += 1

    def _next(self) -> str | None:
        """Wait for a line. None at the end."""
        with self._changed:
            while not self._backlog:
                if self._ended:
                    return None
                self._changed.wait()
            lost, line = self._backlog.take()
            self._failed += lost
            return line

    def _write(self, line: str) -> None:
        if self._failed:
            self._write_all(self._lost_line(self._failed))
            self._failed = 0
        self._write_all(line)

    def _write_all(self, line: str) -> None:
        data = (line + "\n").encode(self._encoding, self._errors)
        while data:
            data = data[os.write(self._descriptor, data) :]
