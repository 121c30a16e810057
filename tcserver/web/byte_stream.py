"""A byte stream, as what carries it and who uses it see each other. TCP with or without TLS looks the same here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol


class ByteStream(Protocol):
    """One accepted connection. After ``close`` or ``abort`` nothing is written any more, and later writes are lost."""

    @property
    def peername(self) -> tuple[str, int]:
        """Numeric host and port of the client; behind a trusted proxy those that the proxy tells."""

    def write(self, data: bytes) -> None:
        """Send bytes, or keep them until the kernel takes them. Never raises, and never calls the user."""

    def unsent(self) -> int:
        """Return the bytes that wait on this machine: in buffers of ours, and in the kernel without being sent once.

        The kernel's share is ``SIOCOUTQNSD`` of Linux; elsewhere only the own buffers count.
        """

    def pause_reading(self) -> None:
        """Take nothing more from the kernel; ``received`` may still be called with what was taken before."""

    def resume_reading(self) -> None:
        """Read again after ``pause_reading``."""

    def close(self) -> None:
        """End the stream when what was written has left. A peer that reads nothing may hold it: then ``abort``."""

    def abort(self) -> None:
        """End the stream at once; what waits is lost."""


class StreamUser(Protocol):
    """Who uses a stream. Whatever it is called with, it does not raise."""

    def received(self, data: bytes) -> None:
        """Take bytes that came; also those that came in one piece with the request."""

    def ended(self) -> None:
        """The stream has ended, by whichever side. Called exactly once, from the event loop, and last."""

    def writable(self) -> None:
        """The own buffers of the stream have become empty after a ``write`` that the kernel did not take at once."""


OpenStream = Callable[[Sequence[tuple[bytes, bytes]], ByteStream], StreamUser | None]
"""Answers a ``GET`` of the stream path, of which ``Host`` and ``Origin`` have been checked.

It gets the headers (names in lower case) and the stream. It writes the answer itself. None: it has refused with an
answer, and has closed the stream.
"""
