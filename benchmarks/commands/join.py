"""How many log in per second, and how soon they hear and see: light clients, without Argon2.

The picture is that of a light sender. It sends a keyframe at the beginning, and when the server asks for one.
"""

from __future__ import annotations

import argparse
import mmap
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from benchmarks.harness.kernel_timestamps import take
from benchmarks.harness.light_clients import AT_ONCE, Clients, Entry
from benchmarks.harness.load import AUDIO_RATE, FLOODED, LATE, SETTLE, packet
from benchmarks.harness.media_client import MediaClient
from benchmarks.harness.mmsg import DatagramBatch
from benchmarks.harness.options import positive_whole
from benchmarks.harness.processes import child, cpu_of, need_linux, pin
from benchmarks.harness.report import Bar, Cell, Plot, Report, Table, progress
from benchmarks.harness.server import Server
from tcproto.datagram import Item, ItemType
from tcproto.messages import Source
from tcproto.packet import AudioHeader, VideoHeader, parse_header

_say = progress("join")

ROOM = 35
"""Participants of a room."""
TALKERS = 3
PICTURE_RATE, PICTURE_PACKETS, KEYFRAME_PACKETS, PICTURE_BODY = 25, 3, 12, 930
"""Pictures per second, datagrams of one and of a keyframe, bytes of a packet's body: 600 kbit/s of packets."""
TALK = 10.0
"""Seconds for which there is something to hear and to see: longer than anybody takes to come in."""
WITHIN = 1.0
"""Seconds over which the participants of a room dial."""
LIMIT = 2.0
"""Seconds from the first who dials, until all hear."""


class Rush(NamedTuple):
    """Many logins, as fast as they go."""

    participants: int
    seconds: float
    server: float
    """Seconds of processor."""
    clients: float
    """Seconds of processor."""
    waited: float
    """Seconds for which the server could have run, had others not."""

    @property
    def remark(self) -> str:
        """Return the reason why the rate was below what the server could do, or nothing."""
        if self.server + self.waited >= FLOODED * self.seconds:
            return "the machine was busy otherwise" if self.waited > LATE * self.seconds else ""
        if self.clients >= FLOODED * self.seconds:
            return "the load generator was the bottleneck"
        return "neither the server nor the load generator was busy all the time"


class Arrival(NamedTuple):
    """Somebody who came in; seconds from dialling."""

    dialled: float
    """From the first who dialled."""
    seated: float
    heard: float | None
    """The first sound."""
    seen: float | None
    """All packets of the first keyframe."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--rooms", metavar="N", type=positive_whole, help=f"rooms of {ROOM} that fill up one after the other"
    )


def run(options: argparse.Namespace) -> Report:
    """Measure; raises ``BenchmarkError``."""
    need_linux()
    rooms = options.rooms or (3 if options.quick else 14)
    repeats = 1 if options.quick else 3
    rushes = [_rush(rooms) for _ in range(repeats)]
    meetings = [_meeting() for _ in range(repeats)]
    return _report(rushes, meetings)


def _rush(rooms: int) -> Rush:
    names = [f"room-{n}" for n in range(rooms)]
    _say(f"{rooms} rooms of {ROOM} log in")
    with Server(names) as server, Clients(server) as clients:
        pin(server.process.pid, 0)
        pin(0, 1)
        clients.join(names[0], 1)  # the first pays for what is made only once
        before, own, began = cpu_of(server.process.pid), time.process_time(), time.monotonic()
        for name in names:
            clients.join(name, ROOM - (name == names[0]))
        seconds = time.monotonic() - began
        used, waited = (now - then for now, then in zip(cpu_of(server.process.pid), before, strict=True))
        return Rush(rooms * ROOM - 1, seconds, used, time.process_time() - own, waited)


def _meeting() -> list[Arrival]:
    _say(f"{ROOM} come in within {WITHIN:.0f} s, while {TALKERS} talk and one shows")
    with Server(["hall"]) as server, Clients(server) as clients, mmap.mmap(-1, 1) as wanted:
        pin(server.process.pid, 0)
        pin(0, 1)
        talkers = clients.join("hall", TALKERS, [Source.MICROPHONE])
        (camera,) = clients.join("hall", 1, [Source.SCREEN], lambda: wanted.__setitem__(0, 1))
        clients.prove()
        with _talking(talkers, server.address), _showing(camera, server.address, wanted):
            clients.rest(SETTLE)
            entries = clients.arrive("hall", ROOM, WITHIN)
            clients.rest(2 * SETTLE)  # until the last keyframe, which may have to wait for half a second
        start = min(entry.dialled for entry in entries)
        return [_arrival(entry, start) for entry in entries]


def _arrival(entry: Entry, start: int) -> Arrival:
    heard, seen = (None if at is None else (at - entry.dialled) / 1e9 for at in first(entry.seat))
    return Arrival((entry.dialled - start) / 1e9, (entry.seated - entry.dialled) / 1e9, heard, seen)


def first(seat: MediaClient) -> tuple[int | None, int | None]:
    """Return when the first sound, and the last packet of the first keyframe, were there; ns of the wall clock."""
    heard = seen = None
    pieces: dict[int, set[int]] = defaultdict(set)
    for stamp in take(0, seat.socket):
        packet = seat.forwarded(stamp.data)
        header = None if packet is None else parse_header(packet)
        if isinstance(header, AudioHeader):
            heard = heard or stamp.at
        elif isinstance(header, VideoHeader) and header.keyframe:
            pieces[header.frame_id].add(header.packet_index)
            if len(pieces[header.frame_id]) == header.packet_count:
                seen = seen or stamp.at
    return heard, seen


@contextmanager
def _talking(talkers: list[MediaClient], target: tuple[str, int]) -> Iterator[None]:
    count = int(TALK * AUDIO_RATE)
    batches = []
    for talker in talkers:
        datagrams = [talker.up(Item(ItemType.PACKET, packet("audio", talker, 1))) for _ in range(count)]
        batches.append(DatagramBatch(talker.socket, target, datagrams))

    def talk() -> None:
        start = time.monotonic()
        for turn in range(count):
            time.sleep(max(0.0, start + turn / AUDIO_RATE - time.monotonic()))
            for batch in batches:
                batch.fire(turn, turn + 1)
        time.sleep(TALK)

    with child(talk) as pid:
        pin(pid, 1)
        yield


@contextmanager
def _showing(camera: MediaClient, target: tuple[str, int], wanted: mmap.mmap) -> Iterator[None]:
    def show() -> None:
        start = time.monotonic()
        for frame in range(int(TALK * PICTURE_RATE)):
            time.sleep(max(0.0, start + frame / PICTURE_RATE - time.monotonic()))
            keyframe = not frame or bool(wanted[0])
            wanted[0] = 0
            for piece in picture(camera, frame, keyframe):
                camera.socket.sendto(camera.up(Item(ItemType.PACKET, piece)), target)
        time.sleep(TALK)

    with child(show) as pid:
        pin(pid, 1)
        yield


def picture(camera: MediaClient, frame: int, keyframe: bool) -> list[bytes]:
    """Return the packets of a picture."""
    stream, count, reference = camera.streams[0], KEYFRAME_PACKETS if keyframe else PICTURE_PACKETS, int(not keyframe)
    packets = []
    for index in range(count):
        number, camera.packets = camera.packets, camera.packets + 1
        timestamp = frame * 90_000 // PICTURE_RATE
        header = VideoHeader(stream, 1, 0, number, timestamp, frame, index, count, keyframe, reference=reference)
        packets.append(header.pack() + bytes(PICTURE_BODY))
    return packets


def _report(rushes: list[Rush], meetings: list[list[Arrival]]) -> Report:
    rates = [rush.participants / rush.seconds for rush in rushes]
    costs = [1000 * rush.server / rush.participants for rush in rushes]
    own = [1000 * rush.clients / rush.participants for rush in rushes]
    middle = sorted(rushes, key=lambda rush: rush.participants / rush.seconds)[len(rushes) // 2]
    rows: list[tuple[Cell, ...]] = [
        (f"logins, {AT_ONCE} at a time", statistics.median(rates), "/s", middle.remark),
        ("CPU of the server for one", statistics.median(costs), "ms", ""),
        ("which fill a core at", 1000 / statistics.median(costs), "/s", ""),
        ("CPU of the light client for one", statistics.median(own), "ms", ""),
    ]
    arrivals = [arrival for meeting in meetings for arrival in meeting]
    steps = {
        "seated": [arrival.seated for arrival in arrivals],
        "the first sound": [arrival.heard for arrival in arrivals if arrival.heard is not None],
        "the first picture": [arrival.seen for arrival in arrivals if arrival.seen is not None],
    }
    for what, times in steps.items():
        if times:
            rows += [
                (f"from dialling to {what}, median", 1000 * statistics.median(times), "ms", ""),
                (f"from dialling to {what}, slowest", 1000 * max(times), "ms", ""),
            ]
    course = {
        what: [(1000 * at, 100 * (n + 1) / len(arrivals)) for n, at in enumerate(sorted(times))]
        for what, times in steps.items()
        if times
    }
    title = f"Logins into rooms of {ROOM}, and {ROOM} within {WITHIN:.0f} s"
    return Report(
        [Table(title, ("what", "measured", "unit", "remark"), rows)],
        [
            Bar("hear nothing", len(arrivals) - len(steps["the first sound"]), "participants", 0),
            Bar("see nothing", len(arrivals) - len(steps["the first picture"]), "participants", 0),
            Bar("from the first who dials until all hear", statistics.median(map(all_hear, meetings)), "s", LIMIT),
        ],
        [Plot(f"{ROOM} join within {WITHIN:.0f} s", "ms from dialling", "% of the participants", course, log_x=True)],
        {
            "rushes": [rush._asdict() for rush in rushes],
            "meetings": [[arrival._asdict() for arrival in meeting] for meeting in meetings],
        },
    )


def all_hear(meeting: list[Arrival]) -> float:
    """Return the seconds from the first client that dialled to the last that hears."""
    return max((a.dialled + a.heard for a in meeting if a.heard is not None), default=0.0)
