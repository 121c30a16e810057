"""The access line of one client: a loopback port whose TCP and UDP go on to a server, with the faults of real lines."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Any, Self

Address = tuple[str, int]
READ = 65_536


class AccessLine:
    """Relays to a server, ``delay`` seconds later in each direction; an asynchronous context manager.

    ``reset`` loses the TCP connections, ``freeze`` everything for a while, ``rebind`` the ports that the server sees,
    and ``move`` the address too, as when a phone changes its network.
    """

    def __init__(self, server: Address, delay: float) -> None:
        self.port = 0
        """Where clients connect, on 127.0.0.1."""
        self._server = server
        self._delay = delay
        self._host = "127.0.0.1"
        self._flows = asyncio.Event()
        self._flows.set()
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._bindings: dict[Address, socket.socket] = {}
        """The sockets towards the server, by the address of the client."""
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        self._udp, _ = await self._loop.create_datagram_endpoint(
            lambda: _Receiver(self._from_client), local_addr=("127.0.0.1", self.port)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        self.reset()
        self.rebind()
        self._udp.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reset(self) -> None:
        """Reset the TCP connections at both ends."""
        for connection in self._connections:
            connection.reset()
        self._connections.clear()

    def freeze(self, on: bool) -> None:
        """Let nothing pass. What TCP has sent comes when that is over, datagrams do not."""
        (self._flows.clear if on else self._flows.set)()

    def rebind(self) -> None:
        """Give the client other ports towards the server. What the server sends to the old ones is lost."""
        for binding in self._bindings.values():
            self._loop.remove_reader(binding.fileno())
            binding.close()
        self._bindings.clear()

    def move(self, host: str) -> None:
        """Give the client another address. Its TCP connections are not told: they hear nothing more."""
        self._host = host
        for connection in self._connections:
            connection.deaf = True
        self.rebind()

    def _from_client(self, data: bytes, client: Address) -> None:
        self._loop.call_later(self._delay, self._to_server, data, client)

    def _to_server(self, data: bytes, client: Address) -> None:
        if not self._flows.is_set():
            return
        binding = self._bindings.get(client)
        if binding is None:
            binding = self._bindings[client] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            binding.setblocking(False)
            binding.bind((self._host, 0))
            binding.connect(self._server)
            self._loop.add_reader(binding.fileno(), self._from_server, binding, client)
        with contextlib.suppress(OSError):  # the server is away, and a network would not tell
            binding.send(data)

    def _from_server(self, binding: socket.socket, client: Address) -> None:
        try:
            data = binding.recv(READ)
        except OSError:
            return
        self._loop.call_later(self._delay, self._to_client, data, client)

    def _to_client(self, data: bytes, client: Address) -> None:
        if self._flows.is_set() and not self._udp.is_closing():
            self._udp.sendto(data, client)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flows.wait()
        try:
            near = await asyncio.open_connection(*self._server, local_addr=(self._host, 0))
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(writer, near[1])
        self._connections.add(connection)
        for source, sink in ((reader, near[1]), (near[0], writer)):
            task = self._loop.create_task(self._pump(connection, source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, connection: _Connection, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(READ):
                await asyncio.sleep(self._delay)
                await self._flows.wait()
                if not connection.deaf:
                    sink.write(data)
        except OSError:
            pass  # a reset ends it too
        if not connection.deaf:
            sink.close()


class _Connection:
    """A TCP connection through the line."""

    def __init__(self, *writers: asyncio.StreamWriter) -> None:
        self.deaf = False
        self._writers = writers

    def reset(self) -> None:
        """Reset both ends."""
        for writer in self._writers:
            sock: Any = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, came: Callable[[bytes, Address], None]) -> None:
        self._came = came

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._came(data, addr)
