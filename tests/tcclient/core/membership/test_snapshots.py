from math import inf

from tcclient.core.membership.snapshots import SNAPSHOT_RETRY, SnapshotRequests


class Asked:
    def __init__(self) -> None:
        self.times = 0
        self.requests = SnapshotRequests(self._ask)

    def _ask(self) -> None:
        self.times += 1

    def at(self, now: float) -> int:
        self.requests.handle_timeout(now)
        return self.times


def test_a_gap_is_asked_about_at_once_and_again_until_the_snapshot_is_here():
    asked = Asked()
    assert asked.at(1.0) == 0
    asked.requests.gap(1.0)
    assert asked.at(1.0) == 1
    asked.requests.gap(1.5)
    assert asked.at(1.0 + SNAPSHOT_RETRY - 0.01) == 1
    assert asked.at(1.0 + SNAPSHOT_RETRY) == 2
    asked.requests.arrived()
    assert asked.requests.next_deadline == inf
    assert asked.at(100.0) == 2


def test_a_server_that_refuses_is_left_alone_for_as_long_as_it_says_and_never_asked_more_often():
    asked = Asked()
    asked.requests.gap(0.0)
    asked.at(0.0)
    asked.requests.refused(7.0, 0.1)
    assert (asked.at(7.0), asked.at(7.1)) == (1, 2)
    asked.requests.refused(0.0, 7.2)
    assert asked.requests.next_deadline == 7.2 + SNAPSHOT_RETRY
