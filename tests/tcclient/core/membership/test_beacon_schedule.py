"""When beacons are due, by the size of the room."""

import random
from itertools import pairwise

import pytest

from tcclient.core.membership.beacons import BeaconSchedule
from tests.support.memory import largest_table


def run(schedule, end, members, act=lambda now: None, step=0.05):
    """Send what is due, and return when."""
    times, now = [], 0.0
    schedule.resize(members)
    schedule.begin(now)
    while now < end:
        act(now)
        if now >= schedule.next_deadline:
            schedule.sent(None, now)
            times.append(now)
        now += step
    return times


@pytest.mark.parametrize("members", [2, 40, 100, 300, 600, 1000])
def test_a_room_never_has_more_than_fifty_beacons_in_a_second_whatever_happens(members):
    """In every tenth of a second a member comes, streams start and clocks move."""
    sources = [random.Random(number) for number in range(20)]
    schedules = [BeaconSchedule(source.randbytes) for source in sources]

    def busy(schedule):
        def act(now):
            schedule.answer(now)
            schedule.stream_started(now)
            schedule.clock_moved(now)
            assert largest_table(schedule) <= 6

        return act

    end = 60.0
    sent = [run(schedule, end, members, busy(schedule), step=0.1) for schedule in schedules]
    per_second = sum(len(times) for times in sent) / len(sent) * members / end
    assert per_second <= 50 * 1.1
    assert all(later - earlier >= max(1, members / 50) - 1e-6 for times in sent for earlier, later in pairwise(times))


def test_answers_to_a_newcomer_are_spread_over_the_time_that_the_room_needs():
    for members, span in ((10, 1.0), (200, 4.0)):
        offsets = []
        for number in range(200):
            schedule = BeaconSchedule(random.Random(number).randbytes)
            schedule.resize(members)
            schedule.begin(0.0)
            for at in (5.0, 10.0, 15.0):
                schedule.sent(None, at)
            schedule.answer(20.0)
            offsets.append(schedule.next_deadline - 20.0)
        assert 0 <= min(offsets) < span / 20
        assert span * 0.95 < max(offsets) < span
