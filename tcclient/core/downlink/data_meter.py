"""The data that a meeting takes of a line that is paid by the byte, and what is given up in front of a cap."""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import NamedTuple

from tcclient.core.downlink.arrivals import IP_UDP

IP_TCP = 52
"""Bytes of IPv4, and of TCP with a time stamp, around a segment."""
SEGMENT = 1448
"""Bytes of a full segment, for a path of 1,500 bytes."""
WINDOW = 60.0
"""Seconds over which the use per hour is taken."""
SAMPLES = 30
"""Samples that are kept of them."""
NEAR = 80
"""% of the cap from which no pictures come or go, so that the rest lasts for sound."""
FULL = 100
"""% of the cap from which sound has its lowest rate."""
MAX_CAP = 2**63 - 1


class Saving(IntEnum):
    """What is given up to save data."""

    NOTHING = 0
    PICTURES = 1
    """No pictures come or go."""
    ALL = 2
    """Besides, sound comes and goes with as few bytes as possible: one voice at a time, and no copies."""


class DataUse(NamedTuple):
    """What a meeting has taken, in bytes on the line."""

    up: int
    down: int
    per_hour: float
    """What an hour takes, if it goes on as in the last minute."""

    @property
    def total(self) -> int:
        """Both directions together: what a contract counts."""
        return self.up + self.down


class DataMeter:
    """Counts the bytes of a session, with headers of IPv4, UDP and TCP. ``cap``: bytes that it may take; 0: any.

    What TCP sends again, and its acknowledgements, are not known here, and not counted.
    """

    def __init__(self) -> None:
        self.cap = 0
        self._up = 0
        self._down = 0
        self._told = 0
        self._samples: deque[tuple[float, int]] = deque(maxlen=SAMPLES)
        """Times, and totals of then."""

    @property
    def total(self) -> int:
        """Bytes of both directions."""
        return self._up + self._down

    @property
    def percent(self) -> int:
        """How much of the cap is reached, of 0, ``NEAR`` and ``FULL`` %."""
        if not self.cap or self.total * 100 < NEAR * self.cap:
            return 0
        return FULL if self.total >= self.cap else NEAR

    def news(self) -> int | None:
        """Return ``percent`` where it is another than at the last call; None: it is the same."""
        before, self._told = self._told, self.percent
        return None if self._told == before else self._told

    @property
    def saving(self) -> Saving:
        """What is to be given up."""
        return {0: Saving.NOTHING, NEAR: Saving.PICTURES}.get(self.percent, Saving.ALL)

    def sent(self, size: int) -> None:
        """Count a datagram of ours."""
        self._up += size + IP_UDP

    def received(self, size: int) -> None:
        """Count a datagram that came."""
        self._down += size + IP_UDP

    def wrote(self, size: int) -> None:
        """Count bytes that go by TCP at once."""
        self._up += size + IP_TCP * -(-size // SEGMENT)

    def read(self, size: int) -> None:
        """Count bytes that came by TCP at once."""
        self._down += size + IP_TCP * -(-size // SEGMENT)

    def use(self, now: float) -> DataUse:
        """Return what was taken until now. To be called now and then, so that the use per hour is known."""
        samples = self._samples
        if not samples or now >= samples[-1][0] + WINDOW / SAMPLES:
            samples.append((now, self.total))
        began, before = samples[0]
        span = max(now - began, WINDOW / SAMPLES)
        return DataUse(self._up, self._down, (self.total - before) * 3600 / span)
