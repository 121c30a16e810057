"""What a participant on the stream path costs the server, against one on UDP, and what a slow stream does.

First the same meeting twice: everybody on UDP, then everybody in a WebSocket over TLS. Then one of them on a slow line.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from benchmarks.harness.light_clients import Clients
from benchmarks.harness.load import COMPLETE, LATE, SETTLE, draining, packet
from benchmarks.harness.media_client import PING, Seat
from benchmarks.harness.options import positive, positive_whole
from benchmarks.harness.processes import child, memory, need_files, need_linux, pin, pin_server, usage
from benchmarks.harness.report import Bar, BenchmarkError, Report, Table, progress
from benchmarks.harness.server import OTHER_FILES, Server
from benchmarks.harness.slow_line import slow_line
from benchmarks.harness.stream_client import StreamClients, StreamSeat, drain
from benchmarks.parts.stream_floor import floor
from tcproto.datagram import Item, ItemType
from tcproto.datagram import Kind as DatagramKind
from tcproto.messages import Source
from tcproto.packet import AudioHeader, parse_header
from tcserver.media.lanes.stream import LONGEST_FLUSH_INTERVAL

_say = progress("stream")

PARTICIPANTS, TALKERS, CAMERAS = 100, 3, 4
AUDIO_INTERVAL, PICTURE_INTERVAL = 0.02, 0.04
PICTURE = 3
"""Datagrams of a picture: with 25 pictures per second 0.7 Mbit/s, as of a camera of 360p."""
_RATES = TALKERS / AUDIO_INTERVAL, CAMERAS * PICTURE / PICTURE_INTERVAL
FLUSHED = sum(_RATES) * LONGEST_FLUSH_INTERVAL
"""Packets that a server writes at once to each of many streams."""
_FRAME_BYTES = (160 * _RATES[0] + 1180 * _RATES[1]) / sum(_RATES)
"""Of a packet in its datagram and its frame, about: a mean over sound and pictures."""
SAMPLES = 2
"""Participants on streams whose datagrams are counted. The others' stay encrypted, and are thrown away."""
DRAIN_INTERVAL = 0.01
REST_LIMIT = 3.0
"""Seconds that the last packets may take."""
COST, RESIDENT = 2.5, 400.0
"""Bars: µs for each forwarded packet, MiB of the server."""
SLOW = 300_000
"""Bits per second of the slow line."""
SLOW_PICTURE = 5
"""Datagrams of a picture there: with three talkers 1.3 Mbit/s are offered."""
AUDIO_DELAY = 500.0
"""Bar: ms, p95."""


class Cost(NamedTuple):
    """What a server needed for a meeting."""

    cpu: float
    """µs of processor for each packet that was forwarded."""
    busy: float
    """Share of a core."""
    delivered: float
    """Share of what the participants should have got."""
    late: float
    """Share of the load that was sent late."""
    resident: float
    """MiB."""
    waited: float
    """Share of the time that the server could have run, had others not."""


class Received(NamedTuple):
    """What one participant got."""

    audio: Sequence[float]
    """Seconds from sending to receiving, of each audio packet."""
    audio_lost: int
    video: int
    """Datagrams of pictures that came."""
    video_lost: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--participants",
        metavar="N",
        type=positive_whole,
        default=PARTICIPANTS,
        help="of the meeting (default: %(default)s)",
    )
    parser.add_argument("--seconds", metavar="S", type=positive, help="length of each measurement")
    parser.add_argument(
        "--repeats", metavar="R", type=positive_whole, help="measurements of each way, of which the median counts"
    )


def run(options: argparse.Namespace) -> Report:
    """Measure; raises ``BenchmarkError``."""
    need_linux()
    if options.participants <= TALKERS + CAMERAS + SAMPLES:
        raise BenchmarkError(f"--participants {options.participants}: more than {TALKERS + CAMERAS + SAMPLES}")
    need_files(2 * options.participants + OTHER_FILES)
    seconds = options.seconds or (2.0 if options.quick else 10.0)
    repeats = options.repeats or (1 if options.quick else 3)
    costs: dict[str, list[Cost]] = {"UDP": [], "streams": []}
    for number in range(repeats):
        for way, measure in (("UDP", _on_udp), ("streams", _on_streams)):
            _say(f"{options.participants} participants on {way}, run {number + 1} of {repeats}")
            costs[way].append(measure(options.participants, seconds))
    _say("the kernel alone, and with TLS")
    size, interval = round(FLUSHED * _FRAME_BYTES), LONGEST_FLUSH_INTERVAL
    alone, sealed = (
        floor(options.participants - 1, size, interval, seconds, DRAIN_INTERVAL, tls=tls) * 1e6 / FLUSHED
        for tls in (False, True)
    )
    _say("a slow line")
    slow, fast = _slow(max(seconds, 5.0))
    return _report(costs, alone, sealed, slow, fast)


# The cost


def _sources(participants: int) -> list[tuple[Source, ...]]:
    """Return what each participant publishes."""
    silent: list[tuple[Source, ...]] = [()] * (participants - TALKERS - CAMERAS)
    return [*[(Source.MICROPHONE,)] * TALKERS, *[(Source.SCREEN,)] * CAMERAS, *silent]


def _on_udp(participants: int, seconds: float) -> Cost:
    with Server(["hall"]) as server, Clients(server) as clients:
        seats = [clients.join("hall", 1, sources)[0] for sources in _sources(participants)]
        clients.prove()
        with draining(seats) as counts:
            return _measure(server, clients, seats, seconds, lambda: sum(counts), participants - 1)


def _on_streams(participants: int, seconds: float) -> Cost:
    with Server(["hall"]) as server, StreamClients(server) as clients:
        seats = [clients.run(clients.enter("hall", sources)) for sources in _sources(participants)]
        counted = 0

        def count(datagram: bytes) -> None:
            nonlocal counted
            counted += datagram[0] & 15 == DatagramKind.ROOM

        *others, first, second = seats
        for sample in (first, second):
            sample.line.on_datagram = count
        descriptors = [seat.line.pause() for seat in others]
        with child(partial(drain, descriptors, DRAIN_INTERVAL, time.sleep)) as pid:
            pin(pid, 1)
            pin(0, 1)
            return _measure(server, clients, seats, seconds, lambda: counted, SAMPLES)


def _measure(
    server: Server, clients: Clients, seats: Sequence[Seat], seconds: float, arrived: Callable[[], int], receivers: int
) -> Cost:
    """Put a server under the load of a meeting; of each packet ``receivers`` participants tell by ``arrived``."""
    pid = server.process.pid
    pin_server(pid)
    clients.run(_play(server, seats, 0.5, PICTURE))
    _await_rest(clients, arrived)
    before, start, began = arrived(), usage(pid), time.monotonic()
    sent, late = clients.run(_play(server, seats, seconds, PICTURE))
    _await_rest(clients, arrived)
    wall = time.monotonic() - began
    used = usage(pid).since(start)
    delivered = (arrived() - before) / (sent * receivers)
    if not delivered:
        raise BenchmarkError("nothing arrived")
    cpu = sum(used.cpu)
    forwarded = sent * (len(seats) - 1) * delivered
    return Cost(cpu * 1e6 / forwarded, cpu / wall, delivered, late, memory(pid) / 2**20, max(used.waited) / wall)


def _await_rest(clients: Clients, arrived: Callable[[], int]) -> None:
    """Wait until nothing more arrives: a stream delivers late what a busy machine has held up."""
    end, last = time.monotonic() + REST_LIMIT, -1
    while time.monotonic() < end and arrived() != last:
        last = arrived()
        clients.rest(SETTLE)


async def _play(
    server: Server, seats: Sequence[Seat], seconds: float, picture: int, note: Callable[[bytes], None] | None = None
) -> tuple[int, float]:
    """Let talkers talk and cameras show; return how many packets were sent, and the share of late sendings.

    ``note`` gets each packet just before it is sent. Seats that send nothing else ping once a second.
    """
    talkers = seats[:TALKERS]
    cameras = [seat for seat in seats[TALKERS:] if seat.streams]
    silent = [seat for seat in seats if not seat.streams]
    events = [(AUDIO_INTERVAL, number / 7 * AUDIO_INTERVAL, "audio", 1, seat) for number, seat in enumerate(talkers)]
    events += [(PICTURE_INTERVAL, n / 5 * PICTURE_INTERVAL, "video", picture, seat) for n, seat in enumerate(cameras)]
    due = sorted(
        (offset + turn * interval, number, kind, count, seat)
        for number, (interval, offset, kind, count, seat) in enumerate(events)
        for turn in range(int(seconds / interval))
    )
    start = time.monotonic()
    pinged, sent, late = start, 0, 0
    for at, _, kind, count, seat in due:
        if (wait := start + at - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        late += wait < -AUDIO_INTERVAL
        for _ in range(count):
            data = packet(kind, seat, 1, count)
            if note is not None:
                note(data)
            seat.send(seat.up(Item(ItemType.PACKET, data)), server.address)
            sent += 1
        if time.monotonic() - pinged > 1:
            pinged = time.monotonic()
            for other in silent:
                other.send(other.up(PING), server.address)
    return sent, late / max(1, len(due))


# A slow stream


class Watch:
    """Notes when packets were sent, and how long they took to a participant."""

    def __init__(self) -> None:
        self.sent: dict[tuple[int, int], float] = {}
        """By stream and sequence number."""
        self.audio: set[tuple[int, int]] = set()
        self._took: defaultdict[Seat, dict[tuple[int, int], float]] = defaultdict(dict)

    def note(self, data: bytes) -> None:
        """Note that a packet is being sent."""
        header = parse_header(data)
        key = header.stream, header.sequence
        self.sent[key] = time.monotonic()
        if isinstance(header, AudioHeader):
            self.audio.add(key)

    def watch(self, seat: StreamSeat) -> None:
        """Note what comes to a participant from now on."""

        def take(datagram: bytes) -> None:
            now = time.monotonic()
            data = seat.forwarded(datagram)
            if data is not None:
                header = parse_header(data)
                key = header.stream, header.sequence
                if key in self.sent:
                    self._took[seat][key] = now - self.sent[key]

        seat.line.on_datagram = take

    def received(self, seat: Seat) -> Received:
        """Return what a participant got."""
        took = self._took[seat]
        audio = [seconds for key, seconds in took.items() if key in self.audio]
        video = len(took) - len(audio)
        return Received(audio, len(self.audio) - len(audio), video, len(self.sent) - len(self.audio) - video)


def _slow(seconds: float) -> tuple[Received, Received]:
    """Return what a participant on a slow line got, and one beside it."""
    with (
        Server(["hall"]) as server,
        StreamClients(server) as clients,
        slow_line(server.address, SLOW) as address,
    ):
        publishers = [*[(Source.MICROPHONE,)] * TALKERS, (Source.SCREEN,)]
        seats = [clients.run(clients.enter("hall", sources)) for sources in publishers]
        slow = clients.run(clients.enter("hall", (), address))
        fast = clients.run(clients.enter("hall"))
        clients.rest(SETTLE)
        watch = Watch()
        for seat in (slow, fast):
            watch.watch(seat)
        clients.run(_play(server, [*seats, slow, fast], seconds, SLOW_PICTURE, watch.note))
        clients.rest(1.0)
        return watch.received(slow), watch.received(fast)


# The report


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile of values in seconds, in ms; infinite if there are none."""
    ordered = sorted(values)
    return ordered[int(len(ordered) * 0.95)] * 1000 if ordered else float("inf")


def _report(costs: dict[str, list[Cost]], alone: float, sealed: float, slow: Received, fast: Received) -> Report:
    """Return the report; writing a packet costs the kernel ``alone`` µs, and with TLS ``sealed``."""
    medians = {
        way: Cost(*(statistics.median(column) for column in zip(*runs, strict=True))) for way, runs in costs.items()
    }
    rows = [
        (way, cost.cpu, 100 * cost.busy, 100 * cost.delivered, cost.resident, 100 * cost.late, 100 * cost.waited)
        for way, cost in medians.items()
    ]
    columns = ("way", "us per packet", "core %", "delivered %", "MiB", "late %", "waited %")
    lines = [
        (name, p95(got.audio), got.audio_lost, len(got.audio), got.video, got.video_lost)
        for name, got in (("slow", slow), ("beside it", fast))
    ]
    stream = medians["streams"]
    doubt = "the load came late" if stream.late > LATE else ""
    if stream.delivered < COMPLETE:
        doubt = f"only {stream.delivered:.1%} arrived"
    return Report(
        [
            Table("The server of a meeting, by the way of all participants (medians)", columns, rows),
            Table(
                f"A line of {SLOW // 1000} kbit/s",
                ("participant", "audio p95 ms", "audio lost", "audio", "video", "video lost"),
                lines,
            ),
        ],
        [
            Bar(
                "a forwarded packet, participants on streams",
                stream.cpu,
                "us",
                COST,
                note=f"the kernel alone takes {alone:.2f} us to write it, and with TLS {sealed:.2f}",
            ).unless(doubt),
            Bar("memory of the server, participants on streams", stream.resident, "MiB", RESIDENT),
            Bar("audio on a slow line, p95", p95(slow.audio), "ms", AUDIO_DELAY),
            Bar("audio lost on a slow line", slow.audio_lost, "packets", 0),
            Bar("audio and video lost beside it", fast.audio_lost + fast.video_lost, "packets", 0),
        ],
        figures={
            "alone": alone,
            "sealed": sealed,
            "costs": {way: [cost._asdict() for cost in runs] for way, runs in costs.items()},
            "slow": slow._asdict(),
            "fast": fast._asdict(),
        },
    )
