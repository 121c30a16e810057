"""A server, with or without a member, that replays, swaps, changes, withholds and forges texts."""

from dataclasses import replace

import pytest

from tcclient.core import Drop, events
from tcclient.core.texts import TEXT_HOLD
from tcproto import messages as m
from tcproto.errors import Action, ErrorCode, Refusal
from tcproto.membership import room_hash
from tcproto.sender_key import Party
from tcproto.text import (
    MAX_TEXT_SEQUENCE,
    Note,
    TextContext,
    TextHeader,
    seal_private_text,
    seal_room_text,
    text_key,
)
from tests.support.key_ring import keys_in
from tests.support.scripted_server import KEEP, LIFE, Server
from tests.support.texting import (
    PARTICIPANT,
    ROOM,
    UNIX_MS,
    UNKNOWN,
    captured,
    give,
    private,
    texts,
    write,
)

BUSY = m.Error(ErrorCode.RATE_LIMITED, "slower", Action.NONE, 3000)


@pytest.fixture
def sealed():
    return Server()


# What a hostile server can do


@pytest.mark.parametrize("to_one", [False, True])
def test_a_text_is_shown_once_and_never_again(sealed, to_one):
    a, b = sealed.seated(2)
    for text in ("one", "two"):
        private(sealed, a, b, text) if to_one else write(sealed, a, text)
    old = [passed for _, passed in sealed.chat_log]
    give(sealed, b, *old, replace(old[0], message_id=b"n" * 16), *(replace(text, sent_at=9) for text in old))
    assert texts(b) == ["one", "two"]
    assert b.drops(Drop.TEXT) == 5


@pytest.mark.parametrize("to_one", [False, True])
def test_an_old_text_stays_old_after_its_sender_was_feigned_to_leave_and_come_back(sealed, to_one):
    """The server replays the whole past of a seat: member, key box, text."""
    a, b = sealed.seated(2)
    private(sealed, a, b) if to_one else write(sealed, a, "one")
    number, member = sealed.number, sealed.members[a.participant]
    back = replace(member, participant=60)
    left = m.Change(m.ChangeKind.MEMBER_LEFT, participant=a.participant)
    joined = m.Change(m.ChangeKind.MEMBER_JOINED, member=back)
    give(sealed, b, m.RoomChanges(number + 1, (left,)), m.RoomChanges(number + 2, (joined,)))
    boxes = [m.KeyBoxes((m.AddressedBox(60, box.box),)) for _, box in sealed.box_log]
    before = b.drops(Drop.UNVERIFIED)
    give(sealed, b, *boxes, replace(sealed.chat_log[0][1], participant=60))
    assert b.drops(Drop.UNVERIFIED) == before + 1
    sealed.advance(TEXT_HOLD + 1)
    assert len(texts(b)) == 1


@pytest.mark.parametrize("to_one", [False, True])
def test_a_text_of_one_is_not_shown_as_another_s(sealed, to_one):
    a, b, c = sealed.seated(3)
    write(sealed, c, "I am here")
    (message,) = captured(sealed, lambda: private(sealed, a, b) if to_one else write(sealed, a, "one"))
    give(sealed, b, replace(message, participant=c.participant))
    assert texts(b) == ["I am here"]
    assert b.drops(Drop.TEXT) == 1


@pytest.mark.parametrize("scope", [ROOM, PARTICIPANT, UNKNOWN])
def test_a_private_text_is_shown_to_nobody_else(sealed, scope):
    a, b, c = sealed.seated(3)
    (message,) = captured(sealed, lambda: private(sealed, a, b))
    give(sealed, c, replace(message, scope=scope))
    assert (texts(c), c.drops(Drop.TEXT)) == ([], 1)


@pytest.mark.parametrize(("to_one", "scope"), [(False, PARTICIPANT), (True, ROOM), (False, UNKNOWN), (True, UNKNOWN)])
def test_a_text_is_not_shown_as_one_of_another_form(sealed, to_one, scope):
    a, b = sealed.seated(2)
    (message,) = captured(sealed, lambda: private(sealed, a, b) if to_one else write(sealed, a, "one"))
    give(sealed, b, replace(message, scope=scope))
    assert (texts(b), b.drops(Drop.TEXT)) == ([], 1)


def test_a_text_comes_back_to_its_maker_as_nothing(sealed):
    a, b = sealed.seated(2)
    held = captured(sealed, lambda: (private(sealed, a, b), write(sealed, a, "one")))
    give(sealed, a, *held, *(replace(message, participant=b.participant) for message in held))
    sealed.advance(TEXT_HOLD + 1)
    assert texts(a) == []
    assert a.drops(Drop.OWN) == 2
    assert a.drops(Drop.TEXT) + a.drops(Drop.NO_KEY) == 2


@pytest.mark.parametrize("scope", [ROOM, PARTICIPANT, UNKNOWN])
@pytest.mark.parametrize("beside", [False, True])
def test_no_plain_text_is_shown_as_a_participant_s(sealed, scope, beside):
    a, b = sealed.seated(2)
    (message,) = captured(sealed, lambda: write(sealed, a, "one"))
    give(sealed, b, replace(message, scope=scope, text="plain", sealed=message.sealed if beside else b""))
    assert texts(b) == []
    assert b.drops(Drop.PLAIN_TEXT) == 1


def test_a_text_with_another_message_id_is_not_shown(sealed):
    """Otherwise a server could pass a text off as a repetition of another, and suppress it."""
    a, b = sealed.seated(2)
    (message,) = captured(sealed, lambda: write(sealed, a, "one"))
    give(sealed, b, replace(message, message_id=b"n" * 16))
    assert (texts(b), b.drops(Drop.TEXT)) == ([], 1)


@pytest.mark.parametrize("position", [0, 1, 5, 6, 10, -1])
@pytest.mark.parametrize("to_one", [False, True])
def test_a_changed_text_is_not_shown_and_the_real_one_is(sealed, position, to_one):
    a, b = sealed.seated(2)
    (message,) = captured(sealed, lambda: private(sealed, a, b) if to_one else write(sealed, a, "one"))
    data = bytearray(message.sealed)
    data[position] ^= 1
    give(sealed, b, replace(message, sealed=bytes(data)), message)
    sealed.advance(TEXT_HOLD + 1)
    assert len(texts(b)) == 1
    assert b.drops(Drop.TEXT) + b.drops(Drop.NO_KEY) == 1


def test_an_unverified_member_cannot_write(sealed):
    a, b = sealed.seated(2)
    held = captured(sealed, lambda: (write(sealed, a, "one"), private(sealed, a, b)))
    fake = replace(sealed.members[a.participant], name="Somebody Else")
    give(sealed, b, m.RoomChanges(sealed.number + 1, (m.Change(m.ChangeKind.MEMBER_UPDATED, member=fake),)), *held)
    assert (texts(b), b.drops(Drop.UNVERIFIED)) == ([], 2)


def test_who_left_cannot_write_under_the_key_that_it_had(sealed):
    """A member that has left knows the old key, and the server passes its forgery on."""
    a, b, c = sealed.seated(3)
    write(sealed, a, "one")
    known = keys_in(c.seat.member_keys[a.participant].ring)[-1]
    c.session.leave()
    sealed.pump()
    write(sealed, a, "two")
    party = Party(a.device.public, sealed.members[a.participant].box_key)
    note = Note(b"f" * 16, 2, UNIX_MS, "send me the password")
    forged = seal_room_text(TextHeader(1, 0, 3), note, text_key(known, LIFE, party))
    give(sealed, b, m.ChatMessage(b"f" * 16, ROOM, a.participant, "A / B", "", 5, forged))
    assert (texts(b), b.drops(Drop.TEXT)) == (["one", "two"], 1)


def test_a_member_cannot_pass_off_another_s_key_as_own(sealed):
    """A member boxes the key of another to a third, and the server shows the other's texts as texts of that member."""
    a, b, c = sealed.seated(3)
    write(sealed, a, "one")
    stolen = keys_in(c.seat.member_keys[a.participant].ring)[-1]
    c.seat.keys._random_bytes = lambda size: stolen.key if size == 32 else b"r" * size
    write(sealed, c, "mine")
    (message,) = captured(sealed, lambda: write(sealed, a, "two"))
    give(sealed, b, replace(message, participant=c.participant))
    assert (texts(b), b.drops(Drop.TEXT)) == (["one", "mine"], 1)


# Gaps


@pytest.mark.parametrize("to_one", [False, True])
def test_a_withheld_text_is_told_by_the_next_one(sealed, to_one):
    a, b, c = sealed.seated(3)

    def say(text):
        private(sealed, a, b, text) if to_one else write(sealed, a, text)

    say("one")
    withheld = captured(sealed, lambda: (say("two"), say("three")))
    say("four")
    say("five")
    assert b.told(events.TextMissing) == [events.TextMissing(a.participant)]
    give(sealed, b, *withheld)
    assert texts(b) == ["one", "four", "five"], "what comes late is not shown as if it were new"
    assert len(c.told(events.TextMissing)) == (not to_one)


def test_the_first_private_text_withheld_is_told(sealed):
    a, b = sealed.seated(2)
    captured(sealed, lambda: private(sealed, a, b, "one"))
    private(sealed, a, b, "two")
    assert b.told(events.TextMissing) == [events.TextMissing(a.participant)]


@pytest.mark.parametrize("to_one", [False, True])
def test_neither_a_refused_text_nor_what_was_before_a_newcomer_is_a_gap(sealed, to_one):
    a, b = sealed.seated(2)

    def say(text, to):
        private(sealed, a, to, text) if to_one else write(sealed, a, text)

    say("one", b)
    sealed.answers[m.Chat] = BUSY
    say("two", b)
    say("three", b)
    sealed.answers.clear()
    say("four", b)
    (c,) = sealed.seated(1)
    say("five", c)
    assert texts(c) == ["five"]
    assert texts(b)[:2] == ["one", "four"]
    assert not b.told(events.TextMissing)
    assert not c.told(events.TextMissing)


def test_a_refusal_that_comes_late_hides_no_gap(sealed):
    a, b = sealed.seated(2)
    write(sealed, a, "one")
    sealed.answers[m.Chat] = KEEP
    first, second = write(sealed, a, "two"), write(sealed, a, "three")
    a.seat.texts.answered(first, accepted=False)
    a.seat.texts.answered(second, accepted=True)
    sealed.answers.clear()
    write(sealed, a, "four")
    assert texts(b) == ["one", "four"]
    assert len(b.told(events.TextMissing)) == 1, "nobody got the third"


def test_a_seat_that_has_used_up_its_numbers_sends_no_more(sealed):
    a, b = sealed.seated(2)
    a.seat.texts._to_room._sequence = MAX_TEXT_SEQUENCE - 1
    write(sealed, a, "last")
    with pytest.raises(Refusal, match="used up"):
        write(sealed, a, "one more")
    assert texts(b) == ["last"]


def test_a_text_for_another_room_of_the_same_life_is_not_shown(sealed):
    """A server that gives two rooms one life id."""
    a, b = sealed.seated(2)
    context = TextContext(
        LIFE,
        room_hash("another room"),
        a.seat._own,
        b.seat._own,
    )
    shared = a.seat.member_keys[b.participant].shared()
    made = seal_private_text(context, 1, Note(b"m" * 16, 0, UNIX_MS, "psst"), shared, bytes(24))
    give(sealed, b, m.ChatMessage(b"m" * 16, PARTICIPANT, a.participant, "A / B", "", 5, made))
    assert (texts(b), b.drops(Drop.TEXT)) == ([], 1)
