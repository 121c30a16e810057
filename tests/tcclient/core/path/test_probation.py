import pytest

from tcclient.core.path.probation import MAX_STEADY, RELAPSE, STEADY, Probation
from tcclient.core.timers import NEVER
from tcproto.path import CHALLENGE_LIFETIME, PING_INTERVAL_CALL, PING_INTERVAL_LOST


def steady_after(probation, now, misses=()):
    """Return the seconds until UDP is steady; pings number ``misses`` get no pong."""
    probation.begin(now)
    start, number = now, 0
    while True:
        now = probation.next_deadline
        probation.pinged(False, now)
        if number not in misses and probation.answered(now + 0.05):
            return now - start
        number += 1


def test_nothing_is_due_while_udp_is_in_use():
    assert Probation().next_deadline == NEVER


def test_udp_is_steady_after_some_answered_pings_and_a_missing_pong_begins_again():
    assert steady_after(Probation(), 100.0) == pytest.approx(1 + STEADY)
    assert steady_after(Probation(), 100.0, misses={2}) == pytest.approx(1 + 3 + STEADY)


def test_where_the_other_way_is_lost_too_udp_is_pinged_more_often():
    probation = Probation()
    probation.begin(0.0)
    probation.pinged(False, 1.0)
    assert probation.next_deadline == 1.0 + PING_INTERVAL_CALL
    probation.pinged(True, 2.0)
    assert probation.next_deadline == 2.0 + PING_INTERVAL_LOST


def test_a_relapse_doubles_the_time_up_to_a_limit():
    probation, now, took = Probation(), 0.0, []
    for _ in range(4):
        took.append(steady_after(probation, now))
        now += took[-1]
        probation.end(now)
        now += 1.0
    assert took == pytest.approx([1 + STEADY, 1 + 2 * STEADY, 1 + MAX_STEADY, 1 + MAX_STEADY], abs=1.01)
    assert steady_after(probation, now + RELAPSE) == pytest.approx(1 + STEADY)


def test_the_newest_challenge_is_answered_at_the_end_if_it_is_not_too_old():
    probation = Probation()
    probation.begin(0.0)
    assert probation.end(1.0) == b""
    probation.begin(2.0)
    probation.challenged(b"first", 3.0)
    probation.challenged(b"second", 4.0)
    assert probation.end(4.0 + CHALLENGE_LIFETIME - 0.1) == b"second"
    assert probation.next_deadline == NEVER
    probation.begin(8.0)
    assert probation.end(8.1) == b"", "one of another time is forgotten"
    probation.begin(9.0)
    probation.challenged(b"old", 10.0)
    assert probation.end(10.0 + CHALLENGE_LIFETIME) == b""
