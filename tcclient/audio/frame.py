"""Frames: stretches of sound from a jitter buffer, and their origins."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class FrameKind(Enum):
    """Where a stretch of sound comes from."""

    PACKET = "packet"
    """Decode the payload."""
    FEC = "fec"
    """Lost: decode the FEC data of the payload, which belongs to the next packet."""
    CONCEAL = "conceal"
    """Lost: conceal."""
    LOST = "lost"
    """Lost, and too long to conceal: fade to silence."""
    LATE = "late"
    """Not here yet, and nothing newer is: conceal. Media time does not move."""
    SILENCE = "silence"
    """Nothing is expected: not begun, a pause, end of talk, or a stream that has dried up. May be cut short."""


class Frame(NamedTuple):
    """A stretch of sound to play."""

    kind: FrameKind
    payload: bytes | None
    """Payload of PACKET and FEC."""
    timestamp: int | None
    """Media time of the first sample (48 kHz, 32 bits); LATE and SILENCE have None."""
    duration: int
    """Samples before adjustment."""
    delay: float
    """Seconds between its earliest possible arrival and its play-out."""
    adjust: int = 0
    """Samples by which the decoder shortens it (below zero) or lengthens it, at most; only for PACKET."""
    audible: bool = False
    """Whether the decoder does that to sound that is not quiet, too."""
