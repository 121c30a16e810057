"""The control connection's end of a WebSocket: it looks like a transport of TCP."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from tcserver.web.byte_stream import ByteStream


class ControlCarrier(Protocol):
    """What carries the bytes of a control connection: ``StreamPeer``."""

    @property
    def stream(self) -> ByteStream:
        """The stream below."""

    @property
    def is_closing(self) -> bool:
        """Whether nothing more is sent."""

    def send_control(self, data: bytes) -> None:
        """Send bytes."""

    def set_reading(self, reads: bool) -> None:
        """Read, or not."""

    def close(self) -> None:
        """Close when all has left."""

    def abort(self) -> None:
        """Close at once."""


class ControlTransport(asyncio.Transport):
    """A transport on a WebSocket. It has the methods that a control connection calls."""

    def __init__(self, carrier: ControlCarrier) -> None:
        super().__init__({"peername": carrier.stream.peername})
        self._carrier = carrier

    def is_closing(self) -> bool:
        """Tell whether nothing more is sent."""
        return self._carrier.is_closing

    def write(self, data: Any) -> None:
        """Send bytes."""
        self._carrier.send_control(bytes(data))

    def get_write_buffer_size(self) -> int:
        """Return the bytes that wait on this machine, those of the kernel too."""
        return self._carrier.stream.unsent()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: the writer looks at the size of the buffer."""

    def pause_reading(self) -> None:
        """Read nothing more, datagrams neither."""
        self._carrier.set_reading(False)

    def resume_reading(self) -> None:
        """Read again."""
        self._carrier.set_reading(True)

    def close(self) -> None:
        """Close when all has left."""
        self._carrier.close()

    def abort(self) -> None:
        """Close at once."""
        self._carrier.abort()
