"""The shell of the media plane: UDP sockets, the event loop, and the clock."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import NamedTuple

from tcserver.media.bpf.fan_out import FanOut
from tcserver.media.interface import STREAM_HOST, Address, Command, Event
from tcserver.media.lanes.faulty import NO_FAULTS, Arrivals, FaultSettings, FaultyLane
from tcserver.media.lanes.lane import Lane, total
from tcserver.media.lanes.sender import Sender
from tcserver.media.plane.plane import MediaPlane
from tcserver.media.plane.stats import LATENCY_BOUNDS, MediaStats, SocketState, count, seat_stats
from tcserver.media.relay.wire import MAX_RELAYED
from tcserver.media.udp.binding import bind
from tcserver.media.udp.cloning import Cloning
from tcserver.media.udp.cloning_lane import make_cloning_lanes
from tcserver.media.udp.coalescing import Coalescer
from tcserver.media.udp.marking import Marking
from tcserver.media.udp.reader import BUFFER_SIZE, Reader, ReceiverName, make_reader
from tcserver.media.udp.sendmmsg import SenderName, make_lanes
from tcserver.media.udp.sendto import PlainLane
from tcserver.media.udp.socket_group import SocketGroup, socket_state
from tcserver.media.udp.steering import steer
from tcserver.monitoring.histogram import Histogram
from tcserver.monitoring.process_stats import ProcessStats

BUFFER_BYTES = 4 << 20
"""Bytes asked of the kernel for each socket and direction: 20 ms of a busy server. It grants up to ``rmem_max``."""
READ_BUDGET = 0.002
"""Seconds of one turn of the loop: then no more is taken, so that a flood leaves time for the rest."""
PORTION = 64
"""Datagrams taken between two looks at the clock. A batch of trains may hold thousands."""
CLOCK_TICK = 0.001
"""Seconds by which a timer of uvloop may be early, whose clock counts whole milliseconds."""
MAX_STREAMS = 4096
"""Addresses of streams that are remembered; when there are more, all are forgotten. An equal one serves as well."""
FAILURE_LOG_INTERVAL = 10.0
"""Seconds between log entries about unexpected failures, which a peer may be able to cause."""
_log = logging.getLogger(__name__)


class _Unfinished(NamedTuple):
    """What is left of a batch when its turn of the loop is over; the next turn goes on with it."""

    datagrams: list[tuple[bytes, Address]]
    read_at: float
    handle: asyncio.Handle


class MediaSockets:
    """Runs a media plane on UDP sockets, one for each local address.

    ``addresses`` are (numeric host, port), see ``bind``. ``sender`` and ``receiver`` choose the system calls: ``auto``
    takes the fastest that pass a self-test; with any other name ``open`` raises ``OSError`` where those calls fail.
    ``on_events`` gets the events of the plane, in order, after what belongs to them was sent. With ``dscp`` datagrams
    are marked, see ``Marking``. ``faults`` are made on purpose.

    Where the platform can steer datagrams, there are three sockets for each address (see ``SocketGroup``). Datagrams of
    suppressed seats come by the second, which is read in intervals.
    """

    def __init__(
        self,
        plane: MediaPlane,
        addresses: Sequence[tuple[str, int]],
        loop: asyncio.AbstractEventLoop,
        sender: SenderName = "auto",
        receiver: ReceiverName = "auto",
        on_events: Callable[[list[Event]], None] = lambda events: None,
        buffer_bytes: int = BUFFER_BYTES,
        dscp: bool = False,
        faults: FaultSettings = NO_FAULTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plane = plane
        self._addresses = addresses
        self._loop = loop
        self._sender_name: SenderName = sender
        self._receiver_name: ReceiverName = receiver
        self._on_events = on_events
        self._buffer_bytes = buffer_bytes
        self._dscp = dscp
        self._faults = faults
        self._arrivals = Arrivals(faults.loss, _chance) if faults.loss else None
        self._clock = clock
        self._group = SocketGroup()
        self._sockets: list[socket.socket] = []
        """Sockets that are waited on: those that receive from clients, and the one to other media workers."""
        self._lanes: list[Lane] = []
        """Lanes by the same index, then that of the streams."""
        self._sender = Sender(self._lanes)
        self._full: set[PlainLane] = set()
        """Lanes that wait for room in the buffer of their socket."""
        self._readers: list[Reader] = []
        """Readers of the sockets, then of the coalesced ones of the group."""
        self._coalescers: list[Coalescer] = []
        self._follow: Callable[[Collection[int]], None] = self._steer
        self._streams: dict[int, Address] = {}
        """Addresses of streams that were heard of, by number."""
        self._relay = -1
        """Index of the socket to other media workers."""
        self._unfinished: dict[int, _Unfinished] = {}
        """By the place of the reader."""
        self._cloning: Cloning | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._next_failure_log = 0.0
        self._latency = Histogram(LATENCY_BOUNDS)

    def open(
        self,
        group: SocketGroup | None = None,
        relay: socket.socket | None = None,
        follow: Callable[[Collection[int]], None] | None = None,
        streams: Lane | None = None,
        fan_out: FanOut | None = None,
    ) -> None:
        """Bind the sockets and begin to read; raises ``OSError`` where an address cannot be bound.

        In a media worker ``group`` is bound already, and taken instead of the addresses; ``relay`` reaches the other
        workers. ``follow`` is told whenever other seats are suppressed, with the media ids of all that are, and has to
        steer their datagrams to the coalesced sockets. By ``streams`` leaves what goes to byte streams, whose datagrams
        ``receive`` takes. With ``fan_out``, a program that stays open, the kernel makes the copies of datagrams.
        """
        group = self._group = group or self._bind()
        self._sockets += group.receiving
        sending = [*(group.sending or group.receiving)]
        relays = [] if relay is None else [relay]
        self._follow = follow or self._steer
        if relay is not None:
            self._relay = len(self._sockets)
            self._sockets.append(relay)
        try:
            lanes = self._make_lanes(sending, fan_out) + make_lanes(self._sender_name, relays, self._wait_for_room)
            if self._dscp:
                for made, sock in zip(lanes, (*sending, *relays), strict=True):
                    made.marking = Marking(sock)
            self._lanes = [self._faulty(lane) if place != self._relay else lane for place, lane in enumerate(lanes)]
            if streams is not None:
                self._lanes.append(streams)
            self._sender = Sender(self._lanes)
            known: list[dict[bytes, Address]] = [{} for _ in self._sockets]
            for sockets in (self._sockets, group.coalesced):
                for lane, sock in enumerate(sockets):
                    size = BUFFER_SIZE if lane != self._relay else MAX_RELAYED
                    self._readers.append(make_reader(self._receiver_name, sock, lane, size, known[lane]))
        except OSError:
            self._close()
            raise
        for place, sock in enumerate(self._sockets):
            self._loop.add_reader(sock.fileno(), self.pump, place)
        for place, sock in enumerate(group.coalesced, len(self._sockets)):
            pump = partial(self.pump, place)
            self._coalescers.append(Coalescer(sock.fileno(), pump, self._loop, self._clock))
        self._arm()

    def _faulty(self, lane: Lane) -> Lane:
        """Return a lane with the faults that are wanted, if any are."""
        if self._faults == NO_FAULTS:
            return lane
        return FaultyLane(lane, self._faults, _chance, self._loop.call_later, self._clock)

    async def close(self) -> None:
        """Stop reading and close the sockets; may be called again."""
        self._close()

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for coalescer in self._coalescers:
            coalescer.close()
        for unfinished in self._unfinished.values():
            unfinished.handle.cancel()
        if self._cloning is not None:
            self._cloning.close()
        for sock in self._sockets:
            self._loop.remove_reader(sock.fileno())
        for lane in self._full:
            self._loop.remove_writer(lane.fileno())
        for sock in self._sockets:
            sock.close()
        self._group.close()
        self._coalescers.clear()
        self._unfinished.clear()
        self._sockets.clear()
        self._full.clear()
        self._readers.clear()

    def local_addresses(self) -> list[tuple[str, int]]:
        """Return the bound (host, port) of each socket."""
        return [sock.getsockname()[:2] for sock in self._sockets]

    def configure_logs(self, level: str, style: str) -> None:
        """Do nothing: the logs of this process are changed by its daemon."""

    def process_stats(self) -> list[ProcessStats]:
        """Return nothing: commands are carried out in this process alone."""
        return []

    def stats(self) -> list[MediaStats]:
        """Return what the one media plane did since the start, and what there is."""
        counts = total(self._lanes)
        stats = MediaStats(
            counters=self._plane.flush_counters(),
            kernel_sent=counts.sent,
            errors=counts.errors,
            gave_way=counts.gave_way,
            refused_trains=counts.refused_trains,
            cloned=counts.cloned,
            not_cloned=counts.not_cloned,
            device_drops=self._cloning.dropped if self._cloning is not None else 0,
            waiting=sum(lane.waiting for lane in self._lanes),
            latency=self._latency,
            rtt=self._plane.paths.rtt,
            uplink_delay=self._plane.paths.uplink_delay,
            sockets=self._socket_states(),
            counts=count(self._plane.rooms.values()),
            seats=seat_stats(self._plane.rooms.values()),
        )
        return [stats]

    def apply(self, *commands: Command) -> None:
        """Give the plane commands of the control plane."""
        for command in commands:
            self._plane.apply(command, self._clock())
        self._disarm()  # a command may begin a replay, which is due sooner than what the timer waits for
        self._drain()

    def receive(self, streamed: Sequence[tuple[int, Sequence[bytes]]]) -> None:
        """Take datagrams of streams, each with the number of its stream, and send what follows from them."""
        batch: list[tuple[bytes, Address]] = []
        for number, datagrams in streamed:
            address = self._streams.get(number)
            if address is None:
                if len(self._streams) >= MAX_STREAMS:
                    self._streams.clear()
                address = self._streams[number] = Address(len(self._sockets), STREAM_HOST, number)
            batch += [(datagram, address) for datagram in datagrams]
        now = self._clock()
        self._plane.receive(batch, now)
        self._send()
        self._latency.observe(self._clock() - now)
        self._deliver()

    def pump(self, place: int) -> int:
        """Read what a socket has, for a bounded time, and send what follows from it; return how many datagrams came.

        ``place`` is that of its reader: the coalesced sockets come last. What is left when the time is over is taken in
        the next turn of the loop.
        """
        reader, plane = self._readers[place], self._plane
        receive = plane.receive if place != self._relay else plane.receive_relayed
        taken, clock = 0, self._clock
        now = clock()
        end, read_at = now + READ_BUDGET, now
        batch: list[tuple[bytes, Address]] = []
        if place in self._unfinished:
            batch, read_at, handle = self._unfinished.pop(place)
            handle.cancel()
        while now < end:
            if not batch:
                batch = reader.read()
                now = read_at = clock()  # not before: nothing has arrived later than it is said to have
            portion, batch = (batch, []) if len(batch) <= PORTION else (batch[:PORTION], batch[PORTION:])
            if portion:
                taken += len(portion)
                if self._arrivals is not None and place != self._relay:
                    portion = self._arrivals.kept(portion)
                receive(portion, now)
                self._send()
            now = clock()
            if portion:
                self._latency.observe(now - read_at)
            if reader.drained and not batch:
                break
        if batch or (not reader.drained and place >= len(self._sockets)):  # the loop waits on the others
            self._unfinished[place] = _Unfinished(batch, read_at, self._loop.call_soon(self.pump, place))
        self._deliver()
        if place < len(self._sockets):
            for coalescer in self._coalescers:
                coalescer.look_along(now)
        return taken

    def _poll(self) -> None:
        self._timer = None
        self._plane.poll(self._clock())
        self._drain()

    def _drain(self) -> None:
        """Send, deliver events, and arm the timer, in this order: events tell of what was sent."""
        self._send()
        self._deliver()

    def _send(self) -> None:
        transmissions = self._plane.take_transmissions()
        if transmissions:
            self._sender.send(transmissions)

    def _deliver(self) -> None:
        plane = self._plane
        if (failed := plane.faults.take()) is not None:
            self._log_failure(f"handling a {failed[0]} failed", failed[1])
        events = plane.take_events()
        if events:
            self._on_events(events)
        if plane.suppressed.changed:
            plane.suppressed.changed = False
            if self._coalescers:
                self._follow(plane.suppressed.media_ids)
        if plane.sooner:
            plane.sooner = False
            self._disarm()
        if self._timer is None:
            self._arm()

    def _make_lanes(self, sending: Sequence[socket.socket], fan_out: FanOut | None) -> list[PlainLane]:
        if fan_out is not None:
            try:
                self._cloning = Cloning(fan_out, self._loop)
                return make_cloning_lanes(self._cloning, sending, self._wait_for_room)
            except OSError as error:
                _log.warning("the kernel is not asked for copies of datagrams: %s", error)
        return make_lanes(self._sender_name, sending, self._wait_for_room)

    def _wait_for_room(self, lane: PlainLane) -> None:
        self._full.add(lane)
        self._loop.add_writer(lane.fileno(), self._resume, lane)

    def _resume(self, lane: PlainLane) -> None:
        if lane.resume():
            self._full.discard(lane)
            self._loop.remove_writer(lane.fileno())

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        # Except by commands, and where ``sooner`` says so, deadlines only move away. So an armed timer is in time.
        if self._timer is not None or not self._sockets:
            return
        deadline = self._plane.next_deadline()
        if deadline is not None:
            # A timer that came early would be armed again and again, for no time at all, until its deadline.
            self._timer = self._loop.call_later(max(0.0, deadline - self._clock()) + CLOCK_TICK, self._poll)

    def _log_failure(self, what: str, failure: Exception) -> None:
        now = self._clock()
        if now >= self._next_failure_log:
            self._next_failure_log = now + FAILURE_LOG_INTERVAL
            _log.error(what, exc_info=failure)

    def _bind(self) -> SocketGroup:
        group = SocketGroup(bind(self._addresses, self._buffer_bytes))
        addresses = zip(self._addresses, group.receiving, strict=True)
        try:
            group.bind_others([(host, sock.getsockname()[1]) for (host, _), sock in addresses], self._buffer_bytes)
        except OSError as error:
            _log.info("datagrams of open microphones are read one by one: %s", error)
        return group

    def _steer(self, suppressed: Collection[int]) -> None:
        try:
            for sock in self._group.receiving:
                steer([sock], suppressed)
        except OSError as error:
            self._log_failure("datagrams of open microphones cannot be steered", error)

    def _socket_states(self) -> tuple[SocketState, ...]:
        try:
            states = [socket_state(sock) for sock in self._sockets]
            for sockets in (self._group.coalesced, self._group.sending):
                for lane, sock in enumerate(sockets):
                    states[lane] = SocketState(*map(sum, zip(states[lane], socket_state(sock), strict=True)))
        except OSError:
            return ()
        return tuple(states)


def _chance() -> float:
    """Return a random number from 0 to 1."""
    return int.from_bytes(os.urandom(4), "big") / 2**32
