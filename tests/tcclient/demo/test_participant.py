"""What a participant of a demonstration measures."""

from tcclient.demo.participant import Latencies


def test_latencies_are_summed_up_by_track_and_over_all() -> None:
    latencies = Latencies()
    one, other, silent = object(), object(), object()
    for number in range(101):
        latencies.add(one, number / 1000)
    latencies.add(other, 1.0)
    assert latencies.summary(one) == {"p50": 50.0, "p95": 95.0, "max": 100.0}
    assert latencies.summary(other) == {"p50": 1000.0, "p95": 1000.0, "max": 1000.0}
    assert latencies.summary(silent) is None
    assert latencies.total() == {"p50": 50.0, "p95": 96.0, "max": 1000.0}
    assert Latencies().total() is None
