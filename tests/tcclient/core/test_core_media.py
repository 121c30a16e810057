import pytest

from tcclient.core import Drop, PathState, Settings, events
from tcclient.core.media import MAX_QUEUED, MAX_STRAYS, STRAY_HOLD
from tcclient.core.path import MAX_QUEUED as MAX_SENT
from tcclient.core.publications import MAX_AUDIO_PAYLOAD, MAX_FRAME, MAX_SEQUENCE
from tcproto import messages as m
from tcproto.beacon import Beacon, ClockMapping
from tcproto.datagram import (
    MAX_COUNTER,
    MAX_DATAGRAM,
    Item,
    ItemType,
    Kind,
    pack_header,
    pack_items,
    pack_relay_time,
    parse_header,
    seal,
)
from tcproto.feedback import Series
from tcproto.keyring import OVERLAP
from tcproto.packet import MAX_VIDEO_PAYLOAD, AudioHeader, PlainHeader, VideoHeader, seal_packet
from tcproto.path import PingItem, PongItem, Position, pack_positions
from tcproto.replay import SEALER_WINDOW, SESSION_WINDOW
from tests.tcclient.core.scripted_server import FINGERPRINT, Server, payloads


@pytest.fixture(params=[True, False], ids=["sealed", "bare"])
def server(request):
    return Server(e2ee=request.param)


@pytest.fixture
def pair(server):
    return server.seated(2)


def undelivered(server, client, count=1, payload=b"voice"):
    """Speak; return the room datagrams, which nobody got."""
    before, server.deliver = len(server.forwarded), False
    for _ in range(count):
        assert client.speak(payload=payload)
    server.deliver = True
    return server.forwarded[before:]


def give(client, *datagrams, now=None):
    for data in datagrams:
        client.session.receive_datagram(data, client.server.now if now is None else now)
    client.collect()
    return payloads(client)


def spend_beacons(server):
    """Let the first seconds pass, in which beacons come."""
    server.advance(4)
    for client in server.clients:
        client.take_media()


# Sound and pictures


def test_sound_arrives_as_it_was_sent(server, pair):
    a, b = pair
    number = a.publish()
    assert a.session.send_audio(
        number,
        b"opus",
        2**32 + 5,
        server.now,
        duration_ms=60,
        level=12,
        voice=True,
        end_of_talk=True,
        comfort=True,
    )
    server.now += 0.03
    server.pump()
    (packet,) = b.take_media()
    assert (packet.participant, packet.publication, packet.payload) == (a.participant, number, b"opus")
    header = packet.header
    assert header.stream == a.told(events.Published)[0].stream
    assert (header.timestamp, header.duration_ms, header.level) == (5, 60, 12)
    assert (header.voice, header.end_of_talk, header.comfort) == (True, True, True)
    assert (packet.received_at, packet.relay_time, packet.held_ms) == (server.now, int(server.now * 1e6), 0)


def test_sound_is_padded_to_steps(server, pair):
    a, _ = pair
    a.publish()
    sizes = set()
    for size in range(33, 47):
        (data,) = undelivered(server, a, payload=b"x" * size)
        sizes.add(len(data))
    assert len(sizes) == 1


def test_the_largest_sound_fits_a_datagram(server, pair):
    a, b = pair
    number = a.publish()
    a.speak(payload=b"x" * MAX_AUDIO_PAYLOAD)
    assert payloads(b) == [b"x" * MAX_AUDIO_PAYLOAD]
    assert max(map(len, server.forwarded)) <= MAX_DATAGRAM
    for wrong in (
        lambda: a.session.send_audio(number, b"x" * (MAX_AUDIO_PAYLOAD + 1), 0, server.now),
        lambda: a.session.send_audio(number, b"x", 0, server.now, level=128),
        lambda: a.session.send_audio(number, b"x", 0, server.now, duration_ms=30),
        lambda: a.session.send_video(number, b"x", 0, server.now, keyframe=True),
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            wrong()
    a.speak()
    assert payloads(b) == [b"voice"], "no sequence number was lost"


@pytest.mark.parametrize("size", [1, MAX_VIDEO_PAYLOAD, MAX_VIDEO_PAYLOAD + 1, 10_007, MAX_FRAME])
def test_a_picture_is_cut_into_equal_datagrams(server, pair, size):
    a, b = pair
    number = a.publish(m.Kind.VIDEO, m.Source.CAMERA, "vp8", layers=2)
    frame = bytes(i % 251 for i in range(size))
    count = a.session.send_video(number, frame, 90_000, server.now, keyframe=True, spatial=1)
    server.pump()
    media = b.take_media()
    assert count == len(media) == -(-size // MAX_VIDEO_PAYLOAD)
    assert b"".join(packet.payload for packet in media) == frame
    assert len({len(data) for data in server.forwarded}) == 1
    assert len(server.forwarded[0]) <= MAX_DATAGRAM
    assert [p.header.packet_index for p in media] == list(range(count))
    assert {p.header.packet_count for p in media} == {count}
    a.session.send_video(
        number, frame[:100], 93_000, server.now, keyframe=False, temporal=2, spatial=1, reference=1, discardable=True
    )
    server.pump()
    (packet,) = b.take_media()
    header = packet.header
    assert (header.sequence, header.frame_id, header.reference) == (count, 1, 1)
    assert (header.spatial, header.temporal, header.discardable, header.keyframe) == (1, 2, True, False)


def test_pictures_out_of_range(server, pair):
    a, _ = pair
    number = a.publish(m.Kind.VIDEO, m.Source.CAMERA, "vp8")
    for frame, more in [
        (b"", {}),
        (bytes(MAX_FRAME + 1), {}),
        (b"x", {"spatial": 1}),
        (b"x", {"spatial": -1}),
        (b"x", {"temporal": 8}),
        (b"x", {"reference": 0}),
        (b"x", {"reference": 256}),
    ]:
        with pytest.raises(ValueError, match=r"frame|layer"):
            a.session.send_video(number, frame, 0, server.now, **{"keyframe": False, **more})
    assert a.session.datagrams_to_send(server.now) == []


def test_nothing_is_sent_before_it_is_accepted_while_muted_or_without_a_path(server):
    (a,) = server.seated(1)
    number = a.session.publish(m.Kind.AUDIO, m.Source.MICROPHONE, "opus", server.now)
    assert not a.session.can_send(number)
    assert not a.speak(number)
    assert a.session.can_send(number)
    assert a.speak(number)
    a.session.set_muted(number, True)
    assert a.session.can_send(number), "were it not muted"
    assert not a.speak(number)
    a.session.set_muted(number, False)
    assert a.speak(number)
    a.udp = False
    server.advance(5)
    assert a.session.path_state is PathState.LOST
    assert not a.session.can_send(number)
    assert not a.speak(number)
    assert not a.speak(4711)
    assert not a.session.can_send(4711)


def test_without_a_sender_key_nothing_is_sent():
    server = Server()
    (a,) = server.seated(1)
    number = a.publish()
    a.seat._keys.stop()
    assert not a.speak(number)
    server.advance(11)
    assert not server.forwarded


def test_a_publication_stops_at_the_end_of_its_sequence_numbers(server, pair):
    a, b = pair
    audio, video = a.publish(), a.publish(m.Kind.VIDEO, m.Source.CAMERA, "vp8")
    for number in (audio, video):
        a.seat.publications.live[number].sequences[0] = MAX_SEQUENCE
    frame = bytes(MAX_VIDEO_PAYLOAD + 1)
    assert a.session.send_video(video, frame, 0, server.now, keyframe=True) == 0
    assert a.drops(Drop.COUNTER_SPENT) == 2
    assert a.speak(audio)
    assert not a.speak(audio)
    assert payloads(b) == [b"voice"]
    a.seat.publications._beacons = MAX_SEQUENCE + 1
    before = len(server.forwarded)
    server.advance(11)
    assert len(server.forwarded) == before


def test_the_up_counter_never_wraps(server, pair):
    a, _ = pair
    number = a.publish()
    a.seat.path._counter = MAX_COUNTER
    a.session.send_audio(number, b"last", 0, server.now)
    a.session.send_audio(number, b"none", 0, server.now)
    (data,) = a.session.datagrams_to_send(server.now)
    assert parse_header(data).counter == MAX_COUNTER
    assert a.drops(Drop.COUNTER_SPENT) == 1


def test_what_nobody_takes_is_bounded(server, pair):
    a, b = pair
    number = a.publish()
    for i in range(MAX_SENT + 10):
        a.session.send_audio(number, i.to_bytes(2, "big"), 0, server.now)
    queued = a.session.datagrams_to_send(server.now)
    assert len(queued) == MAX_SENT
    assert a.drops(Drop.QUEUE_FULL) == 10
    b.collect = lambda: None
    for _ in range(9):
        for i in range(500):
            a.session.send_audio(number, i.to_bytes(2, "big"), 0, server.now)
        server.pump()
    assert len(b.session.media_received()) == MAX_QUEUED
    assert b.drops(Drop.QUEUE_FULL) == 4500 - MAX_QUEUED


def test_held_packets_say_so(server, pair):
    a, b = pair
    a.publish()
    forward = server.forward
    server.forward = lambda client, packet: forward(client, packet, ItemType.HELD_PACKET, (150).to_bytes(2, "big"))
    a.speak()
    server.forward = lambda client, packet: forward(
        client, packet, ItemType.HELD_REDUNDANT_PACKET, (90).to_bytes(2, "big")
    )
    a.speak()
    assert [packet.held_ms for packet in b.take_media()] == [150, 90]


def test_both_variants_deliver_once(server, pair):
    a, b = pair
    a.publish()
    forward = server.forward

    def twice(client, packet):
        forward(client, packet)
        forward(client, packet, ItemType.REDUNDANT_PACKET)

    server.forward = twice
    a.speak()
    assert payloads(b) == [b"voice"]
    assert b.drops(Drop.PACKET_REFUSED) == 1
    assert {series.redundant for _, series in b.session.stream_statistics()} == {False, True}


def test_own_packets_that_come_back_are_not_played(server, pair):
    a, _ = pair
    a.publish()
    assert give(a, *undelivered(server, a)) == []
    assert a.drops(Drop.OWN) == 1


# What must not pass


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
    """Whoever knows the room key can forge the server's datagrams, but not its statements of position."""
    a, b = pair
    a.publish()
    spend_beacons(server)
    for counter in (server.counter + SEALER_WINDOW, 2**40, MAX_COUNTER):
        give(b, server.seal_room(pack_relay_time(0), counter=counter))
    assert b.drops(Drop.AHEAD) == 3
    give(b, server.seal_room(pack_relay_time(0), counter=server.counter + SEALER_WINDOW // 2))
    a.speak()
    assert payloads(b) == [b"voice"]


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


def test_a_malformed_beacon_is_dropped():
    server = Server(e2ee=False)
    a, b = server.seated(2)
    stream = server.members[a.participant].beacon_stream
    server.forward(a, seal_packet(PlainHeader(stream, 0, 0, 0, 0), b"not a beacon", None))
    assert b.drops(Drop.PACKET_MALFORMED) == 1


def test_layers_of_bare_streams_are_bounded():
    server = Server(e2ee=False)
    a, b = server.seated(2)
    peer = b.seat.peers[a.participant]
    for number in range(64):
        peer.ring._windows[number, 0] = None
    number = a.publish(m.Kind.VIDEO, m.Source.CAMERA, "vp8", layers=4)
    assert a.session.send_video(number, b"x", 0, server.now, keyframe=True, spatial=3)
    server.pump()
    assert b.drops(Drop.PACKET_REFUSED) == 1


# Keys of the hop


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
    server.now += OVERLAP - 0.1
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
    assert len(b.seat.sealers._sealers[77].epochs) == 8
    for sealer in range(100, 180):
        b.notify(m.NewRoomKey(m.RoomKey(sealer, 1, b"n" * 32, 0)))
    server.pump()
    assert len(b.seat.sealers._sealers) == 64
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
    server.now += OVERLAP
    give(a, again)
    assert a.drops(Drop.UNKNOWN_EPOCH) == 1
    a.epoch, a.down_key, a.up_keys[3] = 3, old_key, b"v" * 32
    a.notify(m.SessionKeys(a.media_id, 3, b"v" * 32, old_key))
    server.pump()
    assert set(a.seat.path._down) == {2, 3}
    server.advance(3)
    assert a.session.path_state is PathState.OK


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
    assert a.told(events.MediaMoved) == [events.MediaMoved("192.0.2.1", 99)]
    server.advance(5)
    assert a.session.path_state is PathState.OK


def test_datagrams_through_the_tunnel(server, pair):
    a, b = pair
    a.publish()
    (data,) = undelivered(server, a)
    b.connection.send_datagram(data)
    server.pump()
    assert payloads(b) == [b"voice"]


# The path


def test_a_ping_goes_out_with_the_seat_and_proves_the_path(server):
    (a,) = server.seated(1)
    assert a.session.path_state is PathState.OK
    assert a.told(events.PathChanged) == [events.PathChanged(PathState.OK)]


def sent_at(server, client, seconds):
    """When datagrams left within so many seconds from now, virtual time."""
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
    assert len(sent_at(server, a, 4)) == 4
    a.udp = True
    server.advance(1.1)
    assert a.session.path_state is PathState.OK


def test_three_missed_pings_are_a_lost_path(server):
    (a,) = server.seated(1)
    server.advance(1)
    a.udp = False
    server.advance(2.9)
    assert a.session.path_state is PathState.OK
    server.advance(1.2)
    assert a.session.path_state is PathState.LOST
    assert a.told(events.PathChanged)[-1] == events.PathChanged(PathState.LOST)


def test_an_idle_path_is_pinged_less(server):
    a = server.connect(Settings(fingerprint=FINGERPRINT, sources=())).login()
    server.advance(5)
    a.sent.clear()
    server.advance(30)
    assert 5 <= len(a.sent) <= 7
    a.session.subscribe((m.Source.CAMERA,))
    server.advance(5)
    a.sent.clear()
    server.advance(30)
    assert 29 <= len(a.sent) <= 31


def test_round_trips_loss_and_clock(server):
    (a,) = server.seated(1)
    path = a.seat.path
    path.take()
    start = server.now + 10
    for i in range(20):
        now = start + i
        path.handle_timeout(now)
        (ping,) = path.take()
        counter = parse_header(ping).counter
        sent = int(now * 1e6) & 0xFFFFFFFF
        pong = PongItem(path._number, sent, sent + 5_000_000 + 25_000 & 0xFFFFFFFF, counter, counter + 1 - i // 2)
        path.handle_item(ItemType.PONG, pong.pack(), now + 0.05)
    statistics = a.session.path_statistics
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
    assert a.session.path_statistics.downlink_delay(0, 0.0) is None


def test_pongs_that_answer_nothing_are_ignored(server):
    a = server.connect()
    a.udp = False
    a.login()
    for number, time in ((1, 1), (2, int(server.now * 1e6) & 0xFFFFFFFF)):
        server.down(a, [Item(ItemType.PONG, PongItem(number, time, 0, 0, 0).pack())])
    assert a.session.path_state is PathState.UNKNOWN


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
    assert len(a.seat.path._pings) <= 12


# Statistics of streams


def test_loss_reordering_and_jitter_per_series(server, pair):
    a, b = pair
    a.publish()
    spend_beacons(server)
    data = undelivered(server, a, 10)
    give(b, data[0], data[1], data[4], data[3], data[9])
    stream = a.told(events.Published)[0].stream
    counts = b.session.stream_statistics()[77, Series(stream)]
    assert (counts.received, counts.lost, counts.reordered, counts.late) == (5, 5, 1, 0)
    (next_one,) = undelivered(server, a)
    give(b, next_one, now=server.now + 0.3)
    assert (counts.received, counts.lost, counts.reordered, counts.late) == (6, 5, 1, 1)
    assert counts.jitter_ms == pytest.approx(300 / 16)
    assert b.session.path_statistics.down_reordered == 1


def test_what_the_server_sends_again_is_neither_late_nor_jitter(server, pair):
    """As at the replay of a keyframe: datagrams below the newest counter of the sealer, also across a change of key."""
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
    counts = b.session.stream_statistics()[77, Series(stream)]
    give(b, *data, now=server.now + 2)
    assert (counts.received, counts.lost, counts.reordered) == (4, 0, 3)
    assert (counts.late, counts.jitter_ms) == (0, 0.0)
    give(b, *undelivered(server, a))
    assert (counts.late, counts.jitter_ms) == (0, pytest.approx(0.0))


def test_statistics_end_with_the_stream(server, pair):
    a, b = pair
    number = a.publish()
    a.speak()
    assert b.session.stream_statistics()
    a.session.unpublish(number)
    server.pump()
    stream = a.told(events.Published)[0].stream
    assert stream not in {series.stream for _, series in b.session.stream_statistics()}


def test_series_are_bounded(server, pair):
    a, b = pair
    a.publish()
    b.seat.media._series = dict.fromkeys(range(4096))
    a.speak()
    assert len(b.seat.media._series) == 4096
    assert payloads(b) == [b"voice"]


# Beacons


def beacons(server, sender, seconds):
    """When beacons came from a member, virtual time."""
    start, times = server.now, []
    stream = server.members[sender.participant].beacon_stream
    forward = server.forward

    def watch(client, packet):
        if int.from_bytes(packet[1:3], "big") == stream:
            times.append(round(server.now - start, 3))
        forward(client, packet)

    server.forward = watch
    server.advance(seconds)
    server.forward = forward
    return times


def test_beacons_at_first_often_then_each_ten_seconds(server, pair):
    a, b = pair
    number = a.publish()
    a.speak(number)
    assert beacons(server, a, 24) == [0.0, 1.0, 3.0, 13.0, 23.0]
    assert beacons(server, b, 24) == []
    a.session.unpublish(number)
    assert beacons(server, a, 24) == []


def test_beacons_map_the_clocks_of_the_streams(server, pair):
    a, b = pair
    sound, picture = a.publish(), a.publish(m.Kind.VIDEO, m.Source.CAMERA, "vp8")
    a.session.send_audio(sound, b"x", 48_000, server.now, captured_at=90.5)
    a.session.send_video(picture, b"x", 90_000, server.now, keyframe=True)
    server.advance(0.1)
    first, second = (event.stream for event in a.told(events.Published))
    clocks = b.session.peer(a.participant).clocks
    assert set(clocks) == {first, second}
    assert (clocks[first].timestamp, clocks[first].time) == (48_000, 90_500_000)
    assert clocks[second].timestamp == 90_000
    assert clocks[second].time == pytest.approx(server.now * 1e6, abs=200_000)
    assert b.session.peer(b.participant) is None


def test_clock_mappings_of_foreign_streams_are_ignored(server, pair):
    _, b = pair
    (peer,) = b.seat.peers.values()
    mine, foreign = ClockMapping(5, 1, 2), ClockMapping(6, 3, 4)
    assert not peer.receive_beacon(Beacon(bytes(16), clocks=(mine, foreign)), {5, 7}, bytes(16), 0.0)
    assert peer.clocks == {5: mine}


def test_members_who_see_the_same_set_are_content(server, pair):
    a, b = pair
    a.publish()
    a.speak()
    server.advance(60)
    assert not b.told(events.MembershipMismatch)


def test_a_hidden_member_is_noticed(server, pair):
    """The server shows somebody to one member and not to the other."""
    a, b = pair
    c = server.connect().login()
    a.publish()
    a.speak()
    b.notify(m.RoomChanges(server.number + 1, (m.Change(m.ChangeKind.MEMBER_LEFT, participant=c.participant),)))
    server.pump()
    server.advance(9)
    assert not b.told(events.MembershipMismatch)
    server.advance(40)
    assert b.told(events.MembershipMismatch) == [events.MembershipMismatch(a.participant)]
    member = server.members[c.participant]
    b.notify(m.RoomChanges(server.number + 2, (m.Change(m.ChangeKind.MEMBER_JOINED, member=member),)))
    server.number += 2
    server.advance(30)
    assert len(b.told(events.MembershipMismatch)) == 1


def test_no_beacon_without_a_path(server, pair):
    a, _ = pair
    a.publish()
    a.speak()
    a.udp = False
    server.advance(30)
    sent = a.seat.publications._beacons
    server.advance(30)
    assert a.session.path_state is PathState.LOST
    assert a.seat.publications._beacons == sent
