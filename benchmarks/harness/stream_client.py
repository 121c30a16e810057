"""Light clients on the stream path: control connection and datagrams in a WebSocket over TLS."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Sequence
from typing import Any

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from benchmarks.harness.control_client import ControlClient
from benchmarks.harness.light_clients import REPLY_LIMIT, Clients
from benchmarks.harness.media_client import PING, PROOF_LIMIT, Seat
from benchmarks.harness.report import BenchmarkError
from benchmarks.harness.server import ACCOUNT, Server
from tcproto.datagram import Item, ItemType
from tcproto.messages import Joined, Publish, Published, Source, Subscribe
from tcproto.messages import Kind as StreamKind
from tcproto.stream_path import PATH, SUBPROTOCOL, MessageKind, pack_control, pack_datagram, parse

Address = tuple[str, int]
DRAIN_BYTES = 1 << 18


class StreamLine(asyncio.Protocol):
    """A WebSocket to a server. It is the transport of its control connection."""

    def __init__(self) -> None:
        self.control = ControlClient()
        self.on_datagram: Callable[[bytes], None] = lambda datagram: None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: Any = None
        self._websocket: ClientProtocol | None = None
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = transport
        host, port = transport.get_extra_info("peername")[:2]
        uri = parse_uri(f"wss://{host}:{port}{PATH}")
        self._websocket = ClientProtocol(uri, subprotocols=[Subprotocol(SUBPROTOCOL)], max_size=None)
        self._websocket.send_request(self._websocket.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take what the WebSocket holds."""
        assert self._websocket is not None
        self._websocket.receive_data(data)
        for event in self._websocket.events_received():
            if not isinstance(event, Frame):
                self._is_open = self._websocket.handshake_exc is None
                self.control.connection_made(self)  # type: ignore[arg-type]  # as much of a transport as it needs
            elif event.opcode is Opcode.BINARY:
                kind, rest = parse(bytes(event.data))
                (self.control.data_received if kind is MessageKind.CONTROL else self.on_datagram)(rest)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the control connection."""
        self.control.connection_lost(exc)
        if not self.closed.done():
            self.closed.set_result(None)

    def send(self, datagram: bytes) -> None:
        """Send a datagram, unless the server has said that the stream ends."""
        assert self._websocket is not None
        if self._websocket.state is State.OPEN:
            self._websocket.send_binary(pack_datagram(datagram))
            self._flush()

    def pause(self) -> int:
        """Read nothing more; return the descriptor of the socket, which somebody else has to empty."""
        self._transport.pause_reading()
        descriptor: int = self._transport.get_extra_info("socket").fileno()
        return descriptor

    # What the control connection calls

    def write(self, data: bytes) -> None:
        """Send bytes of the control connection."""
        assert self._websocket is not None
        for message in pack_control(data):
            self._websocket.send_binary(message)
        self._flush()

    def is_closing(self) -> bool:
        """Tell whether the stream has ended."""
        return bool(self._transport.is_closing())

    def get_write_buffer_size(self) -> int:
        """Return the bytes that wait."""
        return int(self._transport.get_write_buffer_size())

    def abort(self) -> None:
        """End the stream at once."""
        self._transport.abort()

    def _flush(self) -> None:
        assert self._websocket is not None
        data = b"".join(self._websocket.data_to_send())
        if data and not self._transport.is_closing():
            self._transport.write(data)


class StreamSeat(Seat):
    """A seat that comes by a stream."""

    def __init__(self, joined: Joined, line: StreamLine) -> None:
        super().__init__(joined)
        self.line = line

    def send(self, datagram: bytes, server: Address) -> None:
        """Send a datagram; the stream knows the server."""
        self.line.send(datagram)

    async def prove(self) -> None:
        """Show that datagrams arrive here; raises ``BenchmarkError``."""
        proven = asyncio.get_running_loop().create_future()

        def answer(datagram: bytes) -> None:
            if (token := self.token(datagram)) is not None and not proven.done():
                proven.set_result(token)

        self.line.on_datagram = answer
        self.line.send(self.up(PING))
        try:
            async with asyncio.timeout(PROOF_LIMIT):
                token = await proven
        except TimeoutError:
            raise BenchmarkError("the server does not ask for the proof of a path") from None
        self.line.on_datagram = lambda datagram: None
        self.line.send(self.up(Item(ItemType.PATH_RESPONSE, token)))


class StreamClients(Clients):
    """Light clients that come by streams."""

    def __init__(self, server: Server, account: str = ACCOUNT) -> None:
        super().__init__(server, account)
        self._tls = trusting()

    async def enter(self, room: str, sources: Sequence[Source] = (), address: Address | None = None) -> StreamSeat:
        """Seat somebody with these publications and a proved path; ``address`` leads to the server by another way."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(REPLY_LIMIT):
            _, line = await loop.create_connection(StreamLine, *(address or self._server.address), ssl=self._tls)
            session = await self._introduce(line.control)
            seat = StreamSeat(await self._ask_for_seat(session, room), line)
            for number, source in enumerate(sources, 1):
                kind = StreamKind.AUDIO if source is Source.MICROPHONE else StreamKind.VIDEO
                published: Published = await line.control.request(Publish(number, kind, source, "bench"))
                seat.streams.append(published.stream)
            line.control.tell(Subscribe(1, (Source.MICROPHONE, Source.SCREEN)))
            await seat.prove()
        return seat


def trusting() -> ssl.SSLContext:
    """Return the context of a client that takes any certificate: the server has made its own itself."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def drain(descriptors: Sequence[int], interval: float, sleep: Callable[[float], None]) -> None:
    """Empty sockets for ever, a few times a second. What comes is thrown away, still encrypted."""
    while True:
        for descriptor in descriptors:
            try:
                while len(os.read(descriptor, DRAIN_BYTES)) == DRAIN_BYTES:
                    pass
            except BlockingIOError:
                pass
        sleep(interval)
