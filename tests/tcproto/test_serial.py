from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcproto.serial import Unwrapper, clock_us, difference, unwrap, wrapped

BITS = st.sampled_from([8, 16, 32])
NUMBERS = st.integers(-(2**70), 2**70)


@given(NUMBERS, BITS)
def test_wrapped_is_the_number_in_so_many_bits(number: int, bits: int) -> None:
    assert wrapped(number, bits) == number % 2**bits


@given(NUMBERS)
def test_a_number_has_32_bits_where_nothing_is_said(number: int) -> None:
    assert wrapped(number) == number % 2**32
    assert difference(number, 0) == difference(number, 0, 32)
    assert unwrap(number, 2**40) == unwrap(number, 2**40, 32)


@given(NUMBERS, NUMBERS, BITS)
def test_the_difference_is_the_shorter_way_round(number: int, reference: int, bits: int) -> None:
    ahead = difference(number, reference, bits)
    assert wrapped(reference + ahead, bits) == wrapped(number, bits)
    assert -(2 ** (bits - 1)) <= ahead < 2 ** (bits - 1)


@given(st.integers(0, 255), st.integers(0, 255))
def test_the_comparison_of_rfc_1982(first: int, second: int) -> None:
    # Section 3.2, word for word, for SERIAL_BITS = 8.
    less = (first < second and second - first < 128) or (first > second and first - second > 128)
    more = (first < second and second - first > 128) or (first > second and first - second < 128)
    assert (difference(first, second, 8) > 0) is more
    if abs(first - second) != 128:
        assert (difference(first, second, 8) < 0) is less


@given(NUMBERS, NUMBERS, BITS)
def test_the_difference_has_a_sign_but_where_it_is_half_of_the_range(first: int, second: int, bits: int) -> None:
    there, back = difference(first, second, bits), difference(second, first, bits)
    assert there == -back or there == back == -(2 ** (bits - 1))


@pytest.mark.parametrize(
    ("number", "reference", "bits", "ahead"),
    [
        (0, 0, 32, 0),
        (0, 2**32 - 1, 32, 1),
        (2**32 - 1, 0, 32, -1),
        (2**31 - 1, 0, 32, 2**31 - 1),
        (2**31, 0, 32, -(2**31)),
        (0, 2**31, 32, -(2**31)),
        (3, 65_530, 16, 9),
        (65_530, 3 + 7 * 65_536, 16, -9),
        (0, 255, 8, 1),
    ],
)
def test_differences(number: int, reference: int, bits: int, ahead: int) -> None:
    assert difference(number, reference, bits) == ahead


@given(NUMBERS, NUMBERS, BITS)
def test_no_number_with_these_bits_is_nearer(number: int, near: int, bits: int) -> None:
    found = unwrap(wrapped(number, bits), near, bits)
    assert wrapped(found, bits) == wrapped(number, bits)
    assert all(abs(found - near) <= abs(found + step - near) for step in (-(2**bits), 2**bits))


@given(st.integers(0, 2**70), BITS, st.data())
def test_a_number_near_the_reference_is_found_again(near: int, bits: int, data: st.DataObject) -> None:
    number = near + data.draw(st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
    assert unwrap(wrapped(number, bits), near, bits) == number


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(-(2**30), 2**30), max_size=20))
def test_a_clock_runs_on_through_its_wraps(start: int, steps: list[int]) -> None:
    unwrapper, seen = Unwrapper(), start
    assert unwrapper(start) == start
    for step in steps:
        # A value is near the highest before it.
        value = seen + step
        assert unwrapper(value % 2**32) == value
        seen = max(seen, value)


@pytest.mark.parametrize(
    ("seconds", "clock"), [(0.0, 0), (1.5, 1_500_000), (4294.967296, 0), (4294.967297, 1), (4294.967295, 2**32 - 1)]
)
def test_a_time_as_a_clock(seconds: float, clock: int) -> None:
    assert clock_us(seconds) == clock
