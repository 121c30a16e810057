"""Messages of a client whose WebSocket frames are all of the plainest form, read without a parser. Pure."""

from __future__ import annotations

from tcproto.stream_path import MAX_MESSAGE

try:
    from websockets.speedups import apply_mask
except ImportError:  # where the library has no wheel for the platform
    from websockets.utils import apply_mask

_BINARY = 0x82
"""First byte of a frame that is a whole binary message."""
_MASKED = 0x80
"""In the second byte, before the size: the frame is masked, as all of a client are (RFC 6455, section 5.1)."""
_LONG = 126
"""Size that says: the next two bytes are the size."""
_SIZES = range(_MASKED, _MASKED + _LONG + 1)
"""Second bytes of masked frames, except of those that are longer than 65,535 bytes."""
_MASK_SIZE = 4


class PlainMessages:
    """Cuts messages out of the bytes of a client, as long as each is one whole, binary, masked frame.

    Our clients send nothing else before they close. The first other frame, and all behind it, is for the parser of the
    library, which takes 10 µs for what takes one here, and three times as long where the caches hold other things.
    """

    __slots__ = ("_begun", "are_over")

    def __init__(self) -> None:
        self._begun = b""
        """The beginning of a frame, or what is for the parser."""
        self.are_over = False
        """Whether there was another frame, or one of more than ``MAX_MESSAGE`` bytes."""

    def receive_data(self, data: bytes) -> list[bytes]:
        """Take bytes, and return the messages that are complete."""
        if self._begun:
            data = self._begun + data
        messages, at, end = [], 0, len(data)
        while end - at >= 2:
            if data[at] != _BINARY or data[at + 1] not in _SIZES:
                self.are_over = True
                break
            size, start = data[at + 1] - _MASKED, at + 2
            if size == _LONG:
                if end - start < 2:
                    break
                size, start = data[start] << 8 | data[start + 1], start + 2
                if size > MAX_MESSAGE:
                    self.are_over = True
                    break
            first, next_ = start + _MASK_SIZE, start + _MASK_SIZE + size
            if next_ > end:
                break
            messages.append(apply_mask(data[first:next_], data[start:first]))
            at = next_
        self._begun = data[at:]
        return messages

    def take_rest(self) -> bytes:
        """Return what is for the parser, once."""
        rest, self._begun = self._begun, b""
        return rest
