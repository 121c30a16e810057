"""Packets as they come out of the core of a client."""

from __future__ import annotations

from typing import Any

from tcclient.audio.jitter import JitterBuffer, PutResult
from tcclient.core.media.packet import AudioPacket, MediaPacket, VideoPacket
from tcproto.packet import AudioHeader, VideoHeader

VP8_KEY = bytes.fromhex("30030 09d012a1000100000".replace(" ", "")) + bytes(40)
"""The beginning of a keyframe."""


def sound_packet(
    sequence: int, timestamp: int, payload: bytes, at: float, *, held: float = 0.0, **fields: bool
) -> AudioPacket:
    """Return a packet of sound that came ``at`` a time, after the server held it for ``held`` seconds."""
    return MediaPacket(1, 1, AudioHeader(1, 0, 0, sequence, timestamp, **fields), payload, at, 0, round(held * 1000))


def picture_packet(
    sequence: int, frame_id: int, payload: bytes, *, index: int = 0, count: int = 1, timestamp: int = 0, **fields: Any
) -> VideoPacket:
    """Return a packet of a picture, by default the only one."""
    return MediaPacket(1, 1, picture_header(frame_id, sequence, index, count, timestamp, **fields), payload, 0.0, 0, 0)


def picture_header(
    frame_id: int, sequence: int = 0, index: int = 0, count: int = 1, timestamp: int = 0, **fields: Any
) -> VideoHeader:
    """Return the header of a packet of a picture, which refers to the one before unless it is a keyframe."""
    fields = {"reference": 0 if fields.get("keyframe") else 1} | fields
    return VideoHeader(1, 0, 0, sequence, timestamp, frame_id, index, count, **fields)


def whole_picture(timestamp: int, *, keyframe: bool = True) -> VideoPacket:
    """Return a picture as it was put together."""
    return picture_packet(0, 0, VP8_KEY, timestamp=timestamp, keyframe=keyframe)


def put(
    buffer: JitterBuffer,
    sequence: int,
    timestamp: int,
    duration: int,
    payload: bytes,
    at: float,
    *,
    fec: bool = False,
    held: float = 0.0,
    **fields: bool,
) -> PutResult:
    """Give a jitter buffer a packet of sound that lasts so many samples."""
    return buffer.put(sound_packet(sequence, timestamp, payload, at, held=held, **fields), duration, fec=fec)
