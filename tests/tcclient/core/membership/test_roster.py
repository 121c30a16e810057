"""The roster of a room: verified members, changes and snapshots."""

from dataclasses import replace

import pytest

from tcclient.core import events
from tcclient.core.membership.distrust import Distrust
from tcclient.core.membership.lives import MAX_BOX_KEYS, BoxKeys
from tcclient.core.membership.roster import MAX_MEMBERS, OwnSeat, RoomState
from tcproto import messages as m
from tcproto.errors import ProtocolError
from tcproto.identity import SigningKey
from tcproto.membership import MemberStatement, member_set_hash
from tests.support.memory import largest_table
from tests.support.scripted_server import FINGERPRINT, LIFE


def member(number, name="Anna", *, life=LIFE, room="room", box=None, seed=None, signed_name=None):
    device = SigningKey((seed or number).to_bytes(4, "big") * 8)
    box_key = box or number.to_bytes(4, "big") * 8
    statement = MemberStatement(FINGERPRINT, life, room, "agency", signed_name or name, box_key, 5)
    signature = device.sign(statement.text())
    return m.Member(
        number,
        "agency",
        "The Agency",
        name,
        m.Role.SPEAKER,
        device.public,
        box_key,
        5,
        signature,
        (1000 + number) & 0xFFFF,
    )


def empty(own=1, box_keys=None):
    """A room in which we are, before the server has sent anything. We publish number 1, a microphone."""
    me = member(own)
    seat = OwnSeat(own, me.account, me.name, me.device_key, me.box_key, me.signed_at, me.signature)
    info = m.RoomInfo("room", LIFE, True, 40)
    return RoomState(info, FINGERPRINT, seat, box_keys or BoxKeys(), lambda info: info.number == 1)


def roster(*members, own=1):
    state = empty(own)
    state.receive_snapshot(m.Snapshot(0, state.room, members, (), True))
    return state


def joined(state, what):
    return state.receive_changes(m.RoomChanges(state.number + 1, (m.Change(m.ChangeKind.MEMBER_JOINED, member=what),)))


def left(state, participant):
    change = m.Change(m.ChangeKind.MEMBER_LEFT, participant=participant)
    return state.receive_changes(m.RoomChanges(state.number + 1, (change,)))


def verified(state):
    return {i for i, participant in state.members.items() if participant.verified}


def test_a_swapped_name_an_old_key_and_a_foreign_room_are_not_verified():
    state = roster(
        member(1),
        member(2),
        member(3, "Mallory", signed_name="Anna"),
        member(4, life=b"another life 123"),
        member(10, room="another room"),
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
    assert verified(state) == {1, 2}
    left(state, 2)
    assert verified(state) == {1}, "it belonged to the seat that is gone"


def test_a_statement_of_a_seat_that_has_ended_is_spent():
    state = roster(member(1), member(2), member(3), member(4), member(5))
    left(state, 2)
    joined(state, member(2))
    joined(state, replace(member(3), box_key=b"n" * 32))
    joined(state, member(3))
    come_back = [
        m.Change(m.ChangeKind.MEMBER_LEFT, participant=4),
        m.Change(m.ChangeKind.MEMBER_JOINED, member=member(4)),
    ]
    state.receive_changes(m.RoomChanges(state.number + 1, tuple(come_back)))
    state.receive_snapshot(m.Snapshot(state.number, state.room, tuple(map(member, (1, 2, 3, 4))), (), True))
    state.receive_snapshot(m.Snapshot(state.number, state.room, tuple(map(member, (1, 2, 3, 4, 5))), (), True))
    assert verified(state) == {1}
    joined(state, member(2, box=b"2" * 32))
    assert verified(state) == {1, 2}, "a new box key is a new seat"


def test_a_statement_is_of_the_participant_that_had_it_first():
    state = roster(member(1), member(3), replace(member(3), participant=4))
    assert verified(state) == {1, 3}
    left(state, 3)
    assert verified(state) == {1}


def test_what_was_spent_stays_spent_when_we_sit_down_again():
    box_keys = BoxKeys()
    first = empty(box_keys=box_keys)
    first.receive_snapshot(m.Snapshot(0, first.room, (member(1), member(2), member(3)), (), True))
    left(first, 2)
    again = empty(own=7, box_keys=box_keys)
    again.receive_snapshot(m.Snapshot(1, again.room, (member(7), member(2), member(3)), (), True))
    assert verified(again) == {3, 7}


def test_box_keys_are_remembered_up_to_a_bound_and_never_forgotten():
    box_keys = BoxKeys()
    for number in range(MAX_BOX_KEYS - 1):
        assert box_keys.belongs(number.to_bytes(32, "big"), number)
    state = empty(own=70_000, box_keys=box_keys)
    state.receive_snapshot(m.Snapshot(0, state.room, (member(70_000),), (), True))
    joined(state, member(71_000))
    assert verified(state) == {70_000}, "refused, rather than that another one is forgotten"
    assert not box_keys.belongs(bytes(32), 1)
    assert box_keys.belongs(bytes(32), 0)


OWN = member(1)
PUBLISHED = m.PublicationInfo(1, 1, 500, m.Kind.AUDIO, m.Source.MICROPHONE, "opus")
STATES = {
    "without us": ((), ()),
    "account": ((replace(OWN, account="other"),), ()),
    "name": ((replace(OWN, name="Mallory"),), ()),
    "device key": ((replace(OWN, device_key=b"x" * 32),), ()),
    "box key": ((replace(OWN, box_key=b"x" * 32),), ()),
    "time": ((replace(OWN, signed_at=6),), ()),
    "signature": ((replace(OWN, signature=bytes(64)),), ()),
    "signed by us at another time": ((member(1, box=b"o" * 32),), ()),
    "another device as us": ((member(1, seed=9),), ()),
    "twice": ((OWN, replace(OWN, participant=8, name="Anna 2")), ()),
    "a publication that is not ours": ((OWN,), (replace(PUBLISHED, number=2),)),
}


@pytest.mark.parametrize("state", STATES)
def test_no_state_is_believed_in_which_our_seat_is_not_as_we_signed_it(state):
    members, publications = STATES[state]
    room = roster(OWN, member(2))
    page = m.Snapshot(5, room.room, (*members, member(2)), publications, True)
    with pytest.raises(Distrust, match=r"us|our|ours"):
        room.receive_snapshot(page)
    with pytest.raises(Distrust, match=r"us|our|ours"):
        empty().receive_snapshot(page)
    changes = [m.Change(m.ChangeKind.MEMBER_UPDATED, member=one) for one in members]
    changes += [m.Change(m.ChangeKind.PUBLISHED, publication=info) for info in publications]
    changes = changes or [m.Change(m.ChangeKind.MEMBER_LEFT, participant=1)]
    room = roster(OWN, member(2))
    with pytest.raises(Distrust, match=r"us|our|ours"):
        room.receive_changes(m.RoomChanges(1, tuple(changes)))


def test_what_the_server_may_say_of_us():
    state = roster(OWN)
    chair = replace(OWN, role=m.Role.CHAIR, agency="Another Agency", permissions=3)
    (updated,) = joined(state, chair)
    assert updated.participant.verified
    published = m.Change(m.ChangeKind.PUBLISHED, publication=PUBLISHED)
    state.receive_changes(m.RoomChanges(state.number + 1, (published,)))
    joined(state, replace(OWN, participant=8, device_key=b"x" * 32))
    assert verified(state) == {1}


@pytest.mark.parametrize("field", [{"name": "another"}, {"life": b"another life 123"}, {"e2ee": False}])
def test_the_room_stays_the_one_that_we_entered(field):
    state = roster(OWN)
    other = replace(state.room, **field)
    with pytest.raises(Distrust, match="room"):
        state.receive_snapshot(m.Snapshot(5, other, (OWN,), (), True))
    with pytest.raises(Distrust, match="room"):
        state.receive_changes(m.RoomChanges(1, (m.Change(m.ChangeKind.ROOM_UPDATED, room=other),)))


def test_a_new_key_in_an_old_seat_is_another_participant():
    state = roster(member(1), member(2))
    gone, came = joined(state, replace(member(2, box=b"n" * 32)))
    assert (type(gone), type(came)) == (events.ParticipantLeft, events.ParticipantJoined)
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
    (gone,) = state.receive_changes(m.RoomChanges(1, both))
    assert gone.participant.id == 2
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


@pytest.mark.parametrize("copy", [2, 900])
def test_of_those_with_one_box_key_the_first_of_the_snapshot_has_it(copy):
    """Participant numbers are random: they do not show which seat had the key first."""
    owner, copied = member(50), replace(member(copy, box=member(50).box_key), account="agency")
    state = roster(owner, copied, member(1))
    assert verified(state) == {1, 50}
    left(state, copy)
    assert verified(state) == {1, 50}, "and it is not spent by who only copied it"


def test_the_member_set_is_that_of_all_seats():
    state = roster(member(1), member(2))
    seats = [("agency", member(i).device_key, member(i).box_key) for i in (2, 1)]
    assert state.member_set_hash() == member_set_hash(LIFE, "room", seats)


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


def test_pages_of_a_snapshot_are_put_together_as_they_come():
    """In any order, again and again: each page counts once, and a page of another snapshot begins again."""
    state = empty()
    page = m.Snapshot(7, state.room, tuple(member(i) for i in range(1, 40)), (), False)
    assert state.receive_snapshot(replace(page, number=6, members=(member(77),))) is None
    for _ in range(3 * MAX_MEMBERS):
        assert state.receive_snapshot(page) is None
    assert largest_table(state) == 39
    assert state.receive_snapshot(replace(page, members=(member(50),), last=True)) is not None
    assert set(state.members) == {*range(1, 40), 50}
    state.receive_snapshot(replace(page, number=8, members=(member(1),), last=True))
    assert set(state.members) == {1}, "nothing of the one before is left"


def test_changes_are_ignored_until_the_snapshot_is_complete():
    state = empty()
    assert state.receive_changes(m.RoomChanges(1, (m.Change(m.ChangeKind.MEMBER_JOINED, member=member(2)),))) == []
    state.receive_snapshot(m.Snapshot(1, state.room, (member(1),), (), True))
    assert set(state.members) == {1}


def test_kinds_of_a_later_version_have_no_stream():
    state = roster(member(1), member(2))
    info = m.PublicationInfo(2, 1, 500, m.Kind.UNKNOWN, m.Source.UNKNOWN, "new")
    (published,) = state.receive_changes(m.RoomChanges(1, (m.Change(m.ChangeKind.PUBLISHED, publication=info),)))
    assert published.track == info
    assert 500 not in state.streams
