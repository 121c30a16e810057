"""What a room of many costs by people, speakers and cameras, and where delivery breaks."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import NamedTuple

from benchmarks import scrape
from benchmarks.load import AUDIO_RATE, SETTLE, packet
from benchmarks.processes import memory
from benchmarks.report import Bar, BenchmarkError, Plot, Report, Table
from benchmarks.seats import MAX_SEATS, Clients, Seat, Server
from benchmarks.trial import Outcome, Part, carry_out, evenly, order, quantile, remark
from tcproto.messages import Source

PEOPLE = (35, 100, 250, 500)
QUICK_PEOPLE = (35, 100)
SPEAKERS, CAMERAS = (1, 3, 6), (0, 4)
PICTURE_RATE, PICTURE_PACKETS, PICTURE_BODY = 25, 3, 930
"""Pictures per second, datagrams of one, bytes of a packet's body: 600 kbit/s of packets."""
MORE = 2.0
"""Factor from load to load on the way to where delivery breaks."""
MOST = 64.0
"""Times the load of a meeting, at which the search ends."""
GOOD = 0.99
"""Share that has to arrive."""
TYPICAL = (3, 4)
"""Speakers and cameras of the meeting whose load grows."""
BIG = 500
LAST_P99_MS = 10.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--people", metavar="N", type=int, nargs="*", help="sizes of the room")
    parser.add_argument("--seconds", metavar="S", type=float, help="length of each measurement")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="a setting of the server")


class Row(NamedTuple):
    """One meeting; ``times`` is by how much it is faster than life."""

    people: int
    speakers: int
    cameras: int
    times: float
    outcome: Outcome
    overflow: float
    """Share of the datagrams that the kernel took, and receivers had no room for."""
    memory: int
    """Resident bytes of the server."""

    @property
    def good(self) -> bool:
        """Whether it was delivered."""
        return self.outcome.delivered >= GOOD

    @property
    def arriving(self) -> float:
        """Datagrams per second."""
        return self.outcome.sent / self.outcome.seconds

    @property
    def leaving(self) -> float:
        """Datagrams per second that arrived at receivers."""
        return self.arriving * (self.people - 1) * self.outcome.delivered


def run(options: argparse.Namespace) -> Report:
    """Measure; raises ``BenchmarkError``."""
    if not Path("/proc/self/schedstat").exists() or not hasattr(os, "fork"):
        raise BenchmarkError("needs /proc with schedstat, which only Linux has")
    sizes = options.people or (QUICK_PEOPLE if options.quick else PEOPLE)
    if not all(SPEAKERS[-1] + 2 <= size <= MAX_SEATS for size in sizes):
        raise BenchmarkError(f"between {SPEAKERS[-1] + 2} and {MAX_SEATS} people")
    settings: dict[str, object] = dict(setting.partition("=")[::2] for setting in options.set)
    seconds = options.seconds or (1.0 if options.quick else 5.0)
    meetings: list[Row] = []
    ramp: list[Row] = []
    for people in sizes:
        _say(f"{people} people log in")
        port = scrape.free_port()
        with Server(["hall"], {"rooms.loudest": 0, "http.port": port} | settings) as server, Clients(server) as clients:
            hall = _Hall(server, clients, people, port, seconds)
            meetings += [hall.meet(speakers, cameras) for speakers in SPEAKERS for cameras in CAMERAS]
            times = 1.0
            while times < MOST and (not ramp or ramp[-1].people != people or ramp[-1].good):
                times *= MORE
                ramp.append(hall.meet(*TYPICAL, times))
    return _report(meetings, ramp)


class _Hall:
    """A room whose first members have a microphone and a screen: an overloaded server shows fewer cameras."""

    def __init__(self, server: Server, clients: Clients, people: int, port: int, seconds: float) -> None:
        self._server, self._clients, self._port, self._seconds = server, clients, port, seconds
        self._talkers = clients.join("hall", SPEAKERS[-1], [Source.MICROPHONE, Source.SCREEN])
        self._everybody = [*self._talkers, *clients.join("hall", people - SPEAKERS[-1])]
        clients.prove()
        talker, *others = self._everybody
        ordered = order(talker, packet("audio", talker, 1), others, server.address)
        self._watched = [ordered[0], ordered[-1]]

    def meet(self, speakers: int, cameras: int, times: float = 1.0) -> Row:
        """Hold a meeting."""
        people = len(self._everybody)
        _say(f"{people} people, {speakers} speakers, {cameras} cameras, {times:g} times as fast")
        self._clients.ping()
        self._clients.rest(SETTLE)
        parts = [self._voice(seat, n / speakers, times) for n, seat in enumerate(self._talkers[:speakers])]
        parts += [self._picture(seat, n / (cameras + 1), times) for n, seat in enumerate(self._talkers[:cameras])]
        before = self._taken()
        outcome = carry_out(self._server, parts, self._everybody, self._watched)
        expected = outcome.sent * (people - 1)
        overflow = (self._taken() - before) / expected - outcome.delivered
        return Row(people, speakers, cameras, times, outcome, overflow, memory(self._server.process.pid))

    def _voice(self, seat: Seat, offset: float, times: float) -> Part:
        due = evenly(AUDIO_RATE * times, self._seconds, offset)
        return Part(seat, [packet("audio", seat, 1) for _ in due], 1, due)

    def _picture(self, seat: Seat, offset: float, times: float) -> Part:
        due = evenly(PICTURE_RATE * times, self._seconds, offset)
        seat.packets += -seat.packets % PICTURE_PACKETS  # a picture begins with its first packet
        packets = [packet("video", seat, 1, PICTURE_PACKETS, PICTURE_BODY) for _ in due for _ in range(PICTURE_PACKETS)]
        return Part(seat, packets, PICTURE_PACKETS, due)

    def _taken(self) -> float:
        return scrape.total(scrape.fetch(self._port), "tcserver_media_datagrams_taken_total")


def _report(meetings: list[Row], ramp: list[Row]) -> Report:
    columns = (
        "people", "speakers", "cameras", "arriving /s", "leaving /s", "core %", "lost %", "first p99 ms", "last p99 ms",
        "memory MiB", "remark",
    )  # fmt: skip
    title = "A room of many: what arrives and leaves, and what it takes"
    tables = [Table(title, columns, [_cells(row) for row in meetings])]
    title = f"{TYPICAL[0]} speakers and {TYPICAL[1]} cameras, faster and faster until less than {GOOD:.0%} arrives"
    tables.append(Table(title, ("times", *columns), [(row.times, *_cells(row)) for row in ramp]))
    sizes = sorted({row.people for row in meetings})
    lines = {
        f"{size} people": [(row.times, 100 * row.outcome.delivered) for row in ramp if row.people == size]
        for size in sizes
    }
    costs = {
        f"{speakers} speakers, {cameras} cameras": [
            (row.people, 100 * row.outcome.cpu)
            for row in meetings
            if (row.speakers, row.cameras) == (speakers, cameras)
        ]
        for speakers in SPEAKERS
        for cameras in CAMERAS
    }
    plots = [
        Plot("What a room takes", "people", "% of a core", costs),
        Plot("Where delivery breaks", "times the load of a meeting", "% delivered", lines),
    ]
    figures = [row._replace(outcome=row.outcome._replace(latencies=[]))._asdict() for row in (*meetings, *ramp)]
    for figure, row in zip(figures, (*meetings, *ramp), strict=True):
        figure["outcome"] = figure["outcome"]._asdict() | {"p99_s": [_p99(row, 0), _p99(row, 1)]}
    return Report(tables, _bars(meetings), plots, {"meetings": figures})


def _bars(meetings: list[Row]) -> list[Bar]:
    bars = [
        Bar("least delivered of all meetings", 100 * min(row.outcome.delivered for row in meetings), "%", 100.0, True)
    ]
    for row in meetings:
        if (row.people, row.speakers, row.cameras) == (BIG, *TYPICAL):
            what = f"{BIG} people, {TYPICAL[0]} speakers, {TYPICAL[1]} cameras: last receiver, p99"
            bars.append(Bar(what, _p99(row, 1), "ms", LAST_P99_MS, note=remark(row.outcome)))
    return bars


def _cells(row: Row) -> tuple[str | int | float | None, ...]:
    outcome = row.outcome
    return (
        row.people, row.speakers, row.cameras, row.arriving, row.leaving, 100 * outcome.cpu,
        100 * (1 - outcome.delivered), _p99(row, 0), _p99(row, 1), row.memory / 2**20,
        "receivers overflowed" if row.overflow > 1 - GOOD else remark(outcome),
    )  # fmt: skip


def _p99(row: Row, receiver: int) -> float | None:
    latencies = row.outcome.latencies[receiver]
    return 1000 * quantile(latencies, 0.99) if latencies else None


def _say(text: str) -> None:
    print(f"capacity: {text}", file=sys.stderr, flush=True)
