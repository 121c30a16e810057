"""Ogg pages that hold Opus (RFC 3533, RFC 7845). Pure."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

from tcproto.packet import AUDIO_CLOCK

MAX_SEGMENTS = 255
"""Largest number of lacing values in a page (RFC 3533, section 6)."""

CONTINUED, FIRST, LAST = 1, 2, 4
"""Flags of a page: it continues a packet, is the first of the stream, is the last of the stream."""


def opus_head(channels: int, pre_skip: int, input_rate: int = AUDIO_CLOCK) -> bytes:
    """Return the identification header of one or two channels (RFC 7845, section 5.1)."""
    return struct.pack("<8sBBHIhB", b"OpusHead", 1, channels, pre_skip, input_rate, 0, 0)


def opus_tags(vendor: str, comments: Mapping[str, str]) -> bytes:
    """Return the comment header (RFC 7845, section 5.2)."""
    texts = [vendor.encode(), *(f"{name}={value}".encode() for name, value in comments.items())]
    parts = [struct.pack("<I", len(text)) + text for text in texts]
    return b"OpusTags" + parts[0] + struct.pack("<I", len(comments)) + b"".join(parts[1:])


class OggStream:
    """Makes the pages of one logical stream."""

    def __init__(self, serial: int) -> None:
        self._serial = serial & 0xFFFFFFFF
        self._sequence = 0

    @staticmethod
    def segments(packet: bytes) -> int:
        """Return how many lacing values of a page a packet takes."""
        return len(packet) // 255 + 1

    def page(self, packets: list[bytes], granule: int, flags: int = 0) -> bytes:
        """Return a page of whole packets with at most ``MAX_SEGMENTS`` lacing values.

        ``granule`` is the number of samples that a decoder has returned after the last of them. Raises ``ValueError``
        for too many lacing values.
        """
        lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
        if len(lacing) > MAX_SEGMENTS:
            raise ValueError(f"{len(lacing)} lacing values do not fit a page")
        header = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, granule, self._serial, self._sequence, 0, len(lacing))
        self._sequence += 1
        body = lacing + b"".join(packets)
        return header[:22] + struct.pack("<I", _checksum(header + body)) + header[26:] + body


def _checksum(data: bytes) -> int:
    """Return the checksum of a page (RFC 3533, section 6): CRC-32 with zlib's polynomial, but not reflected.

    It starts from 0 and is not inverted. So the bits of every byte, and of the result, are reversed.
    """
    value = zlib.crc32(data.translate(_REVERSED), _ALL) ^ _ALL
    return int.from_bytes(value.to_bytes(4, "little").translate(_REVERSED), "big")


_ALL = 0xFFFFFFFF
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
