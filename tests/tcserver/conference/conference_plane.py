"""The books of a media plane: its rooms with their keys, seats and streams, and who receives them."""

from __future__ import annotations

from dataclasses import replace

from tcserver import plane


class Plane:
    """Keeps the books of the media plane, and refuses what makes no sense."""

    def __init__(self) -> None:
        self.rooms: dict[int, dict[int, plane.OpenSeat]] = {}
        self.homes: dict[int, int] = {}
        self.sealers: dict[int, dict[int, list[plane.SealerState]]] = {}
        """By room and slot: the two newest keys."""
        self.shared: dict[int, tuple[int, ...]] = {}
        """The workers of each room that has several."""
        self.seats: dict[int, plane.OpenSeat] = {}
        self.streams: dict[tuple[int, int], plane.OpenStream] = {}
        self.replays: set[int] = set()
        """Media ids of receivers whom a keyframe can be sent again."""
        self.always: dict[int, tuple[int, ...]] = {}
        """By room: who is forwarded whatever the level."""
        self.forwarding: dict[tuple[int, int], dict[int, plane.Receiver]] = {}
        self.rotations: list[plane.RotateSealer] = []
        self.tickets: list[plane.OpenTicket] = []
        self.limits: dict[int, list[int]] = {}
        """Talkers that are forwarded, by room, as they were told."""
        self.log: list[plane.Command] = []

    def apply(self, command: plane.Command) -> list[plane.Event]:
        self.log.append(command)
        match command:
            case plane.OpenSealer():
                self.rooms.setdefault(command.room, {})
                sealers = self.sealers.setdefault(command.room, {})
                assert command.slot not in sealers
                sealers[command.slot] = [plane.SealerState(command.sealer, command.epoch, command.key, 0)]
                if command.slot == self.homes.setdefault(command.room, command.slot):
                    self.limits[command.room] = []
            case plane.ShareRoom():
                assert command.home == self.homes[command.room]
                assert set(command.slots) == self.sealers[command.room].keys()
                self.shared[command.room] = command.slots
            case plane.TellSealer():
                sealers = self.sealers[command.room].values()
                return [plane.SealerTold(command.media_id, tuple(states)) for states in sealers]
            case plane.RotateSealer():
                states = self.sealers[command.room][command.slot]
                states.append(plane.SealerState(states[0].sealer, command.epoch, command.key, 0))
                assert command.epoch == (states[-2].epoch + 1) % 256
                del states[:-2]
                self.rotations.append(command)
            case plane.CloseRoom():
                assert not self.rooms.pop(command.room), "seats are closed before their room"
                del self.sealers[command.room], self.homes[command.room]
            case plane.OpenSeat():
                assert command.media_id not in self.seats
                assert command.media_id > 0xFF
                self.seats[command.media_id] = self.rooms[command.room][command.media_id] = command
                states = self.sealers[command.room][command.media_id & 0xFF]
                return [plane.SeatOpened(command.media_id, tuple(states))]
            case plane.RekeySeat():
                assert command.media_id in self.seats
            case plane.CloseSeat():
                if self.seats.pop(command.media_id, None) is None:
                    assert len(self.sealers[command.room]) > 1, "only of the worker that is gone"
                else:
                    self._forget(command.media_id, command.room)
                for receivers in self.forwarding.values():
                    receivers.pop(command.media_id, None)
            case plane.OpenTicket():
                self.tickets.append(command)
            case plane.OpenStream():
                room = self.seats[command.media_id].room
                taken = {number for media_id, number in self.streams if self.seats[media_id].room == room}
                assert command.stream not in taken
                self.streams[command.media_id, command.stream] = command
            case plane.MuteStream():
                key = (command.media_id, command.stream)
                self.streams[key] = replace(self.streams[key], muted=command.muted)
            case plane.CloseStream():
                del self.streams[command.media_id, command.stream]
                self.forwarding.pop((command.media_id, command.stream), None)
            case plane.ChangeForwarding():
                self._forward(command)
            case plane.SendKeyframe():
                assert (command.media_id, command.stream) in self.streams
                if command.receiver not in self.replays:
                    return [plane.KeyframeAsked(command.receiver, command.stream, command.spatial)]
            case plane.SetSpeakers():
                limits = self.limits[command.room]
                if (limits or [0])[-1] != command.limit:
                    limits.append(command.limit)
                elif self.always.get(command.room) == command.always:
                    assert command.room in self.shared, "only changes are told, except to a worker that is new"
                self.always[command.room] = command.always
        return []

    def lose(self, slot: int) -> None:
        """Forget everything that the worker in a slot had."""
        for room, sealers in self.sealers.items():
            sealers.pop(slot, None)
            for media_id in [media_id for media_id in self.rooms[room] if media_id & 0xFF == slot]:
                del self.seats[media_id]
                self._forget(media_id, room)

    def _forget(self, media_id: int, room: int) -> None:
        del self.rooms[room][media_id]
        for key in [key for key in self.streams if key[0] == media_id]:
            del self.streams[key]
            self.forwarding.pop(key, None)

    def _forward(self, command: plane.ChangeForwarding) -> None:
        keys = {key[1]: key for key in self.streams if self.seats[key[0]].room == command.room}
        for stream in command.streams:
            media_id, _ = key = keys[stream]
            receivers = self.forwarding.setdefault(key, {})
            for receiver in command.receivers:
                assert self.seats[receiver.media_id].room == command.room, "a stream stays in its room"
                assert receiver.media_id != media_id
                assert receivers.get(receiver.media_id) != receiver, "only changes are told"
                receivers[receiver.media_id] = receiver
            for gone in command.gone:
                del receivers[gone]
