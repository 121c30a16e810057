"""The rate cap of a stream, or of a seat: two token buckets."""

from __future__ import annotations

from tcproto.datagram import MAX_DATAGRAM
from tcproto.messages import Caps

BURST = 1.0
"""Seconds at the full rate that may come at once: a keyframe, or all that a stalled network held back."""


class RateCap:
    """Bits and packets per second that a stream may send, each with a burst of ``BURST`` seconds."""

    __slots__ = ("_at", "_bit_limit", "_bit_rate", "_bits", "_packet_limit", "_packet_rate", "_packets")

    def __init__(self, caps: Caps, now: float) -> None:
        self._at = now
        self._bit_rate = caps.bitrate
        self._packet_rate = caps.packets_per_second
        self._bits = self._bit_limit = max(caps.bitrate * BURST, MAX_DATAGRAM * 8.0)
        self._packets = self._packet_limit = max(caps.packets_per_second * BURST, 1.0)

    def change(self, caps: Caps) -> None:
        """Change the rate. What may come at once stays, and grows by as much as the limit grows."""
        bit_limit, packet_limit = (
            max(caps.bitrate * BURST, MAX_DATAGRAM * 8.0),
            max(caps.packets_per_second * BURST, 1.0),
        )
        self._bits = min(bit_limit, self._bits + max(0.0, bit_limit - self._bit_limit))
        self._packets = min(packet_limit, self._packets + max(0.0, packet_limit - self._packet_limit))
        self._bit_limit, self._packet_limit = bit_limit, packet_limit
        self._bit_rate, self._packet_rate = caps.bitrate, caps.packets_per_second

    def give_back(self, size: int) -> None:
        """Undo ``take`` for a packet, as if it had not come."""
        self._bits += size * 8
        self._packets += 1.0

    def take(self, size: int, now: float) -> bool:
        """Return whether a packet that adds ``size`` bytes of UDP payload is within the cap, and if so count it."""
        elapsed = now - self._at
        self._at = now
        bits = self._bits + elapsed * self._bit_rate
        if bits > self._bit_limit:
            bits = self._bit_limit
        packets = self._packets + elapsed * self._packet_rate
        if packets > self._packet_limit:
            packets = self._packet_limit
        cost = size * 8
        within = bits >= cost and packets >= 1.0
        if within:
            bits -= cost
            packets -= 1.0
        self._bits = bits
        self._packets = packets
        return within
