import pytest

from tcclient.core import Drop, events
from tcclient.core.keys.member_keys import MAX_WINDOWS
from tcclient.core.media.receiving import MAX_STRAYS, STRAY_HOLD
from tcclient.core.path.media_path import POSITION_INTERVAL
from tcproto import messages as m
from tcproto.beacon import Beacon, BeaconContext, sign_beacon
from tcproto.datagram import (
    MAX_COUNTER,
    MAX_DATAGRAM,
    Item,
    ItemType,
    open_datagram,
    pack_items,
    pack_relay_time,
    parse_items,
)
from tcproto.packet import AudioHeader, PlainHeader, VideoHeader, seal_packet
from tcproto.path import PingItem, Position, pack_positions
from tcproto.replay import SEALER_WINDOW
from tests.support.scripted_media import give, payloads, spend_beacons, undelivered
from tests.support.scripted_server import FINGERPRINT, LIFE, Server


def test_replays_on_the_hop(server, pair):
    a, b = pair
    a.publish()
    spend_beacons(server)
    data = undelivered(server, a, 3)
    assert len(give(b, data[0], data[2], data[1], *data)) == 3
    assert b.drops(Drop.REPLAY) == 3


def test_an_old_packet_in_a_new_datagram(server, pair):
    a, b = pair
    a.publish()
    packets = []
    server.forward, forward = (lambda client, packet: packets.append(packet)), server.forward
    a.speak()
    server.forward = forward
    for _ in range(3):
        server.forward(a, packets[0])
    assert payloads(b) == []
    b.collect()
    assert payloads(b) == [b"voice"]
    assert b.drops(Drop.PACKET_REFUSED) == 2


def test_a_newcomer_takes_no_replays_from_before(server, pair):
    a, _ = pair
    a.publish()
    past = undelivered(server, a, 5)
    (c,) = server.seated(1)
    assert give(c, *past) == []
    assert c.drops(Drop.REPLAY) == 5


def test_a_forged_counter_far_ahead_silences_nobody(server, pair):
    """A member that knows the room key can forge the server's datagrams, but not its reports of positions."""
    a, b = pair
    a.publish()
    spend_beacons(server)
    for counter in (server.counter + SEALER_WINDOW, 2**40, MAX_COUNTER):
        give(b, server.seal_room(pack_relay_time(0), counter=counter))
    assert b.drops(Drop.AHEAD) == 3
    give(b, server.seal_room(pack_relay_time(0), counter=server.counter + SEALER_WINDOW // 2))
    a.speak()
    assert payloads(b) == [b"voice"]


def test_datagrams_far_ahead_make_a_client_ask_ten_times_a_second_at_most(server, pair):
    """Otherwise who forges or holds them back would have it send a ping for each."""
    a, b = pair
    a.publish()
    spend_beacons(server)
    b.sent.clear()
    for turn in range(200):
        counters = range(server.counter + SEALER_WINDOW + 10 * turn, server.counter + SEALER_WINDOW + 10 * turn + 10)
        give(b, *(server.seal_room(pack_relay_time(0), counter=counter) for counter in counters))
        server.advance(0.01)
    assert b.drops(Drop.AHEAD) == 2000
    opened = [parse_items(open_datagram(data, b.up_keys[b.epoch])) for data in b.sent]
    pings = sum(item.type == ItemType.PING for items in opened for item in items)
    assert 2 / POSITION_INTERVAL <= pings <= 2 / POSITION_INTERVAL + 2, "and the usual one of each second"


def test_positions_let_the_window_follow(server, pair):
    a, b = pair
    a.publish()
    server.counter = 10 * SEALER_WINDOW
    (data,) = undelivered(server, a)
    assert give(b, data) == []
    server.down(b, [Item(ItemType.POSITIONS, pack_positions([Position(77, server.counter), Position(1, 2)]))])
    assert give(b, data) == [b"voice"]


def test_every_truncation_and_every_flipped_bit_is_dropped(server, pair):
    a, b = pair
    a.publish()
    spend_beacons(server)
    (room,) = undelivered(server, a)
    down = server.seal_down(b, pack_items([Item(ItemType.PING, PingItem(1, 2).pack())]))
    b.session.datagrams_to_send(server.now)
    for data in (room, down):
        before = b.session.drops.total()
        forgeries = [data[:end] for end in range(len(data))] + [data + b"x", data.ljust(MAX_DATAGRAM + 1, b"x")]
        for bit in range(8 * len(data)):
            forged = bytearray(data)
            forged[bit // 8] ^= 1 << bit % 8
            forgeries.append(bytes(forged))
        assert give(b, *forgeries) == []
        assert b.session.drops.total() == before + len(forgeries)
    assert b.session.datagrams_to_send(server.now) == []
    assert not b.told(events.Closed)
    reasons = {reason for reason, count in b.session.drops.items() if count}
    assert reasons >= {Drop.SIZE, Drop.VERSION, Drop.KIND, Drop.UNKNOWN_ID, Drop.UNKNOWN_EPOCH, Drop.NOT_OPENED}
    assert give(b, room) == [b"voice"]


def test_malformed_items(server, pair):
    _, b = pair
    spend_beacons(server)
    for plaintext in (b"", b"abc", pack_relay_time(0) + b"\x01\x00", pack_relay_time(0) + b"\x01\x00\x09x"):
        give(b, server.seal_room(plaintext))
    for items in (
        [Item(ItemType.PING, b"short")],
        [Item(ItemType.PONG, b"short")],
        [Item(ItemType.PATH_CHALLENGE, b"short")],
        [Item(ItemType.POSITIONS, b"short")],
    ):
        server.down(b, items)
    assert b.drops(Drop.MALFORMED) == 8
    server.down(b, [Item(99, b"from a later version"), Item(ItemType.PADDING, bytes(9))])
    give(b, server.seal_room(pack_relay_time(0) + pack_items([Item(99, b"x"), Item(ItemType.COPIES, b"x")])))
    assert b.drops(Drop.MALFORMED) == 8


@pytest.mark.parametrize("value", [b"", b"\0", b"\0\0", b"\0\0\x10\0", b"\0\0" + b"\x2f" * 30])
def test_malformed_packets(server, pair, value):
    a, b = pair
    a.publish()
    give(b, server.seal_room(pack_relay_time(0) + pack_items([Item(ItemType.PACKET, value)])))
    assert b.drops(Drop.PACKET_MALFORMED) == 1


def test_packets_of_unknown_streams_wait_a_moment_for_the_roster(server, pair):
    a, b = pair
    unknown = PlainHeader(9999, 0, 0, 0, 0).pack() + bytes(20)
    for _ in range(MAX_STRAYS + 2):
        server.forward(a, unknown)
    assert b.drops(Drop.UNKNOWN_STREAM) == 2
    server.now += STRAY_HOLD
    server.forward(a, unknown)
    assert b.drops(Drop.UNKNOWN_STREAM) == MAX_STRAYS + 2
    server.now += STRAY_HOLD
    a.publish()
    assert b.drops(Drop.UNKNOWN_STREAM) == MAX_STRAYS + 3


def test_a_packet_of_another_type_than_its_stream(server, pair):
    a, b = pair
    a.publish()
    stream = a.told(events.Published)[0].stream
    for header in (VideoHeader(stream, 0, 0, 0, 0, 0, 0, 1), PlainHeader(stream, 0, 0, 0, 0)):
        server.forward(a, header.pack() + bytes(20))
    assert b.drops(Drop.PACKET_MALFORMED) == 2


def test_bad_padding_is_dropped_and_stops_nothing():
    server = Server(e2ee=False)
    a, b = server.seated(2)
    a.publish()
    header = AudioHeader(a.told(events.Published)[0].stream, 0, 0, 0, 0)
    server.forward(a, header.pack() + b"\xff")
    server.forward(a, seal_packet(header, b"good", None))
    assert give(b) == [b"good"]
    assert b.drops(Drop.PACKET_MALFORMED) == 1


def test_beacons_are_dropped_that_are_malformed_not_new_or_not_of_this_seat(server, pair):
    a, b = pair
    stream = server.members[a.participant].beacon_stream
    seat = BeaconContext(FINGERPRINT, LIFE, server.members[a.participant].box_key)
    spend_beacons(server)
    before = b.seat.member_keys[a.participant].claims.sequence

    def given(context=seat, device=a.device, sequence=before + 10, change=lambda packet: packet):
        server.forward(a, change(sign_beacon(Beacon(bytes(16)), stream, sequence, 0, context, device)))
        refused, malformed = b.drops(Drop.PACKET_REFUSED), b.drops(Drop.PACKET_MALFORMED)
        b.session.drops.clear()
        return refused, malformed

    b.session.drops.clear()
    assert given(sequence=before) == (1, 0)
    assert given(device=b.device) == (1, 0)
    for field, value in (("fingerprint", bytes(20)), ("life", bytes(16)), ("box_key", bytes(32))):
        assert given(seat._replace(**{field: value})) == (1, 0)
    assert given(change=lambda packet: packet[:-1]) == (1, 0)
    assert given(change=lambda packet: packet[:20]) == (1, 0)
    for position in range(3, 13 + 55):
        assert given(change=lambda packet, at=position: packet[:at] + bytes((packet[at] ^ 1,)) + packet[at + 1 :]) == (
            1,
            0,
        )
    later = PlainHeader(stream, 0, 0, before + 10, 0).pack() + b"\x03" + bytes(54)
    signed = b"tc beacon v2\0" + b"".join(seat) + later
    assert given(change=lambda _: later + a.device.sign(signed)) == (0, 1), "of a later version"
    assert given() == (0, 0)
    assert given() == (1, 0), "played back"
    assert given(sequence=before + 9) == (1, 0), "an earlier one"


def test_layers_of_bare_streams_are_bounded_and_the_newest_is_heard():
    server = Server(e2ee=False)
    a, b = server.seated(2)
    windows = b.seat.member_keys[a.participant].ring._windows
    for number in range(MAX_WINDOWS):
        windows[number, 0] = None
    number = a.publish(m.Kind.VIDEO, m.Source.CAMERA, "vp8", layers=4)
    assert a.session.seat.publications.send_video(number, b"x", 0, server.now, keyframe=True, spatial=3)
    server.pump()
    assert b.drops(Drop.PACKET_REFUSED) == 0
    assert len(windows) == MAX_WINDOWS
