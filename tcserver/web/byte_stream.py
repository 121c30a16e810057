"""A byte stream: the interface between a connection and its user. TCP looks the same here with and without TLS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol


class ByteStream(Protocol):
    """One accepted connection. After ``close`` or ``abort`` nothing is written any more, and later writes are lost."""

    @property
    def peername(self) -> tuple[str, int]:
        """Numeric host and port of the client; behind a trusted proxy, as the proxy names them."""

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
    """The user of a stream. Its methods never raise."""

    def received(self, data: bytes) -> None:
        """Take bytes that came; also those that came in one piece with the request."""

    def soon(self, handle: Callable[[], None]) -> None:
        """Have ``handle`` called, which calls ``received`` with what came: at once, or a moment later."""

    def ended(self) -> None:
        """Take note that one of the sides has ended the stream. Called exactly once, from the event loop, and last."""

    def writable(self) -> None:
        """Go on writing: the own buffers are empty after a ``write`` that the kernel did not take at once."""


OpenStream = Callable[[Sequence[tuple[bytes, bytes]], ByteStream], StreamUser | None]
"""Answers a ``GET`` of the stream path, of which ``Host`` and ``Origin`` have been checked.

It gets the headers (names in lower case) and the stream. It writes the answer itself. None: it has refused with an
answer, and has closed the stream.
"""
