import pytest

from tcclient.core import PathState, events
from tcproto import messages as m
from tcproto.beacon import Beacon, ClockMapping


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
