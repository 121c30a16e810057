"""The sealers of a room: one for each media worker that has seats of it."""

from __future__ import annotations

from collections.abc import Collection

from tcserver.conference.context import Context
from tcserver.conference.room.sealer import Sealer
from tcserver.conference.room.seat import Seat
from tcserver.media.interface import ShareRoom


class Sealers:
    """Opens a sealer when a worker gets its first seat of the room; it stays until the room closes."""

    def __init__(
        self, context: Context, room: int, home: int, seats: Collection[Seat], joining: Collection[Seat], now: float
    ) -> None:
        self._context = context
        self._room = room
        self._seats = seats
        self._joining = joining
        self._by_slot: dict[int, Sealer] = {}
        self.home = home
        """Slot of the media worker that the room began on, and that decides who speaks."""
        self.enter(home, now)

    @property
    def slots(self) -> Collection[int]:
        """Slots of the media workers that have, or had, seats of the room."""
        return self._by_slot.keys()

    @property
    def ids(self) -> set[int]:
        """Sealers that are in use."""
        return {sealer.ident for sealer in self._by_slot.values()}

    def enter(self, slot: int, now: float) -> bool:
        """See to it that the worker in a slot seals for the room; return whether it is new there."""
        if slot in self._by_slot:
            return False
        self._by_slot[slot] = Sealer(self._context, self._room, slot, self._seats, self._joining, now)
        self._share()
        return True

    def replace(self, slot: int, now: float) -> None:
        """Let another sealer take over from one whose worker is gone."""
        self._by_slot[slot].replace(now)
        self._share()

    def rotate_soon(self, now: float) -> None:
        """Replace all keys: somebody has left who knows them."""
        for sealer in self._by_slot.values():
            sealer.rotate_soon(now)

    def rekey_due(self, ident: int, now: float) -> None:
        """Replace the key of one sealer."""
        for sealer in self._by_slot.values():
            if sealer.ident == ident:
                sealer.rotate_soon(now)

    def close(self, now: float) -> None:
        """Rotate no more."""
        for sealer in self._by_slot.values():
            sealer.close(now)

    def _share(self) -> None:
        if len(self._by_slot) > 1:
            self._context.outbox.command(ShareRoom(self._room, self.home, tuple(sorted(self._by_slot))))
