import pytest

from tcclient.core import events
from tcclient.core.downlink.subscription import Wishes
from tcclient.core.media.losses import Losses
from tcclient.core.media.repair import RECORDING_PATIENCE
from tcproto import messages as m
from tcproto.datagram import Item, ItemType, pack_items, pack_relay_time
from tcproto.packet import Series
from tests.support.scripted_media import give, packet_in, payloads, spend_beacons, undelivered


def test_loss_reordering_and_jitter_per_series(server, pair):
    a, b = pair
    a.publish()
    spend_beacons(server)
    data = undelivered(server, a, 10)
    give(b, data[0], data[1], data[4], data[3], data[9])
    stream = a.told(events.Published)[0].stream
    counts = b.session.seat.downlink.losses.statistics()[77, Series(stream)]
    assert (counts.received, counts.lost, counts.reordered, counts.late) == (5, 5, 1, 0)
    (next_one,) = undelivered(server, a)
    give(b, next_one, now=server.now + 0.3)
    assert (counts.received, counts.lost, counts.reordered, counts.late) == (6, 5, 1, 1)
    assert counts.jitter_ms == pytest.approx(300 / 16)
    assert b.session.seat.path.statistics.down_reordered == 1


def test_the_line_knows_how_much_was_sent(server, pair):
    a, b = pair
    a.publish()
    spend_beacons(server)
    data = undelivered(server, a, 10)
    give(b, data[0], data[9])
    layer = a.told(events.Published)[0].stream, 0
    arrivals = b.session.seat.downlink.subscription.arrivals
    came, sent = (arrivals.bitrates(server.now, with_lost=lost)[layer] for lost in (False, True))
    assert sent == pytest.approx(5 * came, rel=0.1)
    give(b, *data[1:9])
    assert arrivals.bitrates(server.now, with_lost=True) == arrivals.bitrates(server.now)


def test_what_comes_twice_takes_the_line_twice(server, pair):
    a, b = pair
    a.publish()
    spend_beacons(server)
    (datagram,) = undelivered(server, a)
    arrivals = b.session.seat.downlink.subscription.arrivals
    before = arrivals.total
    give(b, datagram)
    once = arrivals.total - before
    give(b, datagram)
    assert arrivals.total - before == 2 * once


def test_what_the_server_sends_again_is_neither_late_nor_jitter(server, pair):
    """Replays of a keyframe: datagrams below the newest counter of the sealer, also across a change of key."""
    a, b = pair
    a.publish()
    spend_beacons(server)
    data = undelivered(server, a, 3)
    for client in pair:
        client.notify(m.NewRoomKey(m.RoomKey(77, 2, b"n" * 32, server.counter)))
    server.pump()
    server.epoch, server.room_key = 2, b"n" * 32
    newest = undelivered(server, a)
    give(b, *newest)
    stream = a.told(events.Published)[0].stream
    counts = b.session.seat.downlink.losses.statistics()[77, Series(stream)]
    give(b, *data, now=server.now + 2)
    assert (counts.received, counts.lost, counts.reordered) == (4, 0, 3)
    assert (counts.late, counts.jitter_ms) == (0, 0.0)
    give(b, *undelivered(server, a))
    assert (counts.late, counts.jitter_ms) == (0, pytest.approx(0.0))


@pytest.mark.parametrize(
    ("sources", "choice", "lost"),
    [((m.Source.MICROPHONE,), 99, 8), ((m.Source.MICROPHONE,), None, 0), ((), 99, 0)],
    ids=["another stream", "this stream", "another source"],
)
def test_only_what_is_wanted_otherwise_than_before_is_no_loss(server, pair, sources, choice, lost):
    """Somebody whose layers come and go must not keep others' sound from being asked for again."""
    a, b = pair
    a.publish()
    b.seat.downlink.wish(Wishes((m.Source.MICROPHONE,)))
    spend_beacons(server)
    data = undelivered(server, a, 10)
    stream = a.told(events.Published)[0].stream
    give(b, data[0])
    counts = b.session.seat.downlink.losses.statistics()[77, Series(stream)]
    b.seat.downlink.wish(Wishes(sources, (m.StreamChoice(choice or stream, max_spatial=1),)))
    give(b, data[9])
    assert counts.lost == lost
    assert (b.seat.downlink.losses.repair.next_deadline <= server.now) == bool(lost)


def test_statistics_end_with_the_stream(server, pair):
    a, b = pair
    number = a.publish()
    a.speak()
    assert b.session.seat.downlink.losses.statistics()
    a.session.seat.publishing.unpublish(number)
    server.pump()
    stream = a.told(events.Published)[0].stream
    assert stream not in {series.stream for _, series in b.session.seat.downlink.losses.statistics()}


def test_series_are_bounded(server, pair):
    a, b = pair
    a.publish()
    b.seat.downlink.losses._series = dict.fromkeys(range(4096))
    a.speak()
    assert len(b.seat.downlink.losses._series) == 4096
    assert payloads(b) == [b"voice"]


def test_what_the_server_forwards_late_was_lost_on_the_way_up(server, pair):
    a, b = pair
    a.publish()
    spend_beacons(server)
    packets = [packet_in(server, data) for data in undelivered(server, a, 3)]
    for forward, n in enumerate((0, 2, 1)):
        items = pack_items([Item(ItemType.PACKET, (100 + forward).to_bytes(2, "big") + packets[n])])
        b.session.receive_datagram(server.seal_room(pack_relay_time(int(server.now * 1e6)) + items), server.now)
    b.collect()
    assert [packet.repaired for packet in b.take_media()] == [False, False, True]
    assert b.session.network_statistics().down.repaired == 0


def test_an_answer_is_waited_for_longer_by_the_queue_that_it_stands_in(server, pair):
    """Asked for again sooner, it would come several times, and make the queue longer."""
    _, b = pair
    path = b.session.seat.path
    path.statistics.measured(0.08, 0)
    due = []
    for queue in (0.0, 0.3):
        repair = Losses(path, lambda _: None, lambda queue=queue: queue, lambda: False).repair
        repair.lost((77, 7, 0), 10, 1, RECORDING_PATIENCE, server.now)
        repair.handle_timeout(server.now)
        due.append(repair.next_deadline - server.now)
    assert due[1] - due[0] == pytest.approx(0.3, abs=0.1)
