"""What measuring costs: the server's histograms of forward latency and loop lag, against forwarding in busy rooms."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from typing import NamedTuple

from benchmarks.harness import scrape
from benchmarks.harness.load import Measurement
from benchmarks.harness.processes import cpu_of
from benchmarks.harness.report import Bar, Table
from benchmarks.harness.server import Server
from benchmarks.parts.sealing import cost
from tcserver.media.plane.stats import LATENCY_BOUNDS
from tcserver.monitoring.histogram import Histogram

LIMIT = 2.0
"""Percent of the forwarding."""
TURNS = 5


class Measuring(NamedTuple):
    """What the instruments take."""

    observation: float
    """µs of processor for a value in a histogram, and the look at the clock before it."""
    without: float
    """ms of processor per second of an idle server."""
    with_: float
    """The same with ``/metrics``, which looks at the loop's lag ten times a second."""

    def share(self, busy: Measurement, receivers: int) -> float:
        """Return how much of a load's processor time they take, in percent, if each datagram comes alone."""
        observing = self.observation * 1e-6 * busy.rate / receivers
        looking = max(0.0, self.with_ - self.without) * 1e-3
        return 100 * (observing + looking) / busy.busy


def measure(seconds: float) -> Measuring:
    """Measure, on two idle servers in turns."""
    histogram = Histogram(LATENCY_BOUNDS)

    def observe(_: int) -> None:
        histogram.observe(time.monotonic() - began)

    began = time.monotonic()
    observation = cost(observe)
    with ExitStack() as stack:
        ports: list[dict[str, object]] = [{}, {"http.port": scrape.free_port()}]
        servers = [stack.enter_context(Server(["hall"], settings)) for settings in ports]
        idle: list[list[float]] = [[], []]
        for _ in range(TURNS):
            for server, found in zip(servers, idle, strict=True):
                before = cpu_of(server.process.pid)[0]
                time.sleep(seconds)
                found.append(1000 * (cpu_of(server.process.pid)[0] - before) / seconds)
    return Measuring(observation, *map(statistics.median, idle))


def table(measuring: Measuring, share: float) -> Table:
    """Return the measurements, and the share of the cost of instruments."""
    rows = [
        ("a value in a histogram, with a look at the clock, us", measuring.observation),
        ("an idle server without /metrics, ms/s", measuring.without),
        ("an idle server with it, ms/s", measuring.with_),
        ("histograms of latency and lag, of busy rooms' forwarding, %", share),
    ]
    return Table("What measuring takes of the processor", ("what", "measured"), rows)


def bar(share: float) -> Bar:
    """Return whether that is little."""
    return Bar("histograms, of busy rooms' forwarding", share, "%", LIMIT)
