"""The result of a few runs at one load."""

from benchmarks.commands.latency import Point
from benchmarks.harness.timed_load import Outcome


def test_the_median_of_the_runs_counts_and_their_range_is_told():
    outcomes = [Outcome(1, 1.0, 2.0, cpu, (cpu,), 0.0, 0.0, [[ms / 1000], [0.5]]) for cpu, ms in enumerate((4, 1, 2))]
    point = Point(0.5, 100.0, outcomes, {}, {}, 0.0)
    assert (point.ms(0, 0.99), point.ms(1, 0.99)) == (2, 500)
    assert point.spread(0, 0.5) == "1.00 to 4.00"
    assert (point.cpu, point.seconds) == (1, 6)
