"""Frames on a stream: two bytes of length (big-endian), then as many bytes."""

from __future__ import annotations

from tcproto.errors import ErrorCode, ProtocolError

MAX_FRAME = 65535
"""Bytes of a frame's body: what two bytes can say, and the largest Noise message."""
LIMIT_BEFORE_LOGIN = 4096
"""Bytes of a frame's body before the login: room for a handshake and a login, and little memory for a stranger."""
LENGTH_BYTES = 2


def encode_frame(payload: bytes) -> bytes:
    """The frame with this body of 1 to `MAX_FRAME` bytes; `ValueError` for other sizes."""
    if not 1 <= len(payload) <= MAX_FRAME:
        raise ValueError(f"frame of {len(payload)} bytes")
    return len(payload).to_bytes(LENGTH_BYTES, "big") + payload


class FrameDecoder:
    """Cuts a stream into the bodies of its frames.

    Call `next_frame` until it returns None after each `receive_data`: then less than one frame stays buffered.
    ``limit`` is the largest body allowed, in bytes; it may be changed at any time and holds from the next frame on.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._buffer = bytearray()
        self._broken = ""

    @property
    def buffered(self) -> int:
        """Bytes received but not yet returned."""
        return len(self._buffer)

    @property
    def next_size(self) -> int:
        """Bytes that the next frame takes with its length, once it is complete, or known to be wrong; 0 before."""
        if self._broken:
            return LENGTH_BYTES
        if len(self._buffer) < LENGTH_BYTES:
            return 0
        size = int.from_bytes(self._buffer[:LENGTH_BYTES], "big")
        if not 1 <= size <= self.limit:
            return LENGTH_BYTES
        return LENGTH_BYTES + size if len(self._buffer) >= LENGTH_BYTES + size else 0

    def receive_data(self, data: bytes) -> None:
        """Buffer what came from the stream; nothing any more once it is broken."""
        if not self._broken:
            self._buffer += data

    def next_frame(self) -> bytes | None:
        """The body of the next frame, or None until it is complete.

        Raises `ProtocolError` (``bad_frame``), then and ever after, as soon as a length is zero or over the limit.
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
