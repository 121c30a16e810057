from tcserver.conference.timers import Timers
from tests.support.memory import largest_table


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
    assert largest_table(timers) < 200
    assert timers.next() == 9999.0
