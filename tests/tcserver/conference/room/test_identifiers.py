import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tcserver.conference.room.identifiers import MAX_QUARANTINED, QUARANTINE, IdPool
from tests.support.memory import largest_table


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


def test_reserved_bits_are_clear_and_the_quarantine_is_bounded():
    pool = IdPool(random.Random(1).randbytes, reserved=0xFF)
    for _ in range(MAX_QUARANTINED + 50):
        value = pool.take(0.0)
        assert value & 0xFF == 0
        pool.free(value, 0.0)
    assert len(pool) == 0
    assert largest_table(pool) == MAX_QUARANTINED + 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=60))
def test_identifiers_in_use_are_distinct(steps):
    pool, held = IdPool(random.Random(7).randbytes, reserved=0xFFFF_FFC0), []
    for now, (place, give_back) in enumerate(steps):
        if give_back and held:
            pool.free(held.pop(place % len(held)), float(now))
        else:
            held.append(pool.take(float(now)))
        assert len(set(held)) == len(held) == len(pool)
