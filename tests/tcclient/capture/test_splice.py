import pytest

from tcclient.capture.splice import LEAST_ROUND, MAX_BACK, MAX_HOLE, MAX_REORDERED, Splice


def lay(splice: Splice, packets: list[tuple[int, float]], duration: float = 0.5) -> list[float]:
    """Place packets (stream, time); return their times on the line."""
    return [time + splice.place(stream, time, time, duration) for stream, time in packets]


def test_time_begins_with_the_earlier_stream_and_a_later_one_keeps_its_distance() -> None:
    splice = Splice()
    splice.begin(100.0)
    assert lay(splice, [(0, 100.0), (0, 100.5), (1, 102.0), (0, 101.0)]) == [0.0, 0.5, 2.0, 1.0]
    assert splice.end == 2.5


def test_a_round_begins_where_the_longest_stream_of_the_one_before_ended() -> None:
    splice = Splice()
    for number in range(3):
        splice.begin(7.0)
        assert lay(splice, [(0, 7.0), (1, 7.0), (0, 7.5)]) == [number * 1.0, number * 1.0, number * 1.0 + 0.5]


def test_holes_are_kept_and_leaps_are_left_out() -> None:
    splice = Splice()
    splice.begin(0.0)
    assert lay(splice, [(0, 0.0), (0, 0.5 + MAX_HOLE)]) == [0.0, 0.5 + MAX_HOLE]
    end = splice.end
    assert lay(splice, [(0, 10_000.0), (0, 10_000.5)]) == [end, end + 0.5]


def test_a_pause_of_one_stream_is_no_leap_while_another_goes_on() -> None:
    splice = Splice()
    splice.begin(0.0)
    lay(splice, [(0, 0.0), *((1, float(second)) for second in range(300))], duration=1.0)
    assert lay(splice, [(0, 300.0)]) == [300.0]


def test_where_timestamps_begin_again_all_streams_go_on_together() -> None:
    splice = Splice()
    splice.begin(0.0)
    lay(splice, [(0, 0.0), (1, 0.0), (0, 0.5), (1, 0.5)])
    assert lay(splice, [(0, 0.0), (1, 0.25), (0, 0.5), (1, 0.75)]) == [1.0, 1.25, 1.5, 1.75]


def test_a_straggler_of_the_part_before_stays_in_it() -> None:
    splice = Splice()
    splice.begin(0.0)
    lay(splice, [(0, 0.0), (1, 0.0), (0, 0.5)])
    assert lay(splice, [(0, 0.0), (1, 0.5), (1, 0.0)]) == [1.0, 0.5, 1.0]


@pytest.mark.parametrize("back", [MAX_BACK, 0.01])
def test_a_careless_writer_is_no_new_beginning(back: float) -> None:
    splice = Splice()
    splice.begin(0.0)
    assert lay(splice, [(0, 0.0), (0, 1.0), (0, 1.0 - back + 1e-9)])[-1] == pytest.approx(1.0 - back)


def test_pictures_that_are_stored_out_of_order_are_no_new_beginning() -> None:
    splice = Splice()
    splice.begin(0.0)
    shown = [0.0, 1.5, 0.5, 1.0]
    assert [splice.place(0, None, time, 0.5) for time in shown] == [0.0] * 4
    assert [splice.place(0, 0.1 * index, time, 0.5) for index, time in enumerate(shown)] == [0.0] * 4
    assert splice.place(0, None, 2.0 - MAX_REORDERED - 0.6, 0.5) != 0.0


def test_a_first_packet_far_from_the_beginning_is_no_wait() -> None:
    splice = Splice()
    splice.begin(0.0)
    assert lay(splice, [(0, 5000.0), (1, 5000.25)]) == [0.0, 0.25]


def test_a_round_has_a_least_length() -> None:
    splice = Splice()
    for number in range(3):
        splice.begin(5.0)
        assert lay(splice, [(0, 5.0)], duration=0.001) == [pytest.approx(number * LEAST_ROUND)]
