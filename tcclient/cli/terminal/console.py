"""Where lines go, and where typed lines come from: a terminal, or files and pipes."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable
from io import UnsupportedOperation
from typing import Protocol, TextIO

from tcclient.cli.terminal.outlet import Outlet
from tcclient.cli.terminal.status_line import Status
from tcclient.cli.terminal.typed_lines import typed_lines


class Console(Protocol):
    """The terminal of a user, or the output that a script reads. Nothing here waits for a reader."""

    @property
    def columns(self) -> int | None:
        """The width of a terminal, or None for a file, whose lines may have any length."""

    def open(self) -> None:
        """Take over the terminal."""

    def show(self, line: str) -> None:
        """Write a line to standard output."""

    def complain(self, line: str) -> None:
        """Write a line to standard error."""

    def status(self, status: Status) -> None:
        """Change the status line, if there is one."""

    def lines(self) -> AsyncIterator[str]:
        """Iterate over typed lines, until there can be no more."""

    def give_back(self, line: str) -> None:
        """Offer a refused line to be typed again, if possible."""

    def finish(self) -> None:
        """Write the lines that wait, and leave the terminal as it was. Takes about a second at most."""


class Streams:
    """Standard output and error as files or pipes, standard input as lines.

    ``lost_line`` makes the line that reports so many lost lines. ``gone`` is called, from any thread, when standard
    output has no reader any more.
    """

    def __init__(self, lost_line: Callable[[int], str], gone: Callable[[], None]) -> None:
        self._lost_line = lost_line
        self._gone = gone
        self._out: Outlet | _Memory | None = None
        self._error: Outlet | _Memory | None = None

    @property
    def columns(self) -> int | None:
        """See ``Console``."""
        return None

    def open(self) -> None:
        """See ``Console``."""

    def show(self, line: str) -> None:
        """See ``Console``."""
        if self._out is None:
            self._out = _sink_of(sys.stdout, self._lost_line, self._gone)
        if self._out is not None:
            self._out.write(line)

    def complain(self, line: str) -> None:
        """See ``Console``."""
        if self._error is None:
            self._error = _sink_of(sys.stderr, complaint_of_loss)
        if self._error is not None:
            self._error.write(line)

    def status(self, status: Status) -> None:
        """See ``Console``."""

    def lines(self) -> AsyncIterator[str]:
        """See ``Console``."""
        return typed_lines(self.complain)

    def give_back(self, line: str) -> None:
        """See ``Console``; a program that writes to a pipe still has the line."""

    def finish(self) -> None:
        """See ``Console``."""
        if self._out is not None and (lost := self._out.finish()):
            self.complain(complaint_of_loss(lost))
        if self._error is not None:
            self._error.finish()
        self._out = self._error = None


def console_of(*, as_json: bool, gone: Callable[[], None]) -> Console:
    """Return the console of this process: a terminal with a status line, if standard output is a terminal."""
    if as_json:
        return Streams(lambda lost: json.dumps({"event": "lines_lost", "count": lost}), gone)
    if sys.platform != "win32":
        from tcclient.cli.terminal import terminal

        if terminal.can_be_drawn():
            return terminal.Terminal(complaint_of_loss, interactive=terminal.can_be_typed())
    return Streams(complaint_of_loss, gone)


def complaint_of_loss(lost: int) -> str:
    """Return the line that reports how many lines were lost, because nobody read them in time."""
    return f"tcclient: {lost} lines were not read in time and are lost"


class _Memory:
    """A stream that is no file, so there is no reader to wait for."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, line: str) -> None:
        """Write a line."""
        self._stream.write(line + "\n")

    def finish(self) -> int:
        """Do nothing, since no line is lost."""
        return 0


def _sink_of(
    stream: TextIO | None, lost_line: Callable[[int], str], gone: Callable[[], None] | None = None
) -> Outlet | _Memory | None:
    """Return what writes to a standard stream, or None if the stream does not exist."""
    if stream is None or stream.closed:
        return None
    try:
        stream.flush()
        descriptor = stream.fileno()
    except UnsupportedOperation:
        return _Memory(stream)
    except OSError:  # closed below, or full
        return None
    return Outlet(descriptor, lost_line, encoding=stream.encoding or "utf-8", gone=gone)
