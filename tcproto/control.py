"""The control connection: handshake, frames, cipher and messages as one state machine without input and output.

``receive_data`` only buffers. ``next_event`` returns one event after the other, and None when more data is needed.
``data_to_send`` returns what has to be sent. When a peer breaks the protocol, ``next_event`` returns the events before
that, then raises one ``ProtocolError``, and nothing more is read. Inside the cipher a frame begins with a type byte,
which is 0: a control message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tcproto import codec
from tcproto.errors import CODES, ErrorCode, ProtocolError, Refusal
from tcproto.framing import LENGTH_BYTES, LIMIT_BEFORE_LOGIN, MAX_FRAME, FrameDecoder, encode_frame
from tcproto.messages import (
    ClientHello,
    Close,
    Error,
    Login,
    Resume,
    Resumed,
    Sender,
    ServerHello,
    State,
    Unknown,
    Welcome,
    decode,
    encode,
    row_of,
)
from tcproto.noise import CipherState, Initiator, Responder
from tcproto.resumption import SentMessages, is_counted

PROTOCOL_VERSION = 1
"""The version that this library speaks."""
FRAME_MESSAGE = 0
MAX_OPEN_REQUESTS = 256
"""The most requests that wait for their reply; further ones are refused here."""
MAX_ASKED = 8
"""The most requests of one type that timers make while none is answered: pings of 40 s. A peer that answers no pings
must not use up the requests of users."""


class HandshakeCompleted(NamedTuple):
    """The channel is set up. ``remote_static`` is empty on the server's side, where the client has no key yet."""

    handshake_hash: bytes
    remote_static: bytes
    hello: Any
    """The hello of the peer: ``ClientHello`` or ``ServerHello``."""


class Received(NamedTuple):
    """A notification (``request_id`` 0) or a request of the peer; ``message`` may be ``Unknown``."""

    message: Any
    request_id: int


class Replied(NamedTuple):
    """The reply to a request of ours: its ``answer``, or ``Error``."""

    request: Any
    reply: Any
    request_id: int


Event = HandshakeCompleted | Received | Replied


@dataclass
class _Channel:
    """Cipher states after the handshake."""

    send: CipherState
    receive: CipherState


class ControlConnection:
    """One end of a control connection. ``client`` and ``server`` make one."""

    def __init__(self, role: Sender, versions: Sequence[int], features: Sequence[str], software: str) -> None:
        self._role = role
        self._versions = tuple(versions)
        self._features = tuple(features)
        self._software = software
        self._frames = FrameDecoder(LIMIT_BEFORE_LOGIN)
        self._out = bytearray()
        self._initiator: Initiator | None = None
        self._responder: Responder | None = None
        self._channel: _Channel | None = None
        self._authenticated = False
        self._failure: ProtocolError | None = None
        self._last_request = 0
        self._requests: dict[int, Any] = {}
        self.received = 0
        """Number of the newest counted message that came: of the session (the client's end), of the connection (the
        server's)."""
        self.sent = SentMessages()
        """Counted messages of the session that the server may not have (the client's end only)."""
        self._sent_at: dict[int, int] = {}
        """Number of the newest counted message at the time of each request: a reply says that it came."""

    @classmethod
    def client(
        cls,
        *,
        versions: Sequence[int] = (PROTOCOL_VERSION,),
        features: Sequence[str] = (),
        software: str = "",
        ephemeral_private: bytes | None = None,
    ) -> ControlConnection:
        """Return the client's end. The first handshake message is ready to be sent."""
        self = cls(Sender.CLIENT, versions, features, software)
        self._initiator = Initiator(ephemeral_private)
        hello = ClientHello(self._versions, self._features, software)
        self._out += encode_frame(self._initiator.write_message(codec.pack(codec.encode_fields(hello))))
        return self

    @classmethod
    def server(
        cls,
        static_private: bytes,
        *,
        versions: Sequence[int] = (PROTOCOL_VERSION,),
        features: Sequence[str] = (),
        software: str = "",
        ephemeral_private: bytes | None = None,
    ) -> ControlConnection:
        """Return the server's end. It waits for the first handshake message."""
        self = cls(Sender.SERVER, versions, features, software)
        self._responder = Responder(static_private, ephemeral_private)
        return self

    @property
    def authenticated(self) -> bool:
        """Whether the login succeeded. Before that, frames are small and few messages are allowed."""
        return self._authenticated

    @property
    def buffered(self) -> int:
        """Bytes that were received and belong to no event yet."""
        return self._frames.buffered

    @property
    def next_size(self) -> int:
        """Bytes of the frame that ``next_event`` would read, still encrypted; 0 where it would return None."""
        return LENGTH_BYTES if self._failure is not None else self._frames.next_size

    def receive_data(self, data: bytes) -> None:
        """Buffer what came from the stream. After the peer broke the protocol, drop it."""
        if self._failure is None:
            self._frames.receive_data(data)

    def next_event(self) -> Event | None:
        """Return the next event, or None when more data is needed.

        Raises ``ProtocolError`` when the peer broke the protocol, and the same error on each call after that.
        """
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        try:
            frame = self._frames.next_frame()
            if frame is None:
                return None
            if self._channel is None:
                return self._handshake(frame)
            return self._frame(self._channel.receive.decrypt(frame))
        except ProtocolError as error:
            self._failure = error
            raise

    def request(self, message: object) -> int:
        """Send a request. Return its id, which the reply will carry.

        Raises ``ValueError`` for a field out of range, ``Refusal`` when too many requests are open.
        """
        if len(self._requests) >= MAX_OPEN_REQUESTS:
            raise Refusal(ErrorCode.RATE_LIMITED, "too many requests without a reply")
        request_id = self._last_request + 1
        self._send(message, request_id)
        self._last_request = request_id
        self._requests[request_id] = message
        self._sent_at[request_id] = self.sent.number
        return request_id

    def ask(self, message: object) -> None:
        """Send a request that a timer repeats, unless too many of this type have no reply.

        Raises ``ValueError`` for a field out of range.
        """
        same = sum(type(request) is type(message) for request in self._requests.values())
        if same < MAX_ASKED and len(self._requests) < MAX_OPEN_REQUESTS:
            self.request(message)

    def follow(self, before: ControlConnection) -> None:
        """Leave the request ids to the connection before, of a session that is to be resumed on this one."""
        # It may still make requests that wait for the resumption, as many as may be open.
        self._last_request = before._last_request + MAX_OPEN_REQUESTS

    def take_over(self, before: ControlConnection, number: int) -> None:
        """Go on with the session of the connection before, which the server has resumed.

        The messages after ``number``, of which ``before.sent.has_after`` is true, are sent again. The replies to all
        requests that are open come here.
        """
        self.received, self.sent = before.received, before.sent
        self._requests |= {i: asked for i, asked in before._requests.items() if is_counted(asked)}
        self._sent_at |= before._sent_at
        self.sent.forget(number)
        for kept in self.sent.after(number):
            self._encrypt(bytes((FRAME_MESSAGE,)) + encode(kept.message, kept.request_id))

    def send(self, message: object) -> None:
        """Send a notification. Raises ``ValueError`` for a field out of range."""
        self._send(message, 0)

    def reply(self, request_id: int, message: object) -> None:
        """Send the reply to a request of the peer. Raises ``ValueError`` for a field out of range."""
        self._send(message, request_id)
        if isinstance(message, Welcome | Resumed):
            self._let_in()

    def close(self, code: ErrorCode, text: str = "", retry_after_ms: int = 0) -> None:
        """Tell the peer why the connection ends, if there is a channel.

        Only the first 256 printable characters of ``text`` are sent: an explanation has no more.
        """
        if self._channel is not None:
            info = CODES[code]
            printable = "".join(filter(str.isprintable, text or info.text))
            self.send(Close(code, printable[:256], info.action, retry_after_ms))

    def data_to_send(self) -> bytes:
        """Return what has to be sent, and forget it."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def _send(self, message: object, request_id: int) -> None:
        if not row_of(type(message)).sender & self._role:
            raise ValueError(f"{row_of(type(message)).name} is not this side's to send")
        data = encode(message, request_id)
        self._encrypt(bytes((FRAME_MESSAGE,)) + data)
        if self._authenticated and self._role is Sender.CLIENT and is_counted(message):
            self.sent.add(message, request_id, len(data))

    def _encrypt(self, body: bytes) -> None:
        if self._channel is None:
            raise ValueError("there is no channel yet")
        self._out += encode_frame(self._channel.send.encrypt(body))

    def _let_in(self) -> None:
        self._authenticated = True
        self._frames.limit = MAX_FRAME

    def _handshake(self, frame: bytes) -> Event:
        if self._initiator is not None:
            return self._finish_as_client(self._initiator, frame)
        assert self._responder is not None
        responder = self._responder
        hello = _hello(ClientHello, responder.read_message(frame))
        common = set(self._versions) & set(hello.versions)
        answer = ServerHello(max(common, default=0), self._versions, self._features, self._software)
        self._out += encode_frame(responder.write_message(codec.pack(codec.encode_fields(answer))))
        self._channel = _Channel(*responder.split())
        if not common:
            raise ProtocolError(ErrorCode.UNSUPPORTED_VERSION, f"versions {_listed(self._versions)} are spoken here")
        return HandshakeCompleted(responder.handshake_hash, b"", hello)

    def _finish_as_client(self, initiator: Initiator, frame: bytes) -> Event:
        hello = _hello(ServerHello, initiator.read_message(frame))
        self._channel = _Channel(*initiator.split())
        if hello.version not in self._versions:
            raise ProtocolError(
                ErrorCode.UNSUPPORTED_VERSION,
                f"the server speaks versions {_listed(hello.versions)}, this client {_listed(self._versions)}",
            )
        return HandshakeCompleted(initiator.handshake_hash, initiator.remote_static, hello)

    def _frame(self, body: bytes) -> Event:
        if not body or body[0] != FRAME_MESSAGE:
            raise ProtocolError(ErrorCode.BAD_FRAME, "a frame of an unknown type")
        message, request_id = decode(body[1:])
        if self._authenticated and is_counted(message):
            self.received += 1
        if isinstance(message, Unknown):
            return Received(message, request_id)
        row = row_of(type(message))
        peer = Sender.BOTH & ~self._role
        if not row.sender & peer:
            raise ProtocolError(ErrorCode.UNEXPECTED_MESSAGE, f"{row.name} is not the peer's to send")
        if row.reply:
            return self._replied(message, request_id)
        if not self._authenticated and not row.states & State.LOGIN:
            raise ProtocolError(ErrorCode.UNEXPECTED_MESSAGE, f"{row.name} before the login")
        if self._authenticated and not row.states & (State.LOBBY | State.ROOM):
            raise ProtocolError(ErrorCode.UNEXPECTED_MESSAGE, f"{row.name} after the login")
        return Received(message, request_id)

    def _replied(self, reply: object, request_id: int) -> Replied:
        request = self._requests.pop(request_id, None)
        if request is None:
            raise ProtocolError(ErrorCode.UNEXPECTED_MESSAGE, "a reply to nothing")
        self.sent.forget(self._sent_at.pop(request_id, 0))
        if not isinstance(reply, Error) and type(reply) is not row_of(type(request)).answer:
            raise ProtocolError(ErrorCode.UNEXPECTED_MESSAGE, "a reply of the wrong type")
        if isinstance(request, Login | Resume) and not isinstance(reply, Error):
            self._let_in()
        return Replied(request, reply, request_id)


def _hello(cls: type[Any], payload: bytes) -> Any:
    """Decode a hello. It may have other keys, because a peer of a later version says hello in the same way."""
    try:
        body = codec.unpack(payload)
        if not isinstance(body, dict):
            raise ProtocolError(ErrorCode.BAD_HANDSHAKE, "a hello is a map")
        return codec.decode_fields(cls, body)
    except ProtocolError as error:
        raise ProtocolError(ErrorCode.BAD_HANDSHAKE, error.detail) from None


def _listed(versions: Sequence[int]) -> str:
    return ", ".join(map(str, versions)) or "none"
