from tcclient.core import Drop, PathState
from tcproto import messages as m
from tcproto.datagram import KEY_OVERLAP, Item, ItemType, Kind, pack_header, pack_items, parse_header, seal
from tcproto.path import PingItem
from tcproto.replay import SEALER_WINDOW, SESSION_WINDOW
from tests.support.scripted_media import give, payloads, spend_beacons, undelivered


def test_a_new_room_key_and_the_overlap(server, pair):
    a, b = pair
    a.publish()
    spend_beacons(server)
    early, late = undelivered(server, a, 2)
    new = m.RoomKey(77, 2, b"n" * 32, server.counter)
    for client in pair:
        client.notify(m.NewRoomKey(new))
    server.pump()
    a.speak()
    assert payloads(b) == [b"voice"], "the old key is used until the new one is"
    server.epoch, server.room_key = 2, b"n" * 32
    a.speak()
    assert payloads(b) == [b"voice"]
    server.now += KEY_OVERLAP - 0.1
    assert give(b, early) == [b"voice"]
    server.now += 0.1
    assert give(b, late) == []
    assert b.drops(Drop.UNKNOWN_EPOCH) == 1
    a.speak()
    assert payloads(b) == [b"voice"]


def test_a_room_key_that_comes_again_does_not_forget_what_was_seen(server, pair):
    a, b = pair
    a.publish()
    (data,) = undelivered(server, a)
    assert give(b, data) == [b"voice"]
    b.notify(m.NewRoomKey(m.RoomKey(77, 1, server.room_key, 0)))
    server.pump()
    assert give(b, data) == []
    assert b.drops(Drop.REPLAY) == 1


def test_a_key_far_into_a_sealers_life_is_at_its_position(server, pair):
    a, b = pair
    a.publish()
    server.counter = 10 * SEALER_WINDOW
    server.advance(2)
    b.notify(m.NewRoomKey(m.RoomKey(77, 2, b"n" * 32, 0)))
    server.pump()
    server.epoch, server.room_key = 2, b"n" * 32
    a.speak()
    assert payloads(b)[-1] == b"voice"


def test_sealers_and_their_keys_are_bounded_and_can_be_closed(server, pair):
    a, b = pair
    a.publish()
    for epoch in range(2, 10):
        b.notify(m.NewRoomKey(m.RoomKey(77, epoch, b"n" * 32, 0)))
    server.pump()
    assert len(b.seat.downlink.opener.sealers[77].epochs) == 8
    for sealer in range(100, 180):
        b.notify(m.NewRoomKey(m.RoomKey(sealer, 1, b"n" * 32, 0)))
    server.pump()
    assert len(b.seat.downlink.opener.sealers) == 64
    server.sealer = 179
    b.notify(m.SealerClosed(179))
    b.notify(m.SealerClosed(4711))
    server.pump()
    assert give(b, *undelivered(server, a)) == []
    assert b.drops(Drop.UNKNOWN_ID) == 1


def test_new_session_keys(server, pair):
    a, b = pair
    a.publish()
    old = server.seal_down(a, pack_items([Item(ItemType.PADDING, b"")]))
    again = server.seal_down(a, pack_items([Item(ItemType.PADDING, b"")]))
    old_key, a.epoch, a.down_key = a.down_key, 2, b"d" * 32
    a.up_keys[2] = b"u" * 32
    keys = m.SessionKeys(a.media_id, 2, b"u" * 32, b"d" * 32)
    a.notify(keys)
    server.pump()
    a.sent.clear()
    a.speak()
    a.speak()
    assert [(parse_header(d).epoch, parse_header(d).counter) for d in a.sent] == [(2, 0), (2, 1)]
    assert payloads(b) == [b"voice", b"voice"]
    a.notify(keys)
    server.pump()
    a.speak()
    assert parse_header(a.sent[-1]).counter == 2, "an epoch that comes again resets nothing"
    dropped = a.session.drops.total()
    give(a, old)
    assert a.session.drops.total() == dropped
    server.now += KEY_OVERLAP
    give(a, again)
    assert a.drops(Drop.UNKNOWN_EPOCH) == 1
    a.epoch, a.down_key, a.up_keys[3] = 3, old_key, b"v" * 32
    a.notify(m.SessionKeys(a.media_id, 3, b"v" * 32, old_key))
    server.pump()
    assert set(a.seat.path._down) == {2, 3}
    server.advance(3)
    assert a.session.seat.path.state is PathState.OK


def test_replays_of_down_datagrams(server, pair):
    a, _ = pair
    ping = server.seal_down(a, pack_items([Item(ItemType.PING, PingItem(1, 2).pack())]))
    give(a, ping, ping)
    assert a.drops(Drop.REPLAY) == 1
    assert len(a.session.datagrams_to_send(server.now)) == 1
    a.counters[1] += SESSION_WINDOW
    server.down(a, [Item(ItemType.PADDING, b"")])
    give(a, seal(pack_header(Kind.DOWN, 1, a.media_id, 2), b"", a.down_key))
    assert a.drops(Drop.REPLAY) == 2


def test_the_media_path_moves(server, pair):
    a, _ = pair
    a.notify(m.MediaMove(5555, 2, b"u" * 32, b"d" * 32, "192.0.2.1", 99))
    a.media_id, a.epoch, a.down_key, a.up_keys[2] = 5555, 2, b"d" * 32, b"u" * 32
    server.pump()
    server.advance(5)
    assert a.session.seat.path.state is PathState.OK
