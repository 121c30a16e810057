"""Spoilt copies of valid bytes."""

from __future__ import annotations

from collections.abc import Iterator


def truncations(data: bytes) -> Iterator[bytes]:
    """Yield every proper prefix."""
    return (data[:end] for end in range(len(data)))


def bit_flips(data: bytes, start: int = 0) -> Iterator[bytes]:
    """Yield every copy with one bit changed, at ``start`` bytes or later."""
    for i in range(start, len(data)):
        for bit in range(8):
            yield data[:i] + bytes((data[i] ^ 1 << bit,)) + data[i + 1 :]
