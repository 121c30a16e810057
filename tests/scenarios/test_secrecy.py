"""Newcomers cannot open the past, and members that have left cannot open the future."""

import pytest

from tcproto.messages import Kick
from tests.support.simulation.wiretap import Wiretap, opens_packet, packets, room_plaintext

ROOM_KEY_OVERLAP = 4.0
"""Seconds. A new key follows a leave after at most 2, and is used after 2 more."""
SENDER_KEY_OVERLAP = 5.0
"""Seconds. A new key follows a leave after at most 2, and is used after at most 3 more."""


def test_a_newcomer_cannot_open_what_was_said_before(world):
    ada, ben = world.room("ada", "ben")
    tap = Wiretap(world)
    world.run(0.2)
    ada.talk()
    world.run(3)
    joined_at = world.now
    (cleo,) = world.room("cleo")
    world.run(3)
    seat, friend = cleo.session.seat, ben.session.seat
    past = tap.between(0, joined_at)
    assert len(past) > 140
    before = len(cleo.heard)
    for tapped in past:
        cleo.receive_datagram(tapped.data)
        plaintext = room_plaintext(friend, tapped.data)
        for packet in packets(plaintext):
            assert not opens_packet(seat, packet), "not even with the room key, by a friend in the room"
    assert len(cleo.heard) == before
    (future,) = tap.between(world.now - 0.019)[-1:]
    (packet,) = packets(room_plaintext(friend, future.data))
    assert opens_packet(seat, packet), "the way it is tested can open packets"


@pytest.mark.parametrize("way", ["leaves", "is kicked", "goes silent"])
def test_who_is_gone_opens_nothing_new(world, way):
    """The member that left goes on receiving bytes: it taps the wire, or the server opens the outer layer for it."""
    ada, ben, cleo = world.room("ada", "ben", "cleo")
    tap = Wiretap(world)
    world.run(0.2)
    ada.talk()
    cleo.talk()
    world.run(5)
    kept, friend = ben.session.seat, cleo.session.seat
    if way == "leaves":
        ben.leave()
    elif way == "is kicked":
        ada.request(Kick(ben.participant, ""))
    else:
        ben.vanish()
        world.run(20)
    gone_at = world.now
    world.run(15)
    assert len(tap.between(gone_at)) > 1400
    opened_outer = [tapped.at for tapped in tap.between(gone_at) if room_plaintext(kept, tapped.data) is not None]
    assert all(at < gone_at + ROOM_KEY_OVERLAP for at in opened_outer)
    late = tap.between(gone_at + SENDER_KEY_OVERLAP)
    for tapped in late[:: len(late) // 40]:
        for packet in packets(room_plaintext(friend, tapped.data)):
            assert not opens_packet(kept, packet)
    assert len(cleo.heard_from(ada)) == len(ada.spoken)


def test_leaves_in_a_row_share_keys_and_cost_no_packet(world):
    clients = world.room(*"abcdefghij", muted=False)
    world.run(0.2)
    talker, listener = clients[0], clients[1]
    talker.talk()
    world.run(1)
    for client in clients[2:]:
        client.leave()
        world.run(0.4)
    world.run(8)
    talker.hush()
    world.run(1)
    assert listener.heard_from(talker) == talker.spoken
    assert not talker.unsent
    assert talker.session.seat.keys.current.number <= 5


def test_many_joins_and_leaves_while_all_talk_cost_those_who_stay_nothing(world):
    ada, ben = world.room("ada", "ben")
    world.run(0.2)
    ada.talk()
    ben.talk()
    for turn in range(9):
        guest = world.client(f"guest {turn}", tcp_delay=0.05)
        world.run(0.7)
        if turn % 3:
            guest.leave()
        world.run(0.4)
    world.run(6)
    ada.hush()
    ben.hush()
    world.run(1)
    assert ben.heard_from(ada) == ada.spoken
    assert ada.heard_from(ben) == ben.spoken


@pytest.mark.parametrize("joins", [5, 12, 40])
def test_a_member_that_was_silent_through_many_joins_is_heard(world, joins):
    """The sender ratchets with each join between two words. Listeners follow, however many words they missed."""
    ada, ben = world.room("ada", "ben")
    world.run(0.2)
    for turn in range(joins):
        ben.block()  # ben misses the word, and the beacons
        ada.say()
        world.run(0.02)
        world.client(f"guest {turn}", microphone=False)
        world.run(0.3)
    ben.unblock()
    world.until(lambda: ben.udp == "ok")
    since = world.now
    ada.say()
    world.run(0.5)
    assert ben.heard_from(ada, since=since) == ada.spoken[-1:]
