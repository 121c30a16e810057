"""A room over several media planes, wired together in memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcproto.datagram import Item, ItemType, Kind, parse_header
from tcproto.messages import Kind as StreamKind
from tcproto.path import Position, parse_positions
from tcserver.media import Drop
from tcserver.media.forwarding.keyframes import KEYFRAME_ASKS
from tcserver.media.interface import (
    Address,
    ChangeForwarding,
    CloseRoom,
    CloseSeat,
    KeyframeAsked,
    Receiver,
    SealerTold,
    TellSealer,
)
from tcserver.media.relay.audience import LIFETIME, TELL_INTERVAL
from tcserver.media.relay.relay import ASK_INTERVAL
from tcserver.media.relay.wire import MAX_RELAYED, Message, pack_head, pack_levels, parse_head
from tcserver.media.speakers.selection import Level
from tests.support.media.relay_world import ROOM, Workers, crowd, key_of, packets, sealer_of, send
from tests.support.media.world import audio, keyframe, video

STREAM = 7


def test_a_datagram_is_sealed_once_and_handed_over_once_for_each_worker():
    workers = Workers(3)
    talker, *others = crowd(workers, (0, 0, 1, 1, 1, 2))
    workers.publish(talker, STREAM, others)
    workers.relayed.clear()
    sent = send(workers, talker, audio(STREAM))
    assert {address for address, _ in sent} == {other.address for other in others}
    assert len({data for _, data in sent}) == 1, "the same bytes for everybody"
    assert parse_header(sent[0][1]).id == sealer_of(0)
    handed = [(worker, target) for worker, target, data in workers.relayed if parse_head(data)[0] == Message.DATAGRAM]
    assert sorted(handed) == [(0, 1), (0, 2)]
    assert [plane.counters.sealed for plane in workers.planes] == [1, 0, 0]
    assert [plane.counters.relayed_out for plane in workers.planes] == [2, 0, 0]
    assert [plane.counters.relayed_in for plane in workers.planes] == [0, 1, 1]


@pytest.mark.parametrize("receivers", [(1,), (1, 2)], ids=["another worker", "two other workers"])
def test_somebody_whom_only_other_workers_hear(receivers):
    workers = Workers(3)
    talker, *others = crowd(workers, (0, *receivers))
    workers.publish(talker, STREAM, others)
    workers.publish(talker, STREAM + 1, others, StreamKind.VIDEO)
    for packet in (audio(STREAM), keyframe(STREAM + 1)):
        assert set(packets(send(workers, talker, packet))) == {other.address for other in others}
    assert not workers.drops(0)


def test_nobody_is_told_of_a_room_on_one_worker():
    workers = Workers(2)
    talker, other = crowd(workers, (1, 1))
    workers.publish(talker, STREAM, [other])
    workers.relayed.clear()
    assert set(packets(send(workers, talker, audio(STREAM)))) == {other.address}
    assert not workers.relayed


def test_only_proven_paths_are_sent_to_and_a_path_that_is_proven_later_too():
    workers = Workers(2)
    (talker,) = crowd(workers, (0,))
    late, lost = workers.join(2, 1, prove=False), workers.join(3, 1)
    workers.publish(talker, STREAM, [late, lost])
    assert set(packets(send(workers, talker, audio(STREAM, 0)))) == {lost.address}
    workers.prove(late)
    workers.relayed.clear()
    assert set(packets(send(workers, talker, audio(STREAM, 1)))) == {late.address, lost.address}
    assert not workers.messages(Message.AUDIENCE), "the same participants"
    for _ in range(16):
        workers.receive(late, late.ping())
        workers.poll(1)
    assert set(packets(send(workers, talker, audio(STREAM, 2)))) == {late.address}


def test_who_left_is_sent_nothing():
    workers = Workers(2)
    talker, gone, stays = crowd(workers, (0, 1, 1))
    workers.publish(talker, STREAM, [gone, stays])
    send(workers, talker, audio(STREAM, 0))
    workers.apply(CloseSeat(gone.media_id, ROOM))
    assert set(packets(send(workers, talker, audio(STREAM, 1)))) == {stays.address}
    assert workers.planes[0].rooms[ROOM].streams[STREAM].receivers.keys() == {stays.media_id}


def test_an_audience_whose_telling_was_lost_is_asked_for():
    workers = Workers(2)
    talker, other = crowd(workers, (0, 1))
    workers.publish(talker, STREAM, [other])
    workers.loses = lambda data: parse_head(data)[0] == Message.AUDIENCE
    workers.relayed.clear()
    for sequence in range(3):
        assert not send(workers, talker, audio(STREAM, sequence))
    assert workers.messages(Message.UNKNOWN) == [(1, 0)], "asked once at a time"
    assert workers.drops(1) == {Drop.RELAY_AUDIENCE: 3}
    workers.loses = lambda _: False
    workers.now += ASK_INTERVAL
    assert not send(workers, talker, audio(STREAM, 3))
    assert set(packets(send(workers, talker, audio(STREAM, 4)))) == {other.address}


def test_an_audience_in_use_is_told_again_and_one_that_is_not_is_forgotten():
    workers = Workers(2)
    talker, other = crowd(workers, (0, 1))
    workers.publish(talker, STREAM, [other])
    workers.relayed.clear()
    for sequence in range(int(3 * TELL_INTERVAL)):
        workers.receive(other, other.ping())
        workers.poll(1)
        assert send(workers, talker, audio(STREAM, sequence))
    assert len(workers.messages(Message.AUDIENCE)) == 3
    assert not workers.drops(1)
    table = workers.planes[1]._relay._audiences
    assert len(table) == 1
    workers.poll(LIFETIME)
    assert len(table) == 0


def test_a_worker_in_place_of_another_learns_whom_it_serves():
    workers = Workers(2)
    talker, other = crowd(workers, (0, 1))
    workers.publish(talker, STREAM, [other])
    send(workers, talker, audio(STREAM, 0))
    workers.replace(1)
    workers.apply(CloseSeat(other.media_id, ROOM))
    other = workers.join(9, 1)
    workers.apply(ChangeForwarding(ROOM, (STREAM,), (Receiver(other.media_id),)))
    assert set(packets(send(workers, talker, audio(STREAM, 1)))) == {other.address}
    # The other way: no worker may mistake datagrams of the new process for those of the old one.
    workers.publish(other, STREAM + 1, [talker])
    assert set(packets(send(workers, other, audio(STREAM + 1)))) == {talker.address}


def test_nothing_is_left_of_a_room_that_closed():
    workers = Workers(2)
    talker, other = crowd(workers, (0, 1))
    workers.publish(talker, STREAM, [other])
    send(workers, talker, audio(STREAM))
    workers.apply(CloseRoom(ROOM))
    for plane in workers.planes:
        relay = plane._relay
        assert not relay.homes
        assert not relay._distant
        assert not len(relay._audiences)
        assert plane.next_deadline() is None


def positions_in(client, sent):
    items = [item for _, data in sent for item in client.open_down(data)]
    return {
        position.sealer: position.counter
        for item in items
        if item.type == ItemType.POSITIONS
        for position in parse_positions(item.value)
    }


def test_a_pong_has_the_positions_of_all_sealers():
    workers = Workers(3)
    clients = crowd(workers, (0, 1, 2))
    for worker in (1, 2):
        workers.publish(clients[worker], STREAM + worker, [clients[0]])
        for sequence in range(worker):
            send(workers, clients[worker], audio(STREAM + worker, sequence))
    # As the relayed datagrams tell: at once.
    assert positions_in(clients[0], workers.receive(clients[0], clients[0].ping())) == {
        sealer_of(0): 0, sealer_of(1): 1, sealer_of(2): 2,
    }  # fmt: skip
    # A worker without listeners is told once a second.
    assert positions_in(clients[2], workers.receive(clients[2], clients[2].ping())).get(sealer_of(1)) in (None, 0)
    workers.poll(1)
    assert positions_in(clients[2], workers.receive(clients[2], clients[2].ping())) == {
        sealer_of(0): 0, sealer_of(1): 1, sealer_of(2): 2,
    }  # fmt: skip
    workers.replace(1)
    workers.poll(1)
    assert positions_in(clients[2], workers.receive(clients[2], clients[2].ping())) == {
        sealer_of(0): 0, sealer_of(1, 1): 0, sealer_of(2): 2,
    }  # fmt: skip


def test_an_address_that_has_proved_nothing_gets_the_challenge_and_one_position():
    workers = Workers(20)
    workers.poll(1)
    stranger = workers.join(30, 0, prove=False)
    sent = workers.receive(stranger, stranger.ping())
    assert positions_in(stranger, sent).keys() == {sealer_of(0)}
    assert any(item.type == ItemType.PATH_CHALLENGE for _, data in sent for item in stranger.open_down(data))
    workers.prove(stranger)
    assert len(positions_in(stranger, workers.receive(stranger, stranger.ping()))) == 20


def test_each_worker_tells_how_far_its_sealer_is():
    workers = Workers(2)
    talker, other = crowd(workers, (1, 0))
    workers.publish(talker, STREAM, [other])
    send(workers, talker, audio(STREAM))
    workers.apply(TellSealer(ROOM, 77))
    workers.exchange()
    told = [event for event in workers.take_events() if isinstance(event, SealerTold)]
    assert [(event.media_id, *event.sealer[0]) for event in told] == [
        (77, sealer_of(0), 0, key_of(0), 0),
        (77, sealer_of(1), 0, key_of(1), 1),
    ]


# Keyframes


def test_a_receiver_elsewhere_begins_with_a_new_keyframe():
    workers = Workers(2)
    talker, other = crowd(workers, (0, 1))
    workers.publish(talker, STREAM, [], StreamKind.VIDEO)
    send(workers, talker, video(STREAM))
    workers.take_events()
    workers.apply(ChangeForwarding(ROOM, (STREAM,), (Receiver(other.media_id),)))
    workers.exchange()
    assert workers.take_events() == [KeyframeAsked(other.media_id, STREAM, 0)]
    workers.apply(ChangeForwarding(ROOM, (STREAM,), (Receiver(other.media_id),)))
    workers.exchange()
    assert not workers.take_events(), "it has it"


def test_a_receiver_elsewhere_gets_nothing_before_the_keyframe_and_all_from_there_on():
    workers = Workers(3)
    talker, near, far, further = crowd(workers, (0, 0, 1, 2))
    workers.publish(talker, STREAM, [near], StreamKind.VIDEO)
    send(workers, talker, keyframe(STREAM))
    workers.apply(ChangeForwarding(ROOM, (STREAM,), (Receiver(far.media_id), Receiver(further.media_id))))
    workers.exchange()
    assert packets(send(workers, talker, video(STREAM, 1))).keys() == {near.address}
    everybody = {near.address, far.address, further.address}
    for sequence, packet in enumerate((keyframe(STREAM, 2), video(STREAM, 3)), 2):
        got = packets(send(workers, talker, packet))
        assert got.keys() == everybody, sequence


def test_a_request_for_a_keyframe_from_elsewhere_is_for_the_control_plane():
    workers = Workers(2)
    talker, other = crowd(workers, (0, 1))
    workers.publish(talker, STREAM, [other], StreamKind.VIDEO)
    workers.now += 1
    request = Item(ItemType.KEYFRAME_REQUEST, STREAM.to_bytes(2, "big") + b"\x01")
    workers.receive(other, other.up(request))
    assert workers.take_events() == [KeyframeAsked(other.media_id, STREAM, 1)]
    for _ in range(100):
        workers.receive(other, other.up(request))
    assert len(workers.take_events()) < KEYFRAME_ASKS.packets_per_second
    workers.drops(1)
    workers.now += 1
    workers.receive(other, other.up(Item(ItemType.KEYFRAME_REQUEST, b"\0")))
    assert workers.drops(1) == {Drop.ITEM: 1}


def test_messages_from_anybody_else_are_dropped():
    workers = Workers(2)
    plane = workers.planes[0]
    message = pack_levels(ROOM, [Level(STREAM, 1, 1, 1, 20, 20, True)])
    for address in (Address(1, "127.0.0.1", 8999), Address(1, "10.0.0.1", 9001), Address(0, "127.0.0.1", 9001)):
        plane.receive_relayed([(message, address)], workers.now)
    assert workers.drops(0) == {Drop.RELAY_SOURCE: 3}


@pytest.mark.parametrize(
    "message",
    [
        b"",
        pack_head(Message.DATAGRAM, 1) + bytes(11),
        pack_head(Message.AUDIENCE, 1),
        pack_head(Message.AUDIENCE, 1) + bytes(4),
        pack_head(Message.POSITION, 2) + bytes(10),
        pack_head(Message.POSITION, ROOM) + bytes(9),
        pack_head(Message.LEVELS, 2),
        pack_head(Message.LEVELS, ROOM) + bytes(11),
        pack_head(Message.HOLDERS, 2),
        pack_head(6, 1),
        bytes([Kind.UP]) + pack_head(Message.LEVELS, ROOM)[1:],
    ],
)
def test_messages_that_make_no_sense_are_dropped(message):
    workers = Workers(2)
    workers.planes[0].receive_relayed([(message, workers.addresses[1])], workers.now)
    assert workers.drops(0) == {Drop.RELAY_MESSAGE: 1}


def test_levels_for_a_room_whose_home_is_elsewhere_are_dropped():
    workers = Workers(2)
    message = pack_levels(ROOM, [Level(STREAM, 1, 1, 1, 20, 20, True)])
    workers.planes[1].receive_relayed([(message, workers.addresses[0])], workers.now)
    assert workers.drops(1) == {Drop.RELAY_MESSAGE: 1}


@given(st.integers(0, 6), st.binary(max_size=60), st.booleans())
def test_no_message_fails(type_, body, odd):
    workers = Workers(2)
    crowd(workers, (0, 1))
    data = body if odd else pack_head(type_, ROOM) + body
    for worker in (0, 1):
        workers.planes[worker].receive_relayed([(data, workers.addresses[1 - worker])], workers.now)
    workers.exchange()


def test_the_largest_messages_fit():
    members = [number << 8 | number % 2 for number in range(1, 1001)]
    workers = Workers(2)
    (talker,) = crowd(workers, (0,))
    workers.publish(talker, STREAM, [Receiver(member) for member in members])
    for sequence in range(1000):
        workers.planes[1].rooms[ROOM].speakers.hear(sequence, 0, 0, 1, 20, 20, True, workers.now)
    send(workers, talker, audio(STREAM))
    workers.relayed.clear()
    workers.poll(1)
    assert sum(parse_head(data)[0] == Message.LEVELS for _, _, data in workers.relayed) == 3
    assert max(len(data) for _, _, data in workers.relayed) <= MAX_RELAYED
    assert Position(sealer_of(1), 0) in workers.planes[0].rooms[ROOM].positions()
