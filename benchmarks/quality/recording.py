"""What a recording holds, packet by packet."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import av


def packets_of(path: Path, kind: Literal["audio", "video"]) -> list[bytes]:
    """Return the packets of the first stream of a kind."""
    with av.open(str(path)) as container:
        streams: Any = container.streams.audio if kind == "audio" else container.streams.video
        return [bytes(packet) for packet in container.demux(streams[0]) if packet.size]


def checksum(packets: Iterable[bytes]) -> int:
    """Return the CRC-32 over all packets in order, as the statistics of publications and tracks have it."""
    value = 0
    for packet in packets:
        value = zlib.crc32(packet, value)
    return value
