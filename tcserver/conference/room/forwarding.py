"""Who gets which stream: the forwarding sets of a room, told to the media plane when they change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tcserver.conference.effects import Outbox
from tcserver.conference.room.seat import Seat, Stream
from tcserver.conference.settings import Settings
from tcserver.media.interface import ChangeForwarding, Receiver


class Forwarding:
    """The streams of a room and their receivers.

    Changes are made for one receiver or one stream at a time: to work out all pairs again on each join would take a
    room of 500 a quarter of a million steps.
    """

    def __init__(self, outbox: Outbox, room: int) -> None:
        self._outbox = outbox
        self._room = room
        self.streams: dict[int, Stream] = {}

    def add(self, stream: Stream, seats: Iterable[Seat], now: float) -> None:
        """Forward a new stream to those of ``seats`` that want it."""
        self.streams[stream.number] = stream
        self.reconsider(stream, seats, now)

    def reconsider(self, stream: Stream, seats: Iterable[Seat], now: float) -> None:
        """Forward a stream to those of ``seats`` that want it as it is now, and to no others."""
        before = stream.receivers
        wishes = ((seat.media_id, seat.wish(stream)) for seat in seats if seat is not stream.seat)
        wanting = {media_id: receiver for media_id, receiver in wishes if receiver}
        changed = tuple(receiver for media_id, receiver in wanting.items() if before.get(media_id) != receiver)
        gone = tuple(media_id for media_id in before if media_id not in wanting)
        for receiver in changed:
            stream.set_receiver(receiver.media_id, receiver, now)
        for media_id in gone:
            stream.set_receiver(media_id, None, now)
        if changed or gone:
            self._outbox.command(ChangeForwarding(self._room, (stream.number,), changed, gone))

    def remove(self, stream: Stream) -> None:
        """Forget a stream that has ended."""
        del self.streams[stream.number]

    def update(self, seat: Seat, now: float) -> None:
        """Forward to a receiver the streams that it wants now, and no others."""
        changed: dict[Receiver | None, list[int]] = {}
        for stream in self.streams.values():
            if stream.seat is seat:
                continue
            wish = seat.wish(stream)
            if wish == stream.receivers.get(seat.media_id):
                continue
            stream.set_receiver(seat.media_id, wish, now)
            changed.setdefault(wish, []).append(stream.number)
        for wish, streams in changed.items():
            receivers, gone = ((), (seat.media_id,)) if wish is None else ((wish,), ())
            self._outbox.command(ChangeForwarding(self._room, tuple(streams), receivers, gone))

    def restart(self, moved: Mapping[int, Seat], seats: Iterable[Seat], settings: Settings, now: float) -> None:
        """Open the streams of seats that moved to a new media worker again, and forward to these seats.

        ``moved`` has those seats by the media id that each had before.
        """
        anew = {seat.participant for seat in moved.values()}
        changed: dict[tuple[Receiver, ...], list[int]] = {}
        for stream in self.streams.values():
            if stream.seat.participant in anew:
                self._outbox.command(stream.opening(settings))
                for media_id in list(stream.receivers):
                    stream.set_receiver(media_id, None, now)
                self.reconsider(stream, seats, now)
                continue
            receivers = []
            for media_id, seat in moved.items():
                if media_id not in stream.receivers:
                    continue
                stream.set_receiver(media_id, None, now)
                if wish := seat.wish(stream):
                    stream.set_receiver(seat.media_id, wish, now)
                    receivers.append(wish)
            if receivers:
                changed.setdefault(tuple(receivers), []).append(stream.number)
        for wishes, streams in changed.items():
            self._outbox.command(ChangeForwarding(self._room, tuple(streams), wishes))

    def leave(self, media_id: int, now: float) -> None:
        """Forget a receiver that is gone. The media plane forgets it when it closes the seat."""
        for stream in self.streams.values():
            stream.set_receiver(media_id, None, now)
            stream.keyframes.forget(media_id)
