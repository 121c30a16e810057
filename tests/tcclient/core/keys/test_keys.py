import copy

import pytest

from tcclient.core import Drop, PathState
from tcclient.core.keys.member_keys import HOLD, MAX_HELD
from tcclient.core.keys.own_key import ACTIVATION, LEAVE_SPACING
from tcclient.core.seat import PURGE_INTERVAL
from tcproto import messages as m
from tcproto.keyring import SENDER_KEY_OVERLAP, PublicationId
from tcproto.packet import parse_header
from tcproto.sender_key import RATCHET_PERIOD
from tests.support.key_ring import keys_in
from tests.support.memory import kept
from tests.support.scripted_media import packet_in, payloads
from tests.support.scripted_server import Server

AUDIO = PublicationId(1, 1, 1)


@pytest.fixture
def server():
    return Server()


def keys_of(client):
    return client.seat.keys


def spoken(client, number=1):
    """Speak, and return key number and generation of the packet."""
    key = keys_of(client).current
    assert client.speak(number)
    return key.number, key.generation


# End to end


def test_who_only_listens_makes_no_boxes(server):
    server.seated(3)
    assert server.box_log == []


def test_the_first_publication_boxes_the_key_for_all(server):
    a, b, c = server.seated(3)
    number = a.publish(muted=True)
    assert {to for to, _ in server.box_log} == {b.participant, c.participant}
    a.session.seat.publishing.set_muted(number, False)
    assert a.speak(payload=b"hello")
    assert payloads(b) == payloads(c) == [b"hello"]
    a.publish()
    assert len(server.box_log) == 2


def test_a_newcomer_can_read_from_now_on_but_not_the_past(server):
    a, b = server.seated(2)
    a.publish()
    assert spoken(a) == (1, 0)
    past = list(server.forwarded)
    (c,) = server.seated(1)
    assert spoken(a) == (1, 1)
    assert payloads(c) == [b"voice"]
    assert payloads(b) == [b"voice", b"voice"]
    # The newcomer knows the room key. Even without any replay window of datagrams it cannot open the past.
    server.forward(a, packet_in(server, past[-1]))
    assert payloads(c) == []
    assert c.drops(Drop.PACKET_REFUSED) == 1


def test_joins_without_a_word_between_them_need_no_ratchet(server):
    a, b = server.seated(2)
    a.publish()
    spoken(a)
    c, d = server.seated(2)
    assert spoken(a) == (1, 1)
    for client in (b, c, d):
        assert payloads(client)[-1] == b"voice"


def test_many_joins_carry_along_also_those_who_are_sent_nothing_else(server):
    a, b = server.seated(2)
    a.publish()
    spoken(a)
    for _ in range(20):
        beacons_only(server, a, b)
        server.seated(1)
    server.advance(0.1)
    server.deliver = True
    b.take_media()
    assert spoken(a)[1] >= 20
    assert payloads(b) == [b"voice"]


def beacons_only(server, speaker, listener):
    """Speak, but the server does not send it to the listener."""
    server.deliver = False
    spoken(speaker)
    server.deliver = True
    server.advance(0.1)
    listener.take_media()


def test_who_left_can_read_nothing_new(server):
    a, b, c = server.seated(3)
    a.publish()
    server.deliver = False
    assert spoken(a) == (1, 0)
    old = server.forwarded[-1]
    server.deliver = True
    ex_member, boxes = c.seat, len(server.box_log)
    server.now += LEAVE_SPACING
    c.session.leave()
    server.pump()
    assert {to for to, _ in server.box_log[boxes:]} == {b.participant}
    assert spoken(a) == (2, 0), "b has acknowledged"
    assert payloads(b) == [b"voice"]
    for datagram in (old, *server.forwarded):
        ex_member.receive_datagram(datagram, server.now)
    (opened,) = ex_member.downlink.media.take()
    assert opened.header.key_number == 1


def test_a_new_key_waits_for_receipts_but_not_for_ever(server):
    a, b, c = server.seated(3)
    a.publish()
    spoken(a)
    server.now += LEAVE_SPACING
    server.hold_boxes = []
    c.session.leave()
    server.pump()
    assert len(server.hold_boxes) == 1
    assert spoken(a) == (1, 0)
    server.advance(2.9)
    assert spoken(a) == (1, 0)
    server.advance(0.2)
    b.take_media()
    assert spoken(a) == (2, 0)
    assert payloads(b) == []
    server.pass_box(*server.hold_boxes[0])
    server.pump()
    assert payloads(b) == [b"voice"], "it waited for its key"


def test_packets_wait_for_their_key_a_moment_and_in_order(server):
    a, b = server.seated(2)
    server.hold_boxes = []
    a.publish()
    server.advance(ACTIVATION)
    for i in range(MAX_HELD + 3):
        a.speak(payload=bytes([i]))
    assert payloads(b) == []
    assert b.drops(Drop.NO_KEY) == 3
    server.pass_box(*server.hold_boxes[0])
    server.pump()
    assert payloads(b) == [bytes([i]) for i in range(3, MAX_HELD + 3)]


def test_packets_do_not_wait_long(server):
    a, b = server.seated(2)
    server.hold_boxes = []
    a.publish()
    server.advance(ACTIVATION)
    a.speak(payload=b"old")
    server.now += HOLD
    a.speak(payload=b"new")
    server.pass_box(*server.hold_boxes[0])
    server.pump()
    assert payloads(b) == [b"new"]
    assert b.drops(Drop.NO_KEY) == 1


def test_what_waits_for_another_key_goes_on_waiting(server):
    a, b, c = server.seated(3)
    server.hold_boxes = []
    a.publish()
    server.advance(ACTIVATION)
    a.speak(payload=b"first")
    server.now += LEAVE_SPACING
    c.session.leave()
    server.pump()
    server.now += 3
    a.session.handle_timeout(server.now)
    a.speak(payload=b"second")
    first, second = [entry for entry in server.hold_boxes if entry[0] == b.participant]
    server.pass_box(*first)
    server.pump()
    assert payloads(b) == []
    server.pass_box(*second)
    server.pump()
    assert payloads(b) == [b"second"]


def test_key_boxes_out_of_order_and_twice(server):
    a, b, c = server.seated(3)
    server.hold_boxes = []
    a.publish()
    c.session.leave()
    server.pump()
    server.advance(3.1)
    old, new = [entry for entry in server.hold_boxes if entry[0] == b.participant]
    for entry in (new, old, new):
        server.pass_box(*entry)
    server.pump()
    assert b.drops(Drop.KEY_BOX) == 1, "the older one; one that comes twice is none too many"
    b.take_media()
    assert spoken(a) == (2, 0)
    assert payloads(b) == [b"voice"]


def test_boxes_that_are_reflected_misdirected_or_forged_are_refused(server):
    a, b, c = server.seated(3)
    server.hold_boxes = []
    a.publish()
    server.pump()
    by_receiver = {to: entry.box for to, entry in server.hold_boxes}
    for_b, for_c = by_receiver[b.participant], by_receiver[c.participant]
    forged = bytes([for_b[0] ^ 1]) + for_b[1:]
    attempts = [
        (a, b.participant, for_b),
        (b, c.participant, for_b),
        (b, a.participant, for_c),
        (b, a.participant, forged),
        (b, a.participant, b""),
        (b, 4711, for_b),
        (b, b.participant, for_b),
    ]
    for to, sender, box in attempts:
        to.notify(m.KeyBoxes((m.AddressedBox(sender, box),)))
    server.pump()
    assert (a.drops(Drop.KEY_BOX), b.drops(Drop.KEY_BOX)) == (1, 5)
    b.notify(m.KeyBoxes((m.AddressedBox(a.participant, for_b),)))
    server.pump()
    server.advance(ACTIVATION)
    b.take_media()
    a.speak()
    assert payloads(b) == [b"voice"]


def test_an_unverified_member_gets_no_key_and_is_not_played(server):
    a, b = server.seated(2)
    impostor = server.members[b.participant] = m.Member(
        **{name: getattr(server.members[b.participant], name) for name in m.Member.__slots__ if name != "name"},
        name="Somebody Else",
    )
    server.change(m.Change(m.ChangeKind.MEMBER_UPDATED, member=impostor), but=b)
    server.number -= 1  # b has not heard of it
    server.pump()
    a.publish()
    assert server.box_log == []
    b.publish()
    server.advance(ACTIVATION)
    assert b.speak()
    assert payloads(a) == []
    assert a.drops(Drop.UNVERIFIED) >= 1


def test_no_keys_without_end_to_end_encryption():
    server = Server(e2ee=False)
    a, b = server.seated(2)
    a.publish()
    assert a.speak()
    assert payloads(b) == [b"voice"]
    assert server.box_log == []
    b.notify(m.KeyBoxes((m.AddressedBox(a.participant, b"x" * 100),)))
    server.pump()
    assert b.drops(Drop.KEY_BOX) == 1


def test_the_last_publications_end_forgets_the_key(server):
    a, b = server.seated(2)
    number = a.publish()
    spoken(a)
    a.session.seat.publishing.unpublish(number)
    server.pump()
    assert keys_of(a).current is None
    b.session.leave()
    server.seated(1)
    assert len(server.box_log) == 1
    a.publish()
    assert spoken(a, 2) == (2, 0)


@pytest.mark.no_cover  # it is long
def test_an_hour_of_silence_ratchets_and_everybody_follows(server):
    a, b = server.seated(2)
    a.publish()
    spoken(a)
    server.advance(RATCHET_PERIOD * 3 + 5)
    b.take_media()
    assert spoken(a) == (1, 3)
    assert payloads(b) == [b"voice"]


def keys_as(member, participant):
    """The keys of the same member, by another number."""
    other = copy.copy(member)
    other.id = participant
    return other


def test_more_members_than_one_message_holds(server):
    (a,) = server.seated(1)
    b = server.connect().login()
    member = a.seat.member_keys[b.participant]
    for i in range(100):
        a.seat.presence.came(keys_as(member, 1000 + i), server.now)
    a.publish()
    assert [len(message.boxes) for message in a.of(m.KeyBoxes)] == [64, 37]


def test_a_replaced_key_dies_after_the_overlap(server):
    a, b, c = server.seated(3)
    a.publish()
    server.deliver = False
    spoken(a)
    spoken(a)
    early, late = server.forwarded[-2:]
    server.deliver = True
    server.now += LEAVE_SPACING
    c.session.leave()
    server.pump()
    spoken(a)
    assert parse_header(packet_in(server, early)).key_number == 1
    assert payloads(b) == [b"voice"]
    b.session.receive_datagram(early, server.now)
    assert len(b.session.media_received()) == 1
    server.now += SENDER_KEY_OVERLAP
    b.session.receive_datagram(late, server.now)
    assert payloads(b) == []
    assert b.drops(Drop.PACKET_REFUSED) == 1
    assert b.session.seat.path.state is PathState.OK


def test_keys_that_were_replaced_are_forgotten_in_time_though_nothing_comes(server):
    """Only the timer forgets: sender keys, generations, session keys, room keys."""
    a, b, c = server.seated(3)
    a.publish()
    spoken(a)
    server.advance(5)
    server.seated(1)
    spoken(a)  # a generation
    server.now += LEAVE_SPACING
    c.session.leave()
    b.notify(m.SessionKeys(b.media_id, 2, b"u" * 32, b"d" * 32))
    b.notify(m.NewRoomKey(m.RoomKey(server.sealer, 2, b"n" * 32, server.counter)))
    replaced = b.down_key
    b.up_keys[2], b.down_key, b.epoch = b"u" * 32, b"d" * 32, 2
    server.pump()
    server.epoch, server.room_key = 2, b"n" * 32
    spoken(a)  # under the new keys of all kinds
    ring, seat = b.seat.member_keys[a.participant].ring, b.seat
    (sealer,) = seat.downlink.opener.sealers.values()
    assert [key.number for key in keys_in(ring)] == [1, 1, 2], "the first has two generations"
    assert [key in kept(seat.path, bytes) for key in (replaced, b.down_key)] == [True, True]
    assert len(sealer.epochs) == 2
    server.deliver = False
    server.advance(SENDER_KEY_OVERLAP + PURGE_INTERVAL)
    assert [key.number for key in keys_in(ring)] == [2]
    assert [key in kept(seat.path, bytes) for key in (replaced, b.down_key)] == [False, True]
    assert len(sealer.epochs) == 1


def test_a_generation_that_was_replaced_is_forgotten_in_time(server):
    a, b = server.seated(2)
    a.publish()
    spoken(a)
    server.seated(1)
    spoken(a)
    server.deliver = False
    ring = b.seat.member_keys[a.participant].ring
    first, second = keys_in(ring)
    assert (first.generation, second.generation) == (0, 1)
    derived = [key.publication_key(server.info.life, *AUDIO) for key in (first, second)]
    assert [key in kept(ring, bytes) for key in derived] == [True, True]
    server.advance(SENDER_KEY_OVERLAP + PURGE_INTERVAL)
    assert keys_in(ring) == [second]
    assert [key in kept(ring, bytes) for key in derived] == [False, True]
