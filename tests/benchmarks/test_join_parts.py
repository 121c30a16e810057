"""When everybody hears."""

from benchmarks.join import Arrival, all_hear


def test_the_last_who_hears_counts_from_the_first_who_dialled():
    meeting = [Arrival(0.0, 0.1, 0.9), Arrival(0.5, 0.1, 0.3), Arrival(0.9, 0.1, None)]
    assert all_hear(meeting) == 0.9
    assert all_hear(meeting[2:]) == 0
