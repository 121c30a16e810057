"""A call of three talkers and twelve listeners with the usual limits of a server, while an account floods.

The attacker is a process of its own with three seats in the same room, and comes back when it is thrown out. Beside it
others log in. Light clients: what comes is taken and counted.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from typing import NamedTuple

from benchmarks.harness.attackers import ATTACKER, ATTACKS, COLLEAGUE, CORRIDOR, HALL, Attacker
from benchmarks.harness.light_clients import Clients
from benchmarks.harness.load import AUDIO_RATE, SETTLE, packet
from benchmarks.harness.options import positive
from benchmarks.harness.processes import child, need_linux
from benchmarks.harness.report import Bar, BenchmarkError, Cell, Report, Table
from benchmarks.harness.server import Server
from benchmarks.harness.timed_load import Outcome, Part, carry_out, evenly, order, quantile, remark
from tcproto.messages import Source

TALKERS, LISTENERS = 3, 12
LOGINS = 10
"""Of others, one after the other."""
WARM_UP = 2.0
"""Seconds from the beginning of an attack to that of the measurement."""
LONGEST = 10.0
"""Seconds of a measurement: with what goes before, the paths of listeners must not end for lack of a datagram."""
MOST_LOST, SLOWEST = 0.5, 50.0
"""Bars: percent of the call's datagrams that are lost, and ms of their p99."""
QUICK = ("key boxes", "unknown messages", "empty items")
"""What a short run shows."""
CALM = "nothing"


class Trial(NamedTuple):
    """What became of the call, and of the logins of others."""

    name: str
    outcome: Outcome
    logins: list[float]
    """Seconds, of those that worked."""

    @property
    def lost(self) -> float:
        """Percent."""
        return 100 * max(0.0, 1 - self.outcome.delivered)

    def delay(self, share: float) -> float:
        """Return ms within which this share of the datagrams reached the last receiver; without any, infinity."""
        if not all(self.outcome.latencies):
            return math.inf
        return max(1000 * quantile(latencies, share) for latencies in self.outcome.latencies)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--only", metavar="ATTACK", action="append", choices=[*ATTACKS],
        help=f"not all of them: {', '.join(ATTACKS)}",
    )  # fmt: skip
    parser.add_argument("--seconds", metavar="S", type=positive, help="length of each (default: 10, with --quick 2)")


def run(options: argparse.Namespace) -> Report:
    """Hold the call beside each attack; raises ``BenchmarkError``."""
    need_linux()
    seconds = options.seconds or (2.0 if options.quick else LONGEST)
    if seconds > LONGEST:
        raise BenchmarkError(f"--seconds {seconds:g}: at most {LONGEST:g}, since listeners send nothing meanwhile")
    attacks = options.only or (QUICK if options.quick else ATTACKS)
    return report_on([trial(name, seconds) for name in (CALM, *attacks)])


def trial(name: str, seconds: float) -> Trial:
    """Hold one call, on a server of its own."""
    print(f"attack: {name}", file=sys.stderr, flush=True)
    settings: dict[str, object] = {"rooms.loudest": 0}
    with Server([HALL, CORRIDOR], settings, usual_limits=True) as server, Clients(server) as clients:
        # An attacker that is thrown out leaves, and then the room has another key.
        seats = [entry.seat for entry in clients.arrive(HALL, TALKERS, 0.5, [Source.MICROPHONE], learns=True)]
        seats += [entry.seat for entry in clients.arrive(HALL, LISTENERS, 1.0, learns=True)]
        clients.ping()
        clients.rest(SETTLE)
        talker, *others = seats
        ordered = order(talker, packet("audio", talker, 1), others, server.address)
        parts = []
        for n, seat in enumerate(seats[:TALKERS]):
            times = evenly(AUDIO_RATE, seconds, n / TALKERS)
            parts.append(Part(seat, [packet("audio", seat, 1) for _ in times], 1, times))
        if name == CALM:
            return Trial(name, carry_out(server, parts, seats, [ordered[0], ordered[-1]]), _log_in(server))
        with child(lambda: _attack(server, name)):
            clients.rest(WARM_UP)
            clients.ping()
            outcome = carry_out(server, parts, seats, [ordered[0], ordered[-1]], lambda: clients.rest(SETTLE))
            return Trial(name, outcome, _log_in(server))


def _attack(server: Server, name: str) -> None:
    """Attack until the process is ended."""

    async def attack(clients: Clients) -> None:
        await ATTACKS[name](Attacker(clients, server))

    with Clients(server, ATTACKER) as clients:
        clients.run(attack(clients))


def _log_in(server: Server) -> list[float]:
    """Return how long each login of somebody else takes."""
    took = []
    with Clients(server, COLLEAGUE) as clients:
        for _ in range(LOGINS):
            began = time.monotonic()
            try:
                clients.log_in(1)
            except (BenchmarkError, OSError):
                continue
            took.append(time.monotonic() - began)
    return took


def report_on(trials: list[Trial]) -> Report:
    """Return the report on the attacks. The first entry is the call without an attack."""
    columns = ("beside", "lost %", "p50 ms", "p99 ms", "server, % of a core", "logins", "slowest login ms", "remark")
    rows: list[tuple[Cell, ...]] = [
        (
            trial.name, trial.lost, trial.delay(0.5), trial.delay(0.99), 100 * trial.outcome.cpu,
            f"{len(trial.logins)} of {LOGINS}", 1000 * max(trial.logins, default=0.0), remark(trial.outcome),
        )
        for trial in trials
    ]  # fmt: skip
    attacked = [trial for trial in trials if trial.name != CALM]
    bars = [
        bar
        for trial in attacked
        for bar in (
            Bar(f"{trial.name}: lost", trial.lost, "%", MOST_LOST),
            Bar(f"{trial.name}: p99", trial.delay(0.99), "ms", SLOWEST).unless(remark(trial.outcome)),
            Bar(f"{trial.name}: logins of others", len(trial.logins), f"of {LOGINS}", LOGINS, True),
        )
    ]
    figures = {trial.name: {"outcome": trial.outcome._asdict(), "logins": trial.logins} for trial in trials}
    return Report([Table("A call beside an attack", columns, rows)], bars, figures=figures)
