"""The rate of a line, from a train: datagrams that leave at once and arrive one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tcproto.serial import difference

HEADERS = 28
"""Bytes of IP and UDP around a datagram."""
FASTEST = 10e6
"""Bits per second beyond which the train is too short to tell, and every meeting fits."""


class Answer(NamedTuple):
    """A datagram of the train that was answered at once by one of the same size."""

    at_server: int
    """When it came there, µs modulo 2**32."""
    at_client: float
    """When the answer came here, seconds."""


class Rates(NamedTuple):
    """Bits per second that a line carries, at most ``FASTEST``."""

    up: float
    down: float
    """At least this: the answers cannot come faster than what they answer."""


def rates(answers: Sequence[Answer], size: int) -> Rates | None:
    """Return the rates, from the answers to datagrams of ``size`` bytes in the order in which they left.

    None if fewer than two came. What was lost in between makes the rate look lower than it is.
    """
    if len(answers) < 2:
        return None
    bits = (len(answers) - 1) * (size + HEADERS) * 8
    first, last = answers[0], answers[-1]
    there = max(difference(last.at_server, first.at_server) * 1e-6, bits / FASTEST)
    back = max(last.at_client - first.at_client, bits / FASTEST)
    return Rates(bits / there, bits / back)
