"""Bytes that were replayed, changed and invented: by the network, by the server, by a member."""

import pytest

from tcclient.core import Drop
from tcproto.datagram import Kind, parse_header
from tests.support.simulation.wiretap import Wiretap, forge_room, packets, room_plaintext


def conversation(world, names=("ada", "ben", "cleo"), seconds=2):
    clients = world.room(*names)
    tap = Wiretap(world)
    world.run(0.2)
    clients[0].talk()
    world.run(seconds)
    return *clients, tap


def test_datagrams_that_are_played_back_are_delivered_once(world):
    ada, ben, _, tap = conversation(world)
    heard = len(ben.heard)
    for tapped in tap.between(0):
        ben.receive_datagram(tapped.data)
    assert len(ben.heard) == heard
    own = ben.session.drops[Drop.OWN]  # his beacon, which was never sent to him
    assert own <= 1
    assert ben.session.drops[Drop.REPLAY] == len(tap.datagrams) - own
    world.run(5)
    ada.hush()
    world.run(1)
    assert ben.heard_from(ada) == ada.spoken


def test_packets_in_new_datagrams_of_a_hostile_server_are_delivered_once(world):
    """The outer counters are new, so only the end-to-end layer can tell."""
    ada, ben, cleo, tap = conversation(world)
    heard = len(ben.heard)
    (room,) = world.server.plane.rooms.values()
    for tapped in tap.between(0):
        plaintext = room_plaintext(cleo.session.seat, tapped.data)
        ben.receive_datagram(room.sealer.seal(plaintext, world.now))
    assert len(ben.heard) == heard
    assert ben.session.drops[Drop.PACKET_REFUSED] >= len(tap.datagrams) - 2
    ada.hush()
    world.run(1)
    ada.talk()
    world.run(1)
    ada.hush()
    world.run(1)
    assert ben.heard_from(ada) == ada.spoken


def test_old_packets_stay_dead_over_key_changes(world):
    """A hostile server holds packets back, and replays them after a ratchet, after a new key, and after an hour."""
    ada, ben, cleo, tap = conversation(world)
    kept = [room_plaintext(cleo.session.seat, tapped.data) for tapped in tap.between(0)]
    (room,) = world.server.plane.rooms.values()
    ada.hush()

    def play():
        before = len(ben.heard)
        for plaintext in kept:
            ben.receive_datagram(room.sealer.seal(plaintext, world.now))
        assert len(ben.heard) == before

    world.client("dora", microphone=False)
    world.run(1)
    ada.say()
    world.run(0.5)
    play()
    cleo.leave()
    world.run(6)
    ada.say()
    world.run(0.5)
    play()
    world.run(700)
    ada.say()
    world.run(0.5)
    play()
    assert ben.heard_from(ada) == ada.spoken


@pytest.mark.parametrize("distance", [1000, 8191, 100_000, 2**40])
def test_a_member_that_forges_far_counters_silences_nobody(world, distance):
    """A member that knows the room key can send as the server. Its datagrams must not push honest ones out."""
    ada, ben, cleo, tap = conversation(world)
    cleo_seat = cleo.session.seat
    highest = max(parse_header(tapped.data).counter for tapped in tap.datagrams)
    since = world.now
    for step in range(50):
        ben.receive_datagram(forge_room(cleo_seat, highest + distance + step))
    world.run(5)
    ada.hush()
    world.run(1)
    heard = ben.heard_from(ada, since=since)
    assert heard == ada.spoken[-len(heard) :]
    taken = 50 if distance < 8191 else 0  # the counters of the forged ones are spent
    assert len(heard) >= 250 - taken
    assert ben.heard_from(ada)[-100:] == ada.spoken[-100:]


def test_a_member_cannot_speak_in_the_name_of_another(world):
    """A member knows the room key and all sender keys that it was given.

    Packets of other members that it changed are refused.
    """
    ada, ben, cleo, tap = conversation(world)
    ada.hush()
    world.run(0.5)
    genuine = packets(room_plaintext(cleo.session.seat, tap.datagrams[-1].data))[0]
    before = len(ben.heard)
    (sealer,) = world.server.plane.rooms.values()
    counter = sealer.sealer.counter + 10
    for bit in range(0, 8 * len(genuine), 3):
        changed = bytearray(genuine)
        changed[bit // 8] ^= 1 << bit % 8
        ben.receive_datagram(forge_room(cleo.session.seat, counter + bit, bytes(changed)))
    assert len(ben.heard) == before


def test_no_bit_of_a_datagram_can_be_changed(world):
    ada, ben, _, tap = conversation(world)
    ada.hush()
    world.run(1.5)  # between two beacons
    ben.down.change(blocked=True)
    ada.say()
    world.run(0.1)
    genuine = tap.datagrams[-1].data
    assert parse_header(genuine).kind == Kind.ROOM
    heard = len(ben.heard)
    for bit in range(8 * len(genuine)):
        changed = bytearray(genuine)
        changed[bit // 8] ^= 1 << bit % 8
        ben.receive_datagram(bytes(changed))
    assert len(ben.heard) == heard
    ben.receive_datagram(genuine)
    assert len(ben.heard) == heard + 1, "and it is still good afterwards"


def test_what_a_client_sends_cannot_be_played_back_to_the_server(world):
    ada, ben = world.room("ada", "ben")
    world.run(0.2)
    captured = []
    forward, address = world.server.receive, ada.address
    world.server.receive = lambda data, source: (captured.append((data, source)), forward(data, source))
    ada.rebind()
    ada.talk()
    world.run(2)
    ada.hush()
    world.run(1)
    world.server.receive = forward
    sealed = world.server.plane.counters.sealed
    for data, source in captured:
        forward(data, source)
        forward(data, address)
    assert world.server.plane.counters.sealed == sealed
    world.run(1)
    ada.say()
    world.run(1)
    assert ben.heard_from(ada)[-1] == ada.spoken[-1]


def test_a_publisher_that_floods_is_capped_and_others_are_not(world):
    ada, ben, cleo, _ = conversation(world)
    for _ in range(3):
        for _ in range(400):
            cleo.say()
        world.run(1)
    ada.hush()
    world.run(1)
    assert len(ben.heard_from(cleo)) < 600
    assert ben.heard_from(ada) == ada.spoken
