"""The sealers of a room: one for each media worker that has seats of it."""

from __future__ import annotations

from tcserver.conference.room.policy import RoomPolicy
from tcserver.conference.room.room import Room
from tcserver.conference.room.sealer import Sealer
from tcserver.conference.room.seat import Seat
from tcserver.media.interface import ShareRoom, TellSealer


class Sealers(RoomPolicy):
    """Opens a sealer when a worker gets its first seat of the room; it stays until the room closes."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._by_worker: dict[int, Sealer] = {}

    def worker_added(self, worker: int, now: float) -> None:
        """Let a worker seal for the room."""
        room = self._room
        seats, joining = room.seats.values(), room.joining.values()
        self._by_worker[worker] = Sealer(room.context, room.number, worker, seats, joining, now)
        self._share()

    def opening(self, seat: Seat) -> None:
        """Let somebody who joins wait for the position of every sealer."""
        if not seat.is_open:
            seat.keys.clear()
            seat.waits_for = {sealer.ident for sealer in self._by_worker.values()}
            if len(seat.waits_for) > 1:
                self._room.context.outbox.command(TellSealer(self._room.number, seat.media_id))

    def worker_replaced(self, worker: int, now: float) -> None:
        """Let another sealer take over from one whose worker is gone."""
        self._by_worker[worker].replace(now)
        self._share()

    def left(self, seat: Seat, now: float) -> None:
        """Replace all keys: somebody has left who knows them."""
        for sealer in self._by_worker.values():
            sealer.rotate_soon(now)

    def rekey_due(self, sealer: int, now: float) -> None:
        """Replace the key of one sealer."""
        for each in self._by_worker.values():
            if each.ident == sealer:
                each.rotate_soon(now)

    def closed(self, now: float) -> None:
        """Rotate no more."""
        for sealer in self._by_worker.values():
            sealer.close(now)

    def _share(self) -> None:
        room = self._room
        if len(self._by_worker) > 1:
            room.context.outbox.command(ShareRoom(room.number, room.media_seats.home, tuple(sorted(self._by_worker))))
