import pytest

from tcserver.monitoring.histogram import Histogram


@pytest.mark.parametrize(("value", "bucket"), [(0.0, 0), (1.0, 0), (1.5, 1), (2.0, 1), (2.1, 2), (float("inf"), 2)])
def test_a_bound_belongs_to_its_bucket(value: float, bucket: int) -> None:
    histogram = Histogram([1.0, 2.0])
    histogram.observe(value)
    assert histogram.counts == [int(i == bucket) for i in range(3)]


def test_sum_and_total() -> None:
    histogram = Histogram([1.0])
    for value in (0.5, 0.25, 3.0):
        histogram.observe(value)
    assert (histogram.total, histogram.sum) == (3, 3.75)
