"""A server with a front for the web, on sockets of this machine, and clients with and without TLS."""

import asyncio
import contextlib
import os
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from tcproto.control import ControlConnection, HandshakeCompleted
from tcserver.conference import Conference, Disconnect, LogEvent, Send, Settings
from tcserver.daemon.control_server import ControlServer
from tcserver.web.byte_stream import ByteStream, StreamUser
from tcserver.web.certificates.keeper import SelfSigned
from tcserver.web.front import Front
from tcserver.web.http.hosts import HostNames
from tcserver.web.http.message import Arrival, OpenStream, Request, Response
from tcserver.web.http.page import Page
from tcserver.web.http.site import Redirect, Routes, Site
from tcserver.web.service import WebService
from tcserver.web.trusted_proxies import TrustedProxies
from tests.support.conference.identities import SERVER

PATIENCE = 60.0
SCRIPT = bytes(range(256)) * 2000
"""A file that no buffer of a kernel takes at once."""


class Echo:
    """A user of a stream that sends back what comes, or, for ``bye``, the ``last_words``."""

    def __init__(self, headers: Sequence[tuple[bytes, bytes]], stream: ByteStream, last_words: bytes = b"") -> None:
        self.headers, self.stream, self.last_words = headers, stream, last_words
        self.heard = b""
        self.writable_calls = 0
        self.ends = 0
        self.is_patient = False
        self.gathered: list[Callable[[], None]] = []
        """What it was asked to call, if it is patient."""
        stream.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")

    def soon(self, handle: Callable[[], None]) -> None:
        if self.is_patient:
            self.gathered.append(handle)
        else:
            handle()

    def received(self, data: bytes) -> None:
        assert not self.ends
        self.heard += data
        if data.startswith(b"bye"):
            self.stream.write(self.last_words)
            self.stream.close()
        else:
            self.stream.write(data)

    def ended(self) -> None:
        self.ends += 1

    def writable(self) -> None:
        self.writable_calls += 1


class WebWorld:
    """A conference, its control server, and the front before it. ``trusted`` are its proxies."""

    def __init__(
        self, folder: Path, *, trusted: Sequence[str] = (), plain: bool = False, most: int = 50, of_network: int = 50
    ) -> None:
        (folder / "index.html").write_text("index")
        (folder / "main-0123456789.js").write_bytes(SCRIPT)
        self.log: list[LogEvent] = []
        self.errors: list[Exception] = []
        self.expected_errors: list[Exception] = []
        self.streams: list[Echo] = []
        self.last_words = b""
        self.conference = Conference(Settings(), SERVER, os.urandom, lambda: 0)
        self.control = ControlServer(
            self.conference, SERVER.secret, self._carry_out, time.monotonic, self.errors.append
        )
        self.context, _ = SelfSigned(folder / "web.pem", ["localhost", "127.0.0.1"]).load(time.time())
        self.service = WebService(self.control.turns, self.errors.append, most, of_network, self._open_stream)
        hosts = HostNames(["conference.example"])
        self.site: Routes = Site(Page(folder), lambda: hosts, b"{}", lambda: False)
        """May be replaced at any time."""
        self.front = Front(
            self.service,
            self.control.make_peer,
            lambda: self.context,
            self,
            Redirect(lambda: hosts, lambda arrived: 443),
            TrustedProxies(trusted),
            is_plain=plain,
        )
        self.port = 0

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["WebWorld"]:
        self.port = self.control.listen(["127.0.0.1"], 0, self.front.make_protocol, "server.port")
        try:
            async with asyncio.timeout(PATIENCE):
                yield self
        finally:
            await self.control.stop_listening()
            self.service.close()
            for stream in self.streams:
                stream.stream.abort()
            self._carry_out(self.conference.shutdown("", 0, time.monotonic()))
            await self.control.close()
            await until(lambda: not self.service.connections and all(stream.ends for stream in self.streams))
            assert all(stream.ends == 1 for stream in self.streams)
            assert self.errors == self.expected_errors

    @contextlib.asynccontextmanager
    async def connected(self, *, tls: bool = False) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A client of the port."""
        context = client_context() if tls else None
        name = "conference.example" if tls else None
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context, server_hostname=name)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()

    @property
    def half_open(self) -> int:
        """Control connections that have not logged in."""
        return self.conference.half_open

    def answer(self, request: Request, arrival: Arrival) -> Response | OpenStream:
        """Answer as the site of the moment does."""
        return self.site.answer(request, arrival)

    def _open_stream(self, headers: Sequence[tuple[bytes, bytes]], stream: ByteStream) -> StreamUser | None:
        if (b"x-refuse", b"1") in headers:
            stream.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            stream.close()
            return None
        self.streams.append(Echo(headers, stream, self.last_words))
        return self.streams[-1]

    def _carry_out(self, effects: list) -> None:
        for effect in effects:
            match effect:
                case Send(connection, message, request_id):
                    self.control.send(connection, message, request_id)
                case Disconnect(connection):
                    self.control.disconnect(connection)
                case LogEvent():
                    self.log.append(effect)
        while self.control.flush():
            pass


def client_context() -> ssl.SSLContext:
    """A context that takes any certificate, as after a click."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def greeted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, bytewise: bool = False) -> bool:
    """Do the Noise handshake; tell whether it was completed."""
    connection = ControlConnection.client()
    data = connection.data_to_send()
    for byte in [data[i : i + 1] for i in range(len(data))] if bytewise else [data]:
        writer.write(byte)
        await writer.drain()
        if bytewise:
            await asyncio.sleep(0)
    while (event := connection.next_event()) is None:
        data = await reader.read(4096)
        if not data:
            return False
        connection.receive_data(data)
    return isinstance(event, HandshakeCompleted)


def get(path: str, *fields: str, method: str = "GET", host: str = "conference.example") -> bytes:
    """A request."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode()


async def response(reader: asyncio.StreamReader, *, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the next response."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.splitlines()[:-1]
    headers = dict(field.split(": ", 1) for field in fields)
    body = await reader.readexactly(int(headers.get("Content-Length", 0))) if has_body else b""
    return int(line.split()[1]), headers, body


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    while not condition():  # noqa: ASYNC110 - conditions of any kind
        await asyncio.sleep(0.001)


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether nothing more comes."""
    try:
        return await reader.read() == b""
    except (OSError, ssl.SSLError):
        return True
