"""What the first bytes of an Opus packet say about it (RFC 6716, section 3). Pure."""

from __future__ import annotations

MAX_PACKET = 1275 * 48
"""Largest Opus packet, in bytes: 48 frames of 1,275 (RFC 6716, section 3.2)."""

MIN_DURATION = 120
"""Shortest Opus frame, in samples of 48 kHz: 2.5 ms."""

MAX_PACKET_DURATION = 5760
"""Longest Opus packet, in samples of 48 kHz: 120 ms (RFC 6716, section 3.2.5)."""

_SILK = (480, 960, 1920, 2880)
_HYBRID = (480, 960)
_CELT = (120, 240, 480, 960)


def packet_duration(packet: bytes) -> int | None:
    """Return how long an Opus packet plays, in samples of 48 kHz (RFC 6716, section 3).

    None if it is no Opus packet. Only the first two bytes and the length are looked at.
    """
    if not 0 < len(packet) <= MAX_PACKET:
        return None
    config, code = packet[0] >> 3, packet[0] & 3
    if code < 3:
        frames = 1 if code == 0 else 2
    elif len(packet) < 2:
        return None
    else:
        frames = packet[1] & 63
    if config < 12:
        size = _SILK[config & 3]
    elif config < 16:
        size = _HYBRID[config & 1]
    else:
        size = _CELT[config & 3]
    return frames * size if 0 < frames * size <= MAX_PACKET_DURATION else None


def lost_packets(duration: int, *, stereo: bool = False) -> list[bytes]:
    """Return packets without sound for ``duration`` samples of 48 kHz, less than 2.5 ms short of it.

    Each is a TOC byte with a frame of no bytes: "not sent or lost" (RFC 6716, section 3.2.1). A decoder conceals it,
    and is silent after a few of them.
    """
    toc = stereo << 2
    packets: list[bytes] = []
    for size in (3, 2, 1, 0):
        count, duration = divmod(duration, _CELT[size])
        packets += [bytes([28 + size << 3 | toc])] * count
    return packets
