import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcserver.conference.limits.token_bucket import TokenBucket
from tcserver.conference.room.identifiers import MAX_QUARANTINED, QUARANTINE, IdPool
from tcserver.conference.settings import Rate
from tcserver.conference.timers import Timers


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


def test_identifiers_are_free_again_after_ten_minutes():
    numbers = iter([1, 1, 2, 1, 0, 1, 1, 3])
    pool = IdPool(lambda size: next(numbers).to_bytes(size, "big"))
    assert pool.take(0.0) == 1
    assert pool.take(0.0) == 2
    pool.free(1, 10.0)
    assert len(pool) == 1
    assert pool.take(10.0 + QUARANTINE) == 1
    pool.free(1, 700.0)
    assert pool.take(700.0 + QUARANTINE - 1) == 3
    assert QUARANTINE >= 10 * 60


def test_mask_and_quarantine_are_bounded():
    pool = IdPool(random.Random(1).randbytes, mask=0xFFFF_FF00)
    for _ in range(MAX_QUARANTINED + 50):
        value = pool.take(0.0)
        assert value & 0xFF == 0
        pool.free(value, 0.0)
    assert len(pool) == 0
    assert len(pool._taken) == len(pool._freed) == MAX_QUARANTINED + 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=60))
def test_identifiers_in_use_are_distinct(steps):
    pool, held = IdPool(random.Random(7).randbytes, mask=0x3F), []
    for now, (place, give_back) in enumerate(steps):
        if give_back and held:
            pool.free(held.pop(place % len(held)), float(now))
        else:
            held.append(pool.take(float(now)))
        assert len(set(held)) == len(held) == len(pool)


def never(key, error, now):
    """No timer fails."""
    raise error


def test_a_timer_that_fails_is_told_of_and_the_others_run():
    timers, fired, failed = Timers(), [], []
    for key, when in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
        timers.set(key, when, lambda now, key=key: fired.append(1 / (key != "b")))
    timers.run(3.0, lambda key, error, now: failed.append((key, type(error), now)))
    assert len(fired) == 2
    assert failed == [("b", ZeroDivisionError, 3.0)]
    assert timers.next() is None


def test_timers_run_in_order_and_can_be_moved_and_cancelled():
    timers, fired = Timers(), []
    for key, when in (("c", 3.0), ("a", 1.0), ("b", 2.0), ("d", 4.0)):
        timers.set(key, when, lambda now, key=key: fired.append((key, now)))
    timers.set("a", 3.5, lambda now: fired.append(("moved", now)))
    timers.cancel("b")
    timers.cancel("never set")
    assert timers.next() == 3.0
    timers.run(3.5, never)
    assert fired == [("c", 3.5), ("moved", 3.5)]
    assert (timers.next(), len(timers)) == (4.0, 1)
    timers.run(4.0, never)
    assert timers.next() is None


def test_timer_that_sets_the_next_one():
    timers, fired = Timers(), []

    def again(now):
        fired.append(now)
        timers.set("again", now + 1, again)

    timers.set("again", 1.0, again)
    timers.run(1.0, never)
    timers.run(2.5, never)
    assert fired == [1.0, 2.5]


def test_timer_that_is_moved_for_ever_takes_no_memory():
    timers = Timers()
    for when in range(10_000):
        timers.set("idle", float(when), print)
    assert len(timers._heap) < 200
    assert timers.next() == 9999.0
