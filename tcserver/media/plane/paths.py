"""The paths of seats: what is asked about them is answered, and their addresses have to be proved."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tcproto.datagram import Item, ItemType, Kind
from tcproto.path import MIN_PROBE_SIZE, ProbeItem, pack_positions, parse_ping, parse_probe_request
from tcproto.transit import LATE
from tcserver.media.forwarding.bundle import ITEM_HEAD
from tcserver.media.forwarding.drops import Counters, Drop, Dropped
from tcserver.media.forwarding.receivers import Transmission
from tcserver.media.forwarding.room import MediaRoom
from tcserver.media.forwarding.seat import MediaSeat, UpKey
from tcserver.media.interface import STREAM_HOST, Address, PathProven, UrgentCame
from tcserver.monitoring.histogram import Histogram

DELAY_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Bounds of a histogram in seconds: from a quiet line to a delay with which nobody can talk."""
LONGEST_DELAY = 2.0
"""Seconds: a longer delay counts as this. The client sets the clock in a ping, which must not decide the sum."""
RTT_BOUNDS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Bounds of a histogram in seconds: from the same building to a satellite link."""


class Paths:
    """Answers pings, probes and requests for arrival reports, challenges addresses, and passes urgent messages on.

    ``rooms`` has all rooms by number. ``transmit`` sends a datagram, and ``emit`` tells of paths that were proved and
    of urgent messages.
    """

    def __init__(
        self,
        rooms: Mapping[int, MediaRoom],
        counters: Counters,
        random_bytes: Callable[[int], bytes],
        transmit: Callable[[Transmission], None],
        emit: Callable[[PathProven | UrgentCame], None],
    ) -> None:
        self.rtt = Histogram(RTT_BOUNDS)
        """Seconds from the challenge of a path to its answer."""
        self.uplink_delay = Histogram(DELAY_BOUNDS)
        """Seconds that pings took longer to come than the quickest of their seat."""
        self._rooms = rooms
        self._counters = counters
        self._random_bytes = random_bytes
        self._transmit = transmit
        self._emit = emit

    def answer(self, seat: MediaSeat, items: list[Item], address: Address) -> None:
        """Send a seat a down datagram, unless the address has been sent all that it may get."""
        try:
            datagram = seat.down.seal(items)
        except Dropped as drop:
            self._drop(drop.reason)
            return
        if seat.path.spend(address, len(datagram)):
            self._transmit(Transmission(datagram, seat.alone(address)))
        else:
            self._drop(Drop.BUDGET)

    def challenge(self, seat: MediaSeat, now: float) -> None:
        """Challenge the newest address of a seat, if it is time."""
        due = seat.path.challenge(now, self._random_bytes)
        if due is not None:
            address, token = due
            self.answer(seat, [Item(ItemType.PATH_CHALLENGE, token)], address)

    def take_response(self, seat: MediaSeat, token: bytes, address: Address, now: float) -> None:
        """Take the answer to a challenge."""
        proof = seat.path.respond(address, token, now)
        if proof is None:
            self._drop(Drop.PATH_TOKEN)
            return
        self._counters.paths[proof.change] += 1
        if proof.rtt is not None:
            self.rtt.observe(proof.rtt)
        self._rooms[seat.room].path_changed(seat.media_id)
        self._emit(PathProven(seat.media_id, address))

    def take_ping(self, seat: MediaSeat, up: UpKey, value: bytes, address: Address, size: int, now: float) -> None:
        """Answer a ping, with as many bytes as ``size`` if that is more."""
        try:
            ping = parse_ping(value)
        except ValueError:
            self._drop(Drop.ITEM)
            return
        if not seat.may_ping(now):
            self._drop(Drop.PING_RATE)
            return
        _, delay = seat.clock.transit(ping.time, now)
        self.uplink_delay.observe(min(delay, LONGEST_DELAY))
        self._counters.uplink_pings += 1
        self._counters.uplink_late += delay >= LATE
        positions = self._rooms[seat.room].positions()
        if address != seat.path.address:
            del positions[1:]  # an address that has proved nothing is sent as little as possible
        pong = Item(ItemType.PONG, up.pong(ping, now).pack())
        answer = [pong, Item(ItemType.POSITIONS, pack_positions(positions))]
        if (room := size - 2 * ITEM_HEAD - sum(len(item.value) for item in answer) - 1) >= 0:
            answer.append(Item(ItemType.PADDING, bytes(room)))
        self.answer(seat, answer, address)

    def take_bandwidth_probe(self, seat: MediaSeat, value: bytes, address: Address, now: float) -> None:
        """Send as many bytes as a seat asks for, to show what its line carries."""
        try:
            number, count, size = parse_probe_request(value)
        except ValueError:
            self._drop(Drop.ITEM)
            return
        for index in range(count):
            if address != seat.path.address or not seat.may_probe(size, now):
                self._drop(Drop.BANDWIDTH_PROBE_RATE)
                return
            item = Item(ItemType.BANDWIDTH_PROBE, ProbeItem(number, index).pack())
            self.answer(seat, [item, Item(ItemType.PADDING, bytes(size - MIN_PROBE_SIZE))], address)

    def take_urgent(self, seat: MediaSeat, message: bytes, now: float) -> None:
        """Pass an urgent message of a seat on, unread."""
        if seat.may_be_urgent(Kind.UP, len(message), now):
            self._emit(UrgentCame(seat.media_id, message))
        else:
            self._drop(Drop.URGENT_RATE)

    def tell_urgent(self, seat: MediaSeat, message: bytes, now: float) -> None:
        """Send a seat an urgent message. On a stream it would wait with all else."""
        address = seat.path.address
        if address is None or address.host == STREAM_HOST:
            return
        if seat.may_be_urgent(Kind.DOWN, len(message), now):
            self.answer(seat, [Item(ItemType.URGENT, message)], address)
        else:
            self._drop(Drop.URGENT_RATE)

    def report_arrival(self, seat: MediaSeat, counter: int, now: float, *, is_suppressed: bool) -> None:
        """Note that a datagram has come, and tell the client of arrivals if it has asked and it is time.

        Nothing is told while the datagrams of the seat may wait here. A stream delays by itself.
        """
        log, address = seat.arrivals, seat.path.address
        if log is None:
            return
        if is_suppressed or address is None or address.host == STREAM_HOST:
            log.skip()
        elif (report := log.arrive(seat.up.epoch, counter, now)) is not None:
            self.answer(seat, [Item(ItemType.ARRIVAL_REPORT, report.pack())], address)

    def _drop(self, reason: Drop) -> None:
        self._counters.drops[reason] += 1
