"""The relay between media workers: what one has sealed goes unchanged to the seats of the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from weakref import WeakValueDictionary

from tcproto.datagram import COUNTER_SIZE, HEADER_SIZE
from tcproto.path import Position
from tcproto.serial import wrapped
from tcserver.media.forwarding.drops import Counters, Drop, Dropped, Fault, Faults
from tcserver.media.forwarding.receivers import Handover, ReceiverSet, Transmission
from tcserver.media.forwarding.room import MediaRoom
from tcserver.media.forwarding.room_share import RoomShare
from tcserver.media.interface import Address
from tcserver.media.relay import wire
from tcserver.media.relay.audience import TELL_INTERVAL, RelayedAudiences
from tcserver.media.relay.wire import HEAD_SIZE, Message
from tcserver.media.speakers.remote import SUMMARY_INTERVAL, RemoteSelection

ASK_INTERVAL = 0.01
"""Seconds between two questions to a worker about audiences; each is about one that is in use at that moment."""
LOST_AFTER = 5.0
"""Seconds without a level after which a talker of another worker is forgotten; in silence one comes every 0.4 s."""
MAX_SETS = 1024
"""Sets of workers that are kept to send to; when there are more, all are forgotten."""
_SHORTEST = HEAD_SIZE + HEADER_SIZE
_SEALER = slice(HEAD_SIZE + 2, HEAD_SIZE + 6)
_COUNTER = slice(HEAD_SIZE + HEADER_SIZE - COUNTER_SIZE, HEAD_SIZE + HEADER_SIZE)
_DATAGRAM = Message.DATAGRAM
"""Looked up once: nearly all messages are such."""


class Relay:
    """A worker's connection with the others.

    ``worker`` is its own number, and ``peers`` has the address of each worker. ``rooms`` are those of the plane, and
    ``transmit`` takes what is to be sent.
    """

    def __init__(
        self,
        worker: int,
        peers: Sequence[Address],
        rooms: Mapping[int, MediaRoom],
        counters: Counters,
        faults: Faults,
        transmit: Callable[[Transmission], None],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self.homes: dict[int, MediaRoom] = {}
        """Rooms of several workers whose home is here."""
        self._distant: dict[int, MediaRoom] = {}
        """Rooms whose home is elsewhere."""
        self._worker = worker
        self._peers = peers
        self._workers = {address: number for number, address in enumerate(peers)}
        self._rooms = rooms
        self._counters = counters
        self._faults = faults
        self._transmit = transmit
        # Random: a process that replaces another must not use its numbers.
        self._number = int.from_bytes(random_bytes(4), "big") if peers else 0
        self._handovers: WeakValueDictionary[int, Handover] = WeakValueDictionary()
        self._audiences = RelayedAudiences()
        self._sets: dict[tuple[int, ...], ReceiverSet] = {}
        self._ask_at: dict[int, float] = {}
        self._now = 0.0
        """When ``poll`` was called last: exact enough for what happens twice a minute."""
        self._next_summary = 0.0
        self._handlers: dict[int, Callable[[int, int, bytes, float], None]] = {
            Message.AUDIENCE: self._take_audience,
            Message.UNKNOWN: self._take_unknown,
            Message.POSITION: self._take_position,
            Message.LEVELS: self._take_levels,
            Message.HOLDERS: self._take_holders,
            Message.RANKING: self._take_ranking,
        }

    def follow(self, message: Message, handler: Callable[[int, int, bytes, float], None]) -> None:
        """Have messages of a type handled. ``handler`` gets worker, number, message and ``now``.

        It raises ``ValueError`` for a message that is wrong.
        """
        self._handlers[message] = handler

    def share(self, room: MediaRoom, home: int, workers: Sequence[int], now: float) -> None:
        """Share a room with other workers; also called when one of them is new."""
        share = room.share
        if share is None:
            share = room.share = RoomShare(room.number, self._worker, home, self._make)
            if not share.is_home:
                room.speakers = RemoteSelection(room.speakers.limit, room.speakers.always)
                if not self._distant:
                    self._next_summary = now
            (self.homes if share.is_home else self._distant)[room.number] = room
        share.spread([worker for worker in workers if worker < len(self._peers)])
        room.speakers.repeat()
        for handover in self._handovers.values():
            if handover.room == room.number:
                handover.told_at = float("-inf")

    def forget_room(self, room: MediaRoom) -> None:
        """Forget a room that is closed."""
        self.homes.pop(room.number, None)
        self._distant.pop(room.number, None)
        self._audiences.forget_room(room)

    def send(self, message: bytes, workers: Collection[int]) -> None:
        """Send a message to these workers."""
        if workers:
            self._transmit(Transmission(message, self._set(workers)))

    @property
    def shares(self) -> bool:
        """Whether there is a room that other workers have seats of."""
        return bool(self.homes or self._distant)

    def hand_over(self, transmissions: Iterable[Transmission]) -> list[Transmission]:
        """Return the messages that hand sealed datagrams on to the workers that have seats of their audience."""
        handed_over: list[Transmission] = []
        for datagram, receivers, _ in transmissions:
            if receivers.handover is not None:
                handed_over += self._hand_over(datagram, receivers.handover)
        return handed_over

    def _hand_over(self, datagram: bytes, handover: Handover) -> Iterator[Transmission]:
        if self._now - handover.told_at >= TELL_INTERVAL:
            handover.told_at = self._now
            for worker, members in handover.members.items():
                message = wire.pack_audience(handover.number, handover.room, members)
                yield Transmission(message, self._set((worker,)))
        self._counters.relayed_out += len(handover.members)
        yield Transmission(handover.head + datagram, handover.peers)

    def receive(self, data: bytes, address: Address, now: float) -> None:
        """Take a message of another worker; raises ``Dropped``."""
        worker = self._workers.get(address)
        if worker is None:
            raise Dropped(Drop.RELAY_SOURCE)
        try:
            type_, number = wire.parse_head(data)
            if type_ == _DATAGRAM:
                self._take_datagram(worker, number, data, now)
            elif type_ in self._handlers:
                self._handlers[type_](worker, number, data, now)
            else:
                raise ValueError("no such message")
        except ValueError:
            raise Dropped(Drop.RELAY_MESSAGE) from None

    def next_deadline(self) -> float | None:
        """Return when ``poll`` is due; None: never, as it is now."""
        return self._next_summary if self._distant else None

    def poll(self, now: float) -> None:
        """Tell the homes of rooms what was heard here."""
        self._now = now
        if not self._distant or now < self._next_summary:
            return
        self._next_summary = now + SUMMARY_INTERVAL
        self._tell_speakers(self._distant.values())

    def sweep(self, now: float) -> None:
        """Say again, once a second, what a lost message would leave unknown, and forget what is old."""
        self._audiences.forget_old(now)
        for rooms in (self.homes, self._distant):
            for number, room in rooms.items():
                with self._faults.within(Fault.ROOM):
                    position = wire.pack_position(number, Position(room.sealer.ident, room.sealer.counter))
                    if room.share is not None:
                        self.send(position, room.share.peers)
        for room in self.homes.values():
            with self._faults.within(Fault.ROOM):
                room.speakers.forget_lost(now - LOST_AFTER, room.streams)
                room.speakers.repeat()
        self.tell_holders()

    def tell_holders(self) -> None:
        """Tell the other workers of a room who is forwarded, where that has changed."""
        self._tell_speakers(self.homes.values())

    def _tell_speakers(self, rooms: Iterable[MediaRoom]) -> None:
        """Send what the speaker selections of rooms have to tell other workers."""
        for room in rooms:
            if room.speakers.has_news and room.share is not None:
                with self._faults.within(Fault.ROOM):
                    for message in wire.pack_news(room.number, room.speakers.take_news()):
                        self.send(message, room.share.listeners)

    def _make(self, room: int, members: Mapping[int, tuple[int, ...]]) -> Handover:
        self._number = wrapped(self._number + 1)
        head = wire.pack_head(_DATAGRAM, self._number)
        handover = self._handovers[self._number] = Handover(self._number, room, members, self._set(members), head)
        return handover

    def _take_datagram(self, worker: int, number: int, data: bytes, now: float) -> None:
        if len(data) < _SHORTEST:
            raise ValueError("no room datagram")
        audience = self._audiences.find(worker, number, now)
        if audience is None:
            if now >= self._ask_at.get(worker, now):
                self._ask_at[worker] = now + ASK_INTERVAL
                self.send(wire.pack_head(Message.UNKNOWN, number), (worker,))
            raise Dropped(Drop.RELAY_AUDIENCE)
        self._counters.relayed_in += 1
        share = audience.room.share
        if share is not None:
            sealer, counter = int.from_bytes(data[_SEALER], "big"), int.from_bytes(data[_COUNTER], "big")
            share.reach(worker, sealer, counter + 1)
        self._transmit(Transmission(data[HEAD_SIZE:], audience.receivers))

    def _take_audience(self, worker: int, number: int, data: bytes, now: float) -> None:
        room, members = wire.parse_audience(data)
        self._audiences.tell(worker, number, self._room(room), members, now)

    def _take_unknown(self, worker: int, number: int, data: bytes, now: float) -> None:
        handover = self._handovers.get(number)
        if handover is not None:
            handover.told_at = float("-inf")

    def _take_position(self, worker: int, number: int, data: bytes, now: float) -> None:
        share = self._room(number).share
        if share is not None:
            share.reach(worker, *wire.parse_position(data))

    def _take_levels(self, worker: int, number: int, data: bytes, now: float) -> None:
        room = self._room(number)
        if room.share is None:
            raise ValueError("levels of a room that no other worker has")
        room.speakers.take_levels(wire.parse_levels(data), now)

    def _take_holders(self, worker: int, number: int, data: bytes, now: float) -> None:
        self._room(number).speakers.take_holders(wire.parse_holders(data))

    def _take_ranking(self, worker: int, number: int, data: bytes, now: float) -> None:
        room = self._room(number)
        room.speakers.take_ranking(wire.parse_ranking(data))
        room.follow_ranking()

    def _room(self, number: int) -> MediaRoom:
        room = self._rooms.get(number)
        if room is None:
            raise ValueError("a room that is not open here")
        return room

    def _set(self, workers: Collection[int]) -> ReceiverSet:
        """Return the set of these workers, always the same object, so that datagrams to them leave in trains."""
        key = tuple(sorted(workers))
        found = self._sets.get(key)
        if found is None:
            if len(self._sets) >= MAX_SETS:
                self._sets.clear()
            found = self._sets[key] = ReceiverSet([(worker, self._peers[worker]) for worker in key])
        return found
