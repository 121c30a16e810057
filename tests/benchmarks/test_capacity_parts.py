"""When a meeting counts as delivered."""

from benchmarks.capacity import Row
from benchmarks.trial import Outcome


def test_a_meeting_knows_what_it_took():
    outcome = Outcome(
        sent=200, delivered=0.98, seconds=2.0, cpu=0.5, each=(0.5,), waited=0.0, late=0.0, latencies=[[], []]
    )
    row = Row(11, 3, 4, 1.0, outcome, 0.0, 1 << 20)
    assert row.arriving == 100
    assert row.leaving == 980
    assert not row.good
    assert row._replace(outcome=outcome._replace(delivered=0.99)).good
