"""The channel of a session, and why a session has ended."""

import pytest

from tcproto.errors import CODES, Action, ErrorCode
from tcproto.messages import AddressedBox, KeyBoxes, KeyReceipt, KeyReceipts, MuteAsked, Ok, Ping, Source, encode
from tcproto.resumption import MAX_KEPT_BYTES
from tcserver.conference.effects import Outbox, Send
from tcserver.conference.login.session import FAREWELL, LOST, Channel, Ending


def note(number):
    return MuteAsked(number, Source.MICROPHONE, True)


def channel(*, keeps=True):
    outbox = Outbox()
    for connection in (1, 2):
        outbox.open(connection)
    return outbox, Channel(outbox, 1, keeps=keeps)


def sent(outbox):
    return [(e.connection, e.message, e.request_id) for e in outbox.take() if isinstance(e, Send)]


def test_messages_go_to_the_connection_and_the_lost_ones_to_the_next():
    outbox, it = channel()
    it.send(note(1))
    it.send(Ping(1), 1)
    assert sent(outbox) == [(1, note(1), 0), (1, Ping(1), 1)]
    it.detach()
    it.send(Ok(), 7)
    it.send(note(3))
    assert sent(outbox) == []
    assert [it.can_attach(last) for last in range(5)] == [True, True, True, True, False]
    it.attach(2)
    it.send_again(1)
    it.send(note(4))
    assert sent(outbox) == [(2, Ok(), 7), (2, note(3), 0), (2, note(4), 0)]


def test_what_is_old_is_forgotten():
    _, it = channel()
    it.send(note(1))
    it.forget_old(10.0, 75.0)
    it.send(note(2))
    it.forget_old(84.0, 75.0)
    assert it.can_attach(0)
    it.forget_old(85.0, 75.0)
    assert not it.can_attach(0)
    assert it.can_attach(1)


def test_a_channel_that_keeps_nothing_cannot_be_attached_again():
    outbox, it = channel(keeps=False)
    it.send(note(1))
    it.forget_old(0.0, 75.0)
    assert sent(outbox) == [(1, note(1), 0)]
    assert not it.can_attach(0)


def test_a_connection_that_has_ended_gets_nothing():
    outbox, it = channel()
    outbox.forget(1)
    it.send(note(1))
    assert sent(outbox) == []


@pytest.mark.parametrize("code", ErrorCode)
def test_a_session_goes_on_after_a_loss_and_where_the_client_is_told_to_resume(code):
    assert Ending(code, "").leaves_session is (CODES[code].action is Action.RESUME)
    assert LOST.leaves_session
    assert not FAREWELL.leaves_session


def test_the_log_has_the_reason_and_a_detail_that_says_more():
    assert LOST.fields() == {"reason": "connection_lost"}
    assert (LOST.parting, FAREWELL.parting) == ("connection_lost", "goodbye")
    text = CODES[ErrorCode.BAD_FRAME].text
    assert Ending(ErrorCode.BAD_FRAME, text).fields() == {"reason": ErrorCode.BAD_FRAME}
    assert Ending(ErrorCode.BAD_FRAME, "too long").fields() == {"reason": ErrorCode.BAD_FRAME, "detail": "too long"}
    assert Ending(ErrorCode.BAD_FRAME, "too long").parting == ""


@pytest.mark.parametrize(
    "message",
    [
        KeyBoxes(tuple(AddressedBox(2**32 - 1, bytes(512)) for _ in range(64))),
        KeyReceipts(tuple(KeyReceipt(2**32 - 1, 2**32 - 1) for _ in range(64))),
    ],
    ids=lambda message: type(message).__name__,
)
def test_messages_are_kept_within_the_bound_of_their_real_bytes(message):
    _, it = channel()
    count = MAX_KEPT_BYTES // len(encode(message)) + 1
    for _ in range(count):
        it.send(message)
    assert not it.can_attach(0)
    assert it.can_attach(count // 3), "the estimate is near"
