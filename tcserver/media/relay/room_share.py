"""A room that several workers have: what one of them knows of the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from tcproto.path import Position
from tcserver.media.forwarding.receivers import Handover

SLOT_MASK = 0xFF
"""Of a media id: the slot of its worker."""
Make = Callable[[int, Mapping[int, tuple[int, ...]]], Handover]
"""Makes an audience of a room (its number) out of media ids by slot."""


class Share:
    """This worker's part in a room that others have seats of, too."""

    __slots__ = ("_make", "_room", "home", "peers", "positions", "slot")

    def __init__(self, room: int, slot: int, home: int, make: Make) -> None:
        self.slot = slot
        """Of this worker."""
        self.home = home
        """Slot of the worker that decides who speaks."""
        self.peers: frozenset[int] = frozenset()
        """Slots of the others."""
        self.positions: dict[int, Position] = {}
        """Sealers of the others and how far they are, by slot."""
        self._room = room
        self._make = make

    @property
    def is_home(self) -> bool:
        """Whether this worker decides."""
        return self.slot == self.home

    @property
    def listeners(self) -> Collection[int]:
        """Workers that get the messages of the speaker selection: all others from the home, and the home from them."""
        return self.peers if self.is_home else (self.home,)

    def spread(self, slots: Collection[int]) -> None:
        """Take note of the workers of the room."""
        self.peers = frozenset(slots) - {self.slot}
        self.positions = {slot: position for slot, position in self.positions.items() if slot in self.peers}

    def hand_over(self, members: Iterable[int]) -> Handover | None:
        """Return the audience of those members whom other workers have; None where there are none."""
        by_slot: dict[int, list[int]] = {}
        for media_id in members:
            slot = media_id & SLOT_MASK
            if slot in self.peers:
                by_slot.setdefault(slot, []).append(media_id)
        return self._make(self._room, {slot: tuple(ids) for slot, ids in by_slot.items()}) if by_slot else None

    def reach(self, slot: int, sealer: int, counter: int) -> None:
        """A sealer of another worker is that far; it never goes back, but another may take its place."""
        known = self.positions.get(slot)
        if slot in self.peers and (known is None or known.sealer != sealer or known.counter < counter):
            self.positions[slot] = Position(sealer, counter)
