"""Faults of a network, made on purpose, to see on a test server what becomes of a meeting on bad lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tcserver.media.forwarding.receivers import LaneReceivers
from tcserver.media.interface import Address
from tcserver.media.lanes.lane import Lane

HEADERS = 28
"""Bytes of IPv4 and UDP around each datagram, which a rate has to carry too."""
QUEUE = 0.3
"""Seconds that a datagram may wait for the rate; beyond, it is dropped."""
MAX_LATE = 65_536
"""Datagrams that wait for their time; those that come then are dropped."""
MAX_RECEIVERS = 4096
"""Receivers whose rate is kept; when there are more, all may begin anew."""


class FaultSettings(NamedTuple):
    """What is done to datagrams; nothing by default."""

    loss: float = 0.0
    """Share of the datagrams that is dropped, in each direction, 0 to 1."""
    delay: float = 0.0
    """Seconds by which those that leave are late."""
    rate: float = 0.0
    """Bits per second that each receiver gets; 0: no limit."""


NO_FAULTS = FaultSettings()


class Arrivals:
    """Datagrams that arrive, without those that are lost on purpose; ``chance`` returns random numbers from 0 to 1."""

    def __init__(self, loss: float, chance: Callable[[], float]) -> None:
        self._loss = loss
        self._chance = chance

    def kept(self, datagrams: Sequence[tuple[bytes, Address]]) -> list[tuple[bytes, Address]]:
        """Return what is not lost."""
        return [datagram for datagram in datagrams if self._chance() >= self._loss]


class FaultyLane(Lane):
    """A lane behind a bad line: loses, delays and slows what leaves by another lane.

    ``chance`` returns random numbers from 0 to 1, ``later`` calls a function after so many seconds, ``clock`` returns
    seconds on a monotonic clock.
    """

    def __init__(
        self,
        lane: Lane,
        settings: FaultSettings,
        chance: Callable[[], float],
        later: Callable[[float, Callable[[], None]], object],
        clock: Callable[[], float],
        max_late: int = MAX_LATE,
        max_receivers: int = MAX_RECEIVERS,
    ) -> None:
        super().__init__(trains=False)  # each datagram has a fate of its own
        self.counts = lane.counts
        self._lane = lane
        self._settings = settings
        self._chance = chance
        self._later = later
        self._clock = clock
        self._max_late = max_late
        self._max_receivers = max_receivers
        self._late = 0
        """Datagrams that wait for their time."""
        self._free_at: dict[Address, float] = {}
        """When the line of a receiver takes the next datagram."""

    def send(self, payload: bytes, size: int, receivers: LaneReceivers, start: int, stop: int) -> None:
        """Send a datagram to some receivers, to each as its line takes it."""
        count = len(receivers.addresses)
        for index in (index % count for index in range(start, stop)):
            if self._chance() < self._settings.loss:
                self.counts.errors["fault"] += 1
                continue
            wait = self._wait(receivers.addresses[index], size)
            if wait is None or (wait and self._late >= self._max_late):
                self.counts.errors["fault"] += 1
            elif wait:
                self._put_off(wait, payload, receivers, index)
            else:
                self._lane.send(payload, size, receivers, index, index + 1)

    @property
    def waiting(self) -> int:
        """Datagrams that wait, here and below."""
        return self._lane.waiting + self._late

    def _wait(self, address: Address, size: int) -> float | None:
        """Return the seconds until a datagram leaves; None where it is lost."""
        rate, delay = self._settings.rate, self._settings.delay
        if not rate:
            return delay
        now = self._clock()
        if len(self._free_at) >= self._max_receivers and address not in self._free_at:
            self._free_at.clear()
        start = max(now, self._free_at.get(address, now))
        if start - now > QUEUE:
            return None
        self._free_at[address] = start + (size + HEADERS) * 8 / rate
        return self._free_at[address] - now + delay

    def _put_off(self, wait: float, payload: bytes, receivers: LaneReceivers, index: int) -> None:
        self._late += 1

        def leave() -> None:
            self._late -= 1
            self._lane.send(payload, len(payload), receivers, index, index + 1)

        self._later(wait, leave)
