"""The elements of a live Matroska file with VP8 or H.264 and Opus (RFC 9559, RFC 8794). Pure."""

from __future__ import annotations

import struct

from tcclient.video.bitstream import nal_units
from tcproto.packet import AUDIO_CLOCK

TICK = 100_000
"""Nanoseconds of one unit of time in the file: 0.1 ms, so that rounding does not matter for lip-sync."""

MAX_CLUSTER = 3_000 * 10
"""Longest cluster in units of time; times in a cluster are relative to it, in 16 bits with sign."""

SEEK_PRE_ROLL = 80_000_000
"""Nanoseconds of Opus that a player decodes before the position that it seeks to (RFC 7845, section 4.6)."""

VIDEO_TRACK, AUDIO_TRACK = 1, 2

_UNKNOWN_SIZE = b"\x01\xff\xff\xff\xff\xff\xff\xff"


def element(identifier: int, *content: bytes) -> bytes:
    """Return an element with an eight-byte size, from its identifier (with marker bits) and its content."""
    data = b"".join(content)
    return _identifier(identifier) + (1 << 56 | len(data)).to_bytes(8, "big") + data


def unsigned(identifier: int, value: int) -> bytes:
    """Return an element that holds an unsigned number."""
    return element(identifier, value.to_bytes(max(1, -(-value.bit_length() // 8)), "big"))


def text(identifier: int, value: str) -> bytes:
    """Return an element that holds text."""
    return element(identifier, value.encode())


def real(identifier: int, value: float) -> bytes:
    """Return an element that holds a number in double precision."""
    return element(identifier, struct.pack(">d", value))


def file_header() -> bytes:
    """Return the EBML header and the beginning of a segment of unknown size: it ends where the file ends."""
    return element(
        0x1A45DFA3,
        unsigned(0x4286, 1),  # EBML version
        unsigned(0x42F7, 1),
        unsigned(0x42F2, 4),
        unsigned(0x42F3, 8),
        text(0x4282, "matroska"),
        unsigned(0x4287, 4),  # DocType version
        unsigned(0x4285, 2),
    ) + (_identifier(0x18538067) + _UNKNOWN_SIZE)


def info(application: str, duration: float | None = None, title: str = "") -> bytes:
    """Return the segment information, with ``duration`` in units of time.

    Without a duration, a void of the same size keeps its place.
    """
    length = void(len(real(0x4489, 0.0))) if duration is None else real(0x4489, duration)
    name = text(0x7BA9, title) if title else b""
    writer = text(0x4D80, application) + text(0x5741, application)
    return element(0x1549A966, unsigned(0x2AD7B1, TICK), name, writer, length)


def void(size: int) -> bytes:
    """Return an element without meaning, of ``size`` bytes in all. It keeps a place for later."""
    return element(0xEC, bytes(size - len(element(0xEC))))


def video_track(codec: str, width: int, height: int, private: bytes = b"") -> bytes:
    """Return the entry of a video track; ``private`` is the decoder configuration record of H.264."""
    return element(
        0xAE,
        unsigned(0xD7, VIDEO_TRACK),
        unsigned(0x73C5, VIDEO_TRACK),
        unsigned(0x83, 1),
        unsigned(0x9C, 0),
        text(0x86, {"vp8": "V_VP8", "h264": "V_MPEG4/ISO/AVC"}[codec]),
        element(0x63A2, private) if private else b"",
        element(0xE0, unsigned(0xB0, width), unsigned(0xBA, height)),
    )


def audio_track(head: bytes, channels: int, pre_skip: int) -> bytes:
    """Return the entry of an Opus track; ``head`` is the identification header of Ogg Opus, ``pre_skip`` in samples of
    48 kHz."""
    return element(
        0xAE,
        unsigned(0xD7, AUDIO_TRACK),
        unsigned(0x73C5, AUDIO_TRACK),
        unsigned(0x83, 2),
        unsigned(0x9C, 0),
        text(0x86, "A_OPUS"),
        unsigned(0x56AA, pre_skip * 1_000_000_000 // AUDIO_CLOCK),
        unsigned(0x56BB, SEEK_PRE_ROLL),
        element(0x63A2, head),
        element(0xE1, real(0xB5, float(AUDIO_CLOCK)), unsigned(0x9F, channels)),
    )


def tracks(*entries: bytes) -> bytes:
    """Return the list of tracks."""
    return element(0x1654AE6B, *entries)


def cluster(timestamp: int) -> bytes:
    """Return the beginning of a cluster of unknown size: it ends where the next one begins."""
    return _identifier(0x1F43B675) + _UNKNOWN_SIZE + unsigned(0xE7, timestamp)


def simple_block(track: int, relative: int, keyframe: bool, data: bytes) -> bytes:
    """Return a block with one frame; ``relative`` is its time in the cluster, -32,768 to 32,767 units."""
    return element(0xA3, struct.pack(">BhB", 0x80 | track, relative, 0x80 if keyframe else 0), data)


def cues(points: list[tuple[int, int]]) -> bytes:
    """Return the index of keyframes: (time, offset of the cluster from the first byte of the segment's content)."""
    return element(
        0x1C53BB6B,
        *(
            element(
                0xBB,
                unsigned(0xB3, time),
                element(0xB7, unsigned(0xF7, VIDEO_TRACK), unsigned(0xF1, offset)),
            )
            for time, offset in points
        ),
    )


def seek_head(cues_offset: int | None = None) -> bytes:
    """Return the pointer to the index, or a void of the same size."""
    position = (cues_offset or 0).to_bytes(8, "big")
    entry = element(0x4DBB, element(0x53AB, _identifier(0x1C53BB6B)), element(0x53AC, position))
    head = element(0x114D9B74, entry)
    return head if cues_offset is not None else void(len(head))


def decoder_configuration(access_unit: bytes) -> bytes | None:
    """Return the decoder configuration record of H.264 from a keyframe in Annex B form.

    None if the keyframe has no SPS and PPS. ISO/IEC 14496-15, section 5.3.3.1; for the high profiles 8 bits and
    4:2:0 are assumed.
    """
    sps = [unit for unit in nal_units(access_unit) if unit[0] & 31 == 7 and 4 <= len(unit) <= 0xFFFF]
    pps = [unit for unit in nal_units(access_unit) if unit[0] & 31 == 8 and len(unit) <= 0xFFFF]
    if not sps or not pps:
        return None
    record = b"\x01" + sps[0][1:4] + b"\xff\xe1" + struct.pack(">H", len(sps[0])) + sps[0]
    record += b"\x01" + struct.pack(">H", len(pps[0])) + pps[0]
    return record + b"\xfd\xf8\xf8\x00" if sps[0][1] in {100, 110, 122, 144} else record


def length_prefixed(access_unit: bytes) -> bytes:
    """Return an H.264 access unit with four bytes of length in front of each NAL unit, instead of start codes."""
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in nal_units(access_unit))


def _identifier(identifier: int) -> bytes:
    return identifier.to_bytes(-(-identifier.bit_length() // 8), "big")
