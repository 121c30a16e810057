"""Packets: what is sealed end to end, once, for any number of receivers.

A packet is a header and a body. The server can read the header; the network cannot. In an end-to-end encrypted room the
body is a secretbox under the key of the publication. Its nonce is the header, padded with zeros to 24 bytes, so a
changed bit of the header makes the box fail. In another room the body is not sealed. The plaintext of a body is one
byte that counts the padding, the payload, and so many zeros.

Header, all numbers big-endian::

    0       type (4 bits), flags (4 bits)
    1-2     stream id
    3       key number, low 8 bits
    4       ratchet generation
    5-8     sequence number, per stream and spatial layer
    9-12    media timestamp: 48 kHz for audio, 90 kHz for video, µs for beacons; wraps
    13      audio: voice flag (1 bit), level in -dBov (7 bits, RFC 6464)
    13      video: spatial layer (4 bits), temporal layer (4 bits)
    14-15   video: frame id
    16-17   video: index of the packet in its frame
    18-19   video: packets of the frame
    20      video: distance to the frame that it refers to, 0 for a keyframe
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from tcproto.secretbox import NONCE_SIZE, TAG_SIZE, box, unbox

AUDIO_PADDING_STEP = 16
"""The plaintext of audio is padded to a multiple of this. Sizes of speech at a variable rate tell something about the
words, and datagrams of one size can leave in one system call."""
MAX_PACKET = 1140
"""The most bytes of a packet, so that it fits a datagram with all that may stand around it (PROTOCOL.md, section 9)."""
COMMON_HEADER_SIZE = 13
"""Bytes of the header that all types have, unknown ones too."""
AUDIO_HEADER_SIZE = 14
VIDEO_HEADER_SIZE = 21
KEY_NUMBER_BITS = 8
"""Of the number of a sender key, in the header of a packet."""
FRAME_ID_BITS = 16
MAX_SPATIAL = 3
MAX_TEMPORAL = 7
MAX_VIDEO_PAYLOAD = MAX_PACKET - VIDEO_HEADER_SIZE - TAG_SIZE - 1
"""The most bytes of a frame in one packet: 1,102."""


class PacketType(IntEnum):
    """Type of a packet, 4 bits. The server forwards packets of unknown types without looking inside."""

    AUDIO = 1
    VIDEO = 2
    BEACON = 3
    DATA = 4
    """Reserved."""
    REPAIR = 5
    """Reserved: FEC over sealed packets."""


DURATIONS_MS = (20, 40, 60, 10)
"""Duration of an audio packet by its code."""
AUDIO_CLOCK = 48_000
"""Ticks of an audio timestamp per second: samples of Opus (RFC 7587, section 4.1)."""
VIDEO_CLOCK = 90_000
"""Ticks of a video timestamp per second, as in RTP (RFC 3551, section 5)."""
SPEECH_LEVEL = 35
"""-dBov: sound that is as loud as this counts as speech, even without the voice flag."""
COMFORT_INTERVAL = 0.4
"""Seconds of media time between packets of comfort, as in Opus: nobody needs them more often."""
KEYFRAME_INTERVAL = 1.0
"""Seconds between two keyframes of a layer that were asked for, at least: each costs all receivers many times what
another picture does."""
KEYFRAME_REQUEST_INTERVAL = 0.5
"""Seconds between two requests for a keyframe, at least: the first needs a round trip to show. For a receiver, and for
what a server passes on for the lowest layer."""
MAX_KEYFRAME_REQUEST_INTERVAL = 16.0
"""Seconds between the requests of a receiver whom keyframes do not help: each waits longer than the one before, up to
this."""
_AUDIO_TYPE, _VIDEO_TYPE = int(PacketType.AUDIO), int(PacketType.VIDEO)
_END_OF_TALK = 0x4
_COMFORT = 0x8
_KEYFRAME = 0x1
_DISCARDABLE = 0x2
# Half the cost of the constructors of the classes, on the path of every packet.
_tuple = tuple.__new__
_COMMON = Struct(">BHBBII")
_AUDIO = Struct(">BHBBIIB")
_VIDEO = Struct(">BHBBIIBHHHB")
_SIZES: dict[int, int] = {PacketType.AUDIO: AUDIO_HEADER_SIZE, PacketType.VIDEO: VIDEO_HEADER_SIZE}


class AudioHeader(NamedTuple):
    """Header of an audio packet."""

    stream: int
    key_number: int
    generation: int
    sequence: int
    timestamp: int
    duration_ms: int = 20
    level: int = 127
    """Audio level in -dBov: 0 loudest, 127 silence."""
    voice: bool = False
    end_of_talk: bool = False
    """Nothing follows for now, so a receiver must not conceal."""
    comfort: bool = False
    """A packet of silence in discontinuous transmission."""

    def pack(self) -> bytes:
        """Return the 14 bytes. Raises ``struct.error`` or ``ValueError`` for a field out of range."""
        code = DURATIONS_MS.index(self.duration_ms)
        first = PacketType.AUDIO << 4 | code | self.end_of_talk * _END_OF_TALK | self.comfort * _COMFORT
        if not 0 <= self.level <= 127:
            raise ValueError(f"audio level {self.level} is not in 0..127")
        level = self.level | self.voice << 7
        return _AUDIO.pack(first, self.stream, self.key_number, self.generation, self.sequence, self.timestamp, level)


class VideoHeader(NamedTuple):
    """Header of a video packet."""

    stream: int
    key_number: int
    generation: int
    sequence: int
    timestamp: int
    frame_id: int
    packet_index: int
    packet_count: int
    keyframe: bool = False
    discardable: bool = False
    """No other frame refers to this one."""
    spatial: int = 0
    temporal: int = 0
    reference: int = 1
    """The id of this frame less that of the frame that it refers to; 0 for a keyframe."""

    def pack(self) -> bytes:
        """Return the 21 bytes. Raises ``struct.error`` or ``ValueError`` for a field out of range."""
        _check_video(self.spatial, self.temporal, self.packet_index, self.packet_count, self.keyframe, self.reference)
        first = PacketType.VIDEO << 4 | self.keyframe * _KEYFRAME | self.discardable * _DISCARDABLE
        layer = self.spatial << 4 | self.temporal
        return _VIDEO.pack(
            first,
            self.stream,
            self.key_number,
            self.generation,
            self.sequence,
            self.timestamp,
            layer,
            self.frame_id,
            self.packet_index,
            self.packet_count,
            self.reference,
        )


class PlainHeader(NamedTuple):
    """Header of a beacon, or the common part of any other type."""

    stream: int
    key_number: int
    generation: int
    sequence: int
    timestamp: int
    type: int = PacketType.BEACON

    def pack(self) -> bytes:
        """Return the 13 bytes. Raises ``struct.error`` for a field out of range."""
        return _COMMON.pack(
            self.type << 4, self.stream, self.key_number, self.generation, self.sequence, self.timestamp
        )


Header = AudioHeader | VideoHeader | PlainHeader


def parse_header(packet: bytes) -> Header:
    """Parse the header in front of a packet.

    Raises ``ValueError`` where the packet is too short for its type or a field is out of range.
    """
    if len(packet) < COMMON_HEADER_SIZE:
        raise ValueError("packet shorter than a header")
    type_ = packet[0] >> 4
    if type_ == _AUDIO_TYPE:
        if len(packet) < AUDIO_HEADER_SIZE:
            raise ValueError("packet shorter than an audio header")
        first, stream, key, generation, sequence, timestamp, level = _AUDIO.unpack_from(packet)
        ended, comfort, duration = first & _END_OF_TALK != 0, first & _COMFORT != 0, DURATIONS_MS[first & 3]
        fields = (stream, key, generation, sequence, timestamp, duration, level & 127, level >= 128, ended, comfort)
        return _tuple(AudioHeader, fields)
    if type_ == _VIDEO_TYPE:
        return _parse_video(packet)
    first, stream, key, generation, sequence, timestamp = _COMMON.unpack_from(packet)
    return PlainHeader(stream, key, generation, sequence, timestamp, type_)


def _parse_video(packet: bytes) -> VideoHeader:
    if len(packet) < VIDEO_HEADER_SIZE:
        raise ValueError("packet shorter than a video header")
    (first, stream, key, generation, sequence, timestamp, layer, frame_id, index, count, reference) = (
        _VIDEO.unpack_from(packet)
    )
    spatial, temporal, keyframe = layer >> 4, layer & 15, first & _KEYFRAME != 0
    if spatial > MAX_SPATIAL or temporal > MAX_TEMPORAL or index >= count or keyframe != (reference == 0):
        _check_video(spatial, temporal, index, count, keyframe, reference)
    fields = (
        stream,
        key,
        generation,
        sequence,
        timestamp,
        frame_id,
        index,
        count,
        keyframe,
        first & _DISCARDABLE != 0,
        spatial,
        temporal,
        reference,
    )
    return _tuple(VideoHeader, fields)


def _check_video(spatial: int, temporal: int, index: int, count: int, keyframe: bool, reference: int) -> None:
    if not (0 <= spatial <= MAX_SPATIAL and 0 <= temporal <= MAX_TEMPORAL):
        raise ValueError(f"layer {spatial}.{temporal} is out of range")
    if index >= count:
        raise ValueError("packet index beyond the frame's packets")
    if keyframe != (reference == 0):
        raise ValueError("a keyframe refers to nothing, any other frame to one before it")


class Series(NamedTuple):
    """What one run of forward numbers counts: a stream, a spatial and a temporal layer; with one of its variants."""

    stream: int
    spatial: int = 0
    temporal: int = 0
    redundant: bool = False

    def code(self) -> int:
        """Return the byte: redundant (1 bit), spatial (2 bits), zero (2 bits), temporal (3 bits).

        Raises ``ValueError`` for a layer that does not fit.
        """
        if not (0 <= self.spatial <= MAX_SPATIAL and 0 <= self.temporal <= MAX_TEMPORAL):
            raise ValueError(f"layer {self.spatial}.{self.temporal} is out of range")
        return self.redundant << 7 | self.spatial << 5 | self.temporal


def parse_series(stream: int, code: int) -> Series:
    """Return the series of a stream by its byte. Raises ``ValueError`` where the reserved bits are not zero."""
    if code & 0x18:
        raise ValueError("reserved bits of a series")
    return Series(stream, code >> 5 & 3, code & 7, bool(code >> 7))


def header_size(packet: bytes) -> int:
    """Return the size of the header in front of a packet that ``parse_header`` accepted."""
    return _SIZES.get(packet[0] >> 4, COMMON_HEADER_SIZE)


def cut_frame(frame: bytes, most: int = MAX_VIDEO_PAYLOAD) -> list[bytes]:
    """Cut a frame into as few pieces of at most ``most`` bytes as it takes, all of one size but for the last.

    Sizes are equal because datagrams of one size leave in one system call. Raises ``ValueError`` where there is nothing
    to cut, ``most`` is not positive, or the frame has more than 65,535 pieces.
    """
    if not frame or most < 1:
        raise ValueError("nothing to cut, or no room to put it")
    count = -(-len(frame) // most)
    if count > 0xFFFF:
        raise ValueError(f"a frame of {len(frame)} bytes needs {count} packets")
    size = -(-len(frame) // count)
    return [frame[start : start + size] for start in range(0, len(frame), size)]


def padded(payload: bytes, step: int = 1) -> bytes:
    """Return the plaintext of a body: padding count, payload, zeros up to a multiple of ``step``."""
    padding = -(len(payload) + 1) % step
    return bytes((padding,)) + payload + bytes(padding)


def unpadded(plaintext: bytes) -> bytes:
    """Return the payload of a plaintext. Raises ``ValueError`` where the count or the zeros are wrong."""
    if not plaintext or plaintext[0] >= len(plaintext):
        raise ValueError("padding count out of range")
    end = len(plaintext) - plaintext[0]
    if any(plaintext[end:]):
        raise ValueError("padding is not zero")
    return plaintext[1:end]


def seal_packet(header: Header, payload: bytes, key: bytes | None, step: int = 1) -> bytes:
    """Return the packet. ``key`` is the key of the publication, or None in a room without end-to-end encryption.

    The caller must never use the same header twice under a key.
    """
    clear = header.pack()
    plaintext = padded(payload, step)
    if key is None:
        return clear + plaintext
    return clear + box(plaintext, clear.ljust(NONCE_SIZE, b"\0"), key)


def open_packet(packet: bytes, key: bytes | None) -> bytes:
    """Return the payload of a packet that ``parse_header`` accepted.

    Raises ``CryptoFailure`` where the box does not open, ``ValueError`` for bad padding.
    """
    size = header_size(packet)
    body = packet[size:]
    if key is None:
        return unpadded(body)
    return unpadded(unbox(body, packet[:size].ljust(NONCE_SIZE, b"\0"), key))
