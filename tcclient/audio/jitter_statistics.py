"""The counts of a jitter buffer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class JitterStatistics:
    """Counts of packets, and milliseconds of frames, since the beginning; the two delays are the present ones."""

    received: int = 0
    """Packets put in."""
    played: int = 0
    """Packets handed out for decoding."""
    lost: int = 0
    """Packets that had not arrived when a newer one was played, by sequence numbers. They were lost anywhere, or left
    out by the server. FEC may have replaced some."""
    late: int = 0
    """Packets that came after they were due, whether discarded or played late."""
    duplicate: int = 0
    """Packets seen before."""
    discarded: int = 0
    """Packets dropped to shorten the delay or to bound the memory."""
    resyncs: int = 0
    """Jumps of the sender's clock or numbering."""
    concealed_ms: float = 0.0
    """Invented, as CONCEAL and LATE."""
    fec_ms: float = 0.0
    """Recovered by FEC."""
    lost_ms: float = 0.0
    """Lost, and too long to conceal."""
    silence_ms: float = 0.0
    """Nothing was expected."""
    target_ms: float = 0.0
    """Wanted delay."""
    delay_ms: float = 0.0
    """Delay of the last frame."""
