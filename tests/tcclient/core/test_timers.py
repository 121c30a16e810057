"""The table of deadlines of a session."""

from tcclient.core.timers import NEVER, Timers


class Log:
    """Actions that note when they were called."""

    def __init__(self):
        self.calls = []

    def action(self, name):
        return lambda now: self.calls.append((name, now))


def test_the_earliest_deadline_is_next_and_each_is_due_once_in_order():
    timers, log = Timers(), Log()
    assert timers.next() == timers.when("ping") == NEVER
    timers.set("ping", 5.0, log.action("ping"))
    timers.set("texts", 3.0, log.action("texts"))
    timers.set("keys", 9.0, log.action("keys"))
    assert (timers.next(), timers.when("ping")) == (3.0, 5.0)
    timers.run(2.9)
    assert log.calls == []
    timers.run(6.0)
    assert log.calls == [("texts", 6.0), ("ping", 6.0)]
    assert (timers.next(), timers.when("ping")) == (9.0, NEVER)


def test_a_deadline_is_moved_by_setting_it_again_and_cancelled_by_never():
    timers, log = Timers(), Log()
    timers.set("ping", 5.0, log.action("first"))
    timers.set("ping", 8.0, log.action("second"))
    timers.set("texts", 5.0, log.action("texts"))
    timers.set("texts", NEVER, log.action("texts"))
    timers.run(7.0)
    assert log.calls == []
    timers.run(8.0)
    assert log.calls == [("second", 8.0)]
    timers.set("ping", 9.0, log.action("third"))
    timers.cancel("ping")
    timers.cancel("ping")
    assert timers.next() == NEVER


def test_all_deadlines_but_one_are_forgotten_together():
    timers, log = Timers(), Log()
    for name in ("ping", "texts", "keys"):
        timers.set(name, 1.0, log.action(name))
    timers.cancel_all(but="ping")
    timers.run(2.0)
    assert log.calls == [("ping", 2.0)]
    timers.set("keys", 3.0, log.action("keys"))
    timers.cancel_all()
    assert timers.next() == NEVER


def test_an_action_that_is_due_again_at_once_waits_for_the_next_call():
    timers, log = Timers(), Log()

    def again(now):
        log.calls.append(("again", now))
        timers.set("again", now, again)

    timers.set("again", 1.0, again)
    timers.run(1.0)
    assert log.calls == [("again", 1.0)]
    assert timers.next() == 1.0


def test_an_action_may_cancel_or_put_off_another_that_is_due():
    timers, log = Timers(), Log()

    def end(now):
        timers.cancel("keys")
        timers.set("texts", now + 1.0, log.action("texts"))

    timers.set("end", 1.0, end)
    timers.set("keys", 2.0, log.action("keys"))
    timers.set("texts", 2.0, log.action("texts"))
    timers.run(2.0)
    assert log.calls == []
    assert timers.next() == 3.0


def test_the_deadline_of_a_part_is_followed_wherever_it_moves():
    timers, log = Timers(), Log()
    moments = [NEVER]
    timers.follow("part", lambda: moments[0], log.action("part"))
    timers.set("ping", 5.0, log.action("ping"))
    assert (timers.when("part"), timers.next()) == (NEVER, 5.0)
    moments[0] = 3.0
    assert (timers.when("part"), timers.next()) == (3.0, 3.0)
    timers.run(4.0)
    timers.run(4.0)
    assert log.calls == [("part", 4.0), ("part", 4.0)], "it is due until it is moved"
    moments[0] = 6.0
    timers.run(5.0)
    assert log.calls[2:] == [("ping", 5.0)]
    timers.cancel_all(but="ping")
    assert timers.next() == NEVER
