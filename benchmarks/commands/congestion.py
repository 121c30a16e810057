"""What rate a sender takes on a narrow link, and what queue it leaves there, beside the controls of others.

Everything runs in virtual time: flows with a rate control each send packets over one link, and learn each 100 ms what
arrived. The cases are those of RFC 8867, at its rates and at a quarter of them, and those of rural links: packets lost
by chance, links that stand still, a policer. Bars are for the estimator of the client; the others stand beside it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

from benchmarks.controllers.gcc import Gcc
from benchmarks.controllers.nada import Nada
from benchmarks.controllers.ours import Ours
from benchmarks.controllers.scream import Scream
from benchmarks.harness.bottleneck import Controller, Flow, Link, run_link
from benchmarks.harness.options import positive_whole
from benchmarks.harness.report import Bar, Cell, Plot, Report, Table

Make = Callable[[float, float], Controller]
"""Makes a control from the rate at first and the highest one, in bits per second."""
OURS = "ours"
CONTROLLERS: dict[str, Make] = {OURS: Ours, "NADA, RFC 8698": Nada, "GCC, loss v2": Gcc, "SCReAM v2": Scream}

CAPACITY = ((0.0, 1e6), (40.0, 2.5e6), (60.0, 0.6e6), (80.0, 1e6))
"""Bits per second from each second on (RFC 8867, 5.1)."""
END = 100.0
SCALES = (1.0, 0.25)
JITTER = 0.015
"""Seconds (RFC 8867, 3.2)."""
STARTED = 5.0
"""Seconds after each change that do not count for the queue, which is that of a steady rate."""
SETTLED_FOR, SETTLED_FROM, SETTLED_TO = 3.0, 0.75, 1.05
"""Settled: for so many seconds the mean of the rate is between these shares of the capacity."""
THIN = 256e3
"""Bits per second of a rural link."""
LOSSES = (0.05, 0.1, 0.2)
POLICED, BUCKET = 512e3, 10e3
STALL = 0.2
THREE, FIVE = 3.5e6, 4e6
"""Bits per second that three flows share (RFC 8867, 5.4), and five with different round trips (5.5)."""
FIVE_DELAYS = (0.01, 0.025, 0.05, 0.1, 0.15)
TCP = 2e6
"""Bits per second that are shared with a long TCP flow (RFC 8867, 5.6)."""

LEAST_USED = (90.0, 90.0, 75.0, 95.0)
"""% of the capacity of each phase."""
MOST_QUEUE, MOST_QUEUE_P95 = 30.0, 100.0
MOST_SETTLING = 4.0
LEAST_OF_PASSED = 0.85
"""Of what a link with loss lets through."""
LEAST_POLICED, MOST_POLICED_LOSS = 85.0, 10.0
LEAST_FAIR = 0.95
LEAST_SHARE, MOST_SHARE = 20.0, 70.0


class Course(NamedTuple):
    """A flow alone on the link of RFC 8867, 5.1."""

    used: tuple[float, ...]
    """% of the capacity that arrived, by phase."""
    queue: float
    """ms, median, while the rate is steady."""
    queue_p95: float
    up: float
    """Seconds from the change to the higher capacity until the rate is settled; infinite if it never is."""
    down: float


class Shared(NamedTuple):
    """Flows on one link."""

    rates: tuple[float, ...]
    """Bits per second that arrived."""
    used: float
    """% of the capacity."""
    lost: float
    """% of packets."""

    @property
    def fairness(self) -> float:
        """Jain's index: 1 where all have the same."""
        return sum(self.rates) ** 2 / (len(self.rates) * sum(rate**2 for rate in self.rates))


class Found(NamedTuple):
    """All that was measured of a control."""

    courses: dict[tuple[float, float], Course]
    """By scale and jitter."""
    thin: dict[float, float]
    """% of the capacity that arrived, by loss."""
    stalled: Shared
    policed: Shared
    three: Shared
    five: Shared
    tcp: Shared
    """The first is the flow that is not TCP."""
    rates: list[tuple[float, float]]
    """The course of the rate at full scale with jitter."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--seeds", metavar="N", type=positive_whole, default=3, help="runs, of which the median counts (default: 3)"
    )


def run(options: argparse.Namespace) -> Report:
    """Measure."""
    seeds, pace = (1, 0.2) if options.quick else (options.seeds, 1.0)
    found = {name: measure(make, seeds, pace) for name, make in CONTROLLERS.items()}
    return Report(
        [_course_table(found), _rural_table(found), _shared_table(found)],
        list(_bars(found[OURS])),
        [
            Plot(
                "RFC 8867, 5.1, with jitter",
                "s",
                "Mbit/s",
                {name: [(at, rate / 1e6) for at, rate in control.rates[::5]] for name, control in found.items()},
            )
        ],
        figures={name: _figures(control) for name, control in found.items()},
    )


def measure(make: Make, seeds: int, pace: float) -> Found:
    """Put a control through all cases. A ``pace`` below 1 shortens those in which the rate is to be steady."""
    numbers = range(1, seeds + 1)
    courses: dict[tuple[float, float], Course] = {}
    rates: list[tuple[float, float]] = []
    for scale in SCALES if pace == 1 else SCALES[:1]:
        for jitter in (0.0, JITTER) if pace == 1 else (JITTER,):
            runs = [_course(make, scale, jitter, seed) for seed in numbers]
            courses[scale, jitter] = _median_course([course for course, _ in runs])
            rates = rates or (runs[0][1] if jitter else [])
    thin = {
        loss: median(
            shared(make, Link([(0, THIN)], jitter=JITTER, loss=loss), 100 * pace, 0, seed).used for seed in numbers
        )
        for loss in LOSSES
    }
    alone = (Link([(0, 1e6)], stall=STALL), 60 * pace, 10 * pace)
    policed = (Link([(0, POLICED)], burst=BUCKET), 60 * pace, 20 * pace)
    three = (Link([(0, THREE)], jitter=JITTER), 120 * pace, 60 * pace)
    five = (Link([(0, FIVE)], jitter=JITTER), 200 * pace, 80 * pace)
    tcp = (Link([(0, TCP)]), 120 * pace, 20 * pace)
    return Found(
        courses,
        thin,
        _middle([shared(make, *alone, seed) for seed in numbers]),
        _middle([shared(make, *policed, seed) for seed in numbers]),
        _middle([shared(make, *three, seed, starts=(0, 20 * pace, 40 * pace)) for seed in numbers]),
        _middle(
            [
                shared(make, *five, seed, starts=tuple(10 * pace * i for i in range(5)), delays=FIVE_DELAYS)
                for seed in numbers
            ]
        ),
        _middle([shared(make, *tcp, seed, beside_tcp=True) for seed in numbers]),
        rates,
    )


def shared(
    make: Make,
    link: Link,
    seconds: float,
    start: float,
    seed: int,
    *,
    starts: Sequence[float] = (0.0,),
    delays: Sequence[float] = (),
    beside_tcp: bool = False,
) -> Shared:
    """Let flows share a link, one from each of ``starts``, and tell of the time from ``start`` on."""
    capacity = link.at(0)
    first = min(150e3, capacity / 4)
    flows = [
        Flow(make(first, min(3e6, 2 * capacity)), delay, begin)
        for begin, delay in zip(starts, delays or [0.05] * len(starts), strict=True)
    ]
    if beside_tcp:
        flows.append(Flow(None))
    run_link(link, flows, seconds, seed)
    rates = tuple(flow.rate(start, seconds) for flow in flows)
    sent = [arrived for flow in flows for at, _, arrived in flow.waits if at >= start]
    return Shared(rates, 100 * sum(rates) / capacity, 100 * (1 - sum(sent) / len(sent)))


def _course(make: Make, scale: float, jitter: float, seed: int) -> tuple[Course, list[tuple[float, float]]]:
    capacity = [(at, rate * scale) for at, rate in CAPACITY]
    flow = Flow(make(min(150e3, capacity[0][1] / 4), 3e6 * scale))
    run_link(Link(capacity, jitter=jitter), [flow], END, seed)
    spans = [(at, end, rate) for (at, rate), end in zip(capacity, [at for at, _ in capacity[1:]] + [END], strict=True)]
    waits = np.array(
        [wait for at, wait, _ in flow.waits if any(begin + STARTED <= at < end for begin, end, _ in spans)]
    )
    return (
        Course(
            tuple(100 * flow.rate(begin, end) / rate for begin, end, rate in spans),
            1e3 * float(np.median(waits)),
            1e3 * float(np.percentile(waits, 95)),
            _settled(flow, *spans[1]),
            _settled(flow, *spans[2]),
        ),
        flow.rates,
    )


def _settled(flow: Flow, begin: float, end: float, capacity: float) -> float:
    """Return after how many seconds of a phase the rate is settled."""
    rates = [(at, rate) for at, rate in flow.rates if begin <= at < end]
    for at, _ in rates:
        window = [rate for then, rate in rates if at <= then < at + SETTLED_FOR]
        if at + SETTLED_FOR < end and SETTLED_FROM <= sum(window) / len(window) / capacity <= SETTLED_TO:
            return at - begin
    return float("inf")


def _median_course(courses: Sequence[Course]) -> Course:
    return Course(
        tuple(median(values) for values in zip(*(course.used for course in courses), strict=True)),
        *(median(values) for values in zip(*(course[1:] for course in courses), strict=True)),
    )


def _middle(runs: Sequence[Shared]) -> Shared:
    """Return the run that is in the middle by what the first flow got."""
    return sorted(runs, key=lambda run: run.rates[0])[len(runs) // 2]


def _bars(found: Found) -> list[Bar]:
    bars = []
    for scale in SCALES:
        of_scale = [course for (which, _), course in found.courses.items() if which == scale]
        if not of_scale:
            continue
        name = f"5.1 at {scale:g} of the rates"
        for phase, (least, (at, rate)) in enumerate(zip(LEAST_USED, CAPACITY, strict=True)):
            used = min(course.used[phase] for course in of_scale)
            what = f"{name}: used of {rate * scale / 1e3:g} kbit/s from {at:g} s on"
            bars.append(Bar(what, used, "%", least, least=True))
        bars += [
            Bar(f"{name}: queue, median", max(course.queue for course in of_scale), "ms", MOST_QUEUE),
            Bar(f"{name}: queue, 95th percentile", max(course.queue_p95 for course in of_scale), "ms", MOST_QUEUE_P95),
            Bar(f"{name}: until settled, up", max(course.up for course in of_scale), "s", MOST_SETTLING),
            Bar(f"{name}: until settled, down", max(course.down for course in of_scale), "s", MOST_SETTLING),
        ]
    for loss, used in found.thin.items():
        limit = 100 * LEAST_OF_PASSED * (1 - loss)
        bars.append(Bar(f"{THIN / 1e3:g} kbit/s with {100 * loss:g} % loss: used", used, "%", limit, least=True))
    share = 100 * found.tcp.rates[0] / sum(found.tcp.rates)
    return [
        *bars,
        Bar("policer: used", found.policed.used, "%", LEAST_POLICED, least=True),
        Bar("policer: lost", found.policed.lost, "%", MOST_POLICED_LOSS),
        Bar("three flows: fairness (Jain)", found.three.fairness, "", LEAST_FAIR, least=True),
        Bar("five round trips: fairness (Jain)", found.five.fairness, "", LEAST_FAIR, least=True),
        Bar("beside TCP: at least", share, "%", LEAST_SHARE, least=True),
        Bar("beside TCP: at most", share, "%", MOST_SHARE),
    ]


def _course_table(found: dict[str, Found]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (name, f"{scale:g}", 1e3 * jitter, *course.used, course.queue, course.queue_p95, course.up, course.down)
        for name, control in found.items()
        for (scale, jitter), course in control.courses.items()
    ]
    phases = tuple(f"{rate / 1e6:g} Mbit/s: used %" for _, rate in CAPACITY)
    columns = ("control", "scale", "jitter ms", *phases, "queue ms", "p95 ms", "up s", "down s")
    return Table("One flow on a link that changes (RFC 8867, 5.1)", columns, rows)


def _rural_table(found: dict[str, Found]) -> Table:
    losses = tuple(f"{THIN / 1e3:g} kbit/s, {100 * loss:g} % loss: used %" for loss in LOSSES)
    rows: list[tuple[Cell, ...]] = [
        (name, *control.thin.values(), control.stalled.used, control.policed.used, control.policed.lost)
        for name, control in found.items()
    ]
    columns = ("control", *losses, "stalls: used %", "policer: used %", "lost %")
    return Table("One flow on rural links", columns, rows)


def _shared_table(found: dict[str, Found]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            *(cell for run in (control.three, control.five) for cell in (run.fairness, run.used)),
            100 * control.tcp.rates[0] / sum(control.tcp.rates),
        )
        for name, control in found.items()
    ]
    columns = ("control", "three: Jain", "used %", "five round trips: Jain", "used %", "beside TCP: share %")
    return Table("Flows that share a link", columns, rows)


def _figures(found: Found) -> dict[str, object]:
    return {
        "courses": [
            {"scale": scale, "jitter": jitter, **course._asdict()} for (scale, jitter), course in found.courses.items()
        ],
        "thin": [{"loss": loss, "used": used} for loss, used in found.thin.items()],
        **{name: getattr(found, name)._asdict() for name in ("stalled", "policed", "three", "five", "tcp")},
    }
