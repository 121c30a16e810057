"""What was lost on the way down is asked for again, while it may still be of use."""

from itertools import accumulate

import pytest

from tcclient.core import Way
from tcclient.core.downlink.subscription import Wishes
from tcclient.core.media.repair import (
    AUDIO_PATIENCE,
    MAX_GAP,
    MAX_MISSING,
    MIN_SPACING,
    MORE_FROM,
    MORE_QUICK,
    MORE_WITH_ROOM,
    QUICK,
    QUICK_TRIES,
    RECORDING_PATIENCE,
    REORDER_MEMORY,
    REORDER_WAIT,
    UNKNOWN_RTT,
    VIDEO_PATIENCE,
    Repair,
    quick_requests,
)
from tcclient.core.timers import NEVER
from tcproto import messages as m
from tcproto.datagram import MAX_UP_ITEMS, Item, ItemType, open_datagram, parse_header, parse_items
from tcproto.feedback import MAX_TRIES, RetransmissionRequest, parse_retransmission_request
from tcproto.packet import Series
from tests.support.scripted_media import give, payloads, spend_beacons, undelivered

SLOT = (77, 7, 0)


class Bench:
    """A repair by itself, on a way with a known round trip."""

    def __init__(self, rtt: float | None = 0.08, deviation: float = 0.0) -> None:
        self.now = 10.0
        self.rtt = (rtt, deviation)
        self.datagrams: list[list[RetransmissionRequest]] = []
        self.repair = Repair(self._send, lambda: self.rtt)

    def _send(self, items: list[Item]) -> None:
        assert {item.type for item in items} == {ItemType.RETRANSMISSION_REQUEST}
        self.datagrams.append([parse_retransmission_request(item.value) for item in items])

    def lose(self, forward: int = 10, count: int = 1, patience: float = AUDIO_PATIENCE, wait: float = 0.0, slot=SLOT):
        self.repair.lost(slot, forward, count, patience, self.now, lambda back: wait)

    def run(self, seconds: float) -> list[float]:
        """Let time pass; return when something was asked for, in seconds from now."""
        begin, asked = self.now, []
        while self.repair.next_deadline <= begin + seconds:
            self.now = max(self.now, self.repair.next_deadline)
            before = len(self.datagrams)
            self.repair.handle_timeout(self.now)
            asked += [self.now - begin] * (len(self.datagrams) - before)
        self.now = begin + seconds
        return asked


def test_what_is_missing_is_asked_for_at_once_and_again_after_each_round_trip_while_it_is_of_use():
    bench = Bench()
    bench.lose()
    assert bench.run(1) == pytest.approx([0, 0.09, 0.18, 0.27])
    assert bench.datagrams == [[RetransmissionRequest(77, Series(7), 9, 0)]] * 4
    assert bench.repair.next_deadline == NEVER


@pytest.mark.parametrize(
    ("rtt", "patience", "times"),
    [
        ((0.001, 0.0), 2.0, MAX_TRIES),
        ((0.2, 0.05), 0.9, 3),
        ((0.5, 0.0), AUDIO_PATIENCE, 0),
        ((None, 0.0), AUDIO_PATIENCE, 3),
        ((0.08, 0.0), 2.0, 8),
    ],
)
def test_how_often_depends_on_the_round_trip(rtt, patience, times):
    bench = Bench(*rtt)
    bench.lose(patience=patience)
    asked = bench.run(5)
    assert len(asked) == times
    spacing = max(MIN_SPACING, (UNKNOWN_RTT if rtt[0] is None else rtt[0]) + max(0.01, 2 * rtt[1]))
    steps = [spacing * 2 ** max(0, n - QUICK_TRIES) for n in range(times)]
    assert asked == pytest.approx([0, *accumulate(steps[1:])][:times])


@pytest.mark.parametrize("quick", [1, 2, 3])
def test_where_much_is_lost_it_is_asked_for_more_than_once_before_an_answer_is_waited_for(quick):
    bench = Bench()
    bench.repair.lost(SLOT, 10, 1, AUDIO_PATIENCE, bench.now, quick=quick)
    apart = 0.09 + (quick - 1) * MIN_SPACING
    expected = [turn * apart + n * MIN_SPACING for turn in range(2) for n in range(quick)]
    assert bench.run(2 * apart - 1e-3) == pytest.approx(expected)


@pytest.mark.parametrize("again", [1, 2, 3])
def test_what_has_to_come_is_asked_for_more_often_once_an_answer_was_lost(again):
    bench = Bench()
    bench.repair.lost(SLOT, 10, 1, RECORDING_PATIENCE, bench.now, again=again)
    second = [0.09 + n * MIN_SPACING for n in range(again)]
    assert bench.run(second[-1] + 0.09 - 1e-3) == pytest.approx([0, *second])
    assert bench.run(0.01) == pytest.approx([1e-3]), "and then once more"


def test_how_often_it_is_asked_for_depends_on_the_loss_and_the_room():
    for has_room, least in ((False, MORE_FROM), (True, MORE_WITH_ROOM)):
        assert [quick_requests(loss, has_room) for loss in (0.0, least - 0.01)] == [QUICK, QUICK]
        assert [quick_requests(loss, has_room) for loss in (least, 1.0)] == [MORE_QUICK, MORE_QUICK]


def test_each_packet_waits_for_the_copies_that_can_still_come_of_it():
    bench = Bench()
    bench.repair.lost(SLOT, 10, 3, AUDIO_PATIENCE, bench.now, lambda back: {1: 0.05, 2: 0.03, 3: 0.0}[back])
    assert bench.run(0.06) == pytest.approx([0, 0.03, 0.05])
    assert [items[0].base for items in bench.datagrams] == [7, 8, 9]


def test_an_answer_ends_it_also_a_late_one():
    bench = Bench()
    bench.lose()
    bench.run(0.08)
    assert bench.repair.came(SLOT, 9, bench.now)
    assert bench.run(1) == []
    bench.lose(20)
    bench.run(0.39)  # no further request would be answered in time
    assert bench.repair.came(SLOT, 19, bench.now)
    bench.lose(30)
    bench.run(0.41)
    assert not bench.repair.came(SLOT, 29, bench.now), "forgotten"


def test_where_packets_overtake_each_other_it_is_asked_for_a_little_later():
    bench = Bench()
    bench.lose()
    bench.run(0.05)
    assert not bench.repair.came(SLOT, 9, bench.now), "sooner than any answer"
    bench.lose(20)
    assert bench.run(0.05) == pytest.approx([REORDER_WAIT])
    bench.run(REORDER_MEMORY)
    bench.lose(30)
    assert bench.run(0.05) == [0]
    assert not bench.repair.came((77, 8, 0), 5, bench.now), "never missed"
    bench.run(1)
    bench.lose(40)
    assert bench.run(0.05) == pytest.approx([REORDER_WAIT])


def test_what_may_come_as_a_copy_is_asked_for_after_that_if_there_is_time_for_both():
    bench = Bench()
    bench.lose(wait=0.08)
    assert bench.repair.recovered(SLOT, 9)
    assert not bench.repair.recovered(SLOT, 9)
    assert bench.run(1) == []
    bench.lose(20, wait=0.08)
    assert bench.run(0.1) == pytest.approx([0.08])
    bench.lose(30, wait=AUDIO_PATIENCE)
    assert bench.run(0.01) == [0]


def test_an_answer_behind_a_copy_is_known_as_an_answer():
    bench = Bench()
    bench.lose()
    bench.run(0.02)
    assert bench.repair.recovered(SLOT, 9)
    assert bench.repair.is_recovered(SLOT, 9)
    bench.run(0.06)
    assert bench.repair.came(SLOT, 9, bench.now)
    assert not bench.repair.is_recovered(SLOT, 9)


def test_copies_that_are_remembered_are_bounded_and_go_with_their_stream():
    bench = Bench()
    for number in range(MAX_MISSING + 1):
        bench.lose(number + 1)
        assert bench.repair.recovered(SLOT, number)
    assert [bench.repair.is_recovered(SLOT, number) for number in (0, 1, MAX_MISSING)] == [False, True, True]
    bench.repair.keep([SLOT[1]])
    assert bench.repair.is_recovered(SLOT, 1)
    bench.repair.keep([])
    assert not bench.repair.is_recovered(SLOT, 1)


def test_an_answer_may_come_after_nothing_more_is_asked_for():
    bench = Bench()
    bench.lose()
    bench.run(0.02)
    bench.lose(20, wait=0.05)
    bench.repair.stop([SLOT[1]])
    assert bench.run(0.06) == []
    assert bench.repair.came(SLOT, 9, bench.now)
    assert not bench.repair.came(SLOT, 19, bench.now)


def test_one_item_asks_for_seventeen_numbers_and_wraps():
    bench = Bench()
    bench.lose(forward=15, count=19)
    bench.run(0)
    first, second = bench.datagrams[0]
    assert (first.base, first.bitmap) == (0xFFFC, 0xFFFF)
    assert (second.base, second.bitmap) == (13, 1)


def test_what_is_asked_for_is_bounded():
    bench = Bench()
    bench.lose(forward=1000, count=10_000)
    bench.run(0)
    (items,) = bench.datagrams
    assert sum(1 + item.bitmap.bit_count() for item in items) == MAX_GAP
    assert items[0].base == 1000 - MAX_GAP
    for stream in range(2 * MAX_MISSING):
        bench.lose(slot=(77, stream + 10, 0))
    bench.run(0)
    later = bench.datagrams[1:]
    assert max(map(len, later)) <= MAX_UP_ITEMS
    assert {item.series.stream for items in later for item in items} == {
        n + 10 for n in range(MAX_MISSING, 2 * MAX_MISSING)
    }


def test_streams_that_have_ended_are_forgotten():
    bench = Bench()
    bench.lose()
    bench.lose(slot=(77, 8, 0))
    bench.repair.keep([8])
    bench.run(0)
    assert [item.series.stream for item in bench.datagrams[0]] == [8]


# In a session


def requests(client) -> list[RetransmissionRequest]:
    """Return what a client has asked for, and forget it."""
    found = []
    for data in client.sent:
        epoch = parse_header(data).epoch
        items = parse_items(open_datagram(data, client.up_keys[epoch]))
        wanted = [item.value for item in items if item.type == ItemType.RETRANSMISSION_REQUEST]
        found += map(parse_retransmission_request, wanted)
    client.sent.clear()
    return found


def numbers(request) -> list[int]:
    """Return the forward numbers that a request asks for."""
    return [request.base, *(request.base + 1 + bit for bit in range(16) if request.bitmap >> bit & 1)]


def sound_of(server, pair, kind=m.Kind.AUDIO):
    a, _ = pair
    a.publish() if kind is m.Kind.AUDIO else a.publish(kind, m.Source.CAMERA, "vp8")
    spend_beacons(server)


def test_a_gap_is_repaired_and_the_loss_of_the_network_still_counts(server, pair):
    a, b = pair
    sound_of(server, pair)
    data = undelivered(server, a, 5)
    give(b, data[0], data[3])
    server.advance(0)
    (request,) = requests(b)
    assert (request.sealer, request.base, request.bitmap) == (77, 1, 1)
    server.now += 0.05
    for datagram in (data[1], data[2]):
        b.session.receive_datagram(datagram, server.now)
    b.collect()
    assert [packet.repaired for packet in b.take_media()] == [True, True]
    down = b.session.network_statistics().down
    assert (down.lost, down.repaired, down.reordered) == (0, 2, 0)
    assert down.recent_loss > 0
    assert give(b, data[4]) == [b"voice"]
    server.advance(1)
    assert requests(b) == []


def test_pictures_are_repaired(server, pair):
    a, b = pair
    sound_of(server, pair)
    number = a.publish(m.Kind.VIDEO, m.Source.CAMERA, "vp8")
    server.deliver = False
    for _ in range(3):
        a.session.seat.publications.send_video(number, b"picture", 0, server.now, keyframe=True)
        server.pump()
    server.deliver = True
    give(b, server.forwarded[-3], server.forwarded[-1])
    server.advance(VIDEO_PATIENCE - 0.1)
    assert len(requests(b)) > 1


@pytest.mark.parametrize("shows", [False, True])
def test_where_pictures_come_lost_sound_is_asked_for_once_more(server, pair, shows):
    a, b = pair
    sound_of(server, pair)
    number = a.publish(m.Kind.VIDEO, m.Source.CAMERA, "vp8")
    if shows:
        a.session.seat.publications.send_video(number, b"picture", 0, server.now, keyframe=True)
        server.pump()
    data = undelivered(server, a, 20)
    give(b, *data[:12], *data[15:18])
    assert MORE_WITH_ROOM < b.session.seat.downlink.losses.share()[0] < MORE_FROM
    requests(b)
    b.session.seat.path.statistics.rtt = 0.09
    give(b, data[19])
    server.advance(2 * MIN_SPACING + 0.001)
    asked = [number for request in requests(b) for number in numbers(request)]
    assert asked.count(18) == (MORE_QUICK if shows else QUICK)


@pytest.mark.parametrize("seated", [True, False])
def test_where_it_is_recorded_sound_is_asked_for_longer(server, seated):
    a, b = server.seated(1)[0], server.connect()
    if not seated:
        b.session.begin_recording()
    b.login()
    if seated:
        b.session.begin_recording()
    sound_of(server, (a, b))
    data = undelivered(server, a, 3)
    give(b, data[0], data[2])
    server.advance(AUDIO_PATIENCE)
    requests(b)
    server.advance(RECORDING_PATIENCE / 4)
    assert requests(b)
    server.advance(RECORDING_PATIENCE)
    requests(b)
    server.advance(RECORDING_PATIENCE)
    assert requests(b) == []


def test_numbers_that_go_round_in_circles_are_missed_once():
    bench = Bench()
    for _ in range(MAX_MISSING // 8 + 1):
        bench.lose(count=8)
    bench.run(1)
    bench.datagrams.clear()
    bench.lose()
    assert bench.run(1), "what was lost later is asked for"


def test_on_the_stream_nothing_is_asked_for(server, pair):
    a, b = pair
    sound_of(server, pair)
    b.session.seat.path.way = Way.STREAM
    data = undelivered(server, a, 3)
    give(b, data[0], data[2])
    server.advance(0)
    assert requests(b) == []
    assert b.session.network_statistics().down.lost == 1


def test_a_packet_from_before_the_first_is_no_gap(server, pair):
    a, b = pair
    sound_of(server, pair)
    data = undelivered(server, a, 5)
    give(b, data[3], data[0], data[4])
    server.advance(0.1)
    assert requests(b) == []
    assert payloads(b) == []


def test_what_is_not_wanted_any_more_is_not_asked_for(server, pair):
    a, b = pair
    sound_of(server, pair)
    data = undelivered(server, a, 3)
    give(b, data[0], data[2])
    b.session.seat.downlink.wish(Wishes())
    server.advance(0.1)
    assert requests(b) == []
