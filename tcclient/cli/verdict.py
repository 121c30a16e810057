"""What a probe means for a meeting, in plain words."""

from __future__ import annotations

from tcclient.core.media.quality import EXCELLENT, GOOD, score
from tcclient.core.path.train import FASTEST
from tcclient.transport.probe import ProbeResult

VOICE_RATE = 64e3
"""Bits per second of a voice, with all headers, and some room."""
PICTURE_RATE = 500e3
"""Bits per second of a small picture, with some room for the voice beside it."""


def sound(found: ProbeResult) -> str:
    """Return what is to be expected of sound."""
    if not found.udp_works:
        if found.stream_works:
            return "will work, later than by UDP: UDP is blocked here, so it goes in the TCP connection"
        return "will NOT work: UDP is blocked here, and the server has no stream path"
    if found.up_rate is not None and found.up_rate < VOICE_RATE:
        return "will NOT work well: the line is too slow for a voice"
    mos = score(found.udp_loss, 0.0, (found.udp_rtt_ms or 0.0) / 1000)
    if mos >= EXCELLENT:
        return "will work well"
    return "will work, with faults" if mos >= GOOD else "will be hard to follow: too much is lost, or it takes too long"


def pictures(found: ProbeResult) -> str:
    """Return what is to be expected of pictures."""
    if not found.udp_works:
        return "may work: how fast the line is was not measured" if found.stream_works else "will NOT work"
    if found.up_rate is None or found.down_rate is None:
        return "may work: large datagrams do not get through, so they will go in the TCP connection"
    send, get = found.up_rate >= PICTURE_RATE, found.down_rate >= PICTURE_RATE
    if send and get:
        return "will work"
    if send or get:
        return f"can be {'sent' if send else 'received'}; leave {'those of others' if send else 'your camera'} off"
    return "will NOT work: leave your camera and those of others off"


def rate(bits_per_second: float | None) -> str:
    """Return a rate in words."""
    if bits_per_second is None:
        return "unknown"
    if bits_per_second >= FASTEST:
        return f"over {FASTEST / 1e6:.0f} Mbit/s"
    return f"{bits_per_second / 1000:.0f} kbit/s"
