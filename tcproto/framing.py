"""Frames on a stream: a length of two bytes, big-endian, then a body of so many bytes."""

from __future__ import annotations

from tcproto.errors import ErrorCode, ProtocolError

MAX_FRAME = 65535
"""The most bytes of a body: what two bytes can say, and the largest Noise message."""
LIMIT_BEFORE_LOGIN = 4096
"""The most bytes of a body before the login: enough for handshake and login, and little memory for a stranger."""
LENGTH_BYTES = 2


def encode_frame(payload: bytes) -> bytes:
    """Return the frame with this body of 1 to ``MAX_FRAME`` bytes. Raises ``ValueError`` for other sizes."""
    if not 1 <= len(payload) <= MAX_FRAME:
        raise ValueError(f"frame of {len(payload)} bytes")
    return len(payload).to_bytes(LENGTH_BYTES, "big") + payload


class FrameDecoder:
    """Cuts a stream into the bodies of its frames.

    After each ``receive_data`` call ``next_frame`` until it returns None. Then less than one frame stays buffered.
    ``limit`` is the most bytes of a body. It may be changed at any time, and holds from the next frame on.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._buffer = bytearray()
        self._broken = ""

    @property
    def buffered(self) -> int:
        """Bytes that were received and not returned yet."""
        return len(self._buffer)

    @property
    def next_size(self) -> int:
        """Bytes of the next frame with its length, once it is complete or known to be wrong; 0 before that."""
        if self._broken:
            return LENGTH_BYTES
        if len(self._buffer) < LENGTH_BYTES:
            return 0
        size = int.from_bytes(self._buffer[:LENGTH_BYTES], "big")
        if not 1 <= size <= self.limit:
            return LENGTH_BYTES
        return LENGTH_BYTES + size if len(self._buffer) >= LENGTH_BYTES + size else 0

    def receive_data(self, data: bytes) -> None:
        """Buffer what came from the stream. After a wrong length, drop it."""
        if not self._broken:
            self._buffer += data

    def next_frame(self) -> bytes | None:
        """Return the body of the next frame, or None until it is complete.

        Raises ``ProtocolError`` (``bad_frame``) as soon as a length is 0 or over the limit, and on each call after
        that.
        """
        if len(self._buffer) >= LENGTH_BYTES:
            size = int.from_bytes(self._buffer[:LENGTH_BYTES], "big")
            if not 1 <= size <= self.limit:
                self._broken = f"frame of {size} bytes"
                self._buffer.clear()
            elif len(self._buffer) >= LENGTH_BYTES + size:
                frame = bytes(self._buffer[LENGTH_BYTES : LENGTH_BYTES + size])
                del self._buffer[: LENGTH_BYTES + size]
                return frame
        if self._broken:
            raise ProtocolError(ErrorCode.BAD_FRAME, self._broken)
        return None
