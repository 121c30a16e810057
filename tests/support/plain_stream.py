"""The stream path on a plain TCP socket, as a proxy on the same machine reaches it: an upgrade without TLS."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import sys
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from tcserver.web.byte_stream import OpenStream, StreamUser


class PlainStream(asyncio.Protocol):
    """A ``ByteStream`` on an asyncio transport."""

    def __init__(self, open_stream: OpenStream) -> None:
        self._open_stream = open_stream
        self._head = b""
        self._user: StreamUser | None = None
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.set_write_buffer_limits(high=0)
        self._fd = self.transport.get_extra_info("socket").fileno()

    def data_received(self, data: bytes) -> None:
        if self._user is not None:
            self._user.soon(partial(self._user.received, data))
            return
        head, end, rest = (self._head + data).partition(b"\r\n\r\n")
        self._head = head + end
        if end and not self.transport.is_closing():
            fields = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
            headers = [(name.strip().lower(), value.strip()) for name, _, value in fields]
            self._user = self._open_stream(headers, self)
            if self._user is not None and rest:
                self._user.received(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._user is not None:
            self._user.ended()

    def resume_writing(self) -> None:
        if self._user is not None:
            self._user.writable()

    @property
    def peername(self) -> tuple[str, int]:
        return self.transport.get_extra_info("peername")[:2]

    def write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def unsent(self) -> int:
        waiting: int = self.transport.get_write_buffer_size()
        if not self.transport.is_closing():
            waiting += int.from_bytes(fcntl.ioctl(self._fd, 0x894B, bytes(4)), sys.byteorder)
        return waiting

    def pause_reading(self) -> None:
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def close(self) -> None:
        self.transport.close()

    def abort(self) -> None:
        self.transport.abort()


@contextlib.asynccontextmanager
async def listening(open_stream: OpenStream) -> AsyncIterator[int]:
    """Take WebSockets on a port of the loopback interface, which is returned."""
    server = await asyncio.get_running_loop().create_server(lambda: PlainStream(open_stream), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
