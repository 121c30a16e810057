"""The room key: the key that the media plane seals under, and its changes."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from tcproto.datagram import EPOCH_BITS, KEY_LIFETIME
from tcproto.messages import NewRoomKey, RoomKey, SealerClosed, encode
from tcproto.secretbox import KEY_SIZE
from tcproto.serial import wrapped
from tcserver.conference.context import Context
from tcserver.conference.room.seat import Seat
from tcserver.media.interface import OpenSealer, RotateSealer, SendUrgent

ROTATION_DELAY = 2.0
"""Seconds from the announcement of a key to its use. Participants must have it by then."""
URGENT_AGAIN = 1.0
"""Seconds after which a key is told by a datagram once more, since one may be lost."""
ROTATION_INTERVAL = 2.0
"""Seconds between two new keys. All who leave in between share one.

So an epoch number comes back after 512 s at the earliest, long after the overlap of 10 s.
"""


class Sealer:
    """The sealer of one life of a room in one media worker, and its newest key. A new worker gets a new sealer."""

    def __init__(
        self, context: Context, room: int, worker: int, seats: Collection[Seat], joining: Collection[Seat], now: float
    ) -> None:
        self._context = context
        self._room = room
        self._worker = worker
        self._seats = seats
        self._joining = joining
        self._timer = ("sealer", room, worker)
        self._urgent_timer = (*self._timer, "urgent")
        self._open(now)

    def replace(self, now: float) -> None:
        """Let another sealer take over. The process that sealed is gone, and the counter of its key with it."""
        old = self.ident
        self._context.sealer_ids.free(old, now)
        self._context.timers.cancel(self._urgent_timer)
        for seat in self._joining:
            seat.forget_sealer(old)
        self._open(now)
        closed = SealerClosed(sealer=old)
        for seat in self._seats:
            seat.channel.send(closed)

    def rotate_soon(self, now: float) -> None:
        """Announce a new key: at once, or when the interval since the last one is over."""
        due = self._rotated_at + ROTATION_INTERVAL
        if due <= now:
            self._rotate(now)
        else:
            self._context.timers.set(self._timer, due, self._rotate)

    def close(self, now: float) -> None:
        """Rotate no more."""
        self._context.timers.cancel(self._timer)
        self._context.timers.cancel(self._urgent_timer)
        self._context.sealer_ids.free(self.ident, now)

    def _open(self, now: float) -> None:
        """Begin to seal under a new id and key."""
        context = self._context
        self.ident = context.sealer_ids.take(now)
        self._epoch = 0
        self._rotated_at = now - ROTATION_INTERVAL
        key = context.random_bytes(KEY_SIZE)
        context.outbox.command(OpenSealer(self._room, self.ident, self._epoch, key, self._worker))
        self._announce(key)
        context.timers.set(self._timer, now + KEY_LIFETIME, self._rotate)

    def _rotate(self, now: float) -> None:
        self._rotated_at = now
        self._epoch = wrapped(self._epoch + 1, EPOCH_BITS)
        key = self._context.random_bytes(KEY_SIZE)
        announced = self._announce(key)
        rotation = RotateSealer(self._room, self._worker, self._epoch, key, now + ROTATION_DELAY)
        self._context.outbox.command(rotation)
        self._announce_urgently(announced, now)
        self._context.timers.set(self._urgent_timer, now + URGENT_AGAIN, partial(self._announce_urgently, announced))
        self._context.timers.set(self._timer, now + KEY_LIFETIME, self._rotate)

    def _announce_urgently(self, announced: NewRoomKey, _: float) -> None:
        """Tell a key by datagrams as well: who has not got it when it is used hears nothing."""
        media_ids = tuple(seat.media_id for seat in self._seats)
        self._context.outbox.command(SendUrgent(media_ids, encode(announced)))

    def _announce(self, key: bytes) -> NewRoomKey:
        """Send a key to all participants, and keep it for those whose seats are being opened; return the message."""
        room_key = RoomKey(sealer=self.ident, epoch=self._epoch, key=key, lowest=0)
        message = NewRoomKey(room_key=room_key)
        for seat in self._seats:
            seat.channel.send(message)
        for seat in self._joining:
            seat.missed_keys.append(room_key)
        return message
