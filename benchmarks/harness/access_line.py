"""The access line of one client: a loopback port whose TCP and UDP go on to a server, with the faults of real lines."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Callable
from typing import Any, Self

Address = tuple[str, int]
READ = 65_536
SEGMENT = 1448
"""Bytes of TCP that a packet carries."""
TCP_HEADERS, UDP_HEADERS = 52, 28
"""Bytes of a packet besides them, which the rate has to carry too."""
WINDOW = 10
"""TCP packets on the way at a time: the first window of Linux, and what it keeps where each twentieth is lost."""
HELD = 4096
"""Bytes that the kernel holds for TCP at our side, so that a sender sees early that the line takes no more."""
PORTS = 5
"""Ports that are tried until one is free for both TCP and UDP."""
RETRANSMISSION = 0.2
"""Seconds, besides a round trip, by which a lost TCP packet is late: the least timeout of Linux."""
QUEUE = 0.3
"""Seconds that a datagram may wait for the rate; beyond, it is dropped."""


class AccessLine:
    """Relays to a server, ``delay`` seconds later in each direction; an asynchronous context manager.

    ``reset`` loses the TCP connections, ``freeze`` everything for a while, ``block`` the datagrams, ``rebind`` the
    ports that the server sees, and ``move`` the address too, as when a phone changes its network. ``narrow`` gives it a
    rate and loss; what is lost depends on ``seed`` alone.
    """

    def __init__(self, server: Address, delay: float, seed: int = 1) -> None:
        self.port = 0
        """Where clients connect, on 127.0.0.1."""
        self._server = server
        self._host = "127.0.0.1"
        self._flows = asyncio.Event()
        self._flows.set()
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._bindings: dict[Address, socket.socket] = {}
        """The sockets towards the server, by the address of the client."""
        self._loop = asyncio.get_running_loop()
        self._up, self._down = (_Way(self._loop, delay, f"{seed} {name}") for name in ("up", "down"))

    async def __aenter__(self) -> Self:
        for left in reversed(range(PORTS)):
            listening = socket.create_server(("127.0.0.1", 0))
            self.port = listening.getsockname()[1]
            try:
                self._udp, _ = await self._loop.create_datagram_endpoint(
                    lambda: _Receiver(self._from_client), local_addr=("127.0.0.1", self.port)
                )
                break
            except OSError:  # somebody else uses it for UDP
                listening.close()
                if not left:
                    raise
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HELD)
        self._listener = await asyncio.start_server(self._accepted, sock=listening, limit=SEGMENT)
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

    def block(self, up: bool, down: bool) -> None:
        """Let no datagram pass in these directions, and all in the others."""
        self._up.blocked, self._down.blocked = up, down

    def narrow(self, rate: float, loss: float) -> None:
        """Carry ``rate`` bits per second (0: any) in each direction, and lose a share of the packets, less than 1."""
        for way in (self._up, self._down):
            way.rate, way.loss = rate, loss

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
        self._up.datagram(data, lambda: self._to_server(data, client))

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
        self._down.datagram(data, lambda: self._to_client(data, client))

    def _to_client(self, data: bytes, client: Address) -> None:
        if self._flows.is_set() and not self._udp.is_closing():
            self._udp.sendto(data, client)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flows.wait()
        try:
            near = await asyncio.open_connection(*self._server, local_addr=(self._host, 0), limit=SEGMENT)
        except OSError:
            writer.transport.abort()
            return
        near[1].get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HELD)
        connection = _Connection(writer, near[1])
        self._connections.add(connection)
        for way, source, sink in ((self._up, reader, near[1]), (self._down, near[0], writer)):
            on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WINDOW)
            self._spawn(self._take(way, source, on_the_way))
            self._spawn(self._deliver(connection, sink, on_the_way))

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(
        self, way: _Way, source: asyncio.StreamReader, on_the_way: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        """Take what a TCP connection sends; without bytes it is the end."""
        data = b"-"
        while data:
            try:
                data = await source.read(SEGMENT)
            except OSError:
                data = b""  # a reset ends it too
            await on_the_way.put((way.segment(len(data)), data))

    async def _deliver(
        self, connection: _Connection, sink: asyncio.StreamWriter, on_the_way: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        """Hand it on in its order, so that what is late keeps up all that follows."""
        data = b"-"
        while data:
            arrival, data = await on_the_way.get()
            await asyncio.sleep(max(0.0, arrival - self._loop.time()))
            await self._flows.wait()
            if data and not connection.deaf and not sink.is_closing():
                sink.write(data)
        if not connection.deaf:
            sink.close()


class _Way:
    """One direction of the line: whether a packet arrives, and when."""

    def __init__(self, loop: asyncio.AbstractEventLoop, delay: float, seed: str) -> None:
        self.blocked = False
        self.rate = self.loss = 0.0
        """Bits per second, 0: no limit; a share of the packets."""
        self._loop = loop
        self._delay = delay
        self._rng = random.Random(seed)
        self._free_at = 0.0

    def datagram(self, data: bytes, arrive: Callable[[], object]) -> None:
        """Take a datagram."""
        late = self.rate > 0 and self._free_at - self._loop.time() > QUEUE
        if not self.blocked and not late and not self._loses():
            self._loop.call_at(self._serve(len(data) + UDP_HEADERS), arrive)

    def segment(self, size: int) -> float:
        """Take a packet of TCP; return the time at which it arrives."""
        arrival = self._serve(size + TCP_HEADERS)
        while self._loses():
            arrival += RETRANSMISSION + 2 * self._delay
        return arrival

    def _loses(self) -> bool:
        return self.loss > 0 and self._rng.random() < self.loss

    def _serve(self, size: int) -> float:
        start = max(self._loop.time(), self._free_at)
        if self.rate:
            self._free_at = start = start + size * 8 / self.rate
        return start + self._delay


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
