"""The front of a TCP port: the first byte of a connection shows its protocol, and the connection goes to that protocol.

0x16 is TLS, a letter is HTTP without encryption, 0x0D from a trusted proxy is its PROXY header. Everything else is a
control connection: its first two bytes are the length of a frame, and none before the login is as long as 0x1600.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Protocol, cast

from tcserver.web import proxy_protocol
from tcserver.web.connection import WebConnection
from tcserver.web.http.message import is_loopback
from tcserver.web.http.site import Routes
from tcserver.web.service import WebService
from tcserver.web.tls import TlsLayer
from tcserver.web.trusted_proxies import Client, TrustedProxies

FIRST_BYTES_LIMIT = 5.0
"""Seconds for the PROXY header, and the first byte behind it, to come from a trusted proxy."""
TLS_HANDSHAKE = 0x16
"""Content type of the first record of TLS (RFC 8446, section 5.1)."""
PROXY_HEADER = proxy_protocol.SIGNATURE[0]


class ControlProtocol(Protocol):
    """The protocol of a control connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that the connection is gone."""

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return where the next bytes go."""

    def buffer_updated(self, nbytes: int) -> None:
        """Take the bytes."""

    def eof_received(self) -> bool | None:
        """Tell that nothing more comes."""

    def withdraw(self) -> None:
        """Forget the connection, which is one of another protocol; its transport goes on."""


class Front:
    """Makes the protocol of each connection of a port.

    ``make_control`` makes a control connection for a client at an address, "" for that of the socket. ``context``
    returns the TLS context with the current certificate. ``site`` answers what is encrypted, and what comes from this
    machine if ``is_plain``; ``redirect`` answers what is not encrypted.
    """

    def __init__(
        self,
        service: WebService,
        make_control: Callable[[str], ControlProtocol],
        context: Callable[[], ssl.SSLContext],
        site: Routes,
        redirect: Routes,
        proxies: TrustedProxies,
        *,
        is_plain: bool,
    ) -> None:
        self.service = service
        self.make_control = make_control
        self.proxies = proxies
        self._context = context
        self._site = site
        self._redirect = redirect
        self._is_plain = is_plain
        self._outgoing = ssl.MemoryBIO()
        """Of all connections."""

    def make_protocol(self) -> asyncio.BufferedProtocol:
        """Return the protocol of a new connection."""
        return FirstByte(self)

    def make_web(self, first: int, client: Client, local: str) -> WebConnection | None:
        """Return a connection of the web for one that begins with this byte; None where a control connection does."""
        if first == TLS_HANDSHAKE:
            self.service.counters.accepted["tls"] += 1
            tls = TlsLayer(self._context(), self._outgoing)
            return WebConnection(self.service, self._site, self.proxies, client, tls)
        if chr(first).isascii() and chr(first).isalpha():
            self.service.counters.accepted["plain"] += 1
            routes = self._site if self._is_plain and is_loopback(local) else self._redirect
            return WebConnection(self.service, routes, self.proxies, client)
        return None


class FirstByte(asyncio.BufferedProtocol):
    """A new connection, until its protocol is known.

    It is a control connection that may be withdrawn. So one that says nothing is under the limits of those that have
    not logged in. One of a trusted proxy is not, since all come from its address: it waits here for its header.
    """

    def __init__(self, front: Front) -> None:
        self._front = front
        self._control: ControlProtocol | None = None
        self._head = b""
        """The beginning of a PROXY header."""
        self._from_proxy = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin as a control connection."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class is no subclass
        peer = transport.get_extra_info("peername") or ("", 0)
        self._client: Client = (peer[0], peer[1])
        if self._front.proxies.has(self._client[0]):
            self._from_proxy = True
            self._front.service.joined(self, self._front.proxies.network_of(self._client))
            self._deadline = asyncio.get_running_loop().call_later(FIRST_BYTES_LIMIT, self.abort)
        else:
            self._control = self._front.make_control("")
            self._control.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the control connection."""
        self._leave()
        if self._control is not None:
            self._control.connection_lost(exc)

    def abort(self) -> None:
        """End the connection at once."""
        self._transport.abort()

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return where the next bytes go."""
        return self._front.service.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Hand the connection to the protocol of its first byte."""
        data = self._head + bytes(memoryview(self._front.service.buffer)[:nbytes])
        if self._from_proxy and data[0] == PROXY_HEADER:
            try:
                header = proxy_protocol.parse(data)
            except proxy_protocol.BadHeader:
                self._front.service.counters.accepted["bad_proxy_header"] += 1
                self.abort()
                return
            self._head = data if header is None else b""
            if header is None:
                return
            self._front.service.counters.accepted["proxied"] += 1
            self._from_proxy = False
            self._client = header.client or self._client
            data = data[header.size :]
        if data:
            self._hand_over(data)

    def eof_received(self) -> bool:
        """Close when the client does."""
        return False

    def _hand_over(self, data: bytes) -> None:
        self._leave()
        transport = self._transport
        local = (transport.get_extra_info("sockname") or ("",))[0]
        web = self._front.make_web(data[0], self._client, local)
        if web is not None:
            if self._control is not None:
                self._control.withdraw()
            transport.set_protocol(web)
            web.connection_made(transport)
            web.take(data)
            return
        control = self._control
        if control is None:
            control = self._front.make_control(self._client[0])
            transport.set_protocol(cast(asyncio.BaseProtocol, control))
            control.connection_made(transport)
        else:
            transport.set_protocol(cast(asyncio.BaseProtocol, control))
        for start in range(0, len(data), len(control.get_buffer(-1))):
            buffer = control.get_buffer(-1)
            part = data[start : start + len(buffer)]
            buffer[: len(part)] = part
            control.buffer_updated(len(part))

    def _leave(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._front.service.left(self)
