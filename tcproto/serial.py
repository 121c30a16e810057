"""Serial numbers: numbers that wrap, because only their low bits are sent (RFC 1982).

Sequence numbers, media timestamps and clocks in µs have 32 bits on the wire, frame ids and forward numbers 16, epochs
and the key number of a packet 8. Two such numbers are compared the shorter way round. That is right as long as the real
numbers are less than half of the range apart.
"""

from __future__ import annotations


def wrapped(number: int, bits: int = 32) -> int:
    """Return the low ``bits`` of a number, which may be negative: what is sent of it."""
    return number & (1 << bits) - 1


def clock_us(seconds: float) -> int:
    """Return a monotonic time in seconds as a clock in µs, modulo 2**32."""
    return int(seconds * 1e6) & 0xFFFFFFFF


def difference(number: int, reference: int, bits: int = 32) -> int:
    """Return how far a number is ahead of a reference, the shorter way round: -2**(bits - 1) to 2**(bits - 1) - 1.

    The number is the later one of the two where this is above 0. Numbers that are exactly half of the range apart are
    undefined in RFC 1982; here each is earlier than the other. Both numbers may have more bits.
    """
    half = 1 << bits - 1
    return (number - reference + half & 2 * half - 1) - half


def unwrap(number: int, near: int, bits: int = 32) -> int:
    """Return the integer that is nearest to ``near`` and equal to the number in the low ``bits``; may be negative."""
    half = 1 << bits - 1
    return near + (number - near + half & 2 * half - 1) - half


class Unwrapper:
    """Makes a clock of 32 bits run on. Each value counts as the one that is nearest to the highest one before it."""

    __slots__ = ("_highest",)

    def __init__(self) -> None:
        self._highest: int | None = None

    def __call__(self, value: int) -> int:
        """Return the value, unwrapped. The first one, 0 to 2**32 - 1, is returned as it is."""
        if self._highest is None:
            self._highest = value
            return value
        unwrapped = unwrap(value, self._highest)
        if unwrapped > self._highest:
            self._highest = unwrapped
        return unwrapped
