"""Beacons: when they are sent, what they say, and which members are silent."""

import random

import pytest

from tcclient.core import PathState, events
from tcclient.core.membership.beacons import GENERATIONS, BeaconSchedule
from tcclient.core.membership.claims import Claims
from tcclient.core.membership.silence import Silence
from tcproto import messages as m
from tcproto.beacon import Beacon, BeaconContext, ClockMapping, sign_beacon
from tcproto.packet import parse_header
from tcproto.sender_key import SenderKey
from tests.support.scripted_media import payloads
from tests.support.scripted_server import FINGERPRINT, LIFE, Server


def beacons(server, sender, seconds):
    """Return when beacons came from a member, in virtual time."""
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


def hush(server, silent):
    """Let the server drop all beacons of this member."""
    stream = server.members[silent.participant].beacon_stream
    forward = server.forward

    def without(client, packet):
        if int.from_bytes(packet[1:3], "big") != stream:
            forward(client, packet)

    server.forward = without
    return forward


def settled(server, count=2):
    """Return members that have sent all beacons of newcomers."""
    members = server.seated(count)
    server.advance(5)
    return members


def test_everybody_sends_beacons_at_first_often_then_each_ten_seconds(server):
    (a,) = server.seated(1)
    assert beacons(server, a, 24) == [0.0, 1.0, 3.0, 13.0, 23.0]
    number = a.publish()
    server.advance(3)
    a.speak(number)
    times = beacons(server, a, 24)
    assert times == [0.0, 1.0, 3.0, 13.0, 23.0]
    a.session.seat.publishing.unpublish(number)
    assert len(beacons(server, a, 24)) == 2


def test_a_newcomer_hears_from_everybody_within_a_second(server):
    others = settled(server, 4)
    server.advance(random.Random(5).uniform(3, 12))
    newcomer = server.connect().login()
    server.advance(1)
    heard = {i for i, member in newcomer.seat.member_keys.items() if member.claims.sequence >= 0}
    assert heard == {other.participant for other in others}
    told = [c for c in others if c.seat.member_keys[newcomer.participant].claims.sequence >= 0]
    assert told == others


def test_a_newcomer_whose_path_stands_later_hears_from_everybody_then(server):
    others = settled(server, 3)
    newcomer = server.connect()
    newcomer.udp = False
    newcomer.login()
    server.advance(5)
    newcomer.udp = True
    while newcomer.session.seat.path.state is not PathState.OK:
        server.advance(0.05)
    server.advance(1.1)
    assert all(member.claims.sequence >= 0 for member in newcomer.seat.member_keys.values())
    assert len(newcomer.seat.member_keys) == len(others)


def test_beacons_map_the_clocks_of_the_streams(server, pair):
    a, b = pair
    sound, picture = a.publish(), a.publish(m.Kind.VIDEO, m.Source.CAMERA, "vp8")
    a.session.seat.publications.send_audio(sound, b"x", 48_000, server.now, captured_at=90.5)
    a.session.seat.publications.send_video(picture, b"x", 90_000, server.now, keyframe=True)
    server.advance(1.1)
    first, second = (event.stream for event in a.told(events.Published))
    clocks = b.session.seat.member_keys.get(a.participant).clocks
    assert set(clocks) == {first, second}
    assert (clocks[first].timestamp, clocks[first].time) == (48_000, 90_500_000)
    assert clocks[second].timestamp == 90_000
    assert clocks[second].time == pytest.approx(server.now * 1e6, abs=1_200_000)
    assert b.session.seat.member_keys.get(b.participant) is None


def test_clock_mappings_of_foreign_streams_are_ignored():
    claims = Claims()
    mine, foreign = ClockMapping(5, 1, 2), ClockMapping(6, 3, 4)
    claims.receive(Beacon(bytes(16), clocks=(mine, foreign)), {5, 7}, bytes(16), 0.0)
    assert claims.clocks == {5: mine}


def test_members_who_see_the_same_set_are_content(server, pair):
    a, b = pair
    a.publish()
    a.speak()
    server.advance(60)
    for client in (a, b):
        for kind in (events.MembershipMismatch, events.MemberSilent, events.CommitmentMismatch):
            assert not client.told(kind)


def test_a_hidden_member_is_noticed_and_so_is_the_end_of_it(server, pair):
    """The server shows a participant to one member and not to the other; nobody publishes anything."""
    a, b = pair
    c = server.connect().login()
    server.advance(2)
    b.notify(m.RoomChanges(server.number + 1, (m.Change(m.ChangeKind.MEMBER_LEFT, participant=c.participant),)))
    server.pump()
    server.advance(9)
    assert not b.told(events.MembershipMismatch)
    server.advance(40)
    assert b.told(events.MembershipMismatch) == [events.MembershipMismatch(a.participant)]
    assert a.told(events.MembershipMismatch) == [events.MembershipMismatch(b.participant)]
    server.number += 1
    c.session.leave()
    server.pump()
    server.advance(30)
    assert b.told(events.MembershipAgreed) == [events.MembershipAgreed(a.participant)]
    assert len(b.told(events.MembershipMismatch)) == 1


def test_beacons_are_sent_whatever_is_known_of_the_path_and_one_as_soon_as_it_bears_again(server, pair):
    a, _ = pair
    server.advance(30)
    a.udp = False
    server.advance(30)
    assert a.session.seat.path.state is PathState.LOST
    sequence = a.seat.presence.schedule.sequence
    server.advance(30)
    assert a.seat.presence.schedule.sequence >= sequence + 3
    a.udp = True
    server.advance(1.2)
    assert a.session.seat.path.state is PathState.OK
    assert a.seat.presence.schedule.sequence > sequence + 3


def test_beacons_are_sent_where_no_path_seems_to_come_about(server):
    a = server.connect()
    a.udp = False
    a.login()
    server.advance(4.9)
    assert a.session.seat.path.state is PathState.UNKNOWN
    assert a.seat.presence.schedule.sequence == 0
    server.advance(10)
    assert a.session.seat.path.state is PathState.LOST
    assert a.seat.presence.schedule.sequence == 3


def test_a_member_whose_way_down_is_blocked_is_heard_all_the_same(server, pair):
    a, b = pair
    server.advance(30)
    open_down, a.session.receive_datagram = a.session.receive_datagram, lambda *_: None
    server.advance(60)
    assert a.session.seat.path.state is PathState.LOST
    assert not b.told(events.MemberSilent)
    assert not a.told(events.MemberSilent), "who hears nobody cannot tell"
    a.session.receive_datagram = open_down


def test_a_member_without_beacons_is_silent_after_half_a_minute_and_is_heard_again(server):
    a, b = settled(server)
    pass_on = hush(server, b)
    server.advance(25)
    assert not a.told(events.MemberSilent)
    server.advance(15)
    assert a.told(events.MemberSilent) == [events.MemberSilent(b.participant)]
    assert not b.told(events.MemberSilent)
    server.forward = pass_on
    server.advance(10)
    assert a.told(events.MemberHeard) == [events.MemberHeard(b.participant)]
    server.advance(60)
    assert len(a.told(events.MemberSilent)) == len(a.told(events.MemberHeard)) == 1


def test_a_member_that_never_sent_one_is_silent_half_a_minute_after_it_came(server):
    (a,) = settled(server, 1)
    start = server.now
    ghost = server.connect()
    ghost.udp = False
    ghost.login()
    server.advance(29.9)
    assert not a.told(events.MemberSilent)
    server.advance(0.2)
    assert a.told(events.MemberSilent) == [events.MemberSilent(ghost.participant)]
    assert server.now - start == pytest.approx(30.1)


def test_our_own_path_without_datagrams_makes_nobody_silent(server):
    a, b = settled(server)
    a.udp = False
    server.advance(100)
    assert not a.told(events.MemberSilent)
    assert b.told(events.MemberSilent) == [events.MemberSilent(a.participant)]
    a.udp = True
    server.advance(11)
    assert b.told(events.MemberHeard) == [events.MemberHeard(a.participant)]
    server.advance(60)
    assert not a.told(events.MemberSilent)


def test_a_path_that_flutters_does_not_hide_silence():
    silence = Silence()
    silence.path(True, 0.0)
    silence.came(1, 0.0)
    for second in range(0, 50, 10):
        silence.path(True, float(second))
        silence.path(False, second + 5.0)
        assert silence.handle_timeout(2, second + 5.0) == []
    silence.path(True, 50.0)
    found = [at for at in range(500, 600) if silence.handle_timeout(2, at / 10)]
    assert found == [550], "25 s of path had passed"


# Keys


def test_who_is_silent_gets_no_new_keys_and_gets_them_when_heard():
    server = Server()
    a, b, c = server.seated(3)
    a.publish()
    a.speak()
    server.advance(5)
    pass_on = hush(server, b)
    boxes = len(server.box_log)
    server.advance(40)
    assert a.told(events.MemberSilent) == [events.MemberSilent(b.participant)]
    assert {to for to, _ in server.box_log[boxes:]} == {c.participant}, "a new key, as if it had left"
    for client in (b, c):
        client.take_media()
    assert a.seat.keys.current.number == 2, "nobody waits for its receipt"
    a.speak(payload=b"not for the silent")
    assert (payloads(b), payloads(c)) == ([], [b"not for the silent"])
    d = server.connect().login()  # a ratchet of the key that it does not have
    a.speak(payload=b"nor this")
    assert (payloads(b), payloads(c), payloads(d)) == ([], [b"nor this"], [b"nor this"])
    d.session.leave()
    server.pump()
    server.advance(5)
    a.speak(payload=b"nor this new key")
    assert (payloads(b), payloads(c)) == ([], [b"nor this new key"])
    assert b.participant not in {to for to, _ in server.box_log[boxes:]}
    server.forward = pass_on
    server.advance(11)
    b.take_media()
    a.speak(payload=b"welcome back")
    assert payloads(b) == [b"welcome back"]


def test_a_member_that_is_heard_again_gets_its_box_at_once():
    server = Server()
    a, b = server.seated(2)
    a.publish()
    server.advance(5)
    pass_on = hush(server, b)
    server.advance(40)
    assert a.told(events.MemberSilent)
    server.forward, boxes = pass_on, len(server.box_log)
    given(server, b, a, Beacon(a.session.seat.room.member_set_hash()))
    assert {to for to, _ in server.box_log[boxes:]} == {b.participant}, "no time has passed"


def test_a_beacon_carries_a_receiver_to_any_generation():
    server = Server()
    a, b = server.seated(2)
    a.publish()
    a.speak()
    server.deliver = False
    for _ in range(100):
        a.seat.keys.sealing_key(a.seat.publications.live[1].id)
        a.seat.keys.joined(b.participant, server.now)
    server.hold_boxes = []
    server.pump()
    server.deliver = True
    b.take_media()
    assert a.seat.keys.current.generation == 100
    a.speak(payload=b"far ahead")
    assert payloads(b) == []
    server.advance(1)
    a.speak(payload=b"carried along")
    assert payloads(b) == [b"carried along"]


def given(server, sender, receiver, beacon, sequence=1000):
    """Return a beacon of a member with any content."""
    member = server.members[sender.participant]
    seat = BeaconContext(FINGERPRINT, LIFE, member.box_key)
    server.forward(sender, sign_beacon(beacon, member.beacon_stream, sequence, 0, seat, sender.device))
    server.pump()
    return receiver.told(events.CommitmentMismatch)


def test_a_key_other_than_the_one_committed_to_is_told_once():
    server = Server()
    a, b = server.seated(2)
    a.publish()
    a.speak()
    server.advance(5)
    key, members = a.seat.keys.current, a.session.seat.room.member_set_hash()
    good = Beacon(members, key.number, key.generation, key.commitment())
    assert given(server, a, b, good, 1000) == []
    bad = good._replace(commitment=bytes(32))
    assert given(server, a, b, bad, 1001) == [events.CommitmentMismatch(a.participant)]
    assert len(given(server, a, b, bad, 1002)) == 1
    assert len(given(server, a, b, good, 1003)) == 1
    for beacon, sequence in ((good._replace(key_number=2), 1004), (bad._replace(key_number=2), 1005)):
        told = given(server, a, b, beacon, sequence)
    assert len(told) == 2, "two commitments to one key, which we do not even have"
    b.take_media()
    a.speak(payload=b"still heard")
    assert payloads(b) == [b"still heard"], "it is reported, and the user decides"


def test_a_key_that_comes_after_the_beacon_is_compared_when_it_comes():
    server = Server()
    a, b = server.seated(2)
    server.hold_boxes = []
    pass_on = hush(server, a)
    a.publish()
    server.advance(5)
    server.forward = pass_on
    key = a.seat.keys.current
    assert given(server, a, b, Beacon(a.session.seat.room.member_set_hash(), key.number, 0, bytes(32))) == []
    server.pass_box(*server.hold_boxes[0])
    server.pump()
    assert b.told(events.CommitmentMismatch) == [events.CommitmentMismatch(a.participant)]


@pytest.mark.parametrize("later", [(4, 9), (5, 2)])
def test_a_beacon_that_goes_back_to_an_earlier_key_is_told(later):
    server = Server()
    a, b = server.seated(2)
    server.advance(5)
    first = Beacon(a.session.seat.room.member_set_hash(), 5, 3, b"c" * 32)
    assert given(server, a, b, first, 1000) == []
    assert given(server, a, b, first._replace(key_number=later[0], generation=later[1]), 1001)


def test_no_key_is_committed_to_where_there_is_none(server):
    a, b = settled(server)
    number = a.publish()
    a.speak(number)
    server.advance(5)
    committed = b.seat.member_keys[a.participant].claims._committed
    assert committed == (None if not server.e2ee else (1, 0, a.seat.keys.current.commitment()))
    a.session.seat.publishing.unpublish(number)
    server.advance(11)
    assert not b.told(events.CommitmentMismatch)


def test_silence_has_three_intervals_of_the_rooms_size():
    for members, limit in ((2, 30.0), (500, 30.0), (1000, 60.0)):
        silence = Silence()
        silence.path(True, 100.0)
        silence.came(7, 100.0)
        found = next(at for at in range(1000, 2000) if silence.handle_timeout(members, at / 10))
        assert found / 10 == pytest.approx(100 + limit)
        assert silence.silent == {7}
        assert silence.handle_timeout(members, 500.0) == []
        assert silence.heard(7, 500.0)
        assert not silence.heard(7, 500.0)
        silence.left(7)
        assert silence.next_deadline >= 500.0
        assert silence.handle_timeout(members, 5000.0) == []


def test_the_header_names_the_key(server):
    a, _ = settled(server)
    a.publish()
    a.speak()
    seen = []
    forward = server.forward
    server.forward = lambda client, packet: (seen.append(parse_header(packet)), forward(client, packet))
    server.advance(11)
    server.forward = forward
    key = a.seat.keys.current
    named = {(h.key_number, h.generation) for h in seen if h.stream == server.members[a.participant].beacon_stream}
    assert named == {(key.number, key.generation) if server.e2ee else (0, 0)}


def test_beacons_follow_the_key():
    schedule = BeaconSchedule(bytes)
    key = SenderKey(1, 0, bytes(32))
    schedule.begin(-10.0)
    for at in (-10.0, -9.0, -7.0):
        assert schedule.next_deadline == at
        schedule.sent(None, at)
    schedule.key_changed(key, 0.0)
    assert schedule.next_deadline == 0.0
    schedule.sent(key, 0.0)
    schedule.key_changed(key, 0.0)
    assert schedule.next_deadline == 10.0
    schedule.sent(key, 10.0)
    schedule.key_changed(key._replace(generation=GENERATIONS - 1), 11.0)
    assert schedule.next_deadline == 20.0
    schedule.key_changed(key._replace(generation=GENERATIONS), 12.0)
    assert schedule.next_deadline == 12.0
    schedule.sent(key, 12.0)
    schedule.key_changed(key._replace(number=2), 13.0)
    assert schedule.next_deadline == 13.0
