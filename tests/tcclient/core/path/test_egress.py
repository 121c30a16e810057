from collections import Counter

import pytest

from tcclient.core import Drop
from tcclient.core.path.egress import MAX_DEBT, MAX_HISTORY, MAX_PACED, MAX_RESENDS, UNKNOWN_PACE, Egress
from tcclient.core.path.train import HEADERS
from tcclient.core.timers import NEVER
from tcproto import messages as m
from tcproto.copies import MAX_COPIED_SIZE
from tcproto.datagram import Item, ItemType, Kind, open_datagram, parse_header, parse_items
from tests.support.scripted_server import Server

KEY = bytes(range(32))
ID = 4711
ITEM_HEADS = 3 + 1
"""Bytes in front of two items, the last of which has no length."""


def egress(drops=None):
    return Egress(ID, 3, KEY, Counter() if drops is None else drops)


def items(datagram, key=KEY):
    return list(parse_items(open_datagram(datagram, key)))


def test_items_that_are_sent_together_are_one_datagram():
    queue = egress()
    queue.send(Item(ItemType.PING, b"123456"), Item(ItemType.PONG, b"x"))
    queue.send_packet(b"packet")
    first, second = queue.take(1.0)
    assert [(h.kind, h.epoch, h.id, h.counter) for h in map(parse_header, (first, second))] == [
        (Kind.UP, 3, ID, 0),
        (Kind.UP, 3, ID, 1),
    ]
    assert items(first) == [(ItemType.PING, b"123456"), (ItemType.PONG, b"x")]
    assert items(second) == [(ItemType.PACKET, b"packet")]
    assert queue.take(1.0) == []


def test_copies_travel_once_and_only_where_they_have_room():
    queue = egress()
    copies = [Item(ItemType.COPIES, b"copies"), Item(ItemType.FULL_COPY, b"whole")]
    queue.send_packet(b"packet", copies)
    (datagram,) = queue.take(1.0)
    assert items(datagram) == [(ItemType.PACKET, b"packet"), *copies]
    queue.resend([0])
    (datagram,) = queue.take(1.0)
    assert items(datagram) == [(ItemType.PACKET, b"packet")]
    rest = MAX_COPIED_SIZE - ITEM_HEADS - len(b"packet")
    for size, expected in ((rest, 2), (rest + 1, 1)):
        queue.send_packet(b"packet", [Item(ItemType.COPIES, bytes(size))])
        (datagram,) = queue.take(1.0)
        assert len(items(datagram)) == expected


def test_a_probe_leaves_apart_and_only_the_newest_waits():
    queue = egress()
    queue.probe(Item(ItemType.PING, b"123456"))
    queue.probe(Item(ItemType.PING, b"abcdef"))
    queue.send_packet(b"packet")
    (probe,) = queue.take_probe()
    assert items(probe) == [(ItemType.PING, b"abcdef")]
    assert queue.take_probe() == []
    assert [parse_header(datagram).counter for datagram in (probe, *queue.take(1.0))] == [1, 2]


def test_a_new_key_counts_from_0_and_what_waits_keeps_its_own():
    queue = egress()
    queue.send_packet(b"old")
    queue.rekey(ID + 1, 4, KEY[::-1])
    queue.send_packet(b"new")
    old, new = queue.take(1.0)
    assert items(old) == [(ItemType.PACKET, b"old")]
    assert items(new, KEY[::-1]) == [(ItemType.PACKET, b"new")]
    header = parse_header(new)
    assert (header.epoch, header.id, header.counter) == (4, ID + 1, 0)


PICTURE = 1100
"""Bytes of a packet of a picture."""
BITS = 8 * (PICTURE + 1 + 28 + HEADERS)
"""Bits of it on the line."""


def film(queue, count, start=0):
    for number in range(start, start + count):
        queue.send_picture(number.to_bytes(2, "big").ljust(PICTURE))


def numbers(datagrams):
    return [int.from_bytes(value[:2], "big") for data in datagrams for _, value in items(data)]


def drained(queue, now):
    """Return when which pictures left, until none waits."""
    left = [(now, number) for number in numbers(queue.take(now))]
    while queue.next_deadline != NEVER:
        now = queue.next_deadline
        left += [(now, number) for number in numbers(queue.take(now))]
    return left


def test_pictures_leave_in_order_and_no_faster_than_the_way_carries_them():
    queue = egress()
    queue.pace = 256e3
    film(queue, 30)
    assert queue.backlog == pytest.approx(30 * BITS / 256e3)
    left = drained(queue, 1.0)
    assert [number for _, number in left] == list(range(30))
    assert [at for at, _ in left[:3]] == [1.0] * 3, "a few at once show what the way carries"
    assert left[-1][0] - 1.0 == pytest.approx((30 - 3) * BITS / 256e3, rel=0.1)
    assert queue.backlog == 0


def test_a_picture_is_spread_where_nobody_knows_what_the_way_carries():
    queue = egress()
    film(queue, 30)
    left = drained(queue, 1.0)
    assert 5 < sum(at == 1.0 for at, _ in left) < 20
    assert left[-1][0] - 1.0 < 1.2 * 30 * BITS / UNKNOWN_PACE


def test_sound_does_not_wait_for_pictures_and_they_wait_for_it():
    queue = egress()
    queue.pace = 256e3
    film(queue, 10)
    first = numbers(queue.take(1.0))
    now, sounds = 1.0, 0
    while queue.next_deadline != NEVER:
        now += 0.02
        queue.send_packet(b"\xff\xff" + bytes(120))
        found = numbers(queue.take(now))
        assert found[0] == 0xFFFF, "in front"
        sounds += 1
        first += found[1:]
    assert first == list(range(10))
    assert now - 1.0 == pytest.approx(((10 - 3) * BITS + sounds * 8 * 179) / 256e3, rel=0.2)


def test_sound_alone_holds_pictures_up_for_a_moment_only():
    queue = egress()
    queue.pace = 64e3
    for _ in range(1000):
        queue.send_packet(bytes(200))
        queue.take(1.0)
    film(queue, 1)
    (at,) = [at for at, _ in drained(queue, 1.0)]
    assert at - 1.0 == pytest.approx(MAX_DEBT, abs=0.002)


def test_counters_are_given_when_a_datagram_leaves():
    """Else the server would miss the pictures that wait, and ask for them."""
    queue = egress()
    queue.pace = 64e3
    film(queue, 5)
    left = queue.take(1.0)
    now = 1.0
    while queue.next_deadline != NEVER:
        queue.send_packet(b"\xff\xff")
        now += 0.05
        left += queue.take(now)
    assert [parse_header(data).counter for data in left] == list(range(len(left)))


def test_pictures_that_wait_are_bounded():
    drops = Counter()
    queue = egress(drops)
    queue.pace = 4e6
    film(queue, MAX_PACED + 100)
    assert len(drained(queue, 0.0)) == MAX_PACED
    assert drops == {Drop.QUEUE_FULL: 100}


def test_pictures_that_are_sent_again_come_first_in_their_order():
    queue = egress()
    queue.pace = 64e3
    film(queue, 3)
    sent = [parse_header(data).counter for data in queue.take(1.0)]
    film(queue, 2, start=10)
    queue.resend(sent)
    assert [number for _, number in drained(queue, 1.0)] == [0, 1, 2, 10, 11]


def test_a_large_picture_is_spread_by_the_deadlines_of_the_session():
    server = Server()
    a, b = server.seated(2)
    number = a.publish(m.Kind.VIDEO, m.Source.CAMERA, "vp8")
    server.advance(4)
    b.take_media()
    count = a.seat.publications.send_video(number, bytes(40_000), 0, server.now, keyframe=True)
    server.pump()
    first = len(b.take_media())
    assert 0 < first < count
    assert a.seat.egress.next_deadline < server.now + 0.01
    server.advance(1)
    assert first + len(b.take_media()) == count


def test_packets_are_sent_again_once_each_in_new_datagrams():
    queue = egress()
    queue.send_packet(b"first")
    queue.send(Item(ItemType.PING, bytes(6)))
    queue.send_packet(b"second")
    queue.take(0.0)
    queue.resend([0, 1, 2, 2, 7])
    again = queue.take(0.0)
    assert [parse_header(data).counter for data in again] == [3, 4]
    assert [open_datagram(data, KEY)[1:] for data in again] == [b"first", b"second"]
    queue.resend([0, 3])
    assert [parse_header(data).counter for data in queue.take(0.0)] == [5], "one that was lost again is missed itself"
    queue.rekey(1, 1, KEY)
    queue.resend([4, 5])
    assert queue.take(0.0) == []


def test_a_packet_that_never_gets_across_is_sent_again_some_times_only():
    queue = egress()
    queue.send_packet(b"x")
    queue.take(0.0)
    for counter in range(MAX_RESENDS):
        queue.resend([counter])
        assert [parse_header(data).counter for data in queue.take(0.0)] == [counter + 1]
    queue.resend([MAX_RESENDS])
    assert queue.take(0.0) == []


def test_packets_that_are_kept_are_bounded():
    queue = egress()
    for _ in range(MAX_HISTORY + 1):
        queue.send_packet(b"x")
    queue.take(0.0)
    queue.resend([0])
    assert queue.take(0.0) == []
    queue.resend([1])
    assert len(queue.take(0.0)) == 1
