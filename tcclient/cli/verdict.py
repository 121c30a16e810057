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
        if not found.stream_works:
            return "will NOT work: UDP is blocked here, and the server has no stream path"
        if _is_below(VOICE_RATE, found.stream_up_rate, found.stream_down_rate):
            return "will NOT work well: the line is too slow for a voice, and UDP is blocked here"
        if score(0.0, 0.0, (found.stream_rtt_ms or 0.0) / 1000) < GOOD:
            return "will be hard to follow: it takes too long, and UDP is blocked here"
        return "will work, later than by UDP: UDP is blocked here, so it goes in the TCP connection"
    if _is_below(VOICE_RATE, found.up_rate, found.down_rate):
        return "will NOT work well: the line is too slow for a voice"
    mos = score(found.udp_loss, 0.0, (found.udp_rtt_ms or 0.0) / 1000)
    if mos >= EXCELLENT:
        return "will work well"
    return "will work, with faults" if mos >= GOOD else "will be hard to follow: too much is lost, or it takes too long"


def pictures(found: ProbeResult) -> str:
    """Return what is to be expected of pictures."""
    if not found.udp_works and not found.stream_works:
        return "will NOT work"
    way, up, down = "", found.up_rate, found.down_rate
    if not found.udp_works or up is None or down is None:
        if not found.stream_works:
            return "will NOT work: large datagrams do not get through, and the server has no stream path"
        way, up, down = ", in the TCP connection", found.stream_up_rate, found.stream_down_rate
    if up is None or down is None:
        return "may work: how fast the line is was not measured"
    send, get = up >= PICTURE_RATE, down >= PICTURE_RATE
    if send and get:
        return f"will work{way}"
    if send or get:
        return f"can be {'sent' if send else 'received'}{way}; leave {'those of others' if send else 'your camera'} off"
    return "will NOT work: leave your camera and those of others off"


def _is_below(least: float, *rates: float | None) -> bool:
    """Return whether one of the rates that were measured is less."""
    return any(measured is not None and measured < least for measured in rates)


def rates(up: float | None, down: float | None) -> str:
    """Return the rates of a way in words."""
    if up is None or down is None:
        return "rate unknown"
    return f"up {_rate(up)}, down {_rate(down)} (at least)"


def _rate(bits_per_second: float) -> str:
    if bits_per_second >= FASTEST:
        return f"over {FASTEST / 1e6:.0f} Mbit/s"
    return f"{bits_per_second / 1000:.0f} kbit/s"
