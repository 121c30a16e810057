"""The stream path: datagrams and the control connection in one WebSocket, for who cannot use UDP.

A message is binary and begins with a byte of kind. Both ends use the same queue in front of the stream: what cannot
leave soon is dropped, so that a slow stream carries sound late by little, and not everything late by seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from enum import IntEnum

PATH = "/tc"
"""Path of the URL."""
SUBPROTOCOL = "tc.1"
"""The WebSocket subprotocol that a client offers and the server chooses."""
MAX_CONTROL_BYTES = 16_384
"""The most bytes of the control connection in one message. Longer pieces would hold up the audio behind them."""
MAX_MESSAGE = 1 + MAX_CONTROL_BYTES
"""The most bytes of a message."""
MAX_UNSENT = 4000
"""Bytes below the queue that have not left this machine, from which on datagrams wait.

Three datagrams of the largest size: enough for the network card to have something to send until somebody looks again,
and 0.1 s of a line of 300 kbit/s.
"""
SMALL_PATIENCE = 0.4
"""Seconds after which a small datagram is dropped. A jitter buffer of 0.3 s would not play it any more."""
LARGE_PATIENCE = 0.25
"""Seconds after which a large one is dropped: the pictures behind it are newer, and the line is too slow for all."""
MAX_SMALL = 128
"""Small datagrams that wait at most: those of six talkers in 0.4 s."""
MAX_LARGE = 256
"""Large datagrams that wait at most: a keyframe of 280 kB. A line that is too slow for it has the limit of time."""
PICTURE_SPAN = 0.02
"""Seconds within which the pieces of one picture come, at 50 pictures per second."""
_BINARY = 0x82
"""First byte of a frame that is a whole binary message."""


class MessageKind(IntEnum):
    """The first byte of a message."""

    CONTROL = 0
    """1 to 16,384 bytes of the control connection, in order, cut anywhere."""
    DATAGRAM = 1
    """One datagram, as UDP carries it."""


_DATAGRAM = MessageKind.DATAGRAM  # looked up once: for each datagram that costs as much as the rest
_DATAGRAM_BYTE = bytes((_DATAGRAM,))


class CloseCode(IntEnum):
    """Why a WebSocket ends (RFC 6455, section 7.4.1)."""

    NORMAL_CLOSURE = 1000
    """The control connection has ended; its `close` message says why."""
    PROTOCOL_ERROR = 1002
    """A fragment, an empty message, a control message without bytes, or another kind."""
    UNSUPPORTED_DATA = 1003
    """A text message."""
    POLICY_VIOLATION = 1008
    """Too many bytes before the login."""
    MESSAGE_TOO_BIG = 1009
    """A message of more than 16,385 bytes."""


class StreamPathError(Exception):
    """A message that the peer must not send. ``code`` is the one to close the WebSocket with."""

    def __init__(self, code: CloseCode, detail: str) -> None:
        self.code = code
        super().__init__(detail)


def pack_control(data: bytes) -> list[bytes]:
    """Return the messages that carry bytes of the control connection."""
    return [
        bytes((MessageKind.CONTROL,)) + data[at : at + MAX_CONTROL_BYTES]
        for at in range(0, len(data), MAX_CONTROL_BYTES)
    ]


def pack_datagram(datagram: bytes) -> bytes:
    """Return the message that carries a datagram."""
    return _DATAGRAM_BYTE + datagram


def parse(message: bytes) -> tuple[MessageKind, bytes]:
    """Return what a binary message is, and what it carries. Raises ``StreamPathError``.

    A datagram may have any size here: one of a wrong size is dropped where it is opened, as one that came by UDP.
    """
    if len(message) > MAX_MESSAGE:
        raise StreamPathError(CloseCode.MESSAGE_TOO_BIG, f"a message of {len(message)} bytes")
    if not message:
        raise StreamPathError(CloseCode.PROTOCOL_ERROR, "an empty message")
    if message[0] == _DATAGRAM:
        return _DATAGRAM, message[1:]
    if message[0] != MessageKind.CONTROL:
        raise StreamPathError(CloseCode.PROTOCOL_ERROR, f"a message of kind {message[0]}")
    if len(message) == 1:
        raise StreamPathError(CloseCode.PROTOCOL_ERROR, "a control message without bytes")
    return MessageKind.CONTROL, message[1:]


def frame(message: bytes) -> bytes:
    """Return the WebSocket frame around a message of a server: final, binary, not masked (RFC 6455, section 5.2)."""
    size = len(message)
    if size < 126:
        return bytes((_BINARY, size)) + message
    return bytes((_BINARY, 126)) + size.to_bytes(2, "big") + message


@dataclass(slots=True)
class QueueDrops:
    """Datagrams that were dropped in front of streams."""

    small: int = 0
    large: int = 0


class DatagramQueue:
    """Datagrams that wait in front of a stream. What is dropped is counted in ``drops``, which queues may share.

    Small ones leave first, since they hold audio. The oldest give way, and of a picture all that waits: without one
    piece the others are of no use. ``now`` is in seconds on any monotonic clock. What the caller puts in is written as
    it is, so it may be the datagram or the frame around it.
    """

    __slots__ = ("_drops", "_large", "_lost", "_lost_until", "_small")

    def __init__(self, drops: QueueDrops) -> None:
        self._drops = drops
        self._small: deque[tuple[float, bytes]] = deque()
        self._large: deque[tuple[float, bytes, Hashable]] = deque()
        self._lost: Hashable = None
        """The picture that was dropped last, of which more may come until ``_lost_until``."""
        self._lost_until = 0.0

    def __len__(self) -> int:
        """Return how many datagrams wait."""
        return len(self._small) + len(self._large)

    def put_small(self, data: bytes, now: float) -> None:
        """Let a small datagram wait; of too many the oldest gives way."""
        if len(self._small) >= MAX_SMALL:
            self._small.popleft()
            self._drops.small += 1
        self._small.append((now, data))

    def put_large(self, data: bytes, picture: Hashable, now: float) -> None:
        """Let a large datagram wait; of too many the oldest picture gives way.

        ``picture`` is equal for the pieces of one picture, and hardly ever for those of two that wait together. It is
        not None.
        """
        if len(self._large) >= MAX_LARGE:
            self._drop_picture(now)
        if picture == self._lost and now < self._lost_until:
            self._drops.large += 1
        else:
            self._large.append((now, data, picture))

    def take(self, unsent: int, now: float) -> list[bytes]:
        """Return what leaves now, where ``unsent`` bytes wait below the queue. What has waited too long is dropped."""
        small, large = self._small, self._large
        while small and now - small[0][0] > SMALL_PATIENCE:
            small.popleft()
            self._drops.small += 1
        while large and now - large[0][0] > LARGE_PATIENCE:
            self._drop_picture(now)
        taken = []
        while unsent < MAX_UNSENT and (small or large):
            data = small.popleft()[1] if small else large.popleft()[1]
            unsent += len(data)
            taken.append(data)
        return taken

    def _drop_picture(self, now: float) -> None:
        """Drop the oldest large datagram, and what else waits of its picture."""
        lost = self._large[0][2]
        rest = [waiting for waiting in self._large if waiting[2] != lost]
        self._drops.large += len(self._large) - len(rest)
        self._large.clear()
        self._large += rest
        self._lost, self._lost_until = lost, now + PICTURE_SPAN
