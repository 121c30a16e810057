import pytest

from tcclient.core import PathState, Settings, Way, events
from tcclient.core.downlink.subscription import Wishes
from tcclient.core.path.media_path import MAX_UNANSWERED
from tcproto import messages as m
from tcproto.datagram import Item, ItemType, parse_header
from tcproto.path import PingItem, PongItem
from tests.support.memory import largest_table
from tests.support.scripted_server import FINGERPRINT


def test_a_ping_goes_out_with_the_seat_and_proves_the_path(server):
    (a,) = server.seated(1)
    assert a.session.seat.path.state is PathState.OK
    assert a.told(events.PathChanged) == [events.PathChanged(PathState.OK)]


def sent_at(server, client, seconds):
    """Return when datagrams left within so many seconds from now, in virtual time."""
    start, end, times = server.now, server.now + seconds, []
    while server.now < end:
        before = len(client.sent)
        server.advance(0.05)
        times += [round(server.now - start, 2)] * (len(client.sent) - before)
    return times


def test_pings_before_and_after_proof(server):
    a = server.connect()
    a.udp = False
    a.login()
    assert len(a.sent) == 1
    assert sent_at(server, a, 2.8) == pytest.approx([0.2, 0.5, 1.0, 1.5, 2.0, 2.5], abs=0.06)
    server.advance(2.3)
    assert a.told(events.PathChanged) == [events.PathChanged(PathState.LOST)]
    assert len(sent_at(server, a, 4)) == 10, "eight pings, and two beacons: they may arrive"
    a.udp = True
    server.advance(1.1)
    assert a.session.seat.path.state is PathState.OK


def test_a_path_is_lost_when_nothing_came_for_three_seconds_and_pinged_faster_before(server):
    (a,) = server.seated(1)
    server.advance(3.5)  # until the next beacon there are only pings
    a.udp = False
    first, *others = sent_at(server, a, 3.1)
    assert first <= 1
    assert others[:15] == pytest.approx([first + 1 + n / 10 for n in range(15)], abs=0.06)
    assert a.session.seat.path.state is PathState.OK
    server.advance(first)
    assert a.session.seat.path.state is PathState.LOST
    assert len(sent_at(server, a, 5)) == 10
    assert a.told(events.PathChanged)[-1] == events.PathChanged(PathState.LOST)


def test_one_answer_of_many_keeps_a_path(server):
    """Also on a path without a call, where pings come every five seconds."""
    a = server.connect(Settings(fingerprint=FINGERPRINT, sources=())).login()
    server.advance(4)
    for _ in range(5):
        a.udp, sent = False, len(a.sent)
        while len(a.sent) == sent:
            server.advance(0.1)
        server.advance(2.8)
        a.udp = True
        server.advance(0.2)
    assert a.told(events.PathChanged) == [events.PathChanged(PathState.OK)]


def test_room_datagrams_show_that_the_way_down_works(server):
    """No pong comes for a minute, and no additional ping is sent."""
    a, b = server.seated(2)
    number = b.publish()
    server.advance(4)
    a.udp, sent = False, len(a.sent)
    for _ in range(120):
        b.speak(number)
        server.advance(0.5)
    assert a.told(events.PathChanged) == [events.PathChanged(PathState.OK)]
    assert len(a.sent) - sent == pytest.approx(60 + 6, abs=1), "pings, and six beacons"
    server.advance(4.5)
    assert a.session.seat.path.state is PathState.LOST
    b.speak(number)
    assert a.session.seat.path.state is PathState.OK


def test_an_idle_path_is_pinged_less(server):
    a = server.connect(Settings(fingerprint=FINGERPRINT, sources=())).login()
    server.advance(5)
    a.sent.clear()
    server.advance(30)
    assert 5 + 3 <= len(a.sent) <= 7 + 3, "and three beacons"
    a.session.seat.downlink.wish(Wishes((m.Source.CAMERA,)))
    server.advance(5)
    a.sent.clear()
    server.advance(30)
    assert 29 + 3 <= len(a.sent) <= 31 + 3


def test_round_trips_loss_and_clock(server):
    (a,) = server.seated(1)
    path = a.seat.path
    a.seat.egress.take(server.now)
    start = server.now + 10
    for i in range(20):
        now = start + i
        path.handle_timeout(now)
        (ping,) = a.seat.egress.take(server.now)
        counter = parse_header(ping).counter
        sent = int(now * 1e6) & 0xFFFFFFFF
        pong = PongItem(path._number, sent, sent + 5_000_000 + 25_000 & 0xFFFFFFFF, counter, counter + 1 - i // 2)
        path.handle_item(ItemType.PONG, pong.pack(), Way.UDP, now + 0.05)
    statistics = a.session.seat.path.statistics
    assert statistics.rtt == pytest.approx(0.05, abs=0.01)
    assert statistics.least_rtt == pytest.approx(0.0)
    path.statistics.least_rtt = None
    path.statistics.measured(0.05, 5_000_000)
    assert statistics.downlink_delay(int((start + 5) * 1e6) & 0xFFFFFFFF, start + 0.02) == pytest.approx(0.02, abs=1e-5)
    assert statistics.up_lost / statistics.up_sent == pytest.approx(0.5, abs=0.1)


def test_a_clock_that_was_never_compared_tells_no_delay(server):
    a = server.connect()
    a.udp = False
    a.login()
    assert a.session.seat.path.statistics.downlink_delay(0, 0.0) is None


def test_pongs_that_answer_nothing_are_ignored(server):
    a = server.connect()
    a.udp = False
    a.login()
    for number, time in ((1, 1), (2, int(server.now * 1e6) & 0xFFFFFFFF)):
        server.down(a, [Item(ItemType.PONG, PongItem(number, time, 0, 0, 0).pack())])
    assert a.session.seat.path.state is PathState.UNKNOWN


def test_pings_of_the_server_are_answered_with_what_came(server):
    (a,) = server.seated(1)
    a.replies.clear()
    server.down(a, [Item(ItemType.PING, PingItem(7, 1234).pack())])
    server.pump()
    (pong,) = a.replies
    assert (pong.number, pong.time, pong.received_at) == (7, 1234, int(server.now * 1e6) & 0xFFFFFFFF)
    assert (pong.highest, pong.received) == (a.counters[1] - 1, a.counters[1])


def test_many_missed_pings_are_bounded(server):
    (a,) = server.seated(1)
    a.udp = False
    server.advance(60)
    assert largest_table(a.seat.path) == MAX_UNANSWERED
