"""Frames: stretches of sound that a jitter buffer gives, and where they come from."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class FrameKind(Enum):
    """Where a stretch of sound comes from."""

    PACKET = "packet"
    """Decode the payload."""
    FEC = "fec"
    """Lost: decode the FEC data of the payload, which is that of the next packet."""
    CONCEAL = "conceal"
    """Lost: conceal."""
    LOST = "lost"
    """Lost, and too long to conceal: fade to silence."""
    LATE = "late"
    """Not here yet, nor anything newer: conceal; media time stands still."""
    SILENCE = "silence"
    """Nothing is expected: not begun, a pause, end of talk, or a stream that has dried up. May be cut short."""


class Frame(NamedTuple):
    """A stretch of sound to play."""

    kind: FrameKind
    payload: bytes | None
    """Of PACKET and FEC."""
    timestamp: int | None
    """Media time of the first sample (48 kHz, 32 bits); None for LATE and SILENCE, which have none."""
    duration: int
    """Samples before adjustment."""
    delay: float
    """Seconds between its earliest possible arrival and its leaving the buffer."""
    adjust: int = 0
    """Samples by which the decoder may shorten (below zero) or lengthen it, up to so many; only for PACKET."""
