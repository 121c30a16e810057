"""What a forwarded datagram costs the server process, against what the kernel alone needs for the same datagrams.

The server is a real one; its load are sealed datagrams of real seats, sent from C. Receivers are bound sockets that
nobody waits on and that another process empties and counts a few times a second. The floor is a relay in the same run,
with the same load and the same receivers, that takes datagrams with ``recvmmsg`` and passes them on with ``sendmmsg``,
each on its own or as trains (UDP_GRO, UDP_SEGMENT), opens and seals nothing, and sends also to where it came from.
"""

from __future__ import annotations

import argparse
import mmap
import os
import socket
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.arrival import measure
from benchmarks.native import Relay, Sink, Volley
from benchmarks.processes import child, cpu_of, pin
from benchmarks.report import Bar, BenchmarkError, Plot, Report, Table
from benchmarks.seats import MAX_SEATS, Clients, Seat, Server
from tcproto.datagram import Item, ItemType
from tcproto.messages import Source
from tcproto.packet import AudioHeader, VideoHeader

RECEIVERS = (1, 10, 34, 100, 200, 500, MAX_SEATS - 1)
QUICK_RECEIVERS = (34, 100)
AUDIO_BODY = 97
"""Bytes of an audio packet's body: Opus at 32 kbit/s, padded and boxed; 140 bytes of UDP payload."""
VIDEO_BODY = 1119
"""Bytes of a video packet's body that fill a datagram of 1,170 bytes."""
BURST = 8
"""Datagrams of a picture."""
AUDIO_RATE, VIDEO_RATE = 50, 30
"""Audio datagrams and pictures per second of one talker, one camera."""
FLOOD_STREAMS = {"audio": 16, "video": 4}
"""Publications that share a flood, since each has a cap."""
FLOOD_RATES = {"audio": 15_000, "video": 19_000}
"""Datagrams per second below the caps of all streams of a flood."""
IN_FLIGHT = 256
"""Datagrams of a flood that are on their way: some batches, and less than any socket's buffer holds."""
BUSY_ROOMS, BUSY_PEOPLE, BUSY_TALKERS = 20, 35, 3
DRAIN_INTERVAL = 0.03
"""Seconds between rounds of the drain: a client's socket holds some hundreds of datagrams."""
SETTLE = 0.25
"""Seconds until what was sent has arrived and is counted."""
LATE = 0.1
"""Share of a load's deadlines that may be missed by more than a period, before the generator is said to be too slow."""
LATENESS = 0.001
"""Seconds after its time from which a message is late."""
STALL = 0.05
"""Seconds without progress after which what is on its way counts as lost."""
POLL = 0.00005
"""Seconds between looks whether something has come out."""
FLOODED = 0.9
"""Share of the time that a flooded process runs or wants to; below, the load was what limited it."""
TARGETS = ("server", "sendmmsg", "gso")
PACES = (
    ("audio", "paced", AUDIO_RATE),
    ("audio", "flood", None),
    ("video", "paced", VIDEO_RATE),
    ("video", "flood", None),
)
Key = tuple[str, str, int]
"""Kind, pace, receivers."""
RATIO_BARS: tuple[tuple[Key, str, float], ...] = (
    (("audio", "busy", 34), "sendmmsg", 1.25),
    (("audio", "paced", 34), "sendmmsg", 1.8),
    (("audio", "paced", 100), "sendmmsg", 1.35),
    (("audio", "paced", 200), "sendmmsg", 1.2),
    (("video", "paced", 34), "gso", 1.6),
    (("video", "paced", 100), "gso", 1.35),
)
ARRIVAL_BARS = {"audio": 25.0, "video": 15.0}
"""µs of an arriving datagram in the media plane, as in a busy server."""
Counts = memoryview
"""Datagrams by socket."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--receivers", metavar="N", type=int, nargs="*", help="numbers of receivers, or none")
    parser.add_argument("--seconds", metavar="S", type=float, help="length of each measurement")
    parser.add_argument(
        "--repeats", metavar="R", type=int, help="measurements of each figure, of which the median counts"
    )


class Hall(NamedTuple):
    """A room: all its seats, and the first of them, who talk."""

    seats: Sequence[Seat]
    talkers: int


class Load(NamedTuple):
    """What is sent; ``rate`` in messages per second of all talkers together, None: as fast as they come out."""

    kind: str
    rooms: Sequence[Hall]
    rate: float | None

    @property
    def train(self) -> int:
        """Datagrams of a message."""
        return BURST if self.kind == "video" else 1

    @property
    def talkers(self) -> list[Seat]:
        """Who sends."""
        return [seat for room in self.rooms for seat in room.seats[: room.talkers]]

    @property
    def receivers(self) -> int:
        """How many get each datagram."""
        return len(self.rooms[0].seats) - 1


class Measurement(NamedTuple):
    """What was seen of one process under a load."""

    cpu: float
    """µs of processor for each datagram that arrived at a receiver."""
    rate: float
    """Datagrams per second that arrived."""
    delivered: float
    """Share of those expected."""
    busy: float
    """Share of a core."""
    waited: float
    """Share of the time that it could have run, had others not."""
    late: float
    """Share of deadlines that the load generator missed."""


@dataclass
class Figure:
    """All measurements of one load on one target."""

    runs: list[Measurement] = field(default_factory=list)

    def median(self) -> Measurement:
        """Return the medians."""
        return Measurement(*(statistics.median(column) for column in zip(*self.runs, strict=True)))

    def spread(self) -> float:
        """Return the range of the cost, relative to its median."""
        costs = [run.cpu for run in self.runs]
        return (max(costs) - min(costs)) / statistics.median(costs)


def run(options: argparse.Namespace) -> Report:
    """Measure; raises ``BenchmarkError``."""
    if not Path("/proc/self/schedstat").exists() or not hasattr(os, "fork"):
        raise BenchmarkError("needs /proc with schedstat, which only Linux has")
    default = QUICK_RECEIVERS if options.quick else RECEIVERS
    receivers = default if options.receivers is None else options.receivers
    seconds = options.seconds or (1.0 if options.quick else 4.0)
    repeats = options.repeats or (1 if options.quick else 3)
    if not all(1 <= count < MAX_SEATS for count in receivers):
        raise BenchmarkError(f"between 1 and {MAX_SEATS - 1} receivers")
    figures: dict[Key, dict[str, Figure]] = {}
    for count in receivers:
        figures |= _one_talker(count, seconds, repeats)
    figures |= _busy(BUSY_ROOMS, seconds, repeats)
    _say("the media plane alone")
    arrival = measure(BUSY_ROOMS, BUSY_PEOPLE, BUSY_TALKERS, AUDIO_BODY, VIDEO_BODY, BURST)
    return _report(figures, arrival)


def _one_talker(receivers: int, seconds: float, repeats: int) -> dict[Key, dict[str, Figure]]:
    _say(f"{receivers} receivers: logging in")
    figures = {}
    # All streams of a flood are one seat's, and so would share one of the slots for the loudest. The pictures are of a
    # screen, since a server that is overloaded, as in a flood, shows fewer cameras.
    with Server(["hall"], {"rooms.loudest": 0}) as server, Clients(server) as clients:
        seats = clients.join(
            "hall", 1, [Source.MICROPHONE] * FLOOD_STREAMS["audio"] + [Source.SCREEN] * FLOOD_STREAMS["video"]
        )
        room = Hall([*seats, *clients.join("hall", receivers)], 1)
        clients.prove()
        for kind, pace, rate in PACES:
            _say(f"{receivers} receivers: {kind}, {pace}")
            figures[kind, pace, receivers] = _compare(server, clients, Load(kind, [room], rate), seconds, repeats)
    return figures


def _busy(rooms: int, seconds: float, repeats: int) -> dict[Key, dict[str, Figure]]:
    _say(f"{rooms} busy rooms: logging in")
    names = [f"room-{n}" for n in range(rooms)]
    with Server(names) as server, Clients(server) as clients:
        halls = []
        for name in names:
            talkers = clients.join(name, BUSY_TALKERS, [Source.MICROPHONE])
            halls.append(Hall([*talkers, *clients.join(name, BUSY_PEOPLE - BUSY_TALKERS)], BUSY_TALKERS))
        clients.prove()
        load = Load("audio", halls, AUDIO_RATE * BUSY_TALKERS * rooms)
        _say(f"{rooms} busy rooms")
        return {("audio", "busy", load.receivers): _compare(server, clients, load, seconds, repeats)}


def _compare(server: Server, clients: Clients, load: Load, seconds: float, repeats: int) -> dict[str, Figure]:
    """Measure the server and the two floors under a load, in turns."""
    figures = {name: Figure() for name in TARGETS}
    with _draining(load) as counts:
        for _ in range(repeats):
            for name, figure in figures.items():
                clients.ping()
                clients.rest(SETTLE)
                if name == "server":
                    figure.runs.append(_measure(load, server.address, server.process.pid, counts, seconds))
                else:
                    with _relay(load, name == "gso") as (address, pid):
                        figure.runs.append(_measure(load, address, pid, counts, seconds))
    return figures


def _measure(load: Load, target: tuple[str, int], pid: int, counts: Counts, seconds: float) -> Measurement:
    pin(pid, 0)
    volleys = _volleys(load, target, seconds)
    arrived, (cpu, waited), began = sum(counts), cpu_of(pid), time.monotonic()
    if load.rate is None:
        sent, taken = _flood(volleys[0], load.rooms[0].seats[-1], counts, seconds)
        late = 0.0
    else:
        (sent, late), taken = _pace(volleys, load.rate), 0
    wall = time.monotonic() - began
    time.sleep(SETTLE)
    now_cpu, now_waited = cpu_of(pid)
    used, delay = now_cpu - cpu, now_waited - waited
    arrived = sum(counts) - arrived + taken
    if not arrived:
        raise BenchmarkError("nothing arrived")
    share = arrived / (sent * load.receivers)
    return Measurement(used * 1e6 / arrived, arrived / wall, share, used / wall, delay / wall, late)


def _volleys(load: Load, target: tuple[str, int], seconds: float) -> list[Volley]:
    """Seal what the talkers will send."""
    rate = load.rate or FLOOD_RATES[load.kind] / load.train
    talkers = load.talkers
    count = int(seconds * rate / len(talkers)) * load.train
    streams = FLOOD_STREAMS[load.kind] if load.rate is None else 1
    volleys = []
    for talker in talkers:
        packets = (_packet(load.kind, talker, streams) for _ in range(count))
        datagrams = [talker.up(Item(ItemType.PACKET, packet)) for packet in packets]
        volleys.append(Volley(talker.socket, target, datagrams, load.train))
    return volleys


def _packet(kind: str, talker: Seat, streams: int) -> bytes:
    number = talker.packets
    talker.packets += 1
    if kind == "audio":
        stream = talker.streams[number % streams]
        return AudioHeader(stream, 1, 0, number, number * 960 & 0xFFFFFFFF, 20, 30, True).pack() + bytes(AUDIO_BODY)
    frame, index = divmod(number, BURST)
    stream = talker.streams[-1 - frame % streams]
    header = VideoHeader(stream, 1, 0, number, frame * 3000 & 0xFFFFFFFF, frame & 0xFFFF, index, BURST)
    return header.pack() + bytes(VIDEO_BODY)


def _pace(volleys: Sequence[Volley], rate: float) -> tuple[int, float]:
    """Send one message after the other at a rate, by turns; return the datagrams, and the share of late ones."""
    period, total = 1 / rate, sum(volley.size for volley in volleys)
    start = time.monotonic()
    late = 0
    for n in range(total):
        due = start + n * period
        now = time.monotonic()
        if now < due:
            time.sleep(due - now)
        elif now > due + max(period, LATENESS):
            late += 1
        turn, who = divmod(n, len(volleys))
        volleys[who].fire(turn, turn + 1)
    return total * volleys[0].per_message, late / total


def _flood(volley: Volley, sample: Seat, counts: Counts, seconds: float) -> tuple[int, int]:
    """Send as fast as it comes out again at one receiver; return the datagrams sent, and those taken there."""
    sink, descriptor = Sink(), sample.socket.fileno()
    start = moved = time.monotonic()
    counted, size = counts[-1], volley.per_message
    at = taken = out = lost = 0
    while (now := time.monotonic()) < start + seconds and at < volley.size:
        taken += sink.drain(descriptor)
        before, out = out, taken + counts[-1] - counted
        if out > before:
            moved = now
        elif now > moved + STALL:
            lost = at * size - out
        room = (IN_FLIGHT - (at * size - out - lost)) // size
        if room > 0:
            at = volley.fire(at, min(volley.size, at + room))
        else:
            time.sleep(POLL)
    return at * size, taken + sink.drain(descriptor)


@contextmanager
def _draining(load: Load) -> Iterator[Counts]:
    """Empty all sockets from another process; gives what it has counted, by socket."""
    descriptors = [seat.socket.fileno() for room in load.rooms for seat in room.seats]
    with mmap.mmap(-1, 8 * len(descriptors)) as memory, memoryview(memory) as view, view.cast("Q") as counts:

        def drain() -> None:
            sink = Sink()
            while True:
                for i, descriptor in enumerate(descriptors):
                    counts[i] += sink.drain(descriptor)
                time.sleep(DRAIN_INTERVAL)

        with child(drain) as pid:
            pin(pid, 1)
            pin(0, 1)
            yield counts


@contextmanager
def _relay(load: Load, trains: bool) -> Iterator[tuple[tuple[str, int], int]]:
    """Run the floor; gives its address and process."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, 4 << 20)
        sock.bind(("127.0.0.1", 0))
        rooms: dict[bytes, list[tuple[str, int]]] = {}
        for room in load.rooms:
            addresses = [seat.address for seat in room.seats[1:]]
            rooms |= {seat.ident: addresses for seat in room.seats[: room.talkers]}
        with child(Relay(sock, rooms, trains).run) as pid:
            yield sock.getsockname(), pid


def _report(figures: dict[Key, dict[str, Figure]], arrival: dict[str, float]) -> Report:
    rows = []
    raw = []
    for (kind, pace, receivers), by_target in figures.items():
        server, plain, gso = (by_target[name].median() for name in TARGETS)
        rows.append(
            (
                f"{kind}, {pace}", receivers, server.cpu, plain.cpu, gso.cpu, server.cpu / plain.cpu,
                server.cpu / gso.cpu, server.rate, 100 * server.delivered, 100 * server.busy,
                100 * by_target["server"].spread(), _remark(pace, server),
            )
        )  # fmt: skip
        raw += [
            {"load": kind, "pace": pace, "receivers": receivers, "target": name, **run._asdict()}
            for name, figure in by_target.items()
            for run in figure.runs
        ]
    columns = (
        "load", "receivers", "server us", "sendmmsg us", "GSO us", "/sendmmsg", "/GSO", "server /s", "delivered %",
        "core %", "spread %", "remark",
    )  # fmt: skip
    plots = [
        Plot(f"{kind}, {pace}", "receivers", "CPU us per forwarded datagram", lines)
        for kind, pace, _ in PACES
        if (lines := _lines(figures, kind, pace))
    ]
    title = "CPU of the process per datagram that arrived at a receiver; floors: the kernel alone (medians)"
    bars = _bars(figures)
    bars += [
        Bar(f"arriving {kind} datagram, system calls left out", arrival[kind], "us", limit)
        for kind, limit in ARRIVAL_BARS.items()
    ]
    return Report([Table(title, columns, rows)], bars, plots, {"runs": raw, "arrival_us": arrival})


def _remark(pace: str, server: Measurement) -> str:
    if server.late > LATE:
        return "the load came late"
    if pace == "flood" and server.busy + server.waited < FLOODED:
        return "the load generator was the bottleneck"
    return "the machine was busy otherwise" if server.waited > LATE else ""


def _lines(figures: dict[Key, dict[str, Figure]], kind: str, pace: str) -> dict[str, list[tuple[float, float]]]:
    chosen = {key[2]: by_target for key, by_target in figures.items() if key[:2] == (kind, pace)}
    return {
        name: [(receivers, chosen[receivers][name].median().cpu) for receivers in sorted(chosen)]
        for name in TARGETS
        if chosen
    }


def _bars(figures: dict[Key, dict[str, Figure]]) -> list[Bar]:
    bars = []
    for key, floor, limit in RATIO_BARS:
        if key in figures:
            kind, pace, receivers = key
            measured = figures[key]["server"].median().cpu / figures[key][floor].median().cpu
            what = f"{kind}, {pace}, {receivers} receivers, against {floor}"
            bars.append(Bar(what, measured, "x", limit))
    flood = figures.get(("audio", "flood", 100))
    if flood is not None:
        server = flood["server"].median()
        note = "arrivals per second of processor"
        what = "saturation of a core, audio, 100 receivers"
        bars.append(Bar(what, server.rate / server.busy, "/s", 600_000, least=True, note=note))
    return bars


def _say(text: str) -> None:
    print(f"fanout: {text}", file=sys.stderr, flush=True)
