import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcserver.conference.limits.token_bucket import TokenBucket
from tcserver.conference.settings import Rate


def test_bucket_fills_with_time_up_to_its_size():
    bucket = TokenBucket(Rate(2, 3), 100.0)
    assert [bucket.take(100.0) for _ in range(4)] == [0, 0, 0, pytest.approx(0.5)]
    assert bucket.take(100.5) == 0
    assert bucket.take(1e9) == bucket.take(1e9) == bucket.take(1e9) == 0
    assert bucket.take(1e9) > 0


def test_bucket_survives_a_clock_that_stands_still_or_goes_back():
    bucket = TokenBucket(Rate(1, 1), 100.0)
    assert bucket.take(100.0) == 0
    assert bucket.take(50.0) == pytest.approx(1)
    assert bucket.take(51.0) == 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 5)), max_size=50))
def test_bucket_never_lets_more_through_than_it_promises(bursts):
    bucket, now, passed = TokenBucket(Rate(3, 5), 0.0), 0.0, 0
    for pause, count in bursts:
        now += pause
        passed += sum(bucket.take(now) == 0 for _ in range(count))
    assert passed <= 5 + 3 * now + 1e-6
