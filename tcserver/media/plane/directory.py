"""The directory of a media plane: its rooms, seats and tickets. It carries out the commands of the control plane."""

from __future__ import annotations

from collections.abc import Callable

from tcserver.media.forwarding.drops import Counters, Fault, Faults
from tcserver.media.forwarding.keyframes import Replays
from tcserver.media.forwarding.path import PathChange
from tcserver.media.forwarding.room import MediaRoom
from tcserver.media.forwarding.sealer import MediaSealer
from tcserver.media.forwarding.seat import MediaSeat, Ticket
from tcserver.media.forwarding.stream import MediaStream
from tcserver.media.interface import (
    ChangeForwarding,
    CloseRoom,
    CloseSeat,
    CloseStream,
    Command,
    Event,
    MuteStream,
    OpenSealer,
    OpenSeat,
    OpenStream,
    OpenTicket,
    PathLost,
    RekeySeat,
    RotateSealer,
    SealerRekeyDue,
    SealerTold,
    SeatOpened,
    SeatRekeyDue,
    SeatSilent,
    SendKeyframe,
    SendUrgent,
    SetSpeakers,
    ShareRoom,
    TellSealer,
)
from tcserver.media.relay.relay import Relay

MAX_TICKETS = 1024
"""Probe tickets at a time, each of which lasts for seconds; the oldest gives way."""
STANDSTILL = 2.0
"""Seconds of lateness that no load causes: where a deadline is so late, the process or its machine was stopped."""


class Directory:
    """Rooms by number, seats and tickets by media id. Each room keeps its last ``ring_size`` sealed datagrams.

    ``tell`` sends a seat an urgent message.
    """

    def __init__(
        self,
        rooms: dict[int, MediaRoom],
        relay: Relay,
        replays: Replays,
        counters: Counters,
        faults: Faults,
        ring_size: int,
        tell: Callable[[MediaSeat, bytes, float], None],
    ) -> None:
        self.rooms = rooms
        self.seats: dict[int, MediaSeat] = {}
        self.tickets: dict[int, Ticket] = {}
        self._relay = relay
        self._replays = replays
        self._counters = counters
        self._faults = faults
        self._ring_size = ring_size
        self._tell = tell
        self._events: list[Event] = []
        self._commands: dict[type, Callable[..., None]] = {
            OpenSealer: self._open_sealer,
            ShareRoom: self._share_room,
            TellSealer: self._tell_sealer,
            RotateSealer: self._rotate_sealer,
            CloseRoom: self._close_room,
            OpenSeat: self._open_seat,
            RekeySeat: self._rekey_seat,
            CloseSeat: self._close_seat,
            OpenTicket: self._open_ticket,
            OpenStream: self._open_stream,
            MuteStream: self._mute_stream,
            CloseStream: self._close_stream,
            SendKeyframe: self._send_keyframe,
            ChangeForwarding: self._change_forwarding,
            SetSpeakers: self._set_speakers,
            SendUrgent: self._send_urgent,
        }

    def apply(self, command: Command, now: float) -> None:
        """Carry out a command, or ignore it where it is about something that is gone."""
        self._commands[type(command)](command, now)

    def room_of(self, command: Command) -> MediaRoom | None:
        """Return the room that a command is about; None where it is not open."""
        if isinstance(command, (OpenTicket, SendUrgent)):
            return None
        if isinstance(command, (RekeySeat, OpenStream, MuteStream, CloseStream, SendKeyframe)):
            seat = self.seats.get(command.media_id)
            return None if seat is None else self.rooms[seat.room]
        return self.rooms.get(command.room)

    def stood_still(self, seconds: float, now: float) -> None:
        """Pardon the silence of all seats: for so many seconds nothing could be read."""
        for seat in self.seats.values():
            seat.path.pardon(seconds, now)

    def sweep(self, now: float) -> None:
        """Find the paths that are lost, the keys that are due, and the tickets that are over."""
        for seat in self.seats.values():
            with self._faults.within(Fault.SEAT):
                if seat.path.look(now):
                    self._events.append(SeatSilent(seat.media_id, seat.path.is_silent))
                if seat.path.lose(now):
                    self._counters.paths[PathChange.LOST] += 1
                    self.rooms[seat.room].path_changed(seat.media_id)
                    self._events.append(PathLost(seat.media_id))
                if seat.rekey_due(now):
                    self._events.append(SeatRekeyDue(seat.media_id))
        for room in self.rooms.values():
            with self._faults.within(Fault.ROOM):
                if room.sealer.rekey_due(now):
                    self._events.append(SealerRekeyDue(room.number, room.sealer.ident))
                self._events += room.lacking()
        for media_id in [media_id for media_id, ticket in self.tickets.items() if now >= ticket.until]:
            del self.tickets[media_id]

    def take_events(self) -> list[Event]:
        """Return the events for the control plane, and forget them."""
        events, self._events = self._events, []
        return events

    def _open_sealer(self, command: OpenSealer, now: float) -> None:
        room = self.rooms.get(command.room)
        sealer = MediaSealer(command.sealer, command.epoch, command.key, now, self._ring_size)
        if room is None:
            self.rooms[command.room] = MediaRoom(command.room, sealer, self._counters)
        elif room.sealer.ident != command.sealer:
            # To open the same sealer again would use counters again under the same key.
            room.change_sealer(sealer)

    def _share_room(self, command: ShareRoom, now: float) -> None:
        room = self.rooms.get(command.room)
        if room is not None:
            self._relay.share(room, command.home, command.workers, now)

    def _tell_sealer(self, command: TellSealer, now: float) -> None:
        room = self.rooms.get(command.room)
        if room is not None:
            self._events.append(SealerTold(command.media_id, room.sealer.states(now)))

    def _rotate_sealer(self, command: RotateSealer, now: float) -> None:
        room = self.rooms.get(command.room)
        if room is not None:
            room.sealer.rotate(command.epoch, command.key, command.at)

    def _close_room(self, command: CloseRoom, now: float) -> None:
        room = self.rooms.pop(command.room, None)
        if room is not None:
            for media_id in room.seats:
                del self.seats[media_id]
            self._relay.forget_room(room)
            room.flush_counters()

    def _open_seat(self, command: OpenSeat, now: float) -> None:
        room = self.rooms.get(command.room)
        if room is None or command.media_id in self.seats:
            return
        account = -command.media_id if command.account is None else command.account
        keys = command.epoch, command.up_key, command.down_key
        seat = MediaSeat(command.media_id, command.participant, account, room.number, *keys, now)
        self.seats[command.media_id] = room.seats[command.media_id] = seat
        self._events.append(SeatOpened(command.media_id, room.sealer.states(now)))

    def _rekey_seat(self, command: RekeySeat, now: float) -> None:
        seat = self.seats.get(command.media_id)
        if seat is not None:
            # Nothing more comes under the key before the current one, and it is forgotten.
            seat.flush_counters(self._counters)
            seat.rekey(command.epoch, command.up_key, command.down_key, now)

    def _close_seat(self, command: CloseSeat, now: float) -> None:
        seat = self.seats.pop(command.media_id, None)
        if seat is not None:
            self.rooms[seat.room].close_seat(seat)
        elif command.room in self.rooms:
            self.rooms[command.room].remove_receiver(command.media_id)

    def _open_ticket(self, command: OpenTicket, now: float) -> None:
        if len(self.tickets) >= MAX_TICKETS:
            del self.tickets[next(iter(self.tickets))]
        self.tickets[command.media_id] = Ticket(command.media_id, command.key, command.until, command.datagrams)

    def _open_stream(self, command: OpenStream, now: float) -> None:
        seat = self.seats.get(command.media_id)
        if seat is None or command.stream in (room := self.rooms[seat.room]).streams:
            return
        publisher = seat.media_id
        stream = MediaStream(command.stream, publisher, command.kind, command.caps, command.layers, command.muted, now)
        room.open_stream(seat, stream, room.streams.get(command.microphone) if command.microphone else None)

    def _mute_stream(self, command: MuteStream, now: float) -> None:
        found = self._find_stream(command.media_id, command.stream)
        if found is not None:
            room, stream = found
            stream.muted = command.muted
            if command.muted:
                room.silence(stream)

    def _close_stream(self, command: CloseStream, now: float) -> None:
        found = self._find_stream(command.media_id, command.stream)
        if found is not None:
            room, stream = found
            room.close_stream(stream)

    def _send_keyframe(self, command: SendKeyframe, now: float) -> None:
        found = self._find_stream(command.media_id, command.stream)
        if found is not None:
            room, stream = found
            receiver = stream.receivers.get(command.receiver)
            if receiver is not None:
                self._events += room.send_keyframe(stream, receiver, command.spatial, self._replays, now)

    def _change_forwarding(self, command: ChangeForwarding, now: float) -> None:
        room = self.rooms.get(command.room)
        if room is None:
            return
        for ident in command.streams:
            stream = room.streams.get(ident)
            if stream is not None:
                self._events += room.begin(stream, command.receivers, self._replays, now)
                stream.change_receivers(command.receivers, command.gone, room.sealer.counter)

    def _set_speakers(self, command: SetSpeakers, now: float) -> None:
        room = self.rooms.get(command.room)
        if room is not None:
            room.speakers.configure(command.limit, command.always)

    def _send_urgent(self, command: SendUrgent, now: float) -> None:
        for media_id in command.media_ids:
            if (seat := self.seats.get(media_id)) is not None:
                self._tell(seat, command.message, now)

    def _find_stream(self, media_id: int, ident: int) -> tuple[MediaRoom, MediaStream] | None:
        """Return a stream of a seat, with its room; None where one of them is gone."""
        seat = self.seats.get(media_id)
        stream = None if seat is None else seat.streams.get(ident)
        return None if seat is None or stream is None else (self.rooms[seat.room], stream)
