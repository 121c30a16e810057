"""The relay between media workers: what one has sealed goes to the seats of others as it is. Pure, as the plane is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from weakref import WeakValueDictionary

from tcproto.datagram import COUNTER_SIZE, HEADER_SIZE
from tcproto.path import Position
from tcproto.serial import wrapped
from tcserver.media.forwarding.drops import Counters, Drop, Dropped, Fault
from tcserver.media.forwarding.faults import Faults
from tcserver.media.forwarding.receivers import ReceiverSet, Transmission
from tcserver.media.forwarding.room import Room
from tcserver.media.interface import Address
from tcserver.media.relay import wire
from tcserver.media.relay.audience import TELL_INTERVAL, Audiences, Handover
from tcserver.media.relay.room_share import Share
from tcserver.media.relay.wire import HEAD_SIZE, Message
from tcserver.media.speakers.loudest import Loudest
from tcserver.media.speakers.remote import SUMMARY_INTERVAL, DistantLoudest, DistantSpeakers

ASK_INTERVAL = 0.01
"""Seconds between two questions to a worker who an audience is: each is about what is in use at that moment."""
LOST_AFTER = 5.0
"""Seconds without a level after which a talker elsewhere is forgotten: in silence one comes every 0.4 s."""
MAX_SETS = 1024
"""Combinations of workers that are kept, to send to; when there are more, all are forgotten."""
_SHORTEST = HEAD_SIZE + HEADER_SIZE
_SEALER = slice(HEAD_SIZE + 2, HEAD_SIZE + 6)
_COUNTER = slice(HEAD_SIZE + HEADER_SIZE - COUNTER_SIZE, HEAD_SIZE + HEADER_SIZE)
_DATAGRAM = Message.DATAGRAM
"""Looked up once: nearly all messages are such."""


class Relay:
    """A worker's connection with the others; ``slot`` is its own, ``peers`` has the address of each, by slot.

    ``rooms`` are those of the plane, ``transmit`` takes what is to be sent.
    """

    def __init__(
        self,
        slot: int,
        peers: Sequence[Address],
        rooms: Mapping[int, Room],
        counters: Counters,
        faults: Faults,
        transmit: Callable[[Transmission], None],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self.homes: dict[int, Room] = {}
        """Rooms of several workers whose home is here."""
        self._distant: dict[int, Room] = {}
        """Rooms whose home is elsewhere."""
        self._slot = slot
        self._peers = peers
        self._slots = {address: number for number, address in enumerate(peers)}
        self._rooms = rooms
        self._counters = counters
        self._faults = faults
        self._transmit = transmit
        # Random: a process that takes the slot of another must not use its numbers.
        self._number = int.from_bytes(random_bytes(4), "big") if peers else 0
        self._handovers: WeakValueDictionary[int, Handover] = WeakValueDictionary()
        self._audiences = Audiences()
        self._sets: dict[tuple[int, ...], ReceiverSet] = {}
        self._ask_at: dict[int, float] = {}
        self._now = 0.0
        """When `poll` was called last: near enough for what happens twice a minute."""
        self._next_summary = 0.0
        self._handlers: dict[int, Callable[[int, int, bytes, float], None]] = {
            Message.AUDIENCE: self._take_audience,
            Message.UNKNOWN: self._take_unknown,
            Message.POSITION: self._take_position,
            Message.LEVELS: self._take_levels,
            Message.HOLDERS: self._take_holders,
        }

    def share(self, room: Room, home: int, slots: Sequence[int], now: float) -> None:
        """Other workers have seats of a room, or one of them is new."""
        share = room.share
        if share is None:
            share = room.share = Share(room.number, self._slot, home, self._make)
            if not share.is_home:
                loudest = DistantLoudest(share.summary)
                loudest.configure(room.loudest.limit, room.loudest.always)
                room.speakers, room.loudest = DistantSpeakers(share.summary), loudest
                if not self._distant:
                    self._next_summary = now
            (self.homes if share.is_home else self._distant)[room.number] = room
        share.spread([slot for slot in slots if slot < len(self._peers)])
        if isinstance(room.loudest, Loudest):
            room.loudest.changed = True
        for handover in self._handovers.values():
            if handover.room == room.number:
                handover.told_at = float("-inf")

    def forget_room(self, room: Room) -> None:
        """A room is closed."""
        self.homes.pop(room.number, None)
        self._distant.pop(room.number, None)
        self._audiences.forget_room(room)

    def hand_over(self, datagram: bytes, handover: Handover) -> None:
        """Hand a sealed datagram on to the workers that have seats of its audience."""
        if self._now - handover.told_at >= TELL_INTERVAL:
            handover.told_at = self._now
            for slot, members in handover.members.items():
                self._send(wire.pack_audience(handover.number, handover.room, members), slot)
        self._counters.relayed_out += len(handover.members)
        self._transmit(Transmission(handover.head + datagram, handover.peers))

    def receive(self, data: bytes, address: Address, now: float) -> None:
        """Take what another worker has sent; raises ``Dropped``."""
        slot = self._slots.get(address)
        if slot is None:
            raise Dropped(Drop.RELAY_SOURCE)
        try:
            type_, number = wire.parse_head(data)
            if type_ == _DATAGRAM:
                self._take_datagram(slot, number, data, now)
            elif type_ in self._handlers:
                self._handlers[type_](slot, number, data, now)
            else:
                raise ValueError("no such message")
        except ValueError:
            raise Dropped(Drop.RELAY_MESSAGE) from None

    def next_deadline(self) -> float | None:
        """Return when `poll` is due."""
        return self._next_summary if self._distant else None

    def poll(self, now: float) -> None:
        """Send the homes of rooms what was heard here."""
        self._now = now
        if not self._distant or now < self._next_summary:
            return
        self._next_summary = now + SUMMARY_INTERVAL
        for number, room in self._distant.items():
            assert room.share is not None
            with self._faults.within(Fault.ROOM):
                for message in room.share.summary.take(number) if room.share.summary.levels else ():
                    self._send(message, room.share.home)

    def sweep(self, now: float) -> None:
        """Tell once a second what else would be lost with a message, and forget what is old."""
        self._audiences.forget_old(now)
        for rooms in (self.homes, self._distant):
            for number, room in rooms.items():
                with self._faults.within(Fault.ROOM):
                    position = wire.pack_position(number, Position(room.sealer.ident, room.sealer.counter))
                    self._send_all(position, room)
        for room in self.homes.values():
            with self._faults.within(Fault.ROOM):
                room.forget_lost(now - LOST_AFTER)
                self._tell_holders(room)

    def tell_holders(self) -> None:
        """Tell the other workers of a room who is forwarded, where that has changed."""
        for room in self.homes.values():
            if isinstance(room.loudest, Loudest) and room.loudest.changed:
                with self._faults.within(Fault.ROOM):
                    self._tell_holders(room)

    def _tell_holders(self, room: Room) -> None:
        assert isinstance(room.loudest, Loudest)
        room.loudest.changed = False
        self._send_all(wire.pack_holders(room.number, room.loudest.holders), room)

    def _make(self, room: int, members: Mapping[int, tuple[int, ...]]) -> Handover:
        self._number = wrapped(self._number + 1)
        handover = self._handovers[self._number] = Handover(self._number, room, members, self._set(members))
        return handover

    def _take_datagram(self, slot: int, number: int, data: bytes, now: float) -> None:
        if len(data) < _SHORTEST:
            raise ValueError("no room datagram")
        audience = self._audiences.find(slot, number, now)
        if audience is None:
            if now >= self._ask_at.get(slot, now):
                self._ask_at[slot] = now + ASK_INTERVAL
                self._send(wire.pack_head(Message.UNKNOWN, number), slot)
            raise Dropped(Drop.RELAY_AUDIENCE)
        self._counters.relayed_in += 1
        share = audience.room.share
        if share is not None:
            sealer, counter = int.from_bytes(data[_SEALER], "big"), int.from_bytes(data[_COUNTER], "big")
            share.reach(slot, sealer, counter + 1)
        self._transmit(Transmission(data[HEAD_SIZE:], audience.receivers))

    def _take_audience(self, slot: int, number: int, data: bytes, now: float) -> None:
        room, members = wire.parse_audience(data)
        self._audiences.tell(slot, number, self._room(room), members, now)

    def _take_unknown(self, slot: int, number: int, data: bytes, now: float) -> None:
        handover = self._handovers.get(number)
        if handover is not None:
            handover.told_at = float("-inf")

    def _take_position(self, slot: int, number: int, data: bytes, now: float) -> None:
        share = self._room(number).share
        if share is not None:
            share.reach(slot, *wire.parse_position(data))

    def _take_levels(self, slot: int, number: int, data: bytes, now: float) -> None:
        if number not in self.homes:
            raise ValueError("levels of a room whose home is not here")
        self.homes[number].hear_levels(wire.parse_levels(data), now)

    def _take_holders(self, slot: int, number: int, data: bytes, now: float) -> None:
        loudest = self._room(number).loudest
        if isinstance(loudest, DistantLoudest):
            loudest.hold(wire.parse_holders(data))

    def _room(self, number: int) -> Room:
        room = self._rooms.get(number)
        if room is None:
            raise ValueError("a room that is not open here")
        return room

    def _send(self, message: bytes, slot: int) -> None:
        self._transmit(Transmission(message, self._set((slot,))))

    def _send_all(self, message: bytes, room: Room) -> None:
        if room.share is not None and room.share.peers:
            self._transmit(Transmission(message, self._set(room.share.peers)))

    def _set(self, slots: Collection[int]) -> ReceiverSet:
        """Return the same set for the same workers, so that what goes to them leaves in trains."""
        key = tuple(sorted(slots))
        found = self._sets.get(key)
        if found is None:
            if len(self._sets) >= MAX_SETS:
                self._sets.clear()
            found = self._sets[key] = ReceiverSet([(slot, self._peers[slot]) for slot in key])
        return found
