"""How many log in per second, and how soon they hear: light clients, Argon2 left out."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.load import AUDIO_RATE, SETTLE, packet
from benchmarks.native import Volley
from benchmarks.processes import child, cpu_of, pin
from benchmarks.report import Bar, BenchmarkError, Report, Table
from benchmarks.seats import Clients, Seat, Server
from benchmarks.stamps import take
from tcproto.datagram import Item, ItemType
from tcproto.messages import Source

ROOM = 35
"""People of a room."""
TALKERS = 3
TALK = 10.0
"""Seconds for which the talkers talk: longer than anybody takes to come in."""
WITHIN = 1.0
"""Seconds over which the people of a room dial."""
LIMIT = 2.0
"""Seconds from the first who dials, until all hear."""


class Rush(NamedTuple):
    """Many logins, as fast as they go."""

    people: int
    seconds: float
    server: float
    """Seconds of processor."""
    clients: float
    """Seconds of processor."""


class Arrival(NamedTuple):
    """Somebody who came in; seconds from dialling."""

    dialled: float
    """From the first who dialled."""
    seated: float
    heard: float | None


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--rooms", metavar="N", type=int, help=f"rooms of {ROOM} that fill up one after the other")


def run(options: argparse.Namespace) -> Report:
    """Measure; raises ``BenchmarkError``."""
    if not Path("/proc/self/schedstat").exists() or not hasattr(os, "fork"):
        raise BenchmarkError("needs /proc with schedstat, which only Linux has")
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
        before, own, began = cpu_of(server.process.pid)[0], time.process_time(), time.monotonic()
        for name in names:
            clients.join(name, ROOM - (name == names[0]))
        seconds = time.monotonic() - began
        used = cpu_of(server.process.pid)[0] - before
        return Rush(rooms * ROOM - 1, seconds, used, time.process_time() - own)


def _meeting() -> list[Arrival]:
    _say(f"{ROOM} come in within {WITHIN:.0f} s, while {TALKERS} talk")
    with Server(["hall"]) as server, Clients(server) as clients:
        pin(server.process.pid, 0)
        pin(0, 1)
        talkers = clients.join("hall", TALKERS, [Source.MICROPHONE])
        clients.prove()
        with _talking(talkers, server.address):
            clients.rest(SETTLE)
            entries = clients.arrive("hall", ROOM, WITHIN)
            clients.rest(SETTLE)
        first = min(entry.dialled for entry in entries)
        return [
            Arrival(
                (entry.dialled - first) / 1e9,
                (entry.seated - entry.dialled) / 1e9,
                (heard - entry.dialled) / 1e9 if (heard := first_packet(entry.seat)) else None,
            )
            for entry in entries
        ]


def first_packet(seat: Seat) -> int | None:
    """Return when the first packet of somebody else reached a seat, in ns of the wall clock."""
    return next((stamp.at for stamp in take(0, seat.socket) if seat.forwarded(stamp.data) is not None), None)


@contextmanager
def _talking(talkers: list[Seat], target: tuple[str, int]) -> Iterator[None]:
    count = int(TALK * AUDIO_RATE)
    volleys = []
    for talker in talkers:
        datagrams = [talker.up(Item(ItemType.PACKET, packet("audio", talker, 1))) for _ in range(count)]
        volleys.append(Volley(talker.socket, target, datagrams))

    def talk() -> None:
        start = time.monotonic()
        for turn in range(count):
            time.sleep(max(0.0, start + turn / AUDIO_RATE - time.monotonic()))
            for volley in volleys:
                volley.fire(turn, turn + 1)
        time.sleep(TALK)

    with child(talk) as pid:
        pin(pid, 1)
        yield


def _report(rushes: list[Rush], meetings: list[list[Arrival]]) -> Report:
    rates = [rush.people / rush.seconds for rush in rushes]
    costs = [1000 * rush.server / rush.people for rush in rushes]
    own = [1000 * rush.clients / rush.people for rush in rushes]
    rows: list[tuple[str, float, str]] = [
        ("logins, 16 at a time", statistics.median(rates), "/s"),
        ("CPU of the server for one", statistics.median(costs), "ms"),
        ("which fill a core at", 1000 / statistics.median(costs), "/s"),
        ("CPU of the light client for one", statistics.median(own), "ms"),
    ]
    arrivals = [arrival for meeting in meetings for arrival in meeting]
    seated = [arrival.seated for arrival in arrivals]
    heard = [arrival.heard for arrival in arrivals if arrival.heard is not None]
    rows += [
        ("from dialling to seated, median", 1000 * statistics.median(seated), "ms"),
        ("the slowest", 1000 * max(seated), "ms"),
    ]
    if heard:
        rows += [
            ("from dialling to the first sound, median", 1000 * statistics.median(heard), "ms"),
            ("the slowest ", 1000 * max(heard), "ms"),
        ]
    return Report(
        [Table(f"Logins into rooms of {ROOM}, and {ROOM} within {WITHIN:.0f} s", ("what", "measured", "unit"), rows)],
        [
            Bar("hear nothing", len(arrivals) - len(heard), "people", 0),
            Bar("from the first who dials until all hear", statistics.median(map(all_hear, meetings)), "s", LIMIT),
        ],
        figures={
            "rushes": [rush._asdict() for rush in rushes],
            "meetings": [[arrival._asdict() for arrival in meeting] for meeting in meetings],
        },
    )


def all_hear(meeting: list[Arrival]) -> float:
    """Return the seconds from the first who dialled until the last of those who hear did."""
    return max((a.dialled + a.heard for a in meeting if a.heard is not None), default=0.0)


def _say(text: str) -> None:
    print(f"join: {text}", file=sys.stderr, flush=True)
