"""Which datagrams and packets are let in, and the named reason for dropping the others."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcproto.datagram import (
    MAX_COUNTER,
    MAX_DATAGRAM,
    MIN_DATAGRAM,
    REKEY_COUNTER,
    Item,
    ItemType,
    Kind,
    pack_header,
    seal,
)
from tcproto.messages import Caps
from tcproto.messages import Kind as StreamKind
from tcproto.packet import MAX_PACKET, PlainHeader
from tcserver.media import Drop
from tcserver.media import interface as p
from tcserver.media.forwarding.seat import MAX_GAP
from tcserver.media.interface import Address, MuteStream, OpenSeat, OpenStream
from tests.support.media.world import (
    CAPS,
    HEADER_BITS,
    World,
    audio,
    flip,
    forwarded,
    keyframe,
    packet_item,
    video,
)


@pytest.fixture
def world() -> World:
    world = World(3)
    a, b, c = world.clients
    world.publish(a, 7, to=[b, c])
    return world


def test_every_truncation_is_one_counted_drop(world):
    datagram = world.clients[0].up(packet_item(audio(7)))
    for size in range(len(datagram)):
        assert world.receive(world.clients[0], datagram[:size]) == []
        assert world.drops() == {Drop.LENGTH if size < MIN_DATAGRAM else Drop.BOX: 1}
    assert len(world.receive(world.clients[0], datagram)) == 2


def test_every_bit_flip_is_one_counted_drop(world):
    datagram = world.clients[0].up(packet_item(audio(7)))
    reasons = set()
    for bit in range(len(datagram) * 8):
        assert world.receive(world.clients[0], flip(datagram, bit)) == []
        ((reason, count),) = world.drops().items()
        assert count == 1
        reasons.add(reason)
        if bit >= HEADER_BITS:
            assert reason == Drop.BOX
    assert reasons >= {Drop.VERSION, Drop.KIND, Drop.EPOCH, Drop.UNKNOWN_ID, Drop.BOX}
    assert len(world.receive(world.clients[0], datagram)) == 2


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=1400), max_size=5))
def test_arbitrary_bytes_are_counted_and_never_answered(noise):
    world = World(1)
    assert world.receive(world.clients[0], *noise) == []
    assert sum(world.drops().values()) == len(noise)


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=300).map(lambda b: b[:1] and b), max_size=4), st.binary(max_size=600))
def test_arbitrary_items_of_a_participant_never_fail(values, tail):
    """A participant can seal whatever it likes."""
    world = World(2)
    a, b = world.clients
    world.publish(a, 7, to=[b])
    types = [ItemType.PACKET, ItemType.COPIES, ItemType.FULL_COPY, ItemType.PING]
    items = [Item(types[i], value) for i, value in enumerate(values)]
    world.receive(a, a.up(*items, Item(ItemType.KEYFRAME_REQUEST, tail)))
    header = pack_header(Kind.UP, 0, a.media_id, a.counter)
    world.receive(a, seal(header, tail, a.up_key))
    assert Drop.INTERNAL not in world.drops()


def test_sizes_at_the_limit(world):
    a = world.clients[0]
    for size, expected in ((MAX_DATAGRAM - 1, {}), (MAX_DATAGRAM, {}), (MAX_DATAGRAM + 1, {Drop.LENGTH: 1})):
        world.receive(a, a.up(Item(ItemType.PADDING, bytes(size - MIN_DATAGRAM - 1))))
        assert world.drops() == expected
    world.receive(a, a.up())
    assert world.drops() == {}


def test_packet_sizes_at_the_limit(world):
    a = world.clients[0]
    for size, expected in ((MAX_PACKET, {}), (MAX_PACKET + 1, {Drop.PACKET_LENGTH: 1})):
        world.receive(a, a.up(packet_item(audio(7, size).ljust(size, b"x"))))
        assert world.drops() == expected


def test_room_and_down_datagrams_are_not_for_the_server(world):
    a = world.clients[0]
    for kind in (0, Kind.DOWN, Kind.ROOM, Kind.RELAY, 15):
        world.receive(a, seal(pack_header(kind, 0, a.media_id, 99), b"", a.up_key))
        assert world.drops() == {Drop.KIND: 1}


def test_window_edges_duplicates_and_jumps(world):
    a = world.clients[0]

    def send(counter: int) -> dict[Drop, int]:
        world.receive(a, a.up(counter=counter))
        return world.drops()

    assert send(5000) == {}
    assert send(5000) == {Drop.DUPLICATE: 1}
    assert send(5000 - 1023) == {}
    assert send(5000 - 1023) == {Drop.DUPLICATE: 1}
    assert send(5000 - 1024) == {Drop.OLD: 1}
    assert send(2**40) == {}
    assert send(5001) == {Drop.OLD: 1}
    assert send(MAX_COUNTER - 1) == {}
    assert send(MAX_COUNTER) == {}
    assert send(MAX_COUNTER) == {Drop.DUPLICATE: 1}
    assert send(0) == {Drop.OLD: 1}


def test_a_forged_counter_moves_no_window(world):
    a = world.clients[0]
    forged = seal(pack_header(Kind.UP, 0, a.media_id, MAX_COUNTER), b"", bytes(32))
    world.receive(a, forged)
    assert world.drops() == {Drop.BOX: 1}
    assert len(world.receive(a, a.up(packet_item(audio(7))))) == 2


def test_unknown_sources_change_nothing(world):
    """No answer, no state, no key tried."""
    before = world.plane.counters.accepted
    for n in range(200):
        stranger = Address(0, f"203.0.113.{n}", n + 1)
        datagram = seal(pack_header(Kind.UP, 0, n, n), bytes(50), bytes(32))
        assert world.receive_from(stranger, datagram) == []
    assert world.drops() == {Drop.UNKNOWN_ID: 200}
    assert world.plane.counters.accepted == before
    assert set(world.plane.seats) == {client.media_id for client in world.clients}
    assert world.plane.tickets == {}


def test_a_spoofed_source_with_a_known_id_is_not_answered(world):
    a = world.clients[0]
    stranger = Address(0, "203.0.113.1", 1)
    good = a.up(packet_item(audio(7)))
    for bit in range(HEADER_BITS, len(good) * 8, 37):
        assert world.receive_from(stranger, flip(good, bit)) == []
    assert set(world.drops()) == {Drop.BOX}
    assert world.plane.seats[a.media_id].path.address == a.address


def test_cut_off_items_are_dropped(world):
    a = world.clients[0]
    world.receive(a, seal(pack_header(Kind.UP, 0, a.media_id, 50), b"\x01\x00", a.up_key))
    assert world.drops() == {Drop.ITEMS: 1}


def test_unknown_items_are_skipped(world):
    a = world.clients[0]
    assert len(world.receive(a, a.up(Item(99, b"?"), packet_item(audio(7)), Item(77, b"")))) == 2
    assert world.drops() == {}


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"", Drop.PACKET_HEADER),
        (audio(7)[:12], Drop.PACKET_HEADER),
        (audio(7)[:13], Drop.PACKET_HEADER),
        (video(7)[:20], Drop.PACKET_HEADER),
        (audio(8), Drop.UNKNOWN_STREAM),
        (audio(9), Drop.FOREIGN_STREAM),
        (video(7), Drop.PACKET_TYPE),
        (PlainHeader(7, 1, 0, 0, 0).pack(), Drop.PACKET_TYPE),
        (audio(10), Drop.PACKET_TYPE),
        (audio(11), Drop.MUTED),
        (audio(12), Drop.NO_RECEIVER),
        (video(10, spatial=1), Drop.LAYER),
        (audio(13), Drop.PACKET_TYPE),
    ],
)
def test_reasons_for_packets(world, packet, reason):
    a, b, _ = world.clients
    world.publish(b, 9, to=[a])
    world.publish(a, 10, StreamKind.VIDEO, to=[b], layers=1)
    world.publish(a, 11, to=[b], muted=True)
    world.publish(a, 12)
    world.publish(a, 13, None, to=[b])
    assert world.receive(a, a.up(packet_item(packet))) == []
    assert world.drops() == {reason: 1}


def test_beacons_and_unknown_types_are_forwarded(world):
    a, b, _ = world.clients
    world.publish(a, 13, None, to=[b])
    for sequence, (stream, type_) in enumerate(((13, 3), (7, 9), (13, 4))):
        packet = PlainHeader(stream, 1, 0, sequence, 0, type_).pack() + b"blind"
        assert [p for _, p in forwarded(world.receive(a, a.up(packet_item(packet))))[b.address]] == [packet]


def test_a_bad_packet_does_not_stop_the_next_in_its_datagram(world):
    a, b, c = world.clients
    sent = forwarded(world.receive(a, a.up(packet_item(audio(8)), packet_item(audio(7)))))
    assert set(sent) == {b.address, c.address}
    assert world.drops() == {Drop.UNKNOWN_STREAM: 1}


def test_packets_are_forwarded_once(world):
    a = world.clients[0]
    for sequence, expected in ((2000, {}), (2000, {Drop.PACKET_DUPLICATE: 1}), (2000 - 1023, {})):
        world.receive(a, a.up(packet_item(audio(7, sequence))))
        assert world.drops() == expected
    world.receive(a, a.up(packet_item(audio(7, 2000 - 1024))))
    assert world.drops() == {Drop.PACKET_OLD: 1}


def test_spatial_layers_count_apart(world):
    a, b, _ = world.clients
    world.publish(a, 10, StreamKind.VIDEO, to=[b], layers=3)
    for spatial in range(3):
        assert world.receive(a, a.up(packet_item(keyframe(10, 5, spatial=spatial))))
    world.receive(a, a.up(packet_item(video(10, 5, spatial=2, temporal=1))))
    assert world.drops() == {Drop.PACKET_DUPLICATE: 1}


@pytest.mark.parametrize("caps", [Caps(10_000_000, 50), Caps(16_000, 1000)])
def test_rate_cap(world, caps):
    """A burst of one second is taken, then the rate; over time no more than the cap."""
    a, b, _ = world.clients
    world.publish(a, 20, to=[b], caps=caps)
    passed = 0
    size = len(a.up(packet_item(audio(20)))) + 2
    for sequence in range(500):
        passed += bool(world.receive(a, a.up(packet_item(audio(20, sequence)))))
        world.now += 0.01
    per_second = min(caps.packets_per_second, caps.bitrate / 8 / size)
    assert passed == pytest.approx(6 * per_second, abs=2)
    assert world.drops() == {Drop.RATE: 500 - passed}
    world.now += 10
    assert world.receive(a, a.up(packet_item(audio(20, 999))))


def test_the_cap_holds_packets_inside_one_datagram(world):
    a, b, _ = world.clients
    world.publish(a, 20, to=[b], caps=Caps(1_000_000, 3))
    world.receive(a, a.up(*(packet_item(audio(20, n)) for n in range(10))))
    assert world.drops() == {Drop.RATE: 7}


def test_comfort_more_often_than_needed_is_dropped(world):
    a = world.clients[0]

    def send(sequence: int, **fields) -> dict[Drop, int]:
        world.receive(a, a.up(packet_item(audio(7, sequence, **fields))))
        return world.drops()

    surplus = {Drop.SURPLUS_COMFORT: 1}
    assert send(0) == {}
    assert send(1, comfort=True) == {}
    assert send(2, comfort=True) == surplus
    assert send(20, comfort=True) == surplus
    assert send(21, comfort=True) == {}
    assert send(22, comfort=True, end_of_talk=True) == {}
    assert send(23, comfort=True) == {}
    assert send(24) == {}
    assert send(25, comfort=True) == {}


def test_muting_takes_effect_at_once(world):
    a = world.clients[0]
    world.apply(MuteStream(7, a.media_id, True))
    assert world.receive(a, a.up(packet_item(audio(7, 1)))) == []
    world.apply(MuteStream(7, a.media_id, False))
    assert len(world.receive(a, a.up(packet_item(audio(7, 2))))) == 2
    assert world.drops() == {Drop.MUTED: 1}


def test_a_stream_id_that_is_taken_stays_with_its_owner(world):
    a, b, _ = world.clients
    world.apply(OpenStream(7, b.media_id, StreamKind.AUDIO, CAPS), MuteStream(7, b.media_id, True))
    assert len(world.receive(a, a.up(packet_item(audio(7))))) == 2
    world.receive(b, b.up(packet_item(audio(7))))
    assert world.drops() == {Drop.FOREIGN_STREAM: 1}


@pytest.mark.parametrize("jump", [1 << 20, REKEY_COUNTER, MAX_COUNTER])
def test_counters_that_a_client_skips_are_no_datagrams_that_were_lost(world, jump):
    a = world.clients[0]
    before = world.plane.flush_counters()
    sent, received = before.uplink_sent, before.uplink_received
    start = a.counter
    for counter in (0, 3, 4, 4 + MAX_GAP):
        world.receive(a, a.up(counter=start + counter))
    after = world.plane.flush_counters()
    assert (after.uplink_sent - sent, after.uplink_received - received) == (5 + MAX_GAP, 4), "losses are"
    for counter in (jump - 1, jump, 5):
        world.receive(a, a.up(counter=counter))
    after = world.plane.flush_counters()
    assert (after.uplink_sent - sent, after.uplink_received - received) == (7 + MAX_GAP, 6)


def test_an_unexpected_failure_ends_one_datagram(world):
    a, *_ = world.clients
    newcomer = world.join(9, prove=False)

    def broken(size: int) -> bytes:
        raise RuntimeError("no randomness")

    world.random_bytes = broken
    sent = world.plane.receive([(newcomer.up(), newcomer.address), (a.up(packet_item(audio(7))), a.address)], world.now)
    assert sent is None
    assert len(world.plane.take_transmissions()) == 1
    assert world.drops() == {Drop.INTERNAL: 1}
    assert isinstance(world.plane.faults.take()[1], RuntimeError)


def test_commands_about_what_is_gone_are_ignored(world):
    world.plane.take_events()
    world.apply(
        p.RotateSealer(9, 0, 1, bytes(32), 0.0),
        p.CloseRoom(9),
        OpenSeat(55, 9, 1, 0, bytes(32), bytes(32)),
        OpenSeat(world.clients[0].media_id, 1, 1, 0, bytes(32), bytes(32)),
        p.RekeySeat(55, 1, bytes(32), bytes(32)),
        p.CloseSeat(55, 9),
        p.OpenStream(1, 55, StreamKind.AUDIO, CAPS),
        p.MuteStream(1, 55, True),
        p.CloseStream(1, 55),
        p.ChangeForwarding(9, (1,), (), (55,)),
        p.ChangeForwarding(1, (99,), (p.Receiver(55),)),
    )
    assert world.plane.take_events() == []
    assert world.receive(world.clients[0], world.clients[0].up(packet_item(audio(7))))
