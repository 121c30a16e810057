"""A server that lies, and a member that says different things to different members: refused, or shown."""

from dataclasses import replace

import pytest

from tcclient.core import Drop, events
from tcclient.core.membership.lives import Lives
from tcproto import messages as m
from tcproto.errors import Action
from tcproto.sender_key import OpenedBox, seal_key_box
from tests.support.scripted_media import packet_in, payloads
from tests.support.scripted_server import LIMITS, Server

WARNINGS = (events.MembershipMismatch, events.MemberSilent, events.CommitmentMismatch, events.Closed)


def warned(client):
    """Return the events that warn the user of a client."""
    return [event for event in client.events if isinstance(event, WARNINGS)]


def stopped(client):
    """Return why a client left this server; empty if it did not."""
    return [event.text for event in client.told(events.Closed) if event.action is Action.STOP]


def named(server, name):
    """Let a client with this name enter."""
    client = server.connect()
    client.name = name
    return client.login()


def gossip(server, other, seconds):
    """Let time pass on both servers."""
    for _ in range(round(seconds / 0.5)):
        server.advance(0.5)
        other.advance(0.5)


def two_rooms():
    """Two servers that act as one, with the same key, room and life.

    Each has one victim and one session of the server's own. The server's sessions are honest clients with the name of
    the other victim. What one receives, the other sends.
    """
    one, two = Server(), Server()
    ada = named_with(one, "ada", b"1")
    false_ben = named_with(one, "ben", b"2")
    ben = named_with(two, "ben", b"3")
    false_ada = named_with(two, "ada", b"4")
    return one, two, ada, false_ben, ben, false_ada


def named_with(server, name, seed):
    client = server.connect()
    client.name = name
    client.device = type(client.device)(seed * 32)
    client.session._device = client.session._login._device = client.device
    client.random.seed(seed)
    return client.login()


def test_in_the_middle_with_false_others_the_safety_codes_differ():
    """Each victim sees itself as it is, and a stranger with the other's name.

    Only the device differs: in the code and the pins.
    """
    one, two, ada, false_ben, ben, false_ada = two_rooms()
    for client in (ada, false_ben, ben, false_ada):
        client.publish()
    gossip(one, two, 60)
    ada.speak(payload=b"to ben alone")
    (heard,) = [packet for packet in false_ben.take_media() if packet.payload]
    false_ada.speak(payload=heard.payload)
    assert payloads(ben) == [b"to ben alone"], "it sits in the middle"
    assert not warned(ada)
    assert not warned(ben)
    assert ada.session.seat.room.safety_code() != ben.session.seat.room.safety_code()


@pytest.mark.parametrize("way", ["snapshot", "change"])
def test_in_the_middle_with_false_copies_of_both_nobody_stays(way):
    """To make the codes equal, the server must also show each victim a false copy of the victim itself."""
    one, two, ada, false_ben, ben, false_ada = two_rooms()
    copies = {
        "ada": two.members[false_ada.participant],
        "ben": one.members[false_ben.participant],
    }
    for server, victim in ((one, ada), (two, ben)):
        false = [
            replace(copies[name], participant=participant)
            for participant, name in ((p, member.name) for p, member in server.members.items())
        ]
        if way == "snapshot":
            victim.notify(m.Snapshot(server.number + 1, server.info, tuple(false), (), True))
        else:
            changes = tuple(m.Change(m.ChangeKind.MEMBER_UPDATED, member=member) for member in false)
            victim.notify(m.RoomChanges(server.number + 1, changes))
        server.pump()
        (why,) = stopped(victim)
        assert "otherwise than we signed" in why
        assert not victim.speak()


def test_nobody_signs_another_ones_name():
    server = Server()
    server.answers[m.Login] = m.Welcome(1, "another", "Another Agency", "Chair", b"t" * 32, LIMITS)
    victim = server.connect()
    server.pump()
    victim.session.begin_login("agency", "ada")
    server.pump()
    (why,) = stopped(victim)
    assert "somebody else" in why
    assert not victim.of(m.OpenRoom)
    assert not victim.of(m.Join)


def test_speech_is_not_played_back_after_a_feigned_leave_and_join():
    """The server keeps the key box and the datagrams of a sentence, and lets its speaker join again."""
    server = Server()
    a, b = server.seated(2)
    a.publish()
    server.advance(5)
    start = len(server.forwarded)
    for _ in range(5):
        a.speak(payload=b"yes, I agree")
    assert len(payloads(b)) == 5
    recorded = server.forwarded[start:]
    member = server.members[a.participant]
    info = next(iter(server.publications.values()))
    (box,) = [passed for to, passed in server.box_log if to == b.participant]
    server.number += 3
    feigned = (
        m.Change(m.ChangeKind.MEMBER_LEFT, participant=a.participant),
        m.Change(m.ChangeKind.MEMBER_JOINED, member=member),
        m.Change(m.ChangeKind.PUBLISHED, publication=info),
    )
    for number, change in enumerate(feigned, server.number - 2):
        b.notify(m.RoomChanges(number, (change,)))
    b.notify(m.KeyBoxes((box,)))
    server.pump()
    for data in recorded:
        packet = packet_in(server, data)
        server.forward(a, packet)
    b.collect()
    assert payloads(b) == []
    assert b.drops(Drop.UNVERIFIED) == 5
    assert not b.session.seat.room.members[a.participant].verified
    assert b.told(events.ParticipantJoined)[-1].participant.verified is False
    replayed = replace(member, participant=99)
    b.notify(m.RoomChanges(server.number + 1, (m.Change(m.ChangeKind.MEMBER_JOINED, member=replayed),)))
    server.pump()
    assert not b.session.seat.room.members[99].verified, "nor in another seat"


def test_a_ghost_is_silent_after_half_a_minute_and_gets_no_new_keys():
    """A participant left before the newcomer came. The server goes on showing its seat, with its true statement."""
    server = Server()
    _, ghost = server.seated(2)
    member = server.members[ghost.participant]
    ghost.session.leave()
    server.pump()
    server.members[member.participant] = member
    newcomer = server.connect().login()
    newcomer.publish()
    assert newcomer.session.seat.room.members[member.participant].verified
    server.advance(29)
    assert not newcomer.told(events.MemberSilent)
    server.advance(3)
    assert newcomer.told(events.MemberSilent) == [events.MemberSilent(member.participant)]
    boxes = len(server.box_log)
    server.advance(5)
    server.seated(1)
    server.advance(700)
    assert member.participant not in {to for to, _ in server.box_log[boxes:]}
    assert newcomer.told(events.MembershipMismatch), "and who is really there does not know it"


@pytest.mark.parametrize("drops_beacons", [False, True])
def test_a_forked_room_is_shown_whatever_the_server_does_with_beacons(drops_beacons):
    """One of three is hidden from another. The server passes the beacons between those two views, or drops them."""
    server = Server()
    a, b, c = server.seated(3)
    server.advance(5)
    gone = m.Change(m.ChangeKind.MEMBER_LEFT, participant=c.participant)
    b.notify(m.RoomChanges(server.number + 1, (gone,)))
    server.pump()
    streams = {server.members[client.participant].beacon_stream for client in (a, b)}
    forward = server.forward
    if drops_beacons:
        server.forward = lambda client, packet: (
            None if int.from_bytes(packet[1:3], "big") in streams else forward(client, packet)
        )
    server.advance(45)
    kind = events.MemberSilent if drops_beacons else events.MembershipMismatch
    assert kind(a.participant) in b.told(kind)
    assert kind(b.participant) in a.told(kind)


def test_two_rooms_are_not_one():
    """A client enters only the room of its link. A member of another room is not verified in this one."""
    server = Server()
    server.info = replace(server.info, name="the other room")
    victim = named(server, "ada")
    assert "another room" in stopped(victim)[0]
    assert not victim.of(m.Join)
    server, other = Server(), Server()
    other.info = replace(other.info, name="the other room")
    _, stranger = other.connect(), other.connect()
    other.pump()
    stranger.session.begin_login("agency", stranger.name)
    other.pump()
    stranger.session.join("the other room", 0)
    other.pump()
    member = other.members[stranger.participant]
    (b,) = server.seated(1)
    b.notify(
        m.RoomChanges(
            1 + server.number, (m.Change(m.ChangeKind.MEMBER_JOINED, member=replace(member, participant=50)),)
        )
    )
    server.pump()
    assert not b.session.seat.room.members[50].verified, "the same life, and another room"


def test_a_life_that_is_over_does_not_come_back():
    """Statements of a meeting of yesterday are good for the life of that meeting. A server begins this life again."""
    server, lives = Server(), Lives()
    client = server.connect(lives=lives).login()
    yesterday, server.info = server.info, replace(server.info, life=b"life of tomorrow")
    client.session.leave()
    server.pump()
    assert server.connect(lives=lives).login().participant
    server.info = yesterday
    again = server.connect(lives=lives).login()
    assert "over" in stopped(again)[0]
    assert not again.of(m.Join)


def test_a_member_that_gives_two_members_two_keys_is_told_of_by_one_of_them():
    server = Server()
    a, b, c = server.seated(3)
    keys, others = a.seat.keys, a.seat.member_keys
    box = keys._box

    def two_faced(participant, key):
        if participant != c.participant:
            return box(participant, key)
        other = OpenedBox(key._replace(key=bytes(32)), ())
        context = others[participant]._context._replace(sender=a.seat._own, recipient=others[participant].party)
        sealed = seal_key_box(context, other, others[participant].shared(), bytes(24))
        keys._boxes.append(m.AddressedBox(participant, sealed))
        return True

    keys._box = two_faced
    a.publish()
    server.advance(15)
    assert c.told(events.CommitmentMismatch) == [events.CommitmentMismatch(a.participant)]
    assert not b.told(events.CommitmentMismatch)
