"""The media plane: datagrams in, datagrams for sets of receivers out. Pure: no clock, no socket, no randomness."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tcproto.datagram import (
    LAST_ITEM,
    MAX_DATAGRAM,
    MAX_UP_ITEMS,
    MIN_DATAGRAM,
    VERSION,
    Item,
    ItemType,
    Kind,
    parse_items,
    unpack_header,
)
from tcserver.media.forwarding.bundle import ITEM_HEAD, Bundle, items_size
from tcserver.media.forwarding.drops import Counters, Drop, Dropped, Fault, Faults
from tcserver.media.forwarding.keyframes import Replays
from tcserver.media.forwarding.receivers import ReceiverSet, Transmission
from tcserver.media.forwarding.room import MediaRoom
from tcserver.media.forwarding.sealer import RING_SIZE, MediaSealer
from tcserver.media.forwarding.seat import MediaSeat, UpKey
from tcserver.media.interface import Address, Command, Event, KeyframeAsked, RoomFailed, SeatLeft
from tcserver.media.plane.directory import STANDSTILL, Directory
from tcserver.media.plane.paths import Paths
from tcserver.media.plane.repair import Repair
from tcserver.media.plane.stats import LoadMeter
from tcserver.media.relay.relay import Relay
from tcserver.media.speakers.local import DECISION_INTERVAL
from tcserver.media.speakers.suppressed import LOOK_BACK, Suppression

SWEEP_INTERVAL = 1.0
"""Seconds between two searches for lost paths, keys that are due, and tickets that are over."""
# Looked up once: on the packet path the look-up of an enum member costs more than the comparison.
_UP_HEADER = VERSION << 4 | Kind.UP
_ONLY_PACKET = LAST_ITEM | ItemType.PACKET
"""First byte of a datagram that holds one packet and nothing else, as nearly all do."""
_PACKET = ItemType.PACKET
_LONE_PACKET_OVERHEAD = MIN_DATAGRAM + ITEM_HEAD
_NO_COPIES: list[Item] = []
_COPY_ITEMS = (ItemType.COPIES, ItemType.FULL_COPY)
_KEYFRAME_REQUEST_SIZE = 3


class MediaPlane:
    """Rooms, seats and streams of one media plane.

    Call ``apply`` and ``receive``, and ``poll`` when ``next_deadline`` has come. After each, send what
    ``take_transmissions`` returns, and deliver what ``take_events`` returns. ``now`` is in seconds on one monotonic
    clock. Each room keeps its last ``ring_size`` sealed datagrams. ``worker`` is the number of this media worker, and
    ``peers`` has the address of each worker. Nothing that comes from the network raises: it is dropped, and counted in
    ``counters``.
    """

    def __init__(
        self,
        random_bytes: Callable[[int], bytes],
        ring_size: int = RING_SIZE,
        worker: int = 0,
        peers: Sequence[Address] = (),
    ) -> None:
        self.counters = Counters()
        self.faults = Faults(self.counters)
        self.suppressed = Suppression()
        """Seats whose datagrams may wait."""
        self.sooner = False
        """Whether a datagram made something due sooner than ``next_deadline`` said before. Its reader sets it back."""
        self._transmissions: list[Transmission] = []
        self._events: list[Event] = []
        self._replays = Replays()
        self.rooms: dict[int, MediaRoom] = {}
        """By number."""
        self._relay = Relay(worker, peers, self.rooms, self.counters, self.faults, self._transmit, random_bytes)
        self.paths = Paths(self.rooms, self.counters, random_bytes, self._transmit, self._emit)
        self._directory = Directory(
            self.rooms, self._relay, self._replays, self.counters, self.faults, ring_size, self.paths.tell_urgent
        )
        self._repair = Repair(self.rooms, self._relay, self._replays, self.counters, self._transmit)
        self.seats = self._directory.seats
        """By media id."""
        self.tickets = self._directory.tickets
        """By media id."""
        self._load = LoadMeter()
        self._next_sweep = 0.0
        self._next_decision = 0.0

    def apply(self, command: Command, now: float) -> None:
        """Carry out a command of the control plane; one about something that is gone is ignored."""
        if self.next_deadline() is None:
            # Nothing was due before there was something to do, so nothing is late.
            self._next_sweep = self._next_decision = now
        try:
            self._directory.apply(command, now)
        except Exception as error:
            self.faults.note(Fault.COMMAND, error)
            room = self._directory.room_of(command)
            if room is not None:
                self._events.append(RoomFailed(room.number))
        self._events += self._directory.take_events()
        self.suppressed.discard(getattr(command, "media_id", -1))  # it may unmute, or open a camera
        self._replay(now)

    def receive(self, batch: Sequence[tuple[bytes, Address]], now: float) -> None:
        """Take datagrams that came from the network, each with its address."""
        counters = self.counters
        counters.received += len(batch)
        for data, address in batch:
            counters.received_bytes += len(data)
            try:
                self._receive(data, address, now)
            except Dropped as drop:
                counters.drops[drop.reason] += 1
            except Exception as error:  # a failure of one datagram must not stop the others
                counters.drops[Drop.INTERNAL] += 1
                self.faults.note(Fault.DATAGRAM, error)
        if self._relay.homes:
            self._relay.tell_holders()

    def receive_relayed(self, batch: Sequence[tuple[bytes, Address]], now: float) -> None:
        """Take messages of other media workers, each with its address."""
        for data, address in batch:
            try:
                self._relay.receive(data, address, now)
            except Dropped as drop:
                self._drop(drop.reason)
            except Exception as error:  # as above
                self._drop(Drop.INTERNAL)
                self.faults.note(Fault.DATAGRAM, error)
        self._relay.tell_holders()

    def next_deadline(self) -> float | None:
        """Return when ``poll`` is due; None: not before the next command."""
        if not self.rooms and not self.tickets:
            return None
        deadline = min(self._next_sweep, self._next_decision)
        for other in (self._replays.next_deadline(), self._relay.next_deadline(), self._repair.next_deadline()):
            if other is not None and other < deadline:
                deadline = other
        return deadline

    def poll(self, now: float) -> None:
        """Do what is due."""
        due = self.next_deadline()
        if due is not None:
            self._load.late(now - due)
            if now - due >= STANDSTILL:
                self._directory.stood_still(now - due, now)
        if now >= self._next_decision:
            self._next_decision = now + DECISION_INTERVAL
            for room in self.rooms.values():
                with self.faults.within(Fault.ROOM):
                    self._events += room.decide(now)
            with self.faults.within(Fault.ROOM):
                since = now - LOOK_BACK
                found = {media_id for room in self.rooms.values() for media_id in room.suppressed(since)}
                self.suppressed.replace(found)
        self._replay(now)
        for seat, request in self._repair.poll(self.seats, now):
            if seat.path.address is not None:
                self.paths.answer(seat, [request], seat.path.address)
        self._relay.poll(now)
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_INTERVAL
            overloaded = self._load.measure(self.counters.sent, now)
            if overloaded is not None:
                self._events.append(overloaded)
            self._directory.sweep(now)
            self._events += self._directory.take_events()
            self._relay.sweep(now)

    def forwarded_talkers(self, room: int) -> tuple[int, ...]:
        """Return the streams of a room that hold a place among the loudest."""
        return self.rooms[room].speakers.holders

    def flush_counters(self) -> Counters:
        """Add what seats and streams have counted to the counters, and return these."""
        for room in self.rooms.values():
            room.flush_counters()
        return self.counters

    def take_transmissions(self) -> list[Transmission]:
        """Return the datagrams to send, in order, and forget them."""
        transmissions, self._transmissions = self._transmissions, []
        if self._relay.shares:
            transmissions += self._relay.hand_over(transmissions)
        counters = self.counters
        for datagram, receivers, skip in transmissions:
            count = len(receivers.addresses) - (skip >= 0)
            counters.sent += count
            counters.sent_bytes += count * len(datagram)
        return transmissions

    def take_events(self) -> list[Event]:
        """Return the events for the control plane, in order, and forget them."""
        events, self._events = self._events, []
        return events

    def _transmit(self, transmission: Transmission) -> None:
        self._transmissions.append(transmission)

    def _emit(self, event: Event) -> None:
        self._events.append(event)

    # Inbound: datagram, seat, items, packets.

    def _receive(self, data: bytes, address: Address, now: float) -> None:
        size = len(data)
        if not MIN_DATAGRAM <= size <= MAX_DATAGRAM:
            raise Dropped(Drop.LENGTH)
        first, epoch, ident, high, low = unpack_header(data)
        if first != _UP_HEADER:
            raise Dropped(Drop.KIND if first >> 4 == VERSION else Drop.VERSION)
        counter = high << 32 | low
        seat = self.seats.get(ident)
        if seat is None:
            self._receive_probe(data, ident, epoch, counter, address, now)
            return
        path, cap = seat.path, seat.cap
        proven = address is path.address or address == path.address
        if proven and not cap.take(size, now):
            raise Dropped(Drop.SEAT_RATE)
        up = seat.up
        try:
            if epoch == up.epoch:
                plaintext = up.open(data, counter)
            else:
                up, plaintext = seat.open_other(epoch, data, counter, now)
        except Dropped:
            if proven:
                cap.give_back(size)  # a forged address, or a repeated datagram, takes nothing from the seat
            raise
        if not proven and not cap.take(size, now):
            raise Dropped(Drop.SEAT_RATE)
        self.counters.accepted += 1
        if up.gap or seat.arrivals is not None:
            self._note_arrival(seat, up, counter, now)
        if address is path.address and plaintext and plaintext[0] == _ONLY_PACKET:
            path.heard_at = now
            self._take_packet(seat, plaintext[1:], now)
            return
        path.hear(address, size, counter == up.window.highest, now)
        self._take_items(seat, up, plaintext, address, now)
        if path.address != address:
            self.paths.challenge(seat, now)

    def _take_items(self, seat: MediaSeat, up: UpKey, plaintext: bytes, address: Address, now: float) -> None:
        try:
            items = parse_items(plaintext, most=MAX_UP_ITEMS)
        except ValueError:
            raise Dropped(Drop.ITEMS) from None
        packets: list[tuple[bytes, list[Item]]] = []
        pinged = False
        # Padding means that the ping measures a size: the answer has the same.
        size = len(plaintext) if items and items[-1].type == ItemType.PADDING else 0
        for item in items:
            type_ = item.type
            if type_ == _PACKET:
                packets.append((item.value, []))
            elif type_ in _COPY_ITEMS:
                if packets:
                    packets[-1][1].append(item)
                else:
                    self._drop(Drop.COPY)
            elif type_ == ItemType.PING:
                # One answer for each datagram: one that is full of pings would be answered at length.
                if pinged:
                    self._drop(Drop.ITEM)
                else:
                    pinged = True
                    self.paths.take_ping(seat, up, item.value, address, size, now)
            else:
                self._take_request(seat, item, address, now)
        if packets:
            self._take_packets(seat, packets, now)

    def _take_request(self, seat: MediaSeat, item: Item, address: Address, now: float) -> None:
        type_, value = item
        if type_ == ItemType.PATH_RESPONSE:
            self.paths.take_response(seat, value, address, now)
        elif type_ == ItemType.BANDWIDTH_PROBE:
            self.paths.take_bandwidth_probe(seat, value, address, now)
        elif type_ == ItemType.KEYFRAME_REQUEST:
            self._take_keyframe_request(seat, value, now)
        elif type_ == ItemType.LEAVING:
            if not seat.has_left:  # it says so several times
                seat.has_left = True
                self._events.append(SeatLeft(seat.media_id))
        elif type_ == ItemType.URGENT:
            self.paths.take_urgent(seat, value, now)
        elif self._repair.take(seat, type_, value, now):
            self._replay(now)

    def _take_packet(self, seat: MediaSeat, packet: bytes, now: float) -> None:
        """Do the same as ``_take_packets`` for a single packet, with less work: nearly all datagrams hold one."""
        room = self.rooms[seat.room]
        admitted = room.admit(seat, packet, _NO_COPIES, _LONE_PACKET_OVERHEAD + len(packet), now)
        if admitted is None:
            return
        stream, header = admitted
        if stream.redundancy_wanted or stream.preroll.held:
            self.suppressed.discard(seat.media_id)
            bundle = Bundle()
            room.pass_on(stream, header, packet, [], bundle, now)
            self._send_bundle(bundle, room.sealer, now)
        else:
            self._transmissions.append(room.seal_alone(stream, header, packet, now))

    def _take_packets(self, seat: MediaSeat, packets: list[tuple[bytes, list[Item]]], now: float) -> None:
        room = self.rooms[seat.room]
        bundle = Bundle()
        overhead = MIN_DATAGRAM
        for packet, copies in packets:
            cost = overhead + ITEM_HEAD + len(packet)
            if copies:
                cost += items_size(copies)
            overhead = 0
            try:
                admitted = room.admit(seat, packet, copies, cost, now)
                if admitted is not None:
                    self.suppressed.discard(seat.media_id)
                    if copies:
                        self._repair.take_copies(seat, *admitted, copies)
                    room.pass_on(*admitted, packet, copies, bundle, now)
            except Dropped as drop:
                self._drop(drop.reason)
        self._send_bundle(bundle, room.sealer, now)

    def _take_keyframe_request(self, seat: MediaSeat, value: bytes, now: float) -> None:
        ident = int.from_bytes(value[:2], "big")
        room = self.rooms[seat.room]
        stream = room.streams.get(ident)
        if len(value) != _KEYFRAME_REQUEST_SIZE or (stream is None and room.share is None):
            self._drop(Drop.ITEM)
        elif stream is None:
            if seat.may_ask(now):  # the control plane knows the streams of other workers
                self._events.append(KeyframeAsked(seat.media_id, ident, value[2]))
        elif stream.ask_keyframe(seat.media_id, now):
            receiver = stream.receivers[seat.media_id]
            self._events += room.send_keyframe(stream, receiver, value[2], self._replays, now)
            self._replay(now)

    def _note_arrival(self, seat: MediaSeat, up: UpKey, counter: int, now: float) -> None:
        """Note what is missing before a datagram, and that it has come itself."""
        if up.gap:
            self._repair.miss(seat, now)
            self.sooner = True
        if up is seat.up:  # under the key before, what is late would begin the reports anew
            suppressed = seat.media_id in self.suppressed.media_ids
            self.paths.report_arrival(seat, counter, now, is_suppressed=suppressed)

    def _receive_probe(self, data: bytes, ident: int, epoch: int, counter: int, address: Address, now: float) -> None:
        ticket = self.tickets.get(ident)
        if ticket is None:
            raise Dropped(Drop.UNKNOWN_ID)
        plaintext = ticket.open(data, epoch, counter, now)
        self.counters.accepted += 1
        answer = ticket.answer(plaintext, len(data), now)
        self._transmissions.append(Transmission(answer, ReceiverSet([(ident, address)])))

    # Outbound.

    def _send_bundle(self, bundle: Bundle, sealer: MediaSealer, now: float) -> None:
        transmissions = bundle.seal(sealer, now)
        self.counters.sealed += len(transmissions)
        self._transmissions += transmissions

    def _replay(self, now: float) -> None:
        """Send what is due of the pictures that are sent again."""
        for media_id, datagrams in self._replays.due(now):
            seat = self.seats.get(media_id)
            if seat is not None and seat.path.address is not None:
                receivers = seat.alone(seat.path.address)
                self._transmissions += [Transmission(datagram, receivers) for datagram in datagrams]
        self.sooner = self.sooner or self._replays.next_deadline() is not None

    def _drop(self, reason: Drop) -> None:
        self.counters.drops[reason] += 1
