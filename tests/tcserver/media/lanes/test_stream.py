"""The lane in front of streams: what is written, when, and what is dropped."""

from __future__ import annotations

import pytest

from tcproto.stream_path import LARGE_PATIENCE, MAX_LARGE, MAX_UNSENT
from tcserver.media import ReceiverSet, Transmission
from tcserver.media.interface import STREAM_HOST, Address
from tcserver.media.lanes.sender import Sender
from tcserver.media.lanes.stream import (
    FLUSH_INTERVAL,
    FLUSH_SHARE,
    LEAST_UNSENT,
    LONGEST_FLUSH_INTERVAL,
    MAX_PENDING,
    MAX_WRITE,
)
from tests.support.media.stream_ends import End, Lane, datagrams_of


def everybody(lane: Lane) -> ReceiverSet:
    return ReceiverSet((number, Address(0, STREAM_HOST, number)) for number in lane.ends)


def send(lane: Lane, receivers: ReceiverSet, *datagrams: bytes) -> None:
    Sender([lane]).send([Transmission(datagram, receivers) for datagram in datagrams])


def test_what_comes_within_some_milliseconds_is_one_write_of_the_same_bytes_for_all() -> None:
    lane = Lane(3)
    receivers = everybody(lane)
    send(lane, receivers, b"one")
    send(lane, receivers, b"two", bytes(1100))
    assert lane.due == [FLUSH_INTERVAL]
    assert not any(end.writes for end in lane.ends.values())
    assert lane.waiting == 9
    lane.run()
    (written,) = lane.ends[1].writes
    assert datagrams_of(written) == [b"one", b"two", bytes(1100)]
    assert all(end.writes[0] is written for end in lane.ends.values())
    assert (lane.due, lane.waiting, lane.counts.sent) == ([], 0, 9)


def test_trains_and_single_receivers() -> None:
    lane = Lane(3)
    receivers = everybody(lane)
    Sender([lane]).send([Transmission(bytes([n]) * 9, receivers, skip) for n, skip in ((1, 0), (2, -1), (3, 2))])
    send(lane, ReceiverSet([(2, Address(0, STREAM_HOST, 2))]), b"alone")
    lane.run()
    got = [[datagram[:5] for datagram in end.take()] for end in lane.ends.values()]
    assert got == [[b"\2" * 5, b"\3" * 5], [b"\1" * 5, b"\2" * 5, b"\3" * 5, b"alone"], [b"\1" * 5, b"\2" * 5]]


def test_a_stream_that_has_ended_costs_nothing() -> None:
    lane = Lane(2)
    receivers = everybody(lane)
    send(lane, receivers, b"lost")
    lane.close(1)
    lane.close(1)
    send(lane, receivers, b"x")
    send(lane, ReceiverSet([(1, Address(0, STREAM_HOST, 1)), (9, Address(0, STREAM_HOST, 99))]), b"nobody")
    lane.resume(1)
    lane.run()
    assert lane.ends[1].writes == []
    assert lane.ends[2].take() == [b"lost", b"x"]
    assert (len(lane), lane.waiting, lane.counts.sent) == (1, 0, 2)
    assert lane.open(End()) == 3, "a number is not given again"


def test_a_large_picture_leaves_at_once_as_far_as_the_stream_takes_it() -> None:
    lane = Lane(2)
    lane.ends[2].reads = False
    receivers = everybody(lane)
    picture = [n.to_bytes(2, "big") + bytes(1100) for n in range(2 * MAX_LARGE)]
    for at in range(0, len(picture), 5):
        send(lane, receivers, *picture[at : at + 5])
    lane.run()
    assert lane.ends[1].take() == picture, "none of it had to wait for room in the queue"
    assert lane.ends[2].take() == picture[: MAX_UNSENT // 1100 + 1]
    assert lane.counts.gave_way["large"] == len(picture) - (MAX_UNSENT // 1100 + 1), (
        "without a piece the rest is of no use"
    )
    assert lane.waiting == 0


def test_a_stream_that_keeps_up_is_written_to_once_and_one_that_does_not_begins_anew() -> None:
    lane = Lane(2)
    fast, slow = lane.ends.values()
    sizes: list[list[int]] = []

    def show() -> None:
        for end in (fast, slow):
            end.writes.clear()
        send(lane, everybody(lane), *[bytes([n]) + bytes(1100) for n in range(20)])
        lane.run()
        sizes.append([len(write) for write in fast.writes])

    for _ in range(4):
        show()
    assert [len(writes) for writes in sizes] == [7, 3, 2, 2]
    for writes, most in zip(sizes, (MAX_UNSENT, 2 * MAX_UNSENT, MAX_WRITE, MAX_WRITE), strict=True):
        assert max(writes) <= most
    slow.reads = False
    show()
    assert len(slow.take()) == MAX_WRITE // 1105, "as much as it has shown to take"
    slow.waits, slow.reads = 1, True
    lane.now += LARGE_PATIENCE + 0.01
    lane.run()
    assert lane.waiting == 0
    show()
    assert len(slow.writes) == 7
    slow.waits = 0
    for _ in range(2):
        send(lane, everybody(lane), b"sound")
        lane.run()
    show()
    assert len(slow.writes) == 3, "what is little proves no more"


def test_no_more_than_a_few_datagrams_are_collected() -> None:
    lane = Lane(1)
    for n in range(MAX_PENDING):
        assert lane.ends[1].writes == []
        send(lane, everybody(lane), bytes([n]) * 50)
    assert len(lane.ends[1].take()) == MAX_PENDING


def test_what_comes_by_several_sets_of_receivers_leaves_in_the_order_in_which_it_came() -> None:
    lane = Lane(4)
    numbered = [(number, Address(0, STREAM_HOST, number)) for number in lane.ends]
    sets = [everybody(lane), ReceiverSet(numbered[:3]), ReceiverSet(numbered[1:]), everybody(lane)]
    datagrams = [bytes([n]) * 9 for n in range(20)]
    for n, datagram in enumerate(datagrams):
        Sender([lane]).send([Transmission(datagram, sets[n * 7 % 4], -1 if n % 3 else 1)])
    expected = {
        number: [
            datagram
            for n, datagram in enumerate(datagrams)
            if number in (media_ids := sets[n * 7 % 4].media_ids) and (n % 3 or number != media_ids[1])
        ]
        for number in lane.ends
    }
    assert lane.waiting == sum(map(len, expected.values()))
    lane.run()
    assert {number: end.take() for number, end in lane.ends.items()} == expected
    assert (lane.waiting, lane.counts.sent) == (0, sum(map(len, expected.values())))


def test_who_gets_the_same_by_several_sets_of_receivers_gets_the_same_bytes() -> None:
    lane = Lane(3)
    sound, pictures = everybody(lane), everybody(lane)
    for n in range(4):
        send(lane, sound if n % 2 else pictures, bytes([n]) * 9)
    lane.run()
    first, *others = (end.writes for end in lane.ends.values())
    assert all(writes[0] is first[0] for writes in others)


def test_many_datagrams_for_one_stream_do_not_hurry_those_for_others() -> None:
    lane = Lane(2)
    send(lane, everybody(lane), b"both")
    alone = ReceiverSet([(1, Address(0, STREAM_HOST, 1))])
    for n in range(2 * MAX_PENDING):
        send(lane, alone, bytes([n]))
    taken = lane.ends[1].take()
    assert taken[0] == b"both"
    assert len(taken) >= 2 * MAX_PENDING - 1
    assert lane.ends[2].writes == []
    lane.run()
    assert lane.ends[2].take() == [b"both"]


def test_a_slow_stream_is_looked_at_again_and_resumes_when_it_has_room() -> None:
    lane = Lane(1)
    end = lane.ends[1]
    end.waits = MAX_UNSENT
    send(lane, everybody(lane), b"a", bytes(1000))
    for _ in range(3):
        lane.run()
        assert lane.due == [FLUSH_INTERVAL]
    assert (end.writes, lane.waiting) == ([], 2)
    end.waits = 0
    lane.resume(1)
    assert end.take() == [b"a", bytes(1000)]
    end.waits = MAX_UNSENT
    send(lane, everybody(lane), bytes(1001))
    lane.run()
    lane.now += LARGE_PATIENCE
    lane.run()
    assert (lane.due, lane.waiting, lane.counts.gave_way) == ([], 0, {"small": 0, "large": 1})


@pytest.mark.parametrize(("rate", "most"), [(300_000, LEAST_UNSENT), (5_000_000, MAX_UNSENT)])
def test_sound_has_little_in_front_of_it_on_a_slow_line_and_the_line_is_used(rate: int, most: int) -> None:
    lane, turns = Lane(1), 500
    (end,) = lane.ends.values()
    end.reads = False
    ahead: list[int] = []
    carried = 0
    for turn in range(turns):
        send(lane, everybody(lane), *[bytes(1100)] * 3)  # 6.6 Mbit/s
        if not turn % 5:
            send(lane, everybody(lane), b"sound")
        before = end.waits
        lane.run()
        ahead += [before] * end.take().count(b"sound")
        left = min(end.waits, round(rate / 8 * FLUSH_INTERVAL))
        end.waits -= left
        carried += left
    assert len(ahead) > 0.9 * turns / 5, "sound leaves"
    assert max(ahead[5:]) <= most
    assert carried > 0.9 * rate / 8 * turns * FLUSH_INTERVAL


def test_the_longer_writing_takes_the_more_is_collected() -> None:
    took = [FLUSH_SHARE * FLUSH_INTERVAL / 2, FLUSH_SHARE * 0.01, 1.0, 0.0]
    times = iter([time for n, seconds in enumerate(took) for time in (10.0 * n, 10.0 * n + seconds)])
    lane = Lane(1, clock=lambda: next(times))
    for expected in (FLUSH_INTERVAL, FLUSH_INTERVAL, 0.01, LONGEST_FLUSH_INTERVAL):
        send(lane, everybody(lane), b"x")
        assert lane.due.pop() == pytest.approx(expected)
        lane.flush()
    send(lane, everybody(lane), b"x")
    assert lane.due == [FLUSH_INTERVAL]


def test_payloads_of_another_process_are_delivered_by_number() -> None:
    lane = Lane(3)
    lane.ends[2].waits = MAX_UNSENT
    lane.deliver(b"aaaabb", 4, (1, 2, 99), "worker 1")
    lane.deliver(bytes(1000), 1000, (2,), "worker 1")
    lane.deliver(bytes(1000), 1000, (2,), "worker 2")
    lane.run()
    assert [end.take() for end in lane.ends.values()] == [[b"aaaa", b"bb"], [], []]
    lane.now += LARGE_PATIENCE + 0.01
    lane.ends[2].waits = 0
    lane.run()
    assert lane.ends[2].take() == [b"aaaa", b"bb"]
    assert lane.counts.gave_way["large"] == 2
