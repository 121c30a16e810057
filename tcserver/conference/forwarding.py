"""Who gets which stream: the forwarding sets of a room, told to the media plane when they change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tcserver.conference.effects import Outbox
from tcserver.plane import SetForwarding

if TYPE_CHECKING:
    from tcserver.conference.seat import Seat, Stream


class Forwarding:
    """The streams of a room and their receivers.

    Changes are made for one receiver or one stream at a time: to work out all pairs again on each join would take a
    room of 500 a quarter of a million steps.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.streams: dict[int, Stream] = {}

    def add(self, stream: Stream, seats: Iterable[Seat]) -> None:
        """Forward a new stream to those of ``seats`` who want it."""
        self.streams[stream.number] = stream
        for seat in seats:
            if seat is not stream.seat and (receiver := seat.wish(stream)):
                stream.receivers[seat.media_id] = receiver
        if stream.receivers:
            self._tell(stream)

    def reconsider(self, stream: Stream, seats: Iterable[Seat]) -> None:
        """Forward a stream to those of ``seats`` who want it as it is now, and to nobody else."""
        wishes = ((seat.media_id, seat.wish(stream)) for seat in seats if seat is not stream.seat)
        receivers = {media_id: receiver for media_id, receiver in wishes if receiver}
        if receivers != stream.receivers:
            stream.receivers = receivers
            self._tell(stream)

    def remove(self, stream: Stream) -> None:
        """Forget a stream that has ended."""
        del self.streams[stream.number]

    def update(self, seat: Seat) -> None:
        """Follow what a receiver wants now."""
        for stream in self.streams.values():
            if stream.seat is seat:
                continue
            wish = seat.wish(stream)
            if wish == stream.receivers.get(seat.media_id):
                continue
            if wish is None:
                del stream.receivers[seat.media_id]
            else:
                stream.receivers[seat.media_id] = wish
            self._tell(stream)

    def leave(self, media_id: int) -> None:
        """Forward nothing more to a receiver that is gone."""
        for stream in self.streams.values():
            if stream.receivers.pop(media_id, None):
                self._tell(stream)

    def _tell(self, stream: Stream) -> None:
        receivers = tuple(stream.receivers.values())
        self._outbox.command(SetForwarding(stream.number, stream.seat.media_id, receivers))
