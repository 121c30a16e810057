"""What a large room costs, by participants, speakers and cameras, and where delivery breaks.

A room of 500 is measured twice: on one process, and on two workers, for which there is a bar. If as many workers as
processors are busy, the load generator and the receivers take their share of the same processors, and the workers wait.
The latency is then worse than on a machine that only serves. The remark says how long the workers waited.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.harness import scrape
from benchmarks.harness.light_clients import Clients
from benchmarks.harness.load import AUDIO_RATE, SETTLE, doubt, packet
from benchmarks.harness.media_client import MediaClient
from benchmarks.harness.options import positive, positive_whole
from benchmarks.harness.processes import memory, need_linux
from benchmarks.harness.report import Bar, BenchmarkError, Cell, Plot, Report, Table, progress
from benchmarks.harness.server import MAX_SEATS, Server, add_sender, sending_by, setting
from benchmarks.harness.timed_load import Outcome, Part, carry_out, evenly, order, quantile, remark
from tcproto.messages import Source

_say = progress("capacity")

PARTICIPANTS = (35, 100, 250, 500)
QUICK_PARTICIPANTS = (35,)
SPEAKERS, CAMERAS = (1, 3, 6), (0, 4)
PICTURE_RATE, PICTURE_PACKETS, PICTURE_BODY = 25, 3, 930
"""Pictures per second, datagrams of one, bytes of a packet's body: 600 kbit/s of packets."""
MORE = 2.0
"""Factor from load to load on the way to where delivery breaks."""
MOST, QUICK_MOST = 64.0, 4.0
"""Times the load of a meeting, at which the search ends."""
GOOD = 0.99
"""Share that has to arrive."""
TYPICAL = (3, 4)
"""Speakers and cameras of the meeting whose load grows."""
READING = 1.2
"""Seconds to wait for the counts of a worker. It reports each second."""
BIG, BIG_WORKERS = 500, 2
"""Size of the room that is measured again, on so many workers."""
LAST_P99_MS = 10.0
WORKERS = "server.workers"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    default = f"{' '.join(map(str, PARTICIPANTS))}, with --quick {' '.join(map(str, QUICK_PARTICIPANTS))}"
    parser.add_argument(
        "--participants", metavar="N", type=positive_whole, nargs="*", help=f"sizes of the room (default: {default})"
    )
    parser.add_argument("--seconds", metavar="S", type=positive, help="length of each measurement (default: 5)")
    parser.add_argument(
        "--repeats", metavar="R", type=positive_whole,
        help="measurements of each meeting, of which the median counts (default: 3); faster and faster it goes once",
    )  # fmt: skip
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[],
        help=f"a setting of the server, such as {WORKERS}=2; with this one, a room of {BIG} is measured only once",
    )  # fmt: skip
    add_sender(parser)


class Row(NamedTuple):
    """One run of a meeting; ``times`` is by how much it is faster than life."""

    workers: int
    participants: int
    speakers: int
    cameras: int
    times: float
    outcome: Outcome
    losses: Mapping[str, float]
    """What became of the datagrams that did not arrive, as shares of those that should."""
    memory: int
    """Resident bytes of the server."""
    lag: float | None
    """Seconds that 99 % of the looks at the loops that serve media found at most; None: beyond all bounds."""

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
        return self.arriving * (self.participants - 1) * self.outcome.delivered

    @property
    def remark(self) -> str:
        """Return what broke, or why the figure is not to be trusted."""
        if self.good:
            return remark(self.outcome)
        lost = 1 - self.outcome.delivered
        causes = [cause for cause, share in self.losses.items() if share > lost / 4]
        return f"broke: {', and '.join(causes) or 'nobody knows why'}"

    def p99(self, receiver: int) -> float | None:
        """Return a latency of the first (0) or last (1) receiver, in ms; None if nothing arrived there."""
        latencies = self.outcome.latencies[receiver]
        return 1000 * quantile(latencies, 0.99) if latencies else None


class Meeting(NamedTuple):
    """One meeting, a few times."""

    runs: Sequence[Row]

    @property
    def kind(self) -> tuple[int, int, int, int]:
        """Workers, participants, speakers, cameras."""
        return self.runs[0][:4]

    @property
    def delivered(self) -> float:
        """The least share of all runs."""
        return min(row.outcome.delivered for row in self.runs)

    @property
    def cpu(self) -> float:
        """Share of a core that the server took."""
        return statistics.median(row.outcome.cpu for row in self.runs)

    @property
    def remark(self) -> str:
        """Return the first remark of a run."""
        return next((row.remark for row in self.runs if row.remark), "")

    def p99(self, receiver: int) -> float | None:
        """Return the median of the runs, in ms; None if in one of them nothing arrived there."""
        runs = self._runs(receiver)
        return statistics.median(runs) if runs else None

    def spread(self, receiver: int) -> str:
        """Return the least and the greatest of the runs, in ms."""
        runs = self._runs(receiver)
        return f"{min(runs):.2f} to {max(runs):.2f}" if runs else ""

    def _runs(self, receiver: int) -> list[float]:
        runs = [p99 for row in self.runs if (p99 := row.p99(receiver)) is not None]
        return runs if len(runs) == len(self.runs) else []

    def cells(self) -> tuple[Cell, ...]:
        """Return the cells of its row in a table."""
        middle = sorted(self.runs, key=lambda row: row.outcome.cpu)[len(self.runs) // 2]
        lags = [row.lag for row in self.runs if row.lag is not None]
        return (
            *self.kind, middle.arriving, middle.leaving, 100 * self.cpu,
            " + ".join(f"{100 * cpu:.0f}" for cpu in middle.outcome.each), 100 * (1 - self.delivered),
            self.p99(0), self.p99(1), self.spread(1), 1000 * max(lags) if len(lags) == len(self.runs) else None,
            max(row.memory for row in self.runs) / 2**20, self.remark,
        )  # fmt: skip


def run(options: argparse.Namespace) -> Report:
    """Measure; raises ``BenchmarkError``."""
    need_linux()
    sizes = options.participants or (QUICK_PARTICIPANTS if options.quick else PARTICIPANTS)
    if not all(SPEAKERS[-1] + 2 <= size <= MAX_SEATS for size in sizes):
        raise BenchmarkError(f"--participants: between {SPEAKERS[-1] + 2} and {MAX_SEATS}")
    settings = sending_by(options.sender) | dict(setting(text) for text in options.set)
    seconds = options.seconds or (1.0 if options.quick else 5.0)
    repeats = options.repeats or (1 if options.quick else 3)
    plan = _Plan(seconds, repeats, QUICK_MOST if options.quick else MOST)
    meetings: list[Meeting] = []
    ramp: list[Row] = []
    for participants in sizes:
        found, faster = _hold(participants, settings, plan)
        meetings += found
        ramp += faster
        if participants == BIG and WORKERS not in settings:
            found, faster = _hold(participants, settings | {WORKERS: BIG_WORKERS}, plan, TYPICAL[:1], TYPICAL[1:])
            meetings += found
            ramp += faster
    return _report(meetings, ramp)


class _Plan(NamedTuple):
    seconds: float
    repeats: int
    most: float
    """Times the load of a meeting, at which the search ends."""


def _hold(
    participants: int,
    settings: dict[str, object],
    plan: _Plan,
    speakers: Sequence[int] = SPEAKERS,
    cameras: Sequence[int] = CAMERAS,
) -> tuple[list[Meeting], list[Row]]:
    """Hold all meetings of one room, in turns, and a meeting that becomes faster until it breaks."""
    workers = int(str(settings.get(WORKERS, 0)))
    _say(f"{participants} participants log in, {workers or 'no'} workers")
    port = scrape.free_port()
    with Server(["hall"], {"rooms.loudest": 0, "http.port": port} | settings) as server, Clients(server) as clients:
        hall = _Meeting(server, clients, participants, port, plan.seconds, workers)
        kinds = [(some, others) for some in speakers for others in cameras]
        turns = [[hall.meet(*kind) for kind in kinds] for _ in range(plan.repeats)]
        ramp: list[Row] = []
        times = 1.0
        while times < plan.most and (not ramp or ramp[-1].good):
            times *= MORE
            ramp.append(hall.meet(*TYPICAL, times))
        return [Meeting(runs) for runs in zip(*turns, strict=True)], ramp


class Told(NamedTuple):
    """What a server reports of itself."""

    taken: float
    """Datagrams that the kernel took of it."""
    missed: float
    """Datagrams that its sockets had no room for."""
    read: float
    """Datagrams that it has read."""
    gave_way: float
    """Datagrams that waited for room in its sockets until there were too many."""
    lag: scrape.Buckets
    drops: Mapping[str, float]


class _Meeting:
    """A room whose first participants have a microphone and a screen: an overloaded server shows fewer cameras."""

    def __init__(
        self, server: Server, clients: Clients, participants: int, port: int, seconds: float, workers: int
    ) -> None:
        self._server, self._clients, self._port, self._seconds = server, clients, port, seconds
        self._workers = workers
        self._talkers = clients.join("hall", SPEAKERS[-1], [Source.MICROPHONE, Source.SCREEN])
        self._everybody = [*self._talkers, *clients.join("hall", participants - SPEAKERS[-1])]
        clients.prove()
        talker, *others = self._everybody
        ordered = order(talker, packet("audio", talker, 1), others, server.address)
        self._watched = [ordered[0], ordered[-1]]

    def meet(self, speakers: int, cameras: int, times: float = 1.0) -> Row:
        """Hold a meeting."""
        participants = len(self._everybody)
        _say(f"{participants} participants, {speakers} speakers, {cameras} cameras, {times:g} times as fast")
        self._clients.ping()
        self._clients.rest(SETTLE)
        parts = [self._voice(seat, n / speakers, times) for n, seat in enumerate(self._talkers[:speakers])]
        parts += [self._picture(seat, n / (cameras + 1), times) for n, seat in enumerate(self._talkers[:cameras])]
        before = self._told()
        outcome = carry_out(self._server, parts, self._everybody, self._watched)
        time.sleep(READING)
        told = self._told()
        losses = losses_of(outcome, participants - 1, before, told)
        size = memory(self._server.process.pid)
        lag = scrape.at_most(scrape.change(before.lag, told.lag), 0.99)
        return Row(self._workers, participants, speakers, cameras, times, outcome, losses, size, lag)

    def _voice(self, seat: MediaClient, offset: float, times: float) -> Part:
        due = evenly(AUDIO_RATE * times, self._seconds, offset)
        return Part(seat, [packet("audio", seat, 1) for _ in due], 1, due)

    def _picture(self, seat: MediaClient, offset: float, times: float) -> Part:
        due = evenly(PICTURE_RATE * times, self._seconds, offset)
        seat.packets += -seat.packets % PICTURE_PACKETS  # a picture begins with its first packet
        packets = [packet("video", seat, 1, PICTURE_PACKETS, PICTURE_BODY) for _ in due for _ in range(PICTURE_PACKETS)]
        return Part(seat, packets, PICTURE_PACKETS, due)

    def _told(self) -> Told:
        text = scrape.fetch(self._port)
        return Told(
            scrape.total(text, "tcserver_media_datagrams_taken_total"),
            scrape.total(text, "tcserver_media_socket_drops_total"),
            scrape.total(text, "tcserver_media_datagrams_received_total"),
            scrape.total(text, "tcserver_media_gave_way_total"),
            scrape.loop_lag(text),
            scrape.by_label(text, "tcserver_media_drops_total", "reason"),
        )


def losses_of(outcome: Outcome, receivers: int, before: Told, after: Told) -> dict[str, float]:
    """Return where datagrams were lost between two readings of the server, as shares of those that should arrive."""
    sent, expected = outcome.sent, outcome.sent * receivers
    missed = (after.missed - before.missed) / sent
    return {
        "receivers overflowed, not the server": (after.taken - before.taken) / expected - outcome.delivered,
        "the server did not read in time": missed,
        "the server still had to read them when the counting ended": 1 - missed - (after.read - before.read) / sent,
        "the server's socket was full, and datagrams gave way": (after.gave_way - before.gave_way) / expected,
        **{
            f"the server dropped what came ({reason})": (number - before.drops.get(reason, 0)) / sent
            for reason, number in after.drops.items()
        },
    }


def _report(meetings: list[Meeting], ramp: list[Row]) -> Report:
    columns = (
        "workers", "participants", "speakers", "cameras", "arriving /s", "leaving /s", "core %",
        "of each process", "lost %", "first p99 ms", "last p99 ms", "of the runs", "lag p99 ms", "memory MiB", "remark",
    )  # fmt: skip
    title = "A room of many: what arrives and leaves, and what it takes"
    tables = [Table(title, columns, [meeting.cells() for meeting in meetings])]
    title = f"{TYPICAL[0]} speakers and {TYPICAL[1]} cameras, faster and faster until less than {GOOD:.0%} arrives"
    tables.append(Table(title, ("times", *columns), [(row.times, *Meeting([row]).cells()) for row in ramp]))
    rooms = sorted({meeting.kind[:2] for meeting in meetings})
    lines = {
        f"{participants} participants" + (f", {workers} workers" if workers else ""): [
            (row.times, 100 * row.outcome.delivered)
            for row in ramp
            if (row.workers, row.participants) == (workers, participants)
        ]
        for workers, participants in rooms
    }
    costs = {
        f"{speakers} speakers, {cameras} cameras": [
            (participants, 100 * meeting.cpu)
            for meeting in meetings
            for workers, participants, *kind in [meeting.kind]
            if (workers, kind) == (meetings[0].kind[0], [speakers, cameras])
        ]
        for speakers in SPEAKERS
        for cameras in CAMERAS
    }
    plots = [
        Plot("What a room takes", "participants", "% of a core", costs),
        Plot("Where delivery breaks", "times the load of a meeting", "% delivered", lines, log_x=True),
    ]
    rows = [*(row for meeting in meetings for row in meeting.runs), *ramp]
    figures = [row._replace(outcome=row.outcome._replace(latencies=[]))._asdict() for row in rows]
    for figure, row in zip(figures, rows, strict=True):
        figure["outcome"] = figure["outcome"]._asdict() | {"p99_ms": [row.p99(0), row.p99(1)]}
    return Report(tables, bars(meetings), plots, {"meetings": figures})


def bars(meetings: Sequence[Meeting]) -> list[Bar]:
    """Return what has to be reached."""
    found = [Bar("least delivered of all meetings", 100 * min(each.delivered for each in meetings), "%", 100.0, True)]
    for meeting in meetings:
        if meeting.kind == (BIG_WORKERS, BIG, *TYPICAL):
            room = f"{BIG} participants, {TYPICAL[0]} speakers, {TYPICAL[1]} cameras, {BIG_WORKERS} workers"
            note = "; ".join(filter(None, (f"runs: {meeting.spread(1)}", meeting.remark)))
            found += [
                Bar(f"{room}: delivered", 100 * meeting.delivered, "%", 100.0, True, meeting.remark),
                Bar(f"{room}: last receiver, p99", meeting.p99(1), "ms", LAST_P99_MS, note=note).unless(
                    doubt(*(("server", row.outcome) for row in meeting.runs))
                ),
            ]
    return found
