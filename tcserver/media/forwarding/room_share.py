"""A room with seats of several workers: what one of them knows of the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from tcproto.path import Position
from tcserver.media.forwarding.receivers import Handover
from tcserver.media.interface import WORKER_MASK

MakeHandover = Callable[[int, Mapping[int, tuple[int, ...]]], Handover]
"""Makes the handover for a room (its number) and its seats (media ids by worker)."""


class RoomShare:
    """The part of this worker in a room that other workers have seats of, too."""

    __slots__ = ("_make", "_room", "home", "peers", "positions", "worker")

    def __init__(self, room: int, worker: int, home: int, make: MakeHandover) -> None:
        self.worker = worker
        """The number of this worker."""
        self.home = home
        """The worker that decides who speaks."""
        self.peers: frozenset[int] = frozenset()
        """The other workers."""
        self.positions: dict[int, Position] = {}
        """Positions of the sealers of the others, by worker."""
        self._room = room
        self._make = make

    @property
    def is_home(self) -> bool:
        """Whether this worker decides who speaks."""
        return self.worker == self.home

    @property
    def listeners(self) -> Collection[int]:
        """Workers that get our messages of the speaker selection: all others from the home, else the home alone."""
        return self.peers if self.is_home else (self.home,)

    def spread(self, workers: Collection[int]) -> None:
        """Set the workers of the room."""
        self.peers = frozenset(workers) - {self.worker}
        self.positions = {worker: position for worker, position in self.positions.items() if worker in self.peers}

    def hand_over(self, members: Iterable[int]) -> Handover | None:
        """Return the handover for the seats that other workers serve; None: there are none."""
        by_worker: dict[int, list[int]] = {}
        for media_id in members:
            worker = media_id & WORKER_MASK
            if worker in self.peers:
                by_worker.setdefault(worker, []).append(media_id)
        return self._make(self._room, {worker: tuple(ids) for worker, ids in by_worker.items()}) if by_worker else None

    def worker_of(self, sealer: int) -> int | None:
        """Return the other worker that has a sealer; None: none that is known."""
        return next((worker for worker, position in self.positions.items() if position.sealer == sealer), None)

    def reach(self, worker: int, sealer: int, counter: int) -> None:
        """Note the position of a sealer of another worker. It never goes back, but another sealer may follow."""
        known = self.positions.get(worker)
        if worker in self.peers and (known is None or known.sealer != sealer or known.counter < counter):
            self.positions[worker] = Position(sealer, counter)
