"""The figures of media planes, added up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tcserver.daemon.statistics import statistics
from tcserver.media.forwarding.drops import Counters, Drop, Fault
from tcserver.media.plane.stats import LATENCY_BOUNDS, Counts, MediaStats
from tcserver.monitoring.histogram import Histogram
from tests.support.conference.driver import Driver


def plane(latencies: list[float], **totals: int) -> MediaStats:
    counters = Counters(**totals)
    counters.drops[Drop.BOX] = 2
    counters.faults[next(iter(Fault))] = 1
    latency = Histogram(LATENCY_BOUNDS)
    for value in latencies:
        latency.observe(value)
    return MediaStats(
        counters=counters,
        kernel_sent=0,
        errors={"EPERM": 3},
        gave_way={},
        refused_trains=0,
        cloned=0,
        not_cloned={},
        device_drops=0,
        waiting=0,
        latency=latency,
        rtt=Histogram((1.0,)),
        uplink_delay=Histogram((1.0,)),
        sockets=(),
        counts=Counts(rooms=1, seats=2, proven=1, streams=5),
        seats=(),
    )


def found(*planes: MediaStats) -> Any:
    return json.loads(json.dumps(statistics(Driver().conference, planes)))


def test_the_planes_of_all_workers_are_one() -> None:
    figures = found(plane([], received=10, sent_bytes=1000), plane([], received=5))
    assert (figures["media"]["received"], figures["media"]["sent_bytes"], figures["media"]["held"]) == (15, 1000, 0)
    assert figures["now"]["seats_proven"] == 2
    assert figures["drops"] == {"box": 4}
    assert figures["send_errors"] == {"EPERM": 6}
    assert list(figures["crashes"].values()) == [2]


@pytest.mark.parametrize(
    ("first", "second", "p50", "p99"),
    [
        ([], [], None, None),
        ([0.0003], [], 0.5, 0.5),
        ([0.0001] * 98, [0.015, 0.015], 0.1, 20.0),
        ([0.0001], [5.0], 0.1, None),
    ],
)
def test_the_latency_is_the_bound_that_so_many_stay_below(
    first: list[float], second: list[float], p50: float | None, p99: float | None
) -> None:
    assert found(plane(first), plane(second))["forward_latency_ms"] == {"p50": p50, "p99": p99}
