"""A lane: one way by which datagrams leave, such as a UDP socket. ``Address.lane`` is its index."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from tcproto.datagram import LARGE
from tcserver.media.forwarding.receivers import LaneReceivers


class Weight(StrEnum):
    """What a datagram is taken for, by its size."""

    SMALL = "small"
    """Audio, and pictures in one small datagram."""
    LARGE = "large"
    """Video."""


def weigh(size: int) -> Weight:
    """Return what a datagram of ``size`` bytes is taken for."""
    return Weight.LARGE if size > LARGE else Weight.SMALL


@dataclass(slots=True)
class LaneCounts:
    """What a lane sent and what it dropped, since its start."""

    sent: int = 0
    """Datagrams that the lane has brought away, counted once for each receiver."""
    errors: Counter[str] = field(default_factory=Counter)
    """Datagrams lost, by the name of the error."""
    gave_way: Counter[Weight] = field(default_factory=Counter)
    """Datagrams that were dropped because too many waited, counted once for each receiver."""
    refused_trains: int = 0
    """Trains that had to be taken apart for a receiver, because the way to it takes none."""
    cloned: int = 0
    """Those of ``sent`` that the kernel has cloned."""
    not_cloned: Counter[str] = field(default_factory=Counter)
    """Datagrams that a lane which lets the kernel clone gave to the kernel one by one, by the reason."""


class Lane(ABC):
    """Sends the same bytes to many receivers, never waits and never raises.

    What cannot leave at once waits in the lane, behind what waits already. The lane bounds what waits, and counts what
    it drops. The datagrams to one receiver stay in order, except that small ones may overtake large ones.
    """

    def __init__(self, trains: bool = False) -> None:
        self.trains = trains
        """Whether ``send`` takes trains. Where it does not, each payload is one datagram."""
        self.pays_by_call = False
        """Whether ``send`` costs about the same for one receiver as for many. A train is to save calls then."""
        self.counts = LaneCounts()

    @abstractmethod
    def send(self, payload: bytes, size: int, receivers: LaneReceivers, start: int, stop: int) -> None:
        """Send a payload to the receivers from index ``start`` to before ``stop``.

        Indices go round: of n receivers, index n is index 0. So one call can leave out a receiver in the middle.
        ``payload`` is a datagram of ``size`` bytes, or a train: datagrams of ``size`` bytes in a row, of which the last
        may be shorter. A payload is never changed afterwards.
        """

    @property
    @abstractmethod
    def waiting(self) -> int:
        """Messages that wait, a train counted once."""


def total(lanes: Iterable[Lane]) -> LaneCounts:
    """Return the sums over several lanes."""
    sums = LaneCounts()
    for counts in (lane.counts for lane in lanes):
        sums.sent += counts.sent
        sums.errors += counts.errors
        sums.gave_way += counts.gave_way
        sums.refused_trains += counts.refused_trains
        sums.cloned += counts.cloned
        sums.not_cloned += counts.not_cloned
    return sums
