from dataclasses import replace

import pytest

from tcclient.core import AUDIO_ONLY, DEFAULT_SOURCES, Phase, events
from tcclient.core.downlink.subscription import Wishes
from tcclient.core.membership.lives import Lives
from tcproto import messages as m
from tcproto.errors import Action, ErrorCode, Refusal
from tcproto.membership import MemberStatement
from tests.support.scripted_server import CAPS, FINGERPRINT, KEEP, LIFE, Server

BUSY = m.Error(ErrorCode.RATE_LIMITED, "slower", Action.NONE, 3000)


@pytest.fixture
def server():
    return Server()


def test_joining_shows_everybody_and_is_shown_to_everybody(server):
    (first,) = server.seated(1)
    track = first.publish()
    second = server.connect().login()
    joined, *rest = [e for e in second.events if not isinstance(e, events.PathChanged)][3:]
    assert joined == events.Joined(second.participant, server.info, m.Role.SPEAKER, 127)
    assert [type(e) for e in rest[:3]] == [
        events.ParticipantJoined,
        events.ParticipantJoined,
        events.TrackPublished,
    ]
    assert {e.participant.label for e in second.told(events.ParticipantJoined)} == {
        "The Agency / Participant 1",
        "The Agency / Participant 2",
    }
    assert all(e.participant.verified for e in second.told(events.ParticipantJoined))
    assert first.told(events.ParticipantJoined)[-1].participant.id == second.participant
    assert second.told(events.TrackPublished)[0].track.number == track
    assert first.session.seat.room.safety_code() == second.session.seat.room.safety_code()
    (default,) = second.of(m.Subscribe)
    assert default == m.Subscribe(1, DEFAULT_SOURCES)


def test_the_member_signature_covers_the_name_as_the_server_cleaned_it(server):
    (client,) = server.seated(1)
    member = server.members[client.participant]
    statement = MemberStatement(FINGERPRINT, LIFE, "room", "agency", "Participant 1", member.box_key, 1_700_000_000_000)
    assert member.signature == client.device.sign(statement.text())


def test_each_seat_has_a_box_key_of_its_own(server):
    (client,) = server.seated(1)
    before = server.members[client.participant].box_key
    client.session.leave()
    server.pump()
    client.session.join("room", 1)
    server.pump()
    assert server.members[client.participant].box_key != before
    assert [type(e) for e in client.events].count(events.Joined) == 2


@pytest.mark.parametrize(("asked", "found"), [(True, False), (False, True)])
def test_a_room_in_another_mode_is_not_entered(asked, found):
    server = Server(e2ee=asked)
    client = server.connect()
    server.info = replace(server.info, e2ee=found)
    client.login()
    assert [e.code for e in client.told(events.JoinFailed)] == [ErrorCode.MODE_MISMATCH]
    assert not client.of(m.Join)
    assert client.session.phase is Phase.LOBBY


def test_another_room_than_the_one_asked_for_is_not_entered(server):
    server.info = replace(server.info, name="another room")
    client = server.connect().login()
    (closed,) = client.told(events.Closed)
    assert (closed.action, "another room" in closed.text) == (Action.STOP, True)
    assert not client.of(m.Join)


def test_a_room_is_asked_for_as_it_was_typed_and_signed_for_by_its_folded_name(server):
    client = server.connect()
    server.pump()
    client.session.begin_login("agency", client.name)
    server.pump()
    with pytest.raises(ValueError, match="room name"):
        client.session.join("a/b", 0)
    client.session.join("  ROOM ", 0)
    server.pump()
    assert client.of(m.OpenRoom) == [m.OpenRoom("  ROOM ", True)]
    assert client.of(m.Join)[0].name == "room"
    assert client.session.seat.room.members[client.participant].verified


def test_a_life_that_is_over_is_not_entered_again(server):
    lives = Lives()
    first = server.connect(lives=lives).login()
    for _ in range(2):
        first.session.leave()
        server.pump()
        first.session.join("room", 1)
        server.pump()
        assert first.session.phase is Phase.ROOM, "the same meeting goes on"
    old, server.info = server.info, replace(server.info, life=b"another life 123")
    second = server.connect(lives=lives).login()
    assert second.session.phase is Phase.ROOM
    server.info = old
    third = server.connect(lives=lives).login()
    (closed,) = third.told(events.Closed)
    assert (closed.action, "over" in closed.text) == (Action.STOP, True)
    assert not third.of(m.Join)


def test_who_is_shown_otherwise_than_signed_leaves_for_good(server):
    client, other = server.seated(2)
    member = server.members[client.participant]
    gone = m.Change(m.ChangeKind.MEMBER_LEFT, participant=member.participant)
    client.notify(m.RoomChanges(server.number + 1, (gone,)))
    server.pump()
    (closed,) = client.told(events.Closed)
    assert (closed.action, "without us" in closed.text) == (Action.STOP, True)
    other.notify(m.Snapshot(server.number + 1, server.info, (member,), (), True))
    server.pump()
    assert other.told(events.Closed)[0].action is Action.STOP


def test_encryption_off_has_to_be_allowed(server):
    client = server.connect()
    server.pump()
    client.session.begin_login("agency", "Anna")
    server.pump()
    with pytest.raises(Refusal, match="required"):
        client.session.join("room", 0, e2ee=False)
    assert client.session.phase is Phase.LOBBY


@pytest.mark.parametrize("request_class", [m.OpenRoom, m.Join])
def test_a_refused_room_can_be_tried_again(server, request_class):
    server.answers[request_class] = BUSY
    client = server.connect().login()
    assert client.told(events.JoinFailed) == [events.JoinFailed(ErrorCode.RATE_LIMITED, "slower", 3000)]
    server.answers.clear()
    client.session.join("room", 0)
    server.pump()
    assert client.session.phase is Phase.ROOM


def test_leaving(server):
    first, second = server.seated(2)
    gone = second.participant
    second.publish()
    second.session.leave()
    server.pump()
    assert second.told(events.Left)
    assert second.session.phase is Phase.LOBBY
    ended, left = first.events[-2:]
    assert (ended.track.participant, left.participant.id, left.code) == (gone, gone, None)
    second.notify(m.Speakers((1,)))
    second.notify(m.Evicted(ErrorCode.KICKED, "out"))
    server.pump()
    assert not second.told(events.Speakers)
    assert not second.told(events.Evicted)


def test_replies_that_come_after_leaving_change_nothing(server):
    (client,) = server.seated(1)
    for error in (None, BUSY):
        server.answers = {m.Publish: error or m.Published(1, 5, CAPS), m.GetSnapshot: BUSY}
        client.session.seat.publishing.publish(m.Kind.AUDIO, m.Source.MICROPHONE, "opus", server.now)
        client.session.seat.request(m.GetSnapshot())
        client.session.leave()
        server.after = lambda *args: None
        server.pump()
        assert not client.told(events.Published)
        assert not client.told(events.PublishFailed)
        del server.after
        server.answers = {}
        client.session.join("room", 1)
        server.pump()


def test_eviction_leaves_the_login(server):
    first, second = server.seated(2)
    gone = second.participant
    server.evict(second)
    server.pump()
    assert second.told(events.Evicted) == [events.Evicted(ErrorCode.KICKED, "out")]
    assert second.session.phase is Phase.LOBBY
    assert [(e.participant.id, e.code) for e in first.told(events.ParticipantLeft)] == [(gone, ErrorCode.KICKED)]


def test_roles_and_rooms_change(server):
    first, second = server.seated(2)
    chair = replace(server.members[second.participant], role=m.Role.CHAIR)
    server.change(m.Change(m.ChangeKind.MEMBER_UPDATED, member=chair))
    other = replace(server.info, title="Board")
    server.change(m.Change(m.ChangeKind.ROOM_UPDATED, room=other))
    server.pump()
    assert first.told(events.ParticipantUpdated)[0].participant.member.role is m.Role.CHAIR
    assert first.told(events.ParticipantUpdated)[0].participant.verified
    assert first.told(events.RoomUpdated) == [events.RoomUpdated(replace(server.info, title="Board"))]
    assert first.session.seat.room.room.e2ee, "mode and life are fixed"


def test_a_gap_brings_a_new_snapshot_and_only_differences_are_told(server):
    first, second = server.seated(2)
    second.publish()
    before = len(first.events)
    server.number += 5
    server.members[second.participant] = replace(server.members[second.participant], role=m.Role.CHAIR)
    server.change(m.Change(m.ChangeKind.UNKNOWN))
    server.pump()
    assert len(first.of(m.GetSnapshot)) == 1
    assert [type(e) for e in first.events[before:] if not isinstance(e, events.RequestDone)] == [
        events.ParticipantUpdated
    ]
    server.change(m.Change(m.ChangeKind.MEMBER_LEFT, participant=second.participant))
    server.pump()
    assert first.told(events.ParticipantLeft)


def test_a_refused_snapshot_is_asked_for_again(server):
    (client,) = server.seated(1)
    server.answers[m.GetSnapshot] = BUSY
    server.number += 5
    server.change(m.Change(m.ChangeKind.UNKNOWN))
    server.pump()
    server.advance(2.9)
    assert len(client.of(m.GetSnapshot)) == 1
    server.advance(0.2)
    assert len(client.of(m.GetSnapshot)) == 2
    server.answers[m.GetSnapshot] = KEEP
    server.advance(3)
    assert len(client.of(m.GetSnapshot)) == 3
    server.answers.clear()
    server.advance(2)
    assert client.session.seat.room.number == server.number
    server.advance(20)
    assert len(client.of(m.GetSnapshot)) == 4


def test_another_rooms_snapshot_closes_the_session(server):
    (client,) = server.seated(1)
    client.notify(m.Snapshot(1, replace(server.info, life=b"x" * 16), (), (), True))
    server.pump()
    assert client.told(events.Closed)[0].code is ErrorCode.UNEXPECTED_MESSAGE


def test_requests_tell_what_became_of_them(server):
    (client,) = server.seated(1)
    done = client.session.seat.request(m.SetRole(1, m.Role.CHAIR))
    server.pump()
    assert events.RequestDone(done) in client.events
    server.answers[m.Kick] = BUSY
    failed = client.session.seat.request(m.Kick(3, "why"))
    server.pump()
    assert events.RequestFailed(failed, ErrorCode.RATE_LIMITED, "slower", 3000) in client.events


@pytest.mark.parametrize("text", ["x" * 101, "ü" * 51 * 2, "\u20ac" * 67, "a\x00b", "\x1b[2J", "\ud800"])
def test_texts_beyond_the_limits_are_not_sent(server, text):
    (client,) = server.seated(1)
    with pytest.raises(ValueError, match="text has at most"):
        client.session.seat.send_chat(text, 0, server.now)
    server.pump()
    assert not client.of(m.Chat)


def test_subscriptions_have_growing_generations(server):
    (client,) = server.seated(1)
    choice = m.StreamChoice(5, wanted=False)
    client.session.seat.downlink.wish(Wishes(AUDIO_ONLY, (choice,)))
    server.pump()
    assert client.of(m.Subscribe)[-1] == m.Subscribe(2, AUDIO_ONLY, (choice,))


def test_keyframe_requests_are_throttled_per_layer(server):
    (client,) = server.seated(1)
    session = client.session
    assert session.seat.downlink.request_keyframe(5, 0, 1.0)
    assert not session.seat.downlink.request_keyframe(5, 0, 1.49)
    assert session.seat.downlink.request_keyframe(5, 1, 1.49)
    assert session.seat.downlink.request_keyframe(5, 0, 1.5)
    server.pump()
    assert len(client.of(m.KeyframeRequest)) == 3


def test_keyframe_requests_of_others_name_the_publication(server):
    (client,) = server.seated(1)
    number = client.publish(m.Kind.VIDEO, m.Source.CAMERA, "vp8")
    stream = client.told(events.Published)[0].stream
    client.notify(m.KeyframeRequest(stream, 0))
    client.notify(m.KeyframeRequest(9999, 0))
    server.pump()
    assert client.told(events.KeyframeRequested) == [events.KeyframeRequested(number, 0)]
