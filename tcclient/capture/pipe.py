"""A named pipe, or the end of a pipe that a shell passes on, read with a limit to the waiting time."""

from __future__ import annotations

import os
import select
from pathlib import Path

from tcclient.errors import MediaFileError, one_line

PATIENCE = 10.0
"""Seconds without a byte after which a pipe counts as forgotten. Its writer may have to start, or to connect somewhere,
but a user must not wait without a word."""


class Pipe:
    """Reads a pipe as it is filled. ``read`` raises ``MediaFileError`` if nothing comes for ``patience`` seconds."""

    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        self._path, self._patience = path, patience
        try:
            # without O_NONBLOCK the call itself would wait for a writer
            self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        except (OSError, ValueError) as error:
            raise MediaFileError(one_line(path, error)) from error
        self._closed = False

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes; none at the end."""
        ready, _, _ = select.select([self._descriptor], [], [], self._patience)
        if not ready:
            raise MediaFileError(one_line(self._path, f"nothing came through this pipe for {self._patience:.0f} s"))
        try:
            return os.read(self._descriptor, size)
        except OSError as error:
            raise MediaFileError(one_line(self._path, error)) from error

    def close(self) -> None:
        """Close the pipe. A second call does nothing."""
        if not self._closed:
            self._closed = True
            os.close(self._descriptor)
