"""The seats of a room in the media plane: their workers, ids and keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial

from tcproto.messages import MediaMove, SessionKeys
from tcserver.conference.context import Context
from tcserver.conference.room.placement import place_seat
from tcserver.conference.room.policy import RoomPolicy
from tcserver.conference.room.seat import Seat
from tcserver.media.interface import CloseSeat, OpenSeat, RekeySeat

REKEY_INTERVAL = 10.0
"""Seconds between two changes of the keys of a seat: for so long the media plane accepts the keys before."""


class MediaSeats:
    """Opens, moves and closes the seats of a room in the media plane, and changes their keys.

    ``room`` is the number of the room. ``home`` is the media worker that the room began on, and that decides who
    speaks. ``tell`` tells the policies of the room something.
    """

    def __init__(
        self, context: Context, room: int, home: int, tell: Callable[[Callable[[RoomPolicy], None]], None]
    ) -> None:
        self.home = home
        self.workers: set[int] = set()
        """Media workers that have, or had, seats of the room."""
        self._context = context
        self._room = room
        self._tell = tell

    def choose_worker(self, seats: Iterable[Seat], now: float) -> int:
        """Return the media worker for another seat, beside ``seats``."""
        context, taken = self._context, Counter(seat.worker for seat in seats)
        worker = place_seat(self.home, taken, context.loads(), context.settings.server.room_spread)
        self.use_worker(worker, now)
        return worker

    def use_worker(self, worker: int, now: float) -> None:
        """Have a media worker take part in the room."""
        if worker not in self.workers:
            self.workers.add(worker)
            self._tell(lambda policy: policy.worker_added(worker, now))

    def open(self, seat: Seat) -> None:
        """Have the media plane open a seat."""
        self._context.seats[seat.media_id] = seat
        keys = seat.epoch, seat.up_key, seat.down_key
        account = seat.session.account.id
        self._context.outbox.command(OpenSeat(seat.media_id, self._room, seat.participant, *keys, account))
        self._tell(lambda policy: policy.opening(seat))

    def close(self, seat: Seat, now: float) -> None:
        """Have the media plane close a seat."""
        self._forget(seat, now)
        self._context.timers.cancel(("rekey", self._room, seat.participant))
        self._context.outbox.command(CloseSeat(seat.media_id, self._room))

    def move(self, seat: Seat, now: float) -> None:
        """Give a seat another media id, with other keys."""
        context = self._context
        self._forget(seat, now)
        if len(self.workers) > 1:
            context.outbox.command(CloseSeat(seat.media_id, self._room))  # the other workers send there
        seat.media_id = context.media_ids.take(now, seat.worker)
        seat.renew_keys(context.random_bytes, now)
        self.open(seat)
        if seat.is_open:
            seat.channel.send(MediaMove(seat.media_id, seat.epoch, seat.up_key, seat.down_key))

    def rekey(self, seat: Seat, now: float) -> None:
        """Give a seat new keys and tell it, as soon as ``REKEY_INTERVAL`` has passed since the last ones."""
        if not seat.is_open:
            return
        due = seat.rekeyed_at + REKEY_INTERVAL
        if now < due:
            self._context.timers.set(("rekey", self._room, seat.participant), due, partial(self.rekey, seat))
            return
        self.renew_keys(seat, now)
        seat.channel.send(SessionKeys(seat.media_id, seat.epoch, seat.up_key, seat.down_key))

    def renew_keys(self, seat: Seat, now: float) -> None:
        """Give a seat new keys. It does not know them yet."""
        seat.renew_keys(self._context.random_bytes, now)
        self._context.outbox.command(RekeySeat(seat.media_id, seat.epoch, seat.up_key, seat.down_key))

    def _forget(self, seat: Seat, now: float) -> None:
        del self._context.seats[seat.media_id]
        self._context.media_ids.free(seat.media_id, now)
