"""How long a datagram takes through the server, to the first and the last receiver, against the load."""

from __future__ import annotations

import argparse
import random
import statistics
from typing import NamedTuple

from benchmarks.harness import scrape
from benchmarks.harness.light_clients import Clients
from benchmarks.harness.load import FLOOD_STREAMS, SETTLE, doubt, packet
from benchmarks.harness.media_client import MediaClient
from benchmarks.harness.network import add_over, network
from benchmarks.harness.options import positive, positive_whole
from benchmarks.harness.processes import need_linux
from benchmarks.harness.report import Bar, BenchmarkError, Plot, Report, Table, progress
from benchmarks.harness.server import MAX_SEATS, Server, add_sender, sending_by
from benchmarks.harness.timed_load import Outcome, Part, by_chance, carry_out, order, quantile, remark
from tcproto.messages import Source

_say = progress("latency")

LOADS = (0.1, 0.3, 0.5, 0.7, 0.9)
QUICK_LOADS = (0.1, 0.5)
SEARCHES = 2
"""Trials that look for the rate of a load: the busier, the less a datagram costs."""
SEARCH_SECONDS = 0.5
FIRST_COST = 0.0005
"""Seconds of processor for a datagram to 100 receivers in an idle server: where the search begins."""
SHARES = (0.5, 0.99, 0.999)
BAR_LOAD = 0.5
BARS = ((0, 0.5, 0.2), (1, 0.5, 0.6), (0, 0.99, 1.0), (1, 0.99, 2.0))
"""Receiver (first, last), share, limit in ms."""
NEAR = 0.15
"""How far off the load of a bar, in shares of a core, the measured load may be."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--receivers", metavar="N", type=positive_whole, default=100, help="participants that receive (default: 100)"
    )
    parser.add_argument("--seconds", metavar="S", type=positive, help="length of each run (default: 10)")
    parser.add_argument(
        "--repeats", metavar="R", type=positive_whole, help="runs at each load, of which the median counts (default: 3)"
    )
    add_sender(parser)
    add_over(parser)


class Point(NamedTuple):
    """One load, a few times."""

    wanted: float
    rate: float
    outcomes: list[Outcome]
    lag: scrape.Buckets
    pauses: scrape.Buckets
    pause_seconds: float

    @property
    def cpu(self) -> float:
        """Share of a core."""
        return statistics.median(outcome.cpu for outcome in self.outcomes)

    @property
    def seconds(self) -> float:
        """Length of all runs."""
        return sum(outcome.seconds for outcome in self.outcomes)

    def runs(self, receiver: int, share: float) -> list[float]:
        """Return a latency of the first (0) or last (1) receiver, in ms, of each run."""
        return [1000 * quantile(outcome.latencies[receiver], share) for outcome in self.outcomes]

    def ms(self, receiver: int, share: float) -> float:
        """Return the median of the runs."""
        return statistics.median(self.runs(receiver, share))

    def spread(self, receiver: int, share: float) -> str:
        """Return the least and the greatest of the runs, in ms."""
        runs = self.runs(receiver, share)
        return f"{min(runs):.2f} to {max(runs):.2f}"


def run(options: argparse.Namespace) -> Report:
    """Measure; raises ``BenchmarkError``."""
    need_linux()
    if not 2 <= options.receivers < MAX_SEATS:
        raise BenchmarkError(f"--receivers: between 2 and {MAX_SEATS - 1}")
    seconds = options.seconds or (2.0 if options.quick else 10.0)
    repeats = options.repeats or (1 if options.quick else 3)
    settings = sending_by(options.sender)
    port, rng = scrape.free_port(), random.Random(1)
    _say(f"{options.receivers} receivers: logging in")
    settings |= {"rooms.loudest": 0, "http.port": port}
    with (
        network(options.over) as between,
        Server(["hall"], settings, network=between) as server,
        Clients(server) as clients,
    ):
        talker, *receivers = [
            *clients.join("hall", 1, [Source.MICROPHONE] * FLOOD_STREAMS["audio"]),
            *clients.join("hall", options.receivers),
        ]
        clients.prove()
        ordered = order(talker, _packet(talker), receivers, server.address)
        bench = _Bench(server, clients, talker, receivers, (ordered[0], ordered[-1]), port, rng)
        cost, points = FIRST_COST, []
        for wanted in QUICK_LOADS if options.quick else LOADS:
            for _ in range(SEARCHES):
                cost = bench.cost(wanted / cost)
            _say(f"{wanted:.0%} of a core, {wanted / cost:,.0f} datagrams/s")
            points.append(bench.point(wanted, wanted / cost, seconds, repeats))
    return _report(options.receivers, points)


class _Bench(NamedTuple):
    server: Server
    clients: Clients
    talker: MediaClient
    receivers: list[MediaClient]
    watched: tuple[MediaClient, MediaClient]
    port: int
    rng: random.Random

    def cost(self, rate: float) -> float:
        """Return the seconds of processor for a datagram at a rate."""
        outcome = self._try(rate, SEARCH_SECONDS)
        return outcome.cpu * outcome.seconds / outcome.sent

    def point(self, wanted: float, rate: float, seconds: float, repeats: int) -> Point:
        """Measure at a rate, a few times."""
        before = self._fetch()
        outcomes = [self._try(rate, seconds) for _ in range(repeats)]
        after = self._fetch()
        lag = scrape.change(scrape.loop_lag(before), scrape.loop_lag(after))
        name = "tcserver_gc_pause_seconds"
        pauses = scrape.change(scrape.buckets(before, name), scrape.buckets(after, name))
        paused = scrape.total(after, f"{name}_sum") - scrape.total(before, f"{name}_sum")
        return Point(wanted, rate, outcomes, lag, pauses, paused)

    def _fetch(self) -> str:
        with self.server.network.at_server():
            return scrape.fetch(self.port)

    def _try(self, rate: float, seconds: float) -> Outcome:
        self.clients.ping()
        self.clients.rest(SETTLE)
        times = by_chance(rate, seconds, self.rng)
        if not times:
            raise BenchmarkError("too short for a single datagram")
        part = Part(self.talker, [_packet(self.talker) for _ in times], 1, times)
        return carry_out(self.server, [part], [self.talker, *self.receivers], self.watched)


def _packet(talker: MediaClient) -> bytes:
    return packet("audio", talker, FLOOD_STREAMS["audio"])


def _report(receivers: int, points: list[Point]) -> Report:
    rows = [
        (
            f"{point.wanted:.0%}", 100 * point.cpu, point.rate, 100 * min(o.delivered for o in point.outcomes),
            *(point.ms(receiver, share) for receiver in (0, 1) for share in SHARES), point.spread(1, 0.99),
            _ms(scrape.at_most(point.lag, 0.99)), _ms(scrape.at_most(point.pauses, 1.0)),
            1000 * point.pause_seconds / point.seconds, next(filter(None, map(remark, point.outcomes)), ""),
        )
        for point in points
    ]  # fmt: skip
    columns = (
        "load", "core %", "arriving /s", "delivered %", "first p50 ms", "p99", "p99.9", "last p50 ms", "p99", "p99.9",
        "last p99 of the runs", "loop lag p99 <= ms", "longest GC <= ms", "GC ms/s", "remark",
    )  # fmt: skip
    lines = {
        f"{name}, p{100 * share:g}": [(100 * p.cpu, p.ms(receiver, share)) for p in points]
        for receiver, name in enumerate(("first", "last"))
        for share in SHARES
    }
    return Report(
        [Table(f"Forward latency to {receivers} receivers, audio, arriving by chance", columns, rows)],
        _bars(points),
        [Plot("Forward latency", "% of a core", "ms", lines, log_y=True)],
        {"points": [_figures(point) for point in points]},
    )


def _bars(points: list[Point]) -> list[Bar]:
    point = min(points, key=lambda p: abs(p.cpu - BAR_LOAD))
    near = abs(point.cpu - BAR_LOAD) <= NEAR
    bars = []
    for receiver, share, limit in BARS:
        what = f"{('first', 'last')[receiver]} receiver, p{100 * share:g}, at half a core"
        note = f"at {point.cpu:.0%} of a core; runs: {point.spread(receiver, share)}"
        bar = Bar(what, point.ms(receiver, share) if near else None, "ms", limit, note=note)
        bars.append(bar.unless(doubt(*(("server", outcome) for outcome in point.outcomes))))
    return bars


def _figures(point: Point) -> dict[str, object]:
    return {
        "wanted": point.wanted, "rate": point.rate,
        "runs": [
            {"cpu": o.cpu, "delivered": o.delivered, "late": o.late, "waited": o.waited, "latencies_s": o.latencies}
            for o in point.outcomes
        ],
        "loop_lag": {str(bound): count for bound, count in point.lag.items()},
        "gc_pauses": {str(bound): count for bound, count in point.pauses.items()},
        "gc_seconds": point.pause_seconds,
    }  # fmt: skip


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds
