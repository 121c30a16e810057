from collections import Counter

import pytest

from tcclient.core import Drop
from tcclient.core.media.egress import MAX_HISTORY, MAX_PACED, MAX_RESENDS, PACED_BURST, PACED_INTERVAL, Egress
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


def numbered(queue, count, start=0):
    for number in range(start, start + count):
        queue.send_packet(number.to_bytes(2, "big"))


def numbers(datagrams):
    return [int.from_bytes(value, "big") for data in datagrams for _, value in items(data)]


def test_as_many_as_a_burst_leave_at_once():
    queue = egress()
    numbered(queue, PACED_BURST)
    assert numbers(queue.take(1.0)) == list(range(PACED_BURST))
    assert queue.next_deadline == NEVER


def test_more_leave_in_bursts_in_order_and_not_before_their_time():
    queue = egress()
    numbered(queue, 2 * PACED_BURST + 3)
    assert numbers(queue.take(1.0)) == list(range(PACED_BURST))
    assert queue.next_deadline == pytest.approx(1.0 + PACED_INTERVAL)
    assert queue.take(1.0 + PACED_INTERVAL / 2) == []
    assert numbers(queue.take(1.0 + PACED_INTERVAL)) == list(range(PACED_BURST, 2 * PACED_BURST))
    assert numbers(queue.take(1.1)) == list(range(2 * PACED_BURST, 2 * PACED_BURST + 3))
    assert queue.next_deadline == NEVER
    numbered(queue, 1)
    assert numbers(queue.take(1.1)) == [0], "nothing waits any more"


def test_one_datagram_does_not_wait_for_the_bursts_and_several_do():
    queue = egress()
    numbered(queue, PACED_BURST + 1)
    queue.take(1.0)
    numbered(queue, 1, start=100)
    assert numbers(queue.take(1.001)) == [100]
    numbered(queue, 2, start=200)
    assert queue.take(1.002) == []
    assert numbers(queue.take(1.004)) == [PACED_BURST, 200, 201]


def test_what_waits_for_its_burst_is_bounded():
    drops = Counter()
    queue = egress(drops)
    for start in range(0, MAX_PACED + 100, 100):
        numbered(queue, 100, start)
        queue.take(0.0)
    sent, now = PACED_BURST, 0.0
    while queue.next_deadline != NEVER:
        now += PACED_INTERVAL
        sent += len(queue.take(now))
    total = len(range(0, MAX_PACED + 100, 100)) * 100
    assert sent == MAX_PACED + PACED_BURST
    assert drops == {Drop.QUEUE_FULL: total - sent}


def test_a_large_picture_is_spread_by_the_deadlines_of_the_session():
    server = Server()
    a, b = server.seated(2)
    number = a.publish(m.Kind.VIDEO, m.Source.CAMERA, "vp8")
    server.advance(4)
    b.take_media()
    count = a.seat.publications.send_video(number, bytes(40_000), 0, server.now, keyframe=True)
    assert count > 2 * PACED_BURST
    server.pump()
    assert len(b.take_media()) == PACED_BURST
    assert a.seat.egress.next_deadline == pytest.approx(server.now + PACED_INTERVAL)
    server.advance(PACED_INTERVAL)
    assert len(b.take_media()) == PACED_BURST
    server.advance(1)
    assert len(b.take_media()) == count - 2 * PACED_BURST


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
