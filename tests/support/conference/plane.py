"""The records of a media plane: its rooms with their keys, seats and streams, and the receivers."""

from __future__ import annotations

from dataclasses import replace

from tcserver.media import interface


class Plane:
    """Keeps the records of the media plane, and refuses commands that make no sense."""

    def __init__(self) -> None:
        self.rooms: dict[int, dict[int, interface.OpenSeat]] = {}
        self.homes: dict[int, int] = {}
        self.sealers: dict[int, dict[int, list[interface.SealerState]]] = {}
        """By room and worker: the two newest keys."""
        self.shared: dict[int, tuple[int, ...]] = {}
        """The workers of each room that has several."""
        self.seats: dict[int, interface.OpenSeat] = {}
        self.streams: dict[tuple[int, int], interface.OpenStream] = {}
        self.replays: set[int] = set()
        """Media ids of receivers that may get a keyframe again."""
        self.always: dict[int, tuple[int, ...]] = {}
        """Participants that are forwarded at any level, by room."""
        self.forwarding: dict[tuple[int, int], dict[int, interface.Receiver]] = {}
        self.rotations: list[interface.RotateSealer] = []
        self.tickets: list[interface.OpenTicket] = []
        self.limits: dict[int, list[int]] = {}
        """Talkers that are forwarded, by room, as they were reported."""
        self.log: list[interface.Command] = []

    def apply(self, command: interface.Command) -> list[interface.Event]:
        self.log.append(command)
        match command:
            case interface.OpenSealer():
                self.rooms.setdefault(command.room, {})
                sealers = self.sealers.setdefault(command.room, {})
                assert command.worker not in sealers
                sealers[command.worker] = [interface.SealerState(command.sealer, command.epoch, command.key, 0)]
                if command.worker == self.homes.setdefault(command.room, command.worker):
                    self.limits[command.room] = []
            case interface.ShareRoom():
                assert command.home == self.homes[command.room]
                assert set(command.workers) == self.sealers[command.room].keys()
                self.shared[command.room] = command.workers
            case interface.TellSealer():
                sealers = self.sealers[command.room].values()
                return [interface.SealerTold(command.media_id, tuple(states)) for states in sealers]
            case interface.RotateSealer():
                states = self.sealers[command.room][command.worker]
                states.append(interface.SealerState(states[0].sealer, command.epoch, command.key, 0))
                assert command.epoch == (states[-2].epoch + 1) % 256
                del states[:-2]
                self.rotations.append(command)
            case interface.CloseRoom():
                assert not self.rooms.pop(command.room), "seats are closed before their room"
                del self.sealers[command.room], self.homes[command.room]
            case interface.OpenSeat():
                assert command.media_id not in self.seats
                assert command.media_id > 0xFF
                self.seats[command.media_id] = self.rooms[command.room][command.media_id] = command
                states = self.sealers[command.room][command.media_id & 0xFF]
                return [interface.SeatOpened(command.media_id, tuple(states))]
            case interface.RekeySeat():
                assert command.media_id in self.seats
            case interface.CloseSeat():
                if self.seats.pop(command.media_id, None) is None:
                    assert len(self.sealers[command.room]) > 1, "only of the worker that is gone"
                else:
                    self._forget(command.media_id, command.room)
                for receivers in self.forwarding.values():
                    receivers.pop(command.media_id, None)
            case interface.OpenTicket():
                self.tickets.append(command)
            case interface.OpenStream():
                room = self.seats[command.media_id].room
                taken = {number for media_id, number in self.streams if self.seats[media_id].room == room}
                assert command.stream not in taken
                self.streams[command.media_id, command.stream] = command
            case interface.MuteStream():
                key = (command.media_id, command.stream)
                self.streams[key] = replace(self.streams[key], muted=command.muted)
            case interface.CloseStream():
                del self.streams[command.media_id, command.stream]
                self.forwarding.pop((command.media_id, command.stream), None)
            case interface.ChangeForwarding():
                self._forward(command)
            case interface.SendKeyframe():
                assert (command.media_id, command.stream) in self.streams
                if command.receiver not in self.replays:
                    return [interface.KeyframeAsked(command.receiver, command.stream, command.spatial)]
            case interface.SetSpeakers():
                limits = self.limits[command.room]
                if (limits or [0])[-1] != command.limit:
                    limits.append(command.limit)
                elif self.always.get(command.room) == command.always:
                    assert command.room in self.shared, "only changes are told, except to a worker that is new"
                self.always[command.room] = command.always
        return []

    def lose(self, worker: int) -> None:
        """Forget everything of a worker."""
        for room, sealers in self.sealers.items():
            sealers.pop(worker, None)
            for media_id in [media_id for media_id in self.rooms[room] if media_id & 0xFF == worker]:
                del self.seats[media_id]
                self._forget(media_id, room)

    def _forget(self, media_id: int, room: int) -> None:
        del self.rooms[room][media_id]
        for key in [key for key in self.streams if key[0] == media_id]:
            del self.streams[key]
            self.forwarding.pop(key, None)

    def _forward(self, command: interface.ChangeForwarding) -> None:
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
