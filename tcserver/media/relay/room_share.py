"""A room that several workers have: what one of them knows of the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from tcproto.path import Position
from tcserver.media.forwarding.receivers import Handover

WORKER_MASK = 0xFF
"""The low byte of a media id is the number of the worker that serves the seat."""
Make = Callable[[int, Mapping[int, tuple[int, ...]]], Handover]
"""Makes an audience of a room (its number) out of media ids by worker."""


class Share:
    """This worker's part in a room that others have seats of, too."""

    __slots__ = ("_make", "_room", "home", "peers", "positions", "worker")

    def __init__(self, room: int, worker: int, home: int, make: Make) -> None:
        self.worker = worker
        """Of this worker."""
        self.home = home
        """Slot of the worker that decides who speaks."""
        self.peers: frozenset[int] = frozenset()
        """Slots of the others."""
        self.positions: dict[int, Position] = {}
        """Sealers of the others and how far they are, by worker."""
        self._room = room
        self._make = make

    @property
    def is_home(self) -> bool:
        """Whether this worker decides."""
        return self.worker == self.home

    @property
    def listeners(self) -> Collection[int]:
        """Workers that get the messages of the speaker selection: all others from the home, and the home from them."""
        return self.peers if self.is_home else (self.home,)

    def spread(self, workers: Collection[int]) -> None:
        """Take note of the workers of the room."""
        self.peers = frozenset(workers) - {self.worker}
        self.positions = {worker: position for worker, position in self.positions.items() if worker in self.peers}

    def hand_over(self, members: Iterable[int]) -> Handover | None:
        """Return the audience of those members whom other workers have; None where there are none."""
        by_worker: dict[int, list[int]] = {}
        for media_id in members:
            worker = media_id & WORKER_MASK
            if worker in self.peers:
                by_worker.setdefault(worker, []).append(media_id)
        return self._make(self._room, {worker: tuple(ids) for worker, ids in by_worker.items()}) if by_worker else None

    def reach(self, worker: int, sealer: int, counter: int) -> None:
        """A sealer of another worker is that far; it never goes back, but another may take its place."""
        known = self.positions.get(worker)
        if worker in self.peers and (known is None or known.sealer != sealer or known.counter < counter):
            self.positions[worker] = Position(sealer, counter)
