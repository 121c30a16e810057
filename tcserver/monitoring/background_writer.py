"""A stream whose writer never waits, even if nobody reads it."""

from __future__ import annotations

import os
import select
import threading
from collections import deque

MAX_WAITING_BYTES = 1 << 20
"""Bytes that may wait for the reader: thousands of lines. Newer texts are dropped and counted."""


class BackgroundWriter:
    """A text stream. A thread writes to its file descriptor; a negative descriptor means that there is no reader.

    ``write`` may be called from any thread. The thread starts with the first text, and ends with the process.
    If a write fails (the reader is gone, the disk is full), its text is dropped, and the next one is tried.
    """

    def __init__(self, descriptor: int, most: int = MAX_WAITING_BYTES) -> None:
        self._descriptor = descriptor
        self._most = most
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        """Bytes that wait or are being written."""
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._dropped = 0
        self._told = 0

    @property
    def dropped(self) -> int:
        """Number of texts that were dropped."""
        return self._dropped

    def write(self, text: str) -> int:
        """Take a text, whole or not at all. Return its length, as streams do."""
        if self._descriptor < 0:
            return len(text)
        data = text.encode(errors="backslashreplace")
        with self._changed:
            if self._waiting_bytes + len(data) > self._most:
                self._dropped += 1
                return len(text)
            self._waiting.append(data)
            self._waiting_bytes += len(data)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return len(text)

    def flush(self) -> None:
        """Do nothing: the thread writes as soon as it can."""

    def take_dropped(self) -> int:
        """Return how many texts were dropped after the last call. While there is little room for a report, return 0."""
        with self._changed:
            if self._waiting_bytes > self._most // 2:
                return 0
            count, self._told = self._dropped - self._told, self._dropped
            return count

    def drain(self, seconds: float) -> bool:
        """Wait until everything is written, at most for some seconds. Return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting_bytes, seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                data = self._waiting.popleft()
            is_out = self._put(data)
            with self._changed:
                self._waiting_bytes -= len(data)
                self._dropped += not is_out
                self._changed.notify_all()

    def _put(self, data: bytes) -> bool:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # another process that shares the descriptor has made it non-blocking
                select.select([], [self._descriptor], [])
            except OSError:
                return False
        return True
