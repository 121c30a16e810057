"""A listening TCP socket whose connections are taken a few in each turn of the event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from tcproto.datagram import DSCP_CONTROL
from tcserver.media.udp.marking import mark

LISTEN_BACKLOG = 4096
"""Connections that may wait in the kernel: a flood of one second, or all clients after a restart. Linux takes no more
by default (``net.core.somaxconn``). Where the queue is full, who comes next is heard after 1, 3 or 7 s."""
ACCEPTS_PER_TURN = 8
"""Connections taken in one turn of the loop, at about 0.1 ms for each. asyncio would take the whole backlog."""
PAUSE = 0.5
"""Seconds until the next attempt where the machine has no descriptor or memory for one more connection."""


class Listener:
    """Takes the connections of one address. ``on_error`` is called when the machine cannot give one more."""

    def __init__(self, make_protocol: Callable[[], asyncio.BaseProtocol], on_error: Callable[[OSError], None]) -> None:
        self._make_protocol = make_protocol
        self._on_error = on_error
        self._socket: socket.socket | None = None
        self._starting: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        """The TCP port."""
        assert self._socket is not None
        port: int = self._socket.getsockname()[1]
        return port

    def open(self, host: str, port: int, dscp: bool = False) -> None:
        """Listen on a numeric address; port 0 is any free one. An IPv6 socket takes IPv6 only. Raises ``OSError``.

        With ``dscp`` what the connections send is marked as control.
        """
        flags = socket.AI_NUMERICHOST | socket.AI_PASSIVE
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if dscp:
                mark(sock, DSCP_CONTROL)  # the connections inherit it
            sock.bind(address)
            sock.listen(LISTEN_BACKLOG)
            asyncio.get_running_loop().add_reader(sock, self._take)
        except BaseException:
            sock.close()
            raise
        self._socket = sock

    async def close(self) -> None:
        """Take no more connections. Those that were taken go on. May be called again."""
        if self._pause is not None:
            self._pause.cancel()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        if self._starting:
            await asyncio.wait(self._starting)

    def _take(self) -> None:
        assert self._socket is not None
        for _ in range(ACCEPTS_PER_TURN):
            try:
                accepted, _address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):  # nobody waits, or is gone again
                return
            except OSError as error:
                # The connection stays in the kernel's queue, which would call again at once.
                asyncio.get_running_loop().remove_reader(self._socket)
                self._pause = asyncio.get_running_loop().call_later(PAUSE, self._go_on)
                self._on_error(error)
                return
            task = asyncio.ensure_future(self._start(accepted))
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    def _go_on(self) -> None:
        assert self._socket is not None
        asyncio.get_running_loop().add_reader(self._socket, self._take)

    async def _start(self, accepted: socket.socket) -> None:
        try:
            accepted.setblocking(False)
            await asyncio.get_running_loop().connect_accepted_socket(self._make_protocol, accepted)
        except OSError:  # gone again
            accepted.close()
