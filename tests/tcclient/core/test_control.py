from tcclient.core.control import CONTROL_PING, MAX_ANSWERED, Liveness
from tcclient.core.timers import NEVER, Timers
from tcproto.messages import Ping
from tcproto.path import CONTROL_TIMEOUT
from tests.tcproto.control_pair import connected


class Watched:
    """A server, and the liveness of the connection with it."""

    def __init__(self) -> None:
        self.pair = connected()
        self.timers = Timers()
        self.losses = 0
        self.liveness = Liveness(self.pair.client, self.timers, self._lost)

    def _lost(self) -> None:
        self.losses += 1

    def pings(self) -> list[object]:
        """Return what the server got."""
        return [event.message for event in self.pair.to_server()]


def test_the_server_is_pinged_after_the_handshake_only():
    for pings in (False, True):
        watched = Watched()
        watched.liveness.watch(10.0, pings=pings)
        assert watched.pings() == ([Ping(10_000_000)] if pings else []), "the round trip is known soon"
        assert watched.timers.next() == 10.0 + CONTROL_PING
        watched.timers.run(10.0 + CONTROL_PING)
        assert watched.pings() == ([Ping(15_000_000)] if pings else [])
        assert watched.timers.next() == 10.0 + 2 * CONTROL_PING


def test_a_silent_server_is_lost_and_one_that_says_anything_is_not():
    watched = Watched()
    watched.liveness.watch(0.0, pings=True)
    watched.liveness.heard(3.0)
    while watched.timers.next() < 3.0 + CONTROL_TIMEOUT:
        watched.timers.run(watched.timers.next())
        assert watched.losses == 0
    watched.timers.run(watched.timers.next())
    assert watched.losses == 1
    assert watched.timers.next() == NEVER


def test_nothing_is_due_in_a_pause():
    watched = Watched()
    watched.liveness.watch(0.0, pings=False)
    watched.liveness.pause()
    assert watched.timers.next() == NEVER


def test_a_round_trip_is_measured():
    watched = Watched()
    assert watched.liveness.rtt is None
    watched.liveness.answered(Ping(2_000_000), 2.25)
    assert watched.liveness.rtt == 0.25


def test_a_server_is_answered_no_more_often_than_one_that_waits_for_answers():
    watched = Watched()
    for began in (0.0, 3 * CONTROL_PING):
        answers = [watched.liveness.may_answer(began + 0.001 * number) for number in range(1000)]
        assert answers == [True] * MAX_ANSWERED + [False] * (1000 - MAX_ANSWERED)
    assert all(watched.liveness.may_answer(100.0 + CONTROL_PING * number) for number in range(100))
