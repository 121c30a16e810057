"""Whether each receiver gets each datagram exactly once, while others join and leave.

The server is a real one, and so are the seats. Each datagram is compared with what the others got, opened once, and has
to be what was sent. Over a virtual cable the server's end computes the checksums, and the clients' end checks them.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import fcntl
import mmap
import random
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness import scrape
from benchmarks.harness.light_clients import SOURCES, Clients
from benchmarks.harness.load import FLOOD_STREAMS, POLL, packet
from benchmarks.harness.media_client import MediaClient
from benchmarks.harness.mmsg import DatagramBatch
from benchmarks.harness.network import LOOPBACK, Network, add_over, network
from benchmarks.harness.options import positive_whole
from benchmarks.harness.processes import child, need_linux, pin, pin_server
from benchmarks.harness.report import Bar, BenchmarkError, Report, Table
from benchmarks.harness.server import MAX_SEATS, Server, add_sender, sending_by
from tcproto.datagram import COUNTER_SIZE, HEADER_SIZE, VERSION, Item, ItemType, Kind
from tcproto.messages import Leave, Source, Subscribe

ROOM = "hall"
DATAGRAMS, QUICK_DATAGRAMS = 10_000_000, 60_000
RECEIVERS, QUICK_RECEIVERS = 100, 20
RATE = 1500
"""Datagrams per second of the talker: a busy server's, and what one process can look at before 100 receivers."""
AHEAD = 500
"""Datagrams that were sent and that no receiver has taken yet, at most: fewer than the buffer of a socket holds."""
RUNS = (1, 1, 1, 2, 3, 6)
"""Datagrams that are sent at once, chosen by chance: several leave the server as a train."""
VISITORS = 3
"""Participants at a time that come and go."""
STAY = 0.3
"""Seconds that each of them stays."""
QUIET = 1.0
"""Seconds in which nothing arrives any more, at the end."""
STALL = 10.0
"""Seconds in which nothing arrives although something is sent."""
PING_INTERVAL = 4.0
"""Seconds between pings of the receivers: a path lasts 15 s without."""
ROOM_DATAGRAM = VERSION << 4 | Kind.ROOM
"""First byte of what the server sends to the room."""
_TAKEN, _ENDED = 0, 1
"""What the talker and the receivers tell each other: the datagrams that were taken, whether all were sent."""
_ROOM_FOR_MORE = 4096
_SIOCETHTOOL, _SET_CHECKSUMS = 0x8946, 0x17
"""Of ``linux/sockios.h`` and ``linux/ethtool.h``."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--datagrams", metavar="N", type=positive_whole,
        help=f"datagrams that all receivers together have to get (default: {DATAGRAMS:,})",
    )  # fmt: skip
    parser.add_argument(
        "--receivers", metavar="N", type=positive_whole, help=f"receivers that stay (default: {RECEIVERS})"
    )
    add_sender(parser)
    add_over(parser)


@dataclass
class Receiver:
    """A seat, and how often it has got each datagram, by the datagram's index in ``known``."""

    seat: MediaClient
    counts: bytearray = field(default_factory=bytearray)

    def take(self, known: dict[bytes, int]) -> bool:
        """Take what waits at the socket; return whether that was anything of the room."""
        receive, counts, found = self.seat.socket.recv, self.counts, False
        try:
            while True:
                data = receive(2048)
                if data[0] != ROOM_DATAGRAM:
                    continue
                found = True
                index = known.setdefault(data, len(known))
                if index >= len(counts):
                    counts.extend(bytes(index - len(counts) + _ROOM_FOR_MORE))
                counts[index] += counts[index] < 2
        except BlockingIOError:
            return found


class Verdict(NamedTuple):
    """What receivers have got of what they should have."""

    received: int
    missing: int
    twice: int

    def __add__(self, other: object) -> Verdict:
        """Return the sums."""
        assert isinstance(other, Verdict)
        return Verdict(*(a + b for a, b in zip(self, other, strict=True)))


def judge(counts: bytearray, indices: Sequence[int], stayed: bool) -> Verdict:
    """Compare how often a receiver has got datagrams with ``indices`` of all that there were, in order of sending.

    One that has not ``stayed`` should have all from its first to its last one.
    """
    seen = [counts[index] if index < len(counts) else 0 for index in indices]
    if not stayed:
        held = [place for place, times in enumerate(seen) if times]
        seen = seen[held[0] : held[-1] + 1] if held else []
    return Verdict(sum(map(bool, seen)), seen.count(0), sum(times > 1 for times in seen))


class Errors(NamedTuple):
    """What the kernel of the clients' end has thrown away."""

    full: int
    """Datagrams for which a socket had no room: the fault of the receivers."""
    checksum: int


def errors() -> Errors:
    """Return the counts of this thread's namespace."""
    names, values = (
        line.split() for line in Path("/proc/thread-self/net/snmp").read_text().splitlines() if line.startswith("Udp:")
    )
    udp = dict(zip(names, values, strict=True))
    return Errors(int(udp["RcvbufErrors"]), int(udp["InCsumErrors"]))


def run(options: argparse.Namespace) -> Report:
    """Measure; raises ``BenchmarkError``."""
    need_linux()
    receivers = options.receivers or (QUICK_RECEIVERS if options.quick else RECEIVERS)
    if not 1 <= receivers < MAX_SEATS - VISITORS:
        raise BenchmarkError(f"--receivers: between 1 and {MAX_SEATS - VISITORS - 1}")
    number = -(-(options.datagrams or (QUICK_DATAGRAMS if options.quick else DATAGRAMS)) // receivers)
    settings = sending_by(options.sender) | {"rooms.loudest": 0}
    port = scrape.free_port()
    _say(f"{receivers} receivers: logging in")
    with network(options.over) as between:
        if options.over != LOOPBACK:
            _compute_checksums(between)
        with Server([ROOM], settings | {"http.port": port}, network=between) as server, Clients(server) as clients:
            (talker,) = clients.join(ROOM, 1, [Source.MICROPHONE] * FLOOD_STREAMS["audio"])
            staying = [Receiver(seat) for seat in clients.join(ROOM, receivers)]
            clients.prove()
            pin_server(server.process.pid)
            pin(0, 1)
            before = errors()
            meeting = _Meeting(server, clients, staying)
            sent = [packet("audio", talker, FLOOD_STREAMS["audio"]) for _ in range(number)]
            batch = DatagramBatch(
                talker.socket, server.address, [talker.up(Item(ItemType.PACKET, each)) for each in sent]
            )
            _say(f"{number:,} datagrams to each, while others come and go")
            seconds = meeting.hold(batch)
            lost = Errors(*(b - a for a, b in zip(before, errors(), strict=True)))
            with between.at_server():
                metrics = scrape.fetch(port)
    return _report(meeting, sent, lost, metrics, seconds, options.over)


class _Meeting:
    def __init__(self, server: Server, clients: Clients, staying: list[Receiver]) -> None:
        self.staying = staying
        self.visitors: list[Receiver] = []
        """All that there were."""
        self.known: dict[bytes, int] = {}
        """What the server has sent to the room, as it arrived, with an index."""
        self._server = server
        self._clients = clients
        self._present = [*staying]

    def hold(self, batch: DatagramBatch) -> float:
        """Send all, and take what arrives; return the seconds that this took."""
        with mmap.mmap(-1, 16) as memory, memoryview(memory) as view, view.cast("Q") as shared:

            def speak() -> None:
                chance, at, start = random.Random(1), 0, time.monotonic()
                while at < batch.size:
                    while at > shared[_TAKEN] + AHEAD:
                        time.sleep(POLL)
                    at = batch.fire(at, min(batch.size, at + chance.choice(RUNS)))
                    time.sleep(max(0.0, start + at / RATE - time.monotonic()))
                shared[_ENDED] = True
                time.sleep(3600)  # the parent ends it

            began = time.monotonic()
            with child(speak):
                self._clients.run(self._receive(shared))
            return time.monotonic() - began

    async def _receive(self, shared: memoryview) -> None:
        visits = [asyncio.create_task(self._come_and_go()) for _ in range(VISITORS)]
        ping_at = time.monotonic() + PING_INTERVAL
        now = moved_at = time.monotonic()
        while now < moved_at + (QUIET if shared[_ENDED] else STALL):
            now = time.monotonic()
            if sum([receiver.take(self.known) for receiver in self._present]):
                moved_at = now
            shared[_TAKEN] = len(self.known)
            if now > ping_at:
                # Not the talker, whose next datagrams are sealed already and would come too late after it.
                for receiver in self.staying:
                    receiver.seat.ping(self._server.address)
                ping_at = now + PING_INTERVAL
            for visit in visits:
                if visit.done():
                    visit.result()
            await asyncio.sleep(0)
        for visit in visits:
            visit.cancel()
        await asyncio.gather(*visits, return_exceptions=True)
        if not shared[_ENDED]:
            raise BenchmarkError("the server forwards nothing any more")

    async def _come_and_go(self) -> None:
        while True:
            line, seat = await self._clients.guest(ROOM)
            await line.request(Subscribe(1, SOURCES))
            with suppress(BenchmarkError):  # on a busy machine it may take longer than a client waits
                await seat.prove_beside(self._server.address)
            visitor = Receiver(seat)
            self.visitors.append(visitor)
            self._present.append(visitor)
            await asyncio.sleep(STAY)
            await line.request(Leave())
            visitor.take(self.known)
            self._present.remove(visitor)
            seat.socket.close()
            line.transport.abort()


def in_order(datagrams: Collection[bytes]) -> list[int]:
    """Return the indices of room datagrams of one sealer, in order of sending."""
    counters = [data[HEADER_SIZE - COUNTER_SIZE : HEADER_SIZE] for data in datagrams]
    return sorted(range(len(counters)), key=counters.__getitem__)


def _report(meeting: _Meeting, sent: Sequence[bytes], lost: Errors, metrics: str, seconds: float, over: str) -> Report:
    known = meeting.known
    order = in_order(known)
    seat = meeting.staying[0].seat
    opened = Counter(found for data in known if (found := seat.forwarded(data)) is not None)
    other = (opened - Counter(sent)).total() + abs(len(known) - len(sent))
    note = f"{opened.total():,} of {len(known):,} opened, the others are under later keys"
    rows, total = [], Verdict(0, 0, 0)
    for name, receivers, stayed in (("stayed", meeting.staying, True), ("came and went", meeting.visitors, False)):
        verdict = sum((judge(one.counts, order, stayed) for one in receivers), Verdict(0, 0, 0))
        rows.append((name, len(receivers), *verdict))
        total += verdict
    cloned = int(scrape.total(metrics, "tcserver_media_datagrams_cloned_total"))
    reasons = scrape.by_label(metrics, "tcserver_media_datagrams_not_cloned_total", "reason")
    not_cloned = ", ".join(f"{name} {int(count):,}" for name, count in reasons.items() if count) or "none"
    ways = [(cloned, not_cloned, len(known), total.received / seconds)]
    full = f"sockets of receivers had no room for {lost.full:,} datagrams" if lost.full else ""
    checksums = Bar("datagrams with a wrong checksum", lost.checksum, "", 0)
    if over == LOOPBACK:
        checksums = checksums.unless("the loopback device computes none: --over veth")
    return Report(
        [
            Table("What receivers got", ("receivers", "number", "received", "missing", "twice"), rows),
            Table("How it was sent", ("cloned", "not cloned", "datagrams to the room", "received /s"), ways),
        ],
        [
            Bar("datagrams that a receiver did not get", total.missing, "", 0).unless(full),
            Bar("datagrams that a receiver got twice", total.twice, "", 0),
            Bar("datagrams that are not what was sent", other, "", 0, note=note),
            checksums,
        ],
        figures={"received": total.received, "seconds": seconds, "visits": len(meeting.visitors), "cloned": cloned},
    )


def _compute_checksums(between: Network) -> None:
    """Let the server's end of the cable compute checksums, which it otherwise leaves to the other end."""
    value = ctypes.create_string_buffer(struct.pack("@II", _SET_CHECKSUMS, 0), 8)
    request = struct.pack("@16sP", between.device.encode(), ctypes.addressof(value))
    with between.at_server(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SIOCETHTOOL, request)


def _say(text: str) -> None:
    print(f"delivery: {text}", file=sys.stderr, flush=True)
