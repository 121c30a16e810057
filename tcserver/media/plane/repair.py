"""Repair of what is lost: on the way down it is sent again, or copies are; on the way up it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from heapq import heappop, heappush

from tcproto.copies import MAX_COPIES, copied_distances
from tcproto.datagram import LARGE, Item, ItemType
from tcproto.feedback import (
    pack_resend_request,
    parse_arrival_request,
    parse_receiver_report,
    parse_retransmission_request,
)
from tcproto.packet import AudioHeader, Header
from tcserver.media.forwarding.drops import Counters, Drop
from tcserver.media.forwarding.keyframes import Replays
from tcserver.media.forwarding.receivers import Transmission
from tcserver.media.forwarding.redundancy import MAX_RECEPTIONS, ReportedLoss, copies_needed
from tcserver.media.forwarding.repeats import Repeats
from tcserver.media.forwarding.resends import NEVER, Resends
from tcserver.media.forwarding.room import MediaRoom
from tcserver.media.forwarding.seat import MediaSeat
from tcserver.media.forwarding.stream import MediaStream
from tcserver.media.interface import STREAM_HOST
from tcserver.media.relay import wire
from tcserver.media.relay.relay import Relay
from tcserver.media.relay.wire import Message


class Repair:
    """Answers requests for retransmission, and shapes the redundant variant of streams by receivers' reports.

    What another worker has sealed is asked for there. The worker of the seat keeps the share of the receiver, and the
    worker that has sealed a datagram decides whether the receiver may have it.
    """

    def __init__(
        self,
        rooms: Mapping[int, MediaRoom],
        relay: Relay,
        replays: Replays,
        counters: Counters,
        transmit: Callable[[Transmission], None],
    ) -> None:
        self._rooms = rooms
        self._relay = relay
        self._replays = replays
        self._counters = counters
        self._transmit = transmit
        self._resends: dict[int, Resends] = {}
        """By media id of the seats of which something is missing."""
        self._due: list[tuple[float, int]] = []
        """A heap: when which seat may be asked. So a gap costs no look at all others that have gaps."""
        relay.follow(Message.REPEAT, self._take_repeat)
        relay.follow(Message.REPEATED, self._take_repeated)
        relay.follow(Message.NEED, self._take_need)

    def miss(self, seat: MediaSeat, now: float) -> None:
        """Note a gap in the datagrams of a seat, which are asked for soon.

        A stream loses nothing. What does not come by it was left out because it was too old.
        """
        address = seat.path.address
        if address is not None and address.host == STREAM_HOST:
            seat.up.take_gap()
            return
        resends = self._resends.get(seat.media_id)
        if resends is None or resends.up is not seat.up:
            resends = self._resends[seat.media_id] = Resends(seat.up)
        resends.miss(now)
        self._schedule(seat.media_id, resends)

    def take_copies(self, seat: MediaSeat, stream: MediaStream, header: Header, copies: list[Item]) -> None:
        """Let the copies behind a packet spare requests: for what they bring, and for what later copies may bring.

        Only if all that is missing just before the packet was of its stream is it known what was lost.
        """
        resends = self._resends.get(seat.media_id)
        if resends is None or not isinstance(header, AudioHeader):
            return
        sequence, distances, gap = header.sequence, copied_distances(copies), resends.gap
        lacking = [stream.lacks(sequence - back) for back in range(1, gap + 2)]
        if gap and distances and lacking == [True] * gap + [False]:
            resends.expect_copies(stream.ident, sequence, max(distances), header.duration_ms / 1000)
        resends.recovered(stream.ident, [sequence - distance for distance in distances])

    def next_deadline(self) -> float | None:
        """Return when ``poll`` is due; None: nothing is missing."""
        return self._due[0][0] if self._due else None

    def poll(self, seats: Mapping[int, MediaSeat], now: float) -> Iterator[tuple[MediaSeat, Item]]:
        """Yield what clients are asked to send again now, each with its seat."""
        while self._due and self._due[0][0] <= now:
            at, media_id = heappop(self._due)
            resends = self._resends.get(media_id)
            if resends is None or resends.scheduled != at:
                continue  # something of this seat was due sooner
            resends.scheduled = NEVER
            seat = seats.get(media_id)
            if seat is None or seat.up is not resends.up:
                del self._resends[media_id]
                continue
            counters = resends.due(seat.path.rtt, now)
            if resends.next_deadline is None:
                del self._resends[media_id]
            self._schedule(media_id, resends)
            if counters:
                yield seat, Item(ItemType.RESEND_REQUEST, pack_resend_request(counters))

    def _schedule(self, media_id: int, resends: Resends) -> None:
        at = resends.next_deadline
        if at is not None and at < resends.scheduled:
            resends.scheduled = at
            heappush(self._due, (at, media_id))

    def take(self, seat: MediaSeat, type_: int, value: bytes, now: float) -> bool:
        """Take an item of a seat; return whether something may be due for it."""
        if type_ == ItemType.RETRANSMISSION_REQUEST:
            self._take_request(seat, value, now)
            return True
        if type_ == ItemType.RECEIVER_REPORT:
            self._take_report(seat, value, now)
        if type_ == ItemType.ARRIVAL_REQUEST:
            self._take_arrival_request(seat, value, now)
        return False

    def _take_arrival_request(self, seat: MediaSeat, value: bytes, now: float) -> None:
        """Take a request to be told when datagrams arrive."""
        try:
            seat.ask_arrivals(parse_arrival_request(value), now)
        except ValueError:
            self._drop(Drop.ITEM)

    def _take_request(self, seat: MediaSeat, value: bytes, now: float) -> None:
        """Take a request of a seat."""
        try:
            sealer, series, base, bitmap = parse_retransmission_request(value)
        except ValueError:
            self._drop(Drop.ITEM)
            return
        if seat.repeats is None:
            seat.repeats = Repeats(now)
        wanted = [base, *(base + 1 + i & 0xFFFF for i in range(16) if bitmap >> i & 1)]
        numbers = seat.repeats.admit(sealer, series, wanted, now)
        if len(numbers) < len(wanted):
            self._drop(Drop.REPEAT_RATE)
        if not numbers:
            return
        room = self._rooms[seat.room]
        if sealer == room.sealer.ident:
            datagrams = room.sealed_before(seat.media_id, series, numbers)
            if not datagrams:
                self._drop(Drop.NOT_KEPT)
            for datagram in datagrams:
                self._send_again(seat, datagram, now)
            return
        worker = None if room.share is None else room.share.worker_of(sealer)
        if worker is None:
            self._drop(Drop.NOT_KEPT)
        else:
            self._relay.send(wire.pack_repeat(room.number, seat.media_id, series, numbers), (worker,))

    def _take_report(self, seat: MediaSeat, value: bytes, now: float) -> None:
        """Take a receiver report of a seat: it says how many copies the seat needs in the redundant variant."""
        try:
            report = parse_receiver_report(value)
        except ValueError:
            self._drop(Drop.ITEM)
            return
        if seat.loss is None:
            seat.loss = ReportedLoss()
        if not seat.loss.update(report, now):
            self._drop(Drop.REPORT_RATE)
            return
        room, copies = self._rooms[seat.room], copies_needed(seat.loss.share, seat.path.rtt)
        for reception in report[:MAX_RECEPTIONS]:
            ident = reception.series.stream
            if not reception.series.redundant:
                continue
            if reception.sealer == room.sealer.ident:
                room.need_copies(ident, seat.media_id, copies)
            elif room.share is not None and (worker := room.share.worker_of(reception.sealer)) is not None:
                self._relay.send(wire.pack_need(room.number, seat.media_id, ident, copies), (worker,))

    def _send_again(self, seat: MediaSeat, datagram: bytes, now: float) -> None:
        """Send a datagram to a seat: a small one at once, since sound is in a hurry, and pictures paced."""
        address, size = seat.path.address, len(datagram)
        if address is None or seat.repeats is None or not seat.repeats.may_send(size, now):
            self._drop(Drop.REPEAT_RATE)
        elif size <= LARGE:
            self._counters.repeated += 1
            self._transmit(Transmission(datagram, seat.alone(address)))
        elif self._replays.add(seat.media_id, [datagram], now):
            self._counters.repeated += 1
        else:
            self._drop(Drop.REPEAT_RATE)

    def _take_repeat(self, worker: int, number: int, data: bytes, now: float) -> None:
        """Answer the request of a seat of another worker."""
        media_id, series, numbers = wire.parse_repeat(data)
        datagrams = self._room(number).sealed_before(media_id, series, numbers)
        if not datagrams:
            self._drop(Drop.NOT_KEPT)
        for datagram in datagrams:
            self._relay.send(wire.pack_repeated(number, media_id, datagram), (worker,))

    def _take_repeated(self, worker: int, number: int, data: bytes, now: float) -> None:
        """Hand a datagram of another worker to the seat that has asked for it, unless that is gone."""
        media_id, datagram = wire.parse_repeated(data)
        seat = self._room(number).seats.get(media_id)
        if seat is not None:
            self._send_again(seat, datagram, now)

    def _take_need(self, worker: int, number: int, data: bytes, now: float) -> None:
        media_id, stream, copies = wire.parse_need(data)
        if copies > MAX_COPIES:
            raise ValueError("more copies than there are")
        self._room(number).need_copies(stream, media_id, copies)

    def _room(self, number: int) -> MediaRoom:
        room = self._rooms.get(number)
        if room is None:
            raise ValueError("a room that is not open here")
        return room

    def _drop(self, reason: Drop) -> None:
        self._counters.drops[reason] += 1
