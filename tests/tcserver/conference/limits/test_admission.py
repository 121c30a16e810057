"""Which logins and joins are let in, which ones wait, and that the times they are told are true."""

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcserver.conference.limits.admission import MAX_SCOPES, MAX_WAIT, Admission
from tcserver.conference.settings import Rate
from tests.support.memory import largest_table

PARTS = {"account": 0.25}


def test_those_who_are_told_to_wait_come_in_when_they_were_told() -> None:
    admission = Admission(Rate(2, 4), {}, 100.0)
    waits = [admission.wait(who, {}, 100.0) for who in range(8)]
    assert waits == [0, 0, 0, 0, 0.5, 1.0, 1.5, 2.0]
    # Others come meanwhile, and get later turns.
    assert admission.wait("other", {}, 100.1) == pytest.approx(2.4)
    for who in range(4, 8):
        assert admission.wait(who, {}, 100.0 + waits[who]) == 0
    assert admission.wait("other", {}, 102.5) == 0


def test_who_comes_too_early_keeps_the_turn() -> None:
    admission = Admission(Rate(1, 1), {}, 0.0)
    assert [admission.wait(who, {}, 0.0) for who in "abc"] == [0, 1, 2]
    assert admission.wait("b", {}, 0.5) == 0.5
    assert admission.wait("c", {}, 0.5) == 1.5
    assert admission.wait("b", {}, 1.0) == 0


def test_a_turn_that_nobody_takes_goes_to_others() -> None:
    admission = Admission(Rate(1, 1), {}, 0.0)
    assert [admission.wait(who, {}, 0.0) for who in range(8)][-1] == 7
    assert admission.wait("late", {}, 100.0) == 0
    assert admission.wait("later", {}, 100.0) == 1


def test_no_wait_is_longer_than_ten_seconds() -> None:
    admission = Admission(Rate(1, 1), {}, 0.0)
    waits = [admission.wait(who, {}, 0.0) for who in range(500)]
    assert max(waits) == MAX_WAIT
    assert largest_table(admission) < 11


def test_one_account_neither_takes_nor_books_what_is_for_others() -> None:
    admission = Admission(Rate(50, 100), PARTS, 0.0)
    now = 0.0
    for who in range(2000):
        now += 0.001
        admission.wait(("flood", who), {"account": "flood"}, now)
    honest = [admission.wait(who, {"account": who}, now) for who in range(20)]
    assert honest == [0] * 20


def test_the_accounts_that_are_counted_are_bounded_and_idle_ones_go_first() -> None:
    admission = Admission(Rate(1, 10**6), PARTS, 0.0)
    admission.wait("busy", {"account": "busy"}, 0.0)
    for number in range(MAX_SCOPES + 10):
        admission.wait(number, {"account": number}, float(number))
    assert largest_table(admission) <= MAX_SCOPES


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 3), st.integers(1, 6)), max_size=40))
def test_every_wait_that_is_told_is_true_and_no_more_come_in_than_the_rate_lets(
    arrivals: list[tuple[float, int, int]],
) -> None:
    admission, now, admitted, promised = Admission(Rate(3, 8), PARTS, 0.0), 0.0, 0, []
    numbers = count()
    for pause, account, many in arrivals:
        now += pause
        for at, who in sorted(promised, key=lambda turn: turn[0]):
            if at <= now:
                assert admission.wait(who, {"account": who[0]}, at) == 0, "it comes when it was told"
                admitted += 1
        promised = [turn for turn in promised if turn[0] > now]
        for _ in range(many):
            who = (account, next(numbers))
            wait = admission.wait(who, {"account": account}, now)
            assert wait <= MAX_WAIT
            if wait == 0:
                admitted += 1
            elif wait < MAX_WAIT:
                promised.append((now + wait + 1e-6, who))
    assert admitted <= 8 + 3 * now + 1e-3
