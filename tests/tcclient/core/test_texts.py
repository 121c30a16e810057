"""Texts of a seat: recipients, keys, and texts that wait."""

from dataclasses import replace

import pytest

from tcclient.core import Drop, events
from tcclient.core.texts import MAX_COUNTED, MAX_HELD_TEXTS, MAX_SHOWN_TEXTS, TEXT_HOLD, ShownTexts
from tcclient.core.timers import NEVER
from tcproto import messages as m
from tcproto.errors import Action, ErrorCode, Refusal
from tcproto.text import (
    TextHeader,
    parse_text_header,
)
from tests.support.memory import largest_table
from tests.support.scripted_server import Server
from tests.support.texting import (
    PARTICIPANT,
    ROOM,
    SERVER,
    UNIX_MS,
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


@pytest.fixture
def bare():
    return Server(e2ee=False)


# What members read


def test_text_of_a_sealed_room_reaches_all_and_the_server_has_none_of_it(sealed):
    a, b, c = sealed.seated(3)
    message_id = write(sealed, a, "halo\nsemua 😀")
    received = events.ChatReceived(
        a.participant, "The Agency / Participant 1", "halo\nsemua 😀", ROOM, UNIX_MS, message_id, True
    )
    assert b.told(events.ChatReceived) == c.told(events.ChatReceived) == [received]
    assert a.told(events.ChatSent) == [events.ChatSent(message_id, 5)]
    ((asked, _),) = sealed.chat_log
    assert (asked.text, asked.participant) == ("", 0)
    assert b"halo" not in asked.sealed
    assert not a.told(events.ChatReceived)


def test_private_text_reaches_one_and_makes_no_sender_key(sealed):
    a, b, c = sealed.seated(3)
    message_id = private(sealed, a, b)
    received = events.ChatReceived(
        a.participant, "The Agency / Participant 1", "psst", PARTICIPANT, UNIX_MS, message_id, True
    )
    assert b.told(events.ChatReceived) == [received]
    assert not c.told(events.ChatReceived)
    assert not sealed.box_log
    assert b"psst" not in sealed.chat_log[0][0].sealed
    private(sealed, b, a, "yes?")
    assert texts(a) == ["yes?"]


def test_text_of_a_bare_room_is_plain_and_marked_so(bare):
    a, b = bare.seated(2)
    message_id = write(bare, a, "<b>")
    assert b.told(events.ChatReceived) == [events.ChatReceived(a.participant, "A / B", "<b>", ROOM, 5, message_id)]
    private(bare, a, b)
    assert texts(b) == ["<b>", "psst"]
    give(bare, b, bare.chat_log[0][1])
    assert texts(b) == ["<b>", "psst"], "shown once"
    give(bare, b, replace(bare.chat_log[0][1], text="", sealed=b"x"))
    assert b.drops(Drop.TEXT) == 1


def test_the_name_shown_is_the_signed_one(sealed):
    a, b = sealed.seated(2)
    (message,) = captured(sealed, lambda: write(sealed, a, "halo"))
    give(sealed, b, replace(message, name="Somebody / Else", sent_at=7))
    (received,) = b.told(events.ChatReceived)
    assert (received.name, received.sent_at) == ("The Agency / Participant 1", UNIX_MS)


@pytest.mark.parametrize("e2ee", [True, False])
def test_a_notice_is_plain_in_any_room_and_nobody_s(e2ee):
    server = Server(e2ee)
    a, b = server.seated(2)
    asked = captured(server, lambda: write(server, a, "maintenance at nine", SERVER))
    assert (asked[0].text, asked[0].sealed) == ("maintenance at nine", b"")
    give(server, b, replace(asked[0], participant=a.participant))
    (received,) = b.told(events.ChatReceived)
    assert (received.participant, received.scope, received.sealed) == (0, SERVER, False)


def test_outside_of_a_room_only_notices_are_shown(sealed):
    a, b = sealed.seated(2)
    held = captured(sealed, lambda: write(sealed, a, "halo"))
    b.session.leave()
    give(sealed, b, *held, m.ChatMessage(b"p" * 16, ROOM, 1, "A / B", "plain", 5))
    give(sealed, b, m.ChatMessage(b"n" * 16, SERVER, 0, "Operator", "good night", 5))
    assert texts(b) == ["good night"]


@pytest.mark.parametrize("e2ee", [True, False])
def test_a_refused_text_is_told(e2ee):
    server = Server(e2ee)
    a, _ = server.seated(2)
    server.answers[m.Chat] = BUSY
    message_id = write(server, a, "again")
    assert a.told(events.ChatFailed) == [events.ChatFailed(message_id, ErrorCode.RATE_LIMITED, "slower")]


def test_a_private_text_needs_a_verified_recipient(sealed):
    a, b = sealed.seated(2)
    member = sealed.members[b.participant]
    for key in ("device_key", "box_key"):
        fake = replace(member, participant=50, **{key: bytes(32)})
        sealed.change(m.Change(m.ChangeKind.MEMBER_JOINED, member=fake))
        sealed.pump()
        with pytest.raises(Refusal) as refused:
            write(sealed, a, "psst", PARTICIPANT, 50)
        assert refused.value.code is ErrorCode.NOT_PERMITTED
        sealed.change(m.Change(m.ChangeKind.MEMBER_LEFT, participant=50))
        sealed.pump()
    for participant, code in ((99, ErrorCode.NO_SUCH_PARTICIPANT), (a.participant, ErrorCode.BAD_REQUEST)):
        with pytest.raises(Refusal) as refused:
            write(sealed, a, "psst", PARTICIPANT, participant)
        assert refused.value.code is code
    assert not sealed.chat_log


def test_nothing_is_written_before_it_is_known_who_could_read_it(sealed):
    sealed.seated(1)
    send, sealed.snapshot = sealed.snapshot, lambda client: None
    (newcomer,) = sealed.seated(1)
    with pytest.raises(Refusal, match="roster"):
        write(sealed, newcomer, "hello?")
    send(newcomer)
    sealed.pump()
    write(sealed, newcomer, "hello")
    assert texts(sealed.clients[0]) == ["hello"]


# Keys


def test_who_only_writes_makes_a_key_with_the_first_text_and_boxes_with_the_next(sealed):
    a, b = sealed.seated(2)
    assert not sealed.box_log
    write(sealed, a, "one")
    assert len(sealed.box_log) == 1
    (c,) = sealed.seated(1)
    sealed.advance(5)
    assert len(sealed.box_log) == 1, "nothing for a newcomer before there is something to read"
    write(sealed, a, "two")
    assert len(sealed.box_log) == 2
    headers = [parse_text_header(asked.sealed) for asked, _ in sealed.chat_log]
    assert headers == [TextHeader(1, 0, 1), TextHeader(1, 1, 2)], "a newcomer gets a generation that read nothing yet"
    assert (texts(b), texts(c)) == (["one", "two"], ["two"])
    give(sealed, c, sealed.chat_log[0][1])
    assert texts(c) == ["two"]


def test_boxes_go_before_the_text_that_needs_them(sealed):
    a, *_ = sealed.seated(3)
    write(sealed, a, "one")
    sealed.seated(1)
    write(sealed, a, "two")
    kinds = [type(message) for message in a.received if isinstance(message, (m.KeyBoxes, m.Chat))]
    assert kinds == [m.KeyBoxes, m.Chat] * 2


def test_who_left_has_no_key_of_the_next_text(sealed):
    a, b, c = sealed.seated(3)
    write(sealed, a, "one")
    c.session.leave()
    sealed.pump()
    sealed.advance(30)
    assert len(sealed.box_log) == 2, "no new key before there is something to write"
    write(sealed, a, "two")
    assert [to for to, _ in sealed.box_log[2:]] == [b.participant]
    assert parse_text_header(sealed.chat_log[1][0].sealed) == TextHeader(2, 0, 2)
    assert texts(b) == ["one", "two"]


def test_a_text_does_not_wait_for_the_key_that_packets_wait_for(sealed):
    a, b, c, d = sealed.seated(4)
    a.publish()
    sealed.hold_boxes = boxes = []
    (first,) = captured(sealed, lambda: (c.session.leave(), sealed.pump(), write(sealed, a, "one")))
    (second,) = captured(sealed, lambda: (d.session.leave(), sealed.pump(), write(sealed, a, "two")))
    assert [parse_text_header(message.sealed).number for message in (first, second)] == [2, 3]
    assert a.speak(payload=b"under the old key")
    assert a.seat.keys.current.number == 1
    in_order = {number: m.KeyBoxes((box,)) for number, (to, box) in enumerate(boxes) if to == b.participant}
    sealed.hold_boxes = None
    give(sealed, b, in_order.pop(min(in_order)), first)
    give(sealed, b, in_order.pop(max(in_order)), second)
    assert texts(b) == ["one", "two"]
    assert a.seat.keys.current.number == 3, "all have acknowledged it"
    assert a.speak(payload=b"under the new key")
    spoken = [packet.payload for packet in b.media if packet.publication]
    assert spoken == [b"under the old key", b"under the new key"]


def test_packets_and_texts_of_one_member_go_on_through_joins(sealed):
    a, b = sealed.seated(2)
    a.publish()
    clients = [b]
    for number in range(5):
        assert a.speak(payload=b"%d" % number)
        write(sealed, a, str(number))
        clients += sealed.seated(1)
    for first, client in enumerate(clients[:-1]):
        assert texts(client) == [str(number) for number in range(first, 5)]
        assert [packet.payload for packet in client.media if packet.publication] == [
            b"%d" % number for number in range(first, 5)
        ]
    assert not any(client.drops(drop) for client in sealed.clients for drop in (Drop.TEXT, Drop.PACKET_REFUSED))


def test_a_long_silence_ends_the_key(sealed):
    a, b = sealed.seated(2)
    write(sealed, a, "one")
    sealed.advance(590)
    write(sealed, a, "two")
    sealed.advance(20)
    write(sealed, a, "three")
    assert [parse_text_header(asked.sealed).number for asked, _ in sealed.chat_log] == [1, 1, 2]
    assert texts(b) == ["one", "two", "three"]


def test_a_text_waits_for_its_key_and_for_its_sender_and_not_for_ever(sealed):
    a, b = sealed.seated(2)
    sealed.hold_boxes = []
    write(sealed, a, "one")
    assert texts(b) == []
    for passed in sealed.hold_boxes:
        sealed.pass_box(*passed)
    sealed.pump()
    assert texts(b) == ["one"]
    message = sealed.chat_log[0][1]
    give(sealed, b, replace(message, participant=77))
    assert b.drops(Drop.NO_KEY) == 0
    sealed.advance(TEXT_HOLD + 0.1)
    assert b.drops(Drop.NO_KEY) == 1
    assert b.seat.timers.when("texts") == NEVER


def test_what_waits_is_bounded(sealed):
    _, b = sealed.seated(2)
    for number in range(MAX_HELD_TEXTS + 3):
        b.notify(m.ChatMessage(number.to_bytes(16, "big"), ROOM, 77, "A / B", "", 5, b"x" * 50))
    sealed.pump()
    assert b.drops(Drop.NO_KEY) == 3
    assert len(b.seat.texts._held) == MAX_HELD_TEXTS


# A text that is sent again


@pytest.mark.parametrize("to_one", [False, True])
def test_a_text_that_comes_again_from_a_new_seat_of_the_device_is_shown_once(sealed, to_one):
    a, b = sealed.seated(2)
    message_id = private(sealed, a, b, "one") if to_one else write(sealed, a, "one")
    a.session.leave()
    sealed.pump()
    a.session.join("room", UNIX_MS)
    sealed.pump()
    random, ids = a.seat.texts._random_bytes, [message_id]
    a.seat.texts._random_bytes = lambda size: ids.pop() if size == 16 and ids else random(size)
    again = private(sealed, a, b, "one") if to_one else write(sealed, a, "one")
    assert again == message_id
    write(sealed, a, "two")
    assert texts(b) == ["one", "two"]


def test_the_memory_of_what_was_shown_is_bounded():
    shown = ShownTexts()
    assert all(shown.is_new(b"d", number.to_bytes(16, "big")) for number in range(MAX_SHOWN_TEXTS))
    assert not shown.is_new(b"d", bytes(16))
    assert shown.is_new(b"e", bytes(16)), "of another device; the oldest is forgotten"
    assert largest_table(shown) == MAX_SHOWN_TEXTS
    assert shown.is_new(b"d", bytes(16))


def test_the_sequences_of_those_who_left_are_forgotten_first(sealed):
    a, b = sealed.seated(2)
    write(sealed, a, "one")
    newest = b.seat.texts._newest
    newest.update({(number.to_bytes(32, "big"), False): 1 for number in range(MAX_COUNTED - 1)})
    (c,) = sealed.seated(1)
    write(sealed, c, "two")
    write(sealed, a, "three")
    give(sealed, b, sealed.chat_log[0][1])
    assert texts(b) == ["one", "two", "three"]
    assert len(newest) == MAX_COUNTED
