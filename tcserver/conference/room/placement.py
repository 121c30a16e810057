"""How busy the media workers are, which of them gets a room, and which of them a seat."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from tcserver.media.interface import WORKER_MASK

SEAT_LOAD = 50
"""Datagrams per second that a seat is sent while one participant speaks."""


class WorkerLoads:
    """How many datagrams each media worker sends, or may soon send."""

    def __init__(self) -> None:
        self._sent: defaultdict[int, float] = defaultdict(float)
        """Datagrams per second, by worker."""

    def report(self, worker: int, datagrams: float) -> None:
        """Take a report of a worker: it sends ``datagrams`` per second."""
        self._sent[worker] = datagrams

    def estimate(self, workers: int, media_ids: Iterable[int]) -> list[float]:
        """Return the load of each worker: what it sends, and what its seats may soon be sent.

        A seat that was placed after the last report of its worker counts in the same way.
        """
        seats = Counter(media_id & WORKER_MASK for media_id in media_ids)
        return [self._sent[worker] + seats[worker] * SEAT_LOAD for worker in range(workers)]


def place(loads: Sequence[float], random_bytes: Callable[[int], bytes]) -> int:
    """Return the index of the lesser of two loads, chosen at random among all (at least one).

    Two choices spread rooms nearly as evenly as a look at all (Mitzenmacher, "The power of two choices", 2001). The
    least of all loads would get every room of a burst, since loads are reported late.
    """
    if len(loads) == 1:
        return 0
    first = int.from_bytes(random_bytes(4), "big") % len(loads)
    step = 1 + int.from_bytes(random_bytes(4), "big") % (len(loads) - 1)
    return min(first, (first + step) % len(loads), key=loads.__getitem__)


def place_seat(home: int, seats: Mapping[int, int], loads: Sequence[float], spread: int) -> int:
    """Return the worker for the next seat of a room.

    ``seats`` are the numbers of seats of the room by worker, ``loads`` the datagrams per second of each worker. A room
    stays where it began (``home``) while it has fewer than ``spread`` seats there, since what one worker seals has
    to be handed over to another. Then the seat goes where the room has the fewest.
    """
    if len(loads) == 1 or seats.get(home, 0) < spread:
        return home
    return min(range(len(loads)), key=lambda worker: (seats.get(worker, 0), loads[worker]))
