"""When a meeting counts as delivered."""

import pytest

from benchmarks.commands.capacity import BIG, BIG_WORKERS, TYPICAL, Meeting, Row, Told, bars, losses_of
from benchmarks.harness.report import BenchmarkError
from benchmarks.harness.server import setting
from benchmarks.harness.timed_load import Outcome


def test_a_meeting_knows_what_it_took():
    outcome = Outcome(
        sent=200, delivered=0.98, seconds=2.0, cpu=0.5, each=(0.5,), waited=0.0, late=0.0, latencies=[[], []]
    )
    row = Row(0, 11, 3, 4, 1.0, outcome, {}, 1 << 20, 0.002)
    assert row.arriving == 100
    assert row.leaving == 980
    assert not row.good
    assert row._replace(outcome=outcome._replace(delivered=0.99)).good


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (Told(1990, 0, 200, 0, {}, {}), "broke: receivers overflowed, not the server"),
        (Told(1800, 16, 184, 0, {}, {}), "broke: the server did not read in time"),
        (
            Told(1900, 12, 188, 0, {}, {}),
            "broke: receivers overflowed, not the server, and the server did not read in time",
        ),
        (Told(1800, 2, 182, 0, {}, {}), "broke: the server still had to read them when the counting ended"),
        (Told(1800, 2, 198, 150, {}, {}), "broke: the server's socket was full, and datagrams gave way"),
        (Told(1800, 2, 198, 49, {}, {"old": 1, "cap": 17}), "broke: the server dropped what came (cap)"),
        (Told(1800, 2, 198, 49, {}, {}), "broke: nobody knows why"),
    ],
)
def test_a_meeting_that_breaks_tells_who_broke(after, words):
    outcome = Outcome(sent=200, delivered=0.9, seconds=2.0, cpu=0.5, each=(0.5,), waited=0.5, late=0.0, latencies=[[]])
    losses = losses_of(outcome, 10, Told(0, 0, 0, 0, {}, {}), after)
    row = Row(0, 11, 3, 4, 1.0, outcome, losses, 1 << 20, 0.002)
    assert row.remark == words
    assert row._replace(outcome=outcome._replace(delivered=1.0)).remark == "the machine was busy otherwise"


def run(cpu, ms, delivered=1.0, waited=0.0):
    outcome = Outcome(200, delivered, 2.0, cpu, (cpu,), waited, 0.0, [[0.0005], [ms / 1000] if ms else []])
    return Row(BIG_WORKERS, BIG, *TYPICAL, 1.0, outcome, {}, 1 << 20, None if ms == 9 else 0.002)


def test_of_a_few_runs_the_median_latency_and_the_worst_delivery_count():
    meeting = Meeting([run(0.3, 9), run(0.5, 2, delivered=0.999), run(0.4, 3, waited=0.4)])
    assert (meeting.p99(0), meeting.p99(1), meeting.spread(1)) == (0.5, 3, "2.00 to 9.00")
    assert (meeting.cpu, meeting.delivered) == (0.4, 0.999)
    cells = meeting.cells()
    assert cells[:7] == (BIG_WORKERS, BIG, *TYPICAL, 100, 49_900, 40)
    assert cells[12] is None  # one lag was beyond all bounds
    least, delivered, latency = bars([meeting])
    assert least.measured == delivered.measured == pytest.approx(99.9)
    assert (latency.measured, latency.passed) == (3, True)
    assert latency.note == "runs: 2.00 to 9.00; the machine was busy otherwise"


def test_a_run_in_which_nothing_arrived_leaves_no_latency():
    meeting = Meeting([run(0.3, 4), run(0.3, 0)])
    assert (meeting.p99(0), meeting.p99(1), meeting.spread(1)) == (0.5, None, "")


def test_a_setting_has_a_value():
    assert setting("a.b=c=d") == ("a.b", "c=d")
    with pytest.raises(BenchmarkError, match="KEY=VALUE"):
        setting("a.b")
