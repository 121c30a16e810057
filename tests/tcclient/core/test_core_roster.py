"""The roster of a room: who is verified, changes and snapshots."""

from dataclasses import replace

import pytest

from tcclient.core import events
from tcclient.core.roster import MAX_MEMBERS, RoomState
from tcproto import messages as m
from tcproto.errors import ProtocolError
from tcproto.identity import SigningKey
from tcproto.membership import MemberStatement, member_set_hash
from tests.tcclient.core.scripted_server import FINGERPRINT, LIFE


def member(number, name="Anna", *, life=LIFE, box=None, seed=None, signed_name=None):
    device = SigningKey(bytes([seed or number]) * 32)
    box_key = box or bytes([number]) * 32
    statement = MemberStatement(FINGERPRINT, life, "agency", signed_name or name, box_key, 5)
    signature = device.sign(statement.text())
    return m.Member(
        number, "agency", "The Agency", name, m.Role.SPEAKER, device.public, box_key, 5, signature, 1000 + number
    )


def roster(*members, own=1):
    state = RoomState(m.RoomInfo("room", LIFE, True, 40), FINGERPRINT, own)
    state.receive_snapshot(m.Snapshot(0, state.room, members, (), True))
    return state


def joined(state, what):
    return state.receive_changes(m.RoomChanges(state.number + 1, (m.Change(m.ChangeKind.MEMBER_JOINED, member=what),)))


def verified(state):
    return {i for i, participant in state.members.items() if participant.verified}


def test_a_swapped_name_an_old_key_and_a_foreign_room_are_not_verified():
    state = roster(
        member(1),
        member(2),
        member(3, "Mallory", signed_name="Anna"),
        member(4, life=b"another life 123"),
        replace(member(5), box_key=b"x" * 32),
        replace(member(6), signed_at=6),
        replace(member(7), account="other"),
        replace(member(8), signature=bytes(64)),
        replace(member(9), device_key=bytes(32)),
    )
    assert verified(state) == {1, 2}


def test_a_statement_that_is_played_back_in_another_seat_is_not_verified():
    state = roster(member(1), member(2))
    joined(state, replace(member(2), participant=7))
    joined(state, replace(member(1), participant=8))
    assert verified(state) == {1, 2}
    assert verified(roster(replace(member(9), participant=0), member(9), own=9)) == {9}


def test_a_new_key_in_an_old_seat_is_another_participant():
    state = roster(member(1), member(2))
    left, came = joined(state, replace(member(2, box=b"n" * 32)))
    assert (type(left), type(came)) == (events.ParticipantLeft, events.ParticipantJoined)
    assert came.participant.verified


def test_a_new_name_needs_a_new_signature():
    state = roster(member(1), member(2))
    (updated,) = joined(state, replace(member(2), name="Eve"))
    assert not updated.participant.verified
    (updated,) = joined(state, member(2, "Eve"))
    assert updated.participant.verified


def test_changes_count_even_if_unknown_or_incomplete():
    state = roster(member(1))
    kinds = [*m.ChangeKind, m.ChangeKind.UNKNOWN]
    assert state.receive_changes(m.RoomChanges(1, tuple(m.Change(kind) for kind in kinds))) == []
    unpublished = m.Change(m.ChangeKind.UNPUBLISHED, participant=1)
    state.receive_changes(m.RoomChanges(state.number + 1, (unpublished,)))
    assert state.number == len(kinds) + 1
    assert not state.needs_snapshot


def test_changes_that_the_snapshot_has_already_are_skipped():
    state = roster(member(1))
    joined(state, member(2))
    both = (m.Change(m.ChangeKind.MEMBER_LEFT, participant=1), m.Change(m.ChangeKind.MEMBER_LEFT, participant=2))
    (left,) = state.receive_changes(m.RoomChanges(1, both))
    assert left.participant.id == 2
    assert state.receive_changes(m.RoomChanges(1, both)) == []


def test_pages_of_an_older_snapshot_are_dropped():
    state = roster(member(1))
    state.receive_snapshot(m.Snapshot(5, state.room, (member(2),), (), False))
    state.receive_snapshot(m.Snapshot(6, state.room, (member(1),), (), True))
    assert set(state.members) == {1}


def test_publications_without_a_member_are_not_shown():
    state = roster(member(1))
    info = m.PublicationInfo(9, 1, 500, m.Kind.AUDIO, m.Source.MICROPHONE, "opus")
    assert state.receive_changes(m.RoomChanges(1, (m.Change(m.ChangeKind.PUBLISHED, publication=info),))) == []
    assert 500 not in state.streams


def test_the_member_set_is_that_of_all_seats():
    state = roster(member(1), member(2))
    seats = [("agency", member(i).device_key, member(i).box_key) for i in (2, 1)]
    assert state.member_set_hash() == member_set_hash(LIFE, seats)


def test_a_room_larger_than_the_bounds_is_an_error():
    one = member(2)
    crowd = tuple(replace(one, participant=100 + i) for i in range(MAX_MEMBERS))
    state = roster(member(1))
    page = m.Snapshot(7, state.room, crowd, (), False)
    assert state.receive_snapshot(page) is None
    with pytest.raises(ProtocolError, match="larger"):
        state.receive_snapshot(replace(page, members=(one,)))
    state = roster(member(1))
    changes = tuple(m.Change(m.ChangeKind.MEMBER_JOINED, member=somebody) for somebody in crowd)
    with pytest.raises(ProtocolError, match="larger"):
        state.receive_changes(m.RoomChanges(1, changes))


def test_changes_are_ignored_until_the_snapshot_is_complete():
    state = RoomState(m.RoomInfo("room", LIFE, True, 40), FINGERPRINT, 1)
    assert state.receive_changes(m.RoomChanges(1, (m.Change(m.ChangeKind.MEMBER_JOINED, member=member(2)),))) == []
    state.receive_snapshot(m.Snapshot(1, state.room, (member(1),), (), True))
    assert set(state.members) == {1}


def test_kinds_of_a_later_version_have_no_stream():
    state = roster(member(1), member(2))
    info = m.PublicationInfo(2, 1, 500, m.Kind.UNKNOWN, m.Source.UNKNOWN, "new")
    (published,) = state.receive_changes(m.RoomChanges(1, (m.Change(m.ChangeKind.PUBLISHED, publication=info),)))
    assert published.track == info
    assert 500 not in state.streams
