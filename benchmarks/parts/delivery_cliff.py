"""Whether delivery falls off a cliff: audio at shares of the rate at which a flood came out, sent by the clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.harness.light_clients import Clients
from benchmarks.harness.load import SETTLE, Load, LoadedRoom, Measurement, batches, doubt, draining, put_under
from benchmarks.harness.media_client import MediaClient
from benchmarks.harness.report import Bar, Plot, Table
from benchmarks.harness.server import Server

RECEIVERS = 100
SHARES = (0.2, 0.4, 0.6, 0.8, 0.9, 1.0)
"""Of saturation."""
UP_TO = 0.8
LEAST = 99.0
"""Percent that has to arrive up to that share."""


class Step(NamedTuple):
    """A share of saturation, and what became of each of its runs."""

    share: float
    runs: list[Measurement]

    @property
    def delivered(self) -> float:
        """Percent that arrived, in the worst run."""
        return 100 * min(run.delivered for run in self.runs)


def approach(
    server: Server, clients: Clients, hall: LoadedRoom[MediaClient], saturation: float, seconds: float, repeats: int
) -> list[Step]:
    """Send at shares of ``saturation``, datagrams per second that the server took from one talker."""
    steps = [Step(share, []) for share in SHARES]
    with draining(hall.seats) as counts:
        for _ in range(repeats):
            for step in steps:
                clients.ping()
                clients.rest(SETTLE)
                load = Load("audio", [hall], step.share * saturation)
                ready = batches(load, server.address, seconds)
                step.runs.append(put_under(load, ready, server.process.pid, counts, seconds))
    return steps


def table(steps: Sequence[Step], saturation: float) -> Table:
    """Return what arrived."""
    rows = []
    for step in steps:
        worst = min(step.runs, key=lambda run: run.delivered)
        rows.append((f"{step.share:.0%}", step.share * saturation, step.delivered, 100 * worst.busy, 100 * worst.late))
    title = f"Audio at shares of saturation, {RECEIVERS} receivers, sent by the clock (worst run)"
    return Table(title, ("of saturation", "arriving /s", "delivered %", "core %", "sent late %"), rows)


def bar(steps: Sequence[Step]) -> Bar:
    """Return the bar."""
    least = min(step.delivered for step in steps if step.share <= UP_TO)
    what = f"least delivered up to {UP_TO:.0%} of saturation, {RECEIVERS} receivers"
    sent = (
        (f"{step.share:.0%}", run._replace(delivered=1.0)) for step in steps if step.share <= UP_TO for run in step.runs
    )
    return Bar(what, least, "%", LEAST, least=True).unless(doubt(*sent))  # what arrived is the figure itself


def plot(steps: Sequence[Step]) -> Plot:
    """Return the course."""
    points = [(100 * step.share, step.delivered) for step in steps]
    return Plot(f"Audio, {RECEIVERS} receivers", "% of saturation", "% delivered", {"server": points})
