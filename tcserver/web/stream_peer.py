"""One client on the stream path: a WebSocket with a control connection and datagrams in it.

The library ``websockets`` reads the frames, except the plainest (``PlainMessages``). What is written has frames of our
own: one frame serves all receivers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from tcproto.datagram import MAX_DATAGRAM
from tcproto.stream_path import (
    MAX_MESSAGE,
    PATH,
    SUBPROTOCOL,
    CloseCode,
    MessageKind,
    StreamPathError,
    frame,
    pack_control,
    parse,
)
from tcserver.web.byte_stream import ByteStream, StreamUser
from tcserver.web.control_transport import ControlTransport
from tcserver.web.plain_messages import PlainMessages

MAX_BYTES_BEFORE_LOGIN = 65_536
"""Bytes of a WebSocket before the login. The control connection in it may have a quarter of it."""
MESSAGES_PER_S = 2000
"""Frames that are taken from a client per second. A long one counts once for each ``MAX_DATAGRAM`` bytes.

A screen, a camera with three layers and a microphone have a third. What is more waits in the network: the client is
slowed down, and takes a twentieth of a processor at most.
"""
MESSAGES_AT_ONCE = 1000
"""Frames that are taken at once: two large pictures."""
SLICE = 4096
"""Bytes of a client that are handled at once: some hundred of the smallest frames, in 5 ms."""
MAX_UNREAD = 1 << 20
"""Bytes that may wait for a client that does not read. Datagrams are dropped long before, so only answers to pings can
be too many. Messages of the control connection have the same limit."""
CLOSE_LIMIT = 2.0
"""Seconds for the last bytes to leave. A client that reads nothing must not keep its stream open."""
FAREWELLS = frozenset({1000, 1001, 1005})
"""Codes of a close frame of a client that leaves, such as a browser whose page is closed; 1005 is that of none."""
_QUIET = logging.getLogger("tcserver.web.websocket")
_QUIET.disabled = True  # strangers could fill the log; the server logs what matters


class ControlProtocol(Protocol):
    """The control connection, as of a TCP connection."""

    @property
    def is_stranger(self) -> bool:
        """Whether the client has not logged in."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return where the next bytes go."""

    def buffer_updated(self, nbytes: int) -> None:
        """Take the bytes."""

    def leave(self) -> None:
        """The client has closed the stream as one that leaves: its seat is not kept."""

    def eof_received(self) -> bool:
        """The client sends nothing more; tell whether something of it is to be handled first."""

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""


class Datagrams(Protocol):
    """Where datagrams go and come from: ``Streams``."""

    def open(self, end: ByteStream) -> int:
        """Add a stream; return its number."""

    def receive(self, number: int, datagrams: Sequence[bytes]) -> None:
        """Take datagrams that came by a stream."""

    def soon(self, handle: Callable[[], None]) -> None:
        """Have ``handle`` called, which takes what came by a stream: at once, or a moment later."""

    def writable(self, number: int) -> None:
        """Go on to write."""

    def close(self, number: int) -> None:
        """Forget a stream. May be called again."""


class StreamPath:
    """Opens WebSockets. Each gets a control connection from ``make_control``, and is a stream of ``datagrams``."""

    def __init__(self, make_control: Callable[[], ControlProtocol], datagrams: Datagrams) -> None:
        self._make_control = make_control
        self._datagrams = datagrams

    def open(self, headers: Sequence[tuple[bytes, bytes]], stream: ByteStream) -> StreamUser | None:
        """Answer an upgrade; as ``OpenStream``. A wrong request gets 400 or 426, and the stream is closed."""
        upgrade = ServerProtocol(subprotocols=[Subprotocol(SUBPROTOCOL)], logger=_QUIET)
        fields = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers])
        response = upgrade.accept(Request(PATH, fields))
        stream.write(response.serialize())
        if response.status_code != 101:
            stream.close()
            return None
        protocol = ServerProtocol(state=State.OPEN, max_size=MAX_MESSAGE, logger=_QUIET)
        return StreamPeer(stream, protocol, self._make_control(), self._datagrams)


class StreamPeer:
    """The user of a stream after the upgrade."""

    def __init__(
        self, stream: ByteStream, protocol: ServerProtocol, control: ControlProtocol, datagrams: Datagrams
    ) -> None:
        self._stream = stream
        self._messages = PlainMessages()
        self._protocol = protocol
        """Reads what is no plain message, and all behind it."""
        self._control = control
        self._datagrams = datagrams
        self._loop = asyncio.get_running_loop()
        self._held = b""
        """What came and waits, because the client has sent too many frames."""
        self._received = 0
        self._credit = float(MESSAGES_AT_ONCE)
        self._credited_at = self._loop.time()
        self._rest: asyncio.TimerHandle | None = None
        self._last_moment: asyncio.TimerHandle | None = None
        self._pauses = 0
        self._closing = False
        self._eof = False
        """Set when the client has closed, and what it has sent before is not handled yet."""
        self._number = datagrams.open(stream)
        control.connection_made(ControlTransport(self))

    # Called by the stream

    def soon(self, handle: Callable[[], None]) -> None:
        """Have ``handle`` called: at once before the login, and then when datagrams are taken."""
        if self._control.is_stranger:
            handle()
        else:
            self._datagrams.soon(handle)

    def received(self, data: bytes) -> None:
        """Take bytes of the client."""
        self._held += data
        if self._rest is None:
            self._work()

    def writable(self) -> None:
        """Go on to send datagrams."""
        if not self._closing:
            self._datagrams.writable(self._number)

    def ended(self) -> None:
        """Forget everything."""
        self._closing = True
        for timer in (self._rest, self._last_moment):
            if timer is not None:
                timer.cancel()
        self._datagrams.close(self._number)
        self._control.connection_lost(None)

    # Called by the control connection

    @property
    def stream(self) -> ByteStream:
        """What carries the WebSocket."""
        return self._stream

    @property
    def is_closing(self) -> bool:
        """Whether nothing more is sent."""
        return self._closing

    def send_control(self, data: bytes) -> None:
        """Send bytes of the control connection."""
        if not self._closing:
            for message in pack_control(data):
                self._stream.write(frame(message))

    def set_reading(self, reads: bool) -> None:
        """Pause reading from the client, or end the own pause. Reading goes on when all callers have ended theirs."""
        self._pauses += -1 if reads else 1
        if self._pauses == (0 if reads else 1):
            (self._stream.resume_reading if reads else self._stream.pause_reading)()

    def close(self, code: CloseCode = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Send the reason, and close the stream when all has left; at once where it does not leave."""
        if self._closing:
            return
        self._protocol.fail(code, reason)
        self._end()

    def abort(self) -> None:
        """Close the stream at once."""
        self._closing = True
        self._stream.abort()

    # What came

    def _work(self) -> None:
        """Handle the bytes that came, as far as the turn and the rate of the client allow."""
        self._rest = None
        while self._held and not self._closing:
            now = self._loop.time()
            self._credit = min(MESSAGES_AT_ONCE, self._credit + MESSAGES_PER_S * (now - self._credited_at))
            self._credited_at = now
            if self._credit < 1:
                self._take_a_rest((1 - self._credit) / MESSAGES_PER_S)
                return
            part, self._held = self._held[:SLICE], self._held[SLICE:]
            self._take(part)

    def _take_a_rest(self, seconds: float) -> None:
        self.set_reading(False)

        def go_on() -> None:
            self.set_reading(True)
            self._work()

        self._rest = self._loop.call_later(seconds, go_on)

    def _take(self, data: bytes) -> None:
        self._received += len(data)
        datagrams: list[bytes] = []
        try:
            frames = 0 if self._messages.are_over else self._take_plain(data, datagrams)
            if self._messages.are_over:
                frames += self._take_others(self._messages.take_rest() or data, datagrams)
        except StreamPathError as error:
            self.close(error.code, str(error))
            return
        self._credit -= max(frames, len(data) / MAX_DATAGRAM)
        if datagrams and not self._closing:
            self._datagrams.receive(self._number, datagrams)
        if self._received > MAX_BYTES_BEFORE_LOGIN and self._control.is_stranger:
            self.close(CloseCode.POLICY_VIOLATION, "too many bytes before the login")
        if self._messages.are_over:
            self._answer()

    def _take_plain(self, data: bytes, datagrams: list[bytes]) -> int:
        """Take plain messages, and add the datagrams in them; return how many they are. Raises ``StreamPathError``."""
        messages = self._messages.receive_data(data)
        for message in messages:
            self._take_message(message, datagrams)
        return len(messages)

    def _take_others(self, data: bytes, datagrams: list[bytes]) -> int:
        """Do the same with frames of any kind."""
        self._protocol.receive_data(data)
        events = self._protocol.events_received()
        for event in events:
            self._take_frame(event, datagrams)
        return len(events)

    def _take_message(self, message: bytes, datagrams: list[bytes]) -> None:
        if self._closing:
            return
        kind, rest = parse(message)
        if kind is MessageKind.DATAGRAM:
            datagrams.append(rest)
        else:
            self._give_control(rest)

    def _take_frame(self, received: Any, datagrams: list[bytes]) -> None:
        if not isinstance(received, Frame) or self._closing:
            return
        if received.opcode is Opcode.BINARY and received.fin:
            self._take_message(bytes(received.data), datagrams)
        elif received.opcode is Opcode.TEXT:
            raise StreamPathError(CloseCode.UNSUPPORTED_DATA, "a text message")
        elif received.opcode in (Opcode.BINARY, Opcode.CONT):
            raise StreamPathError(CloseCode.PROTOCOL_ERROR, "a fragment")
        elif received.opcode is Opcode.CLOSE:
            if self._protocol.close_rcvd is not None and self._protocol.close_rcvd.code in FAREWELLS:
                self._control.leave()
            self._eof = self._control.eof_received()
            if not self._eof:
                self._end()

    def _give_control(self, data: bytes) -> None:
        buffer = self._control.get_buffer(len(data))
        buffer[: len(data)] = data
        self._control.buffer_updated(len(data))

    def _answer(self) -> None:
        """Send what the WebSocket itself has to say: answers to pings, and why it ends."""
        if self._closing or self._eof:
            return
        if self._protocol.parser_exc is not None:
            self._end()
            return
        answers = b"".join(self._protocol.data_to_send())
        if answers:
            self._stream.write(answers)
            if self._stream.unsent() > MAX_UNREAD:
                self.abort()

    def _end(self) -> None:
        """Write the last bytes, and close."""
        if self._closing:
            return
        self._closing = True
        self._stream.write(b"".join(self._protocol.data_to_send()))
        self._datagrams.close(self._number)
        self._stream.close()
        self._last_moment = self._loop.call_later(CLOSE_LIMIT, self._stream.abort)
