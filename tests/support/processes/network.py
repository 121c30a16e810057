"""A network between a client and a server on this machine: TCP passes, UDP passes as long as it may."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

from tcproto.link import Link


class Network:
    """Relays one port to a server. ``up`` and ``down`` say whether UDP passes in these directions."""

    def __init__(self, server: Link) -> None:
        self.up = self.down = True
        self.server = server
        self.connections = 0
        """TCP connections so far."""
        self._outer: asyncio.DatagramTransport
        self._inner: dict[Any, socket.socket] = {}
        """The sockets towards the server, by the address of the client."""
        self._pumps: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Link]:
        """Relay. Gives the server's link with the port of the network in it."""
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        outer, _ = await loop.create_datagram_endpoint(lambda: _End(self._from_client), ("127.0.0.1", port))
        self._outer = cast(asyncio.DatagramTransport, outer)
        try:
            yield replace(self.server, port=port)
        finally:
            server.close()
            self._outer.close()
            for inner in self._inner.values():
                loop.remove_reader(inner.fileno())
                inner.close()
            for pump in self._pumps:
                pump.cancel()
            await asyncio.gather(*self._pumps, return_exceptions=True)
            await asyncio.sleep(0)

    def block(self) -> None:
        """Let no datagram pass."""
        self.up = self.down = False

    def unblock(self) -> None:
        """Let all pass."""
        self.up = self.down = True

    def reset(self) -> None:
        """Reset all TCP connections, at both ends."""
        writers, self._writers = self._writers, []
        for writer in writers:
            if writer.is_closing():
                continue
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def _from_client(self, data: bytes, client: Any) -> None:
        if not self.up:
            return
        inner = self._inner.get(client)
        if inner is None:
            inner = self._inner[client] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            inner.setblocking(False)
            inner.connect((self.server.host, self.server.port))
            asyncio.get_running_loop().add_reader(inner.fileno(), self._from_server, inner, client)
        inner.send(data)

    def _from_server(self, inner: socket.socket, client: Any) -> None:
        data = inner.recv(65_536)
        if self.down:
            self._outer.sendto(data, client)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        near = await asyncio.open_connection(self.server.host, self.server.port)
        self._writers += [writer, near[1]]
        self._pump(_copy(reader, near[1]))
        self._pump(_copy(near[0], writer))

    def _pump(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._pumps.add(task)
        task.add_done_callback(self._pumps.discard)


class _End(asyncio.DatagramProtocol):
    def __init__(self, came: Any) -> None:
        self._came = came

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._came(data, addr)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy bytes until the end, and end the other side."""
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # what is reset ends too
    finally:
        writer.close()
