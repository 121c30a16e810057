"""Loads: datagrams of talkers, their rate, and the processor time that a process needs to forward them.

Receivers are bound sockets that nobody waits on and that another process empties and counts a few times a second.
"""

from __future__ import annotations

import mmap
import random
import socket
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

from benchmarks.harness.light_clients import Clients
from benchmarks.harness.media_client import MediaClient, Seat
from benchmarks.harness.mmsg import DatagramBatch, Relay, Sink
from benchmarks.harness.network import ONE_MACHINE, Network
from benchmarks.harness.processes import child, machine_time, pin, pin_server, usage
from benchmarks.harness.report import BenchmarkError
from tcproto.datagram import Item, ItemType
from tcproto.messages import Source
from tcproto.packet import AudioHeader, VideoHeader

AUDIO_BODY = 97
"""Bytes of an audio packet's body: Opus at 32 kbit/s, padded and boxed; 140 bytes of UDP payload."""
VIDEO_BODY = 1119
"""Bytes of a video packet's body that fill a datagram of 1,170 bytes."""
BURST = 8
"""Datagrams of a picture."""
PACED_BURST, PACED_INTERVAL = 12, 0.004
"""Datagrams in each burst of a larger picture, and the seconds to the next: 29 Mbit/s, as where no rate is known."""
SPREAD = 3
"""Bursts in which the client sends a picture of 42 kB: a keyframe, or a page on a screen."""
AUDIO_RATE, VIDEO_RATE = 50, 30
"""Audio datagrams and pictures per second of one talker, one camera."""
FLOOD_STREAMS = {"audio": 16, "video": 4}
"""Publications that share a flood, since each has a cap."""
FLOOD_RATES = {"audio": 15_000, "video": 19_000}
"""Datagrams per second below the caps of all streams of a flood."""
IN_FLIGHT = 256
"""Datagrams of a flood that are on their way: some batches, and less than any socket's buffer holds."""
BUSY_ROOMS, BUSY_PARTICIPANTS, BUSY_TALKERS = 20, 35, 3
"""A busy server's rooms, and the participants and talkers of each."""
DRAIN_INTERVAL = 0.03
"""Seconds between rounds of the drain: a client's socket holds some hundreds of datagrams."""
SETTLE = 0.25
"""Seconds without a datagram after which all that was sent has arrived and is counted."""
SETTLE_LIMIT = 5.0
"""Seconds for which datagrams are waited for at most: a busy machine takes its time."""
LATE = 0.1
"""Share of a load's deadlines that may be missed by more than a period, before the generator is said to be too slow."""
LATENESS = 0.001
"""Seconds after its time from which a message is late."""
STALL, STALL_EACH = 0.05, 1e-5
"""Seconds without progress after which what is on its way counts as lost, and for each datagram that leaves for it."""
POLL = 0.00005
"""Seconds between looks whether something has come out."""
COMPLETE = 0.99
"""Share that has to arrive. A server that loses more did not carry the load, so its cost says nothing."""
FLOODED = 0.9
"""Share of the time in which a flooded process runs or could run. With less, the sender was the limit."""
Counts = memoryview
"""Datagrams by socket."""
UdpSocket = socket.socket


class Seen(Protocol):
    """What was seen under a load."""

    @property
    def delivered(self) -> float:
        """Share of those datagrams that should arrive."""

    @property
    def late(self) -> float:
        """Share of the load that was sent too late."""


class Listener(Protocol):
    """Whoever receives on a socket."""

    socket: UdpSocket


S = TypeVar("S", bound=Listener)


class LoadedRoom(NamedTuple, Generic[S]):
    """A room: all its seats, and the first of them, which talk."""

    seats: Sequence[S]
    talkers: int


class Load(NamedTuple, Generic[S]):
    """What is sent; ``rate`` in messages per second of all talkers together, None: as fast as they come out."""

    kind: str
    rooms: Sequence[LoadedRoom[S]]
    rate: float | None
    bursts: int = 1
    """Messages of a picture; several leave as the client's pacer sends them, a few milliseconds apart."""

    @property
    def train(self) -> int:
        """Datagrams of a message."""
        if self.kind == "audio":
            return 1
        return BURST if self.bursts == 1 else PACED_BURST

    @property
    def streams(self) -> int:
        """Publications that a talker needs for its rate."""
        most = FLOOD_STREAMS[self.kind]
        if self.rate is None:
            return most
        return min(most, 1 + int(self.rate * self.train / len(self.talkers) * most / FLOOD_RATES[self.kind]))

    def due(self, message: int) -> float:
        """Return the seconds from its start at which a message of a talker leaves, in a load with a rate."""
        assert self.rate is not None
        picture, burst = divmod(message, self.bursts)
        return picture * self.bursts * len(self.talkers) / self.rate + burst * PACED_INTERVAL

    def datagrams(self, seconds: float) -> int:
        """Return how many each talker sends, or is ready to; raises ``BenchmarkError`` if that is none."""
        rate = self.rate or FLOOD_RATES[self.kind] / self.train
        count = int(seconds * rate / len(self.talkers)) * self.train
        if not count:
            raise BenchmarkError(f"--seconds {seconds:g}: too short for a single message of each talker")
        return count

    @property
    def talkers(self) -> list[S]:
        """Who sends."""
        return [seat for room in self.rooms for seat in room.seats[: room.talkers]]

    @property
    def seats(self) -> list[S]:
        """Everybody."""
        return [seat for room in self.rooms for seat in room.seats]

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
    """Share of the time that it could have run, without others. Of several processes, the one that waited most."""
    late: float
    """Share of deadlines that the load generator missed."""
    machine: float = 0.0
    """µs of all processors for each datagram that arrived, load generator and receivers included."""


@dataclass
class Figure:
    """All measurements of one load on one target."""

    runs: list[Measurement] = field(default_factory=list)

    def median(self) -> Measurement:
        """Return the medians."""
        return Measurement(*(statistics.median(column) for column in zip(*self.runs, strict=True)))

    @property
    def costs(self) -> list[float]:
        """µs of processor for each datagram that arrived, of each run."""
        return [run.cpu for run in self.runs]

    def spread(self) -> float:
        """Return the range of the cost, relative to its median."""
        return (max(self.costs) - min(self.costs)) / statistics.median(self.costs)


def one_talker(clients: Clients, receivers: int, room: str = "hall") -> LoadedRoom[MediaClient]:
    """Seat a participant that can talk and show, and that some others receive."""
    sources = [Source.MICROPHONE] * FLOOD_STREAMS["audio"] + [Source.SCREEN] * FLOOD_STREAMS["video"]
    return LoadedRoom([*clients.join(room, 1, sources), *clients.join(room, receivers)], 1)


def busy_rooms(clients: Clients, names: Sequence[str]) -> list[LoadedRoom[MediaClient]]:
    """Fill rooms as on a busy server."""
    halls = []
    for name in names:
        talkers = clients.join(name, BUSY_TALKERS, [Source.MICROPHONE])
        halls.append(LoadedRoom([*talkers, *clients.join(name, BUSY_PARTICIPANTS - BUSY_TALKERS)], BUSY_TALKERS))
    return halls


def put_under(load: Load[S], batches: Sequence[DatagramBatch], pid: int, counts: Counts, seconds: float) -> Measurement:
    """Put a process, and those below it, under a load, while what arrives is counted.

    ``batches`` has what each talker sends. Raises ``BenchmarkError`` if nothing arrives.
    """
    pin_server(pid)
    arrived, start, whole, began = sum(counts), usage(pid), machine_time(), time.monotonic()
    if load.rate is None:
        stall = STALL + STALL_EACH * IN_FLIGHT * load.receivers
        sent, taken = _flood(batches[0], load.rooms[0].seats[-1], counts, seconds, stall)
        late = 0.0
    else:
        (sent, late), taken = _pace(batches, load), 0
    wall = time.monotonic() - began
    settle(lambda: sum(counts))
    used, whole = usage(pid).since(start), machine_time() - whole
    arrived = sum(counts) - arrived + taken
    if not arrived:
        raise BenchmarkError("nothing arrived")
    share = arrived / (sent * load.receivers)
    cpu = sum(used.cpu)
    return Measurement(
        cpu * 1e6 / arrived, arrived / wall, share, cpu / wall, max(used.waited) / wall, late, whole * 1e6 / arrived
    )


def settle(arrived: Callable[[], int]) -> None:
    """Wait until nothing arrives any more: what ``arrived`` returns stays as it is for ``SETTLE``."""
    limit, seen = time.monotonic() + SETTLE_LIMIT, -1
    while seen != (seen := arrived()) and time.monotonic() < limit:
        time.sleep(SETTLE)


def doubt(*loaded: tuple[str, Seen]) -> str:
    """Return why no bar can be judged by what was seen, each of something with a name: late, or lost; or nothing."""
    for name, seen in loaded:
        if seen.late > LATE:
            return f"{name}: the load came late"
        if seen.delivered < COMPLETE:
            return f"{name}: only {seen.delivered:.1%} arrived"
    return ""


def remark(flooded: bool, seen: Measurement) -> str:
    """Return a remark on a measurement that cannot be trusted, or an empty text."""
    if seen.late > LATE:
        return "the load came late"
    if flooded and seen.busy + seen.waited < FLOODED:
        return "the load generator was the bottleneck"
    return "the machine was busy otherwise" if seen.waited > LATE else ""


def batches(load: Load[MediaClient], target: tuple[str, int], seconds: float) -> list[DatagramBatch]:
    """Seal what the talkers will send."""
    count = load.datagrams(seconds)
    streams, burst = load.streams, load.train * load.bursts
    ready = []
    for talker in load.talkers:
        talker.packets += -talker.packets % burst  # a picture begins with its first packet
        packets = (packet(load.kind, talker, streams, burst) for _ in range(count))
        datagrams = [talker.up(Item(ItemType.PACKET, packet)) for packet in packets]
        ready.append(DatagramBatch(talker.socket, target, datagrams, load.train))
    return ready


def packet(kind: str, talker: Seat, streams: int, burst: int = BURST, body: int = VIDEO_BODY) -> bytes:
    """Return the next packet of a talker, on its first (audio) or last (video) streams in turns.

    A picture has ``burst`` packets with bodies of ``body`` bytes.
    """
    number = talker.packets
    talker.packets += 1
    if kind == "audio":
        stream = talker.streams[number % streams]
        return AudioHeader(stream, 1, 0, number, number * 960 & 0xFFFFFFFF, 20, 30, True).pack() + bytes(AUDIO_BODY)
    frame, index = divmod(number, burst)
    stream = talker.streams[-1 - frame % streams]
    talker.pictures[stream] += not index
    key = talker.pictures[stream] <= KEYFRAMES
    time = frame * 3000 & 0xFFFFFFFF
    header = VideoHeader(stream, 1, 0, number, time, frame & 0xFFFF, index, burst, key, reference=int(not key))
    return header.pack() + bytes(body)


def _pace(batches: Sequence[DatagramBatch], load: Load[S]) -> tuple[int, float]:
    """Send messages when they are due. Return the datagrams, and the share of late ones.

    Each talker begins at a time of its own. In each turn the talkers follow each other at the same uneven intervals,
    and now and then two come nearly together.
    """
    assert load.rate is not None
    turns, rng = batches[0].size, random.Random(1)
    starts = sorted((rng.uniform(0, len(batches) / load.rate), who) for who in range(len(batches)))
    tolerated = max(1 / load.rate, LATENESS)
    start = time.monotonic()
    late = 0
    for turn in range(turns):
        for offset, who in starts:
            due = start + load.due(turn) + offset
            now = time.monotonic()
            if now < due:
                time.sleep(due - now)
            elif now > due + tolerated:
                late += 1
            batches[who].fire(turn, turn + 1)
    return turns * len(batches) * batches[0].per_message, late / (turns * len(batches))


def _flood(batch: DatagramBatch, sample: Listener, counts: Counts, seconds: float, stall: float) -> tuple[int, int]:
    """Send as fast as it comes out again at one receiver; return the datagrams sent, and those taken there.

    What does not come out within ``stall`` seconds counts as lost.
    """
    sink, descriptor = Sink(), sample.socket.fileno()
    start = moved = time.monotonic()
    counted, size = counts[-1], batch.per_message
    at = taken = out = lost = 0
    while (now := time.monotonic()) < start + seconds and at < batch.size:
        taken += sink.drain(descriptor)
        before, out = out, taken + counts[-1] - counted
        if out > before:
            moved = now
        elif now > moved + stall:
            lost, moved = at * size - out, now
        room = (IN_FLIGHT - (at * size - out - lost)) // size
        if room > 0:
            at = batch.fire(at, min(batch.size, at + room))
        else:
            time.sleep(POLL)
    return at * size, taken + sink.drain(descriptor)


@contextmanager
def draining(seats: Sequence[Listener], beside: Callable[[], None] | None = None) -> Iterator[Counts]:
    """Empty sockets from another process; gives what it has counted, by socket.

    ``beside`` is called in that process, each round.
    """
    descriptors = [seat.socket.fileno() for seat in seats]
    with mmap.mmap(-1, 8 * max(1, len(seats))) as memory, memoryview(memory) as view, view.cast("Q") as counts:

        def drain() -> None:
            sink = Sink()
            while True:
                for i, descriptor in enumerate(descriptors):
                    counts[i] += sink.drain(descriptor)
                if beside is not None:
                    beside()
                time.sleep(DRAIN_INTERVAL)

        with child(drain) as pid:
            pin(pid, 1)
            pin(0, 1)
            yield counts


@contextmanager
def relay(
    load: Load[MediaClient], trains: bool, network: Network = ONE_MACHINE
) -> Iterator[tuple[tuple[str, int], int]]:
    """Run the floor, with trains (UDP_GRO, UDP_SEGMENT) or without; gives its address and process."""
    with network.at_server():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, 4 << 20)
        sock.bind((network.server, 0))
        rooms: dict[bytes, list[tuple[str, int]]] = {}
        for room in load.rooms:
            addresses = [seat.address for seat in room.seats[1:]]
            rooms |= {seat.ident: addresses for seat in room.seats[: room.talkers]}
        with child(Relay(sock, rooms, trains).run) as pid:
            yield sock.getsockname(), pid


KEYFRAMES = 10
"""Pictures with which a stream begins that are keyframes: nothing is forwarded before one, and some may be lost."""
