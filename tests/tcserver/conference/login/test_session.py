"""The channel of a session, and why a session has ended."""

import pytest

from tcproto.errors import CODES, ErrorCode
from tcproto.messages import Ping
from tcserver.conference.effects import Outbox, Send
from tcserver.conference.login.session import FAREWELL, LOST, MAX_WAITING, Channel, Ending


def channel():
    outbox = Outbox()
    for connection in (1, 2):
        outbox.open(connection)
    return outbox, Channel(outbox, 1)


def sent(outbox):
    return [(effect.connection, effect.message.time) for effect in outbox.take() if isinstance(effect, Send)]


def test_messages_go_to_the_connection_wait_without_one_and_follow_to_the_next():
    outbox, it = channel()
    it.send(Ping(1))
    assert sent(outbox) == [(1, 1)]
    it.detach()
    it.send(Ping(2))
    it.send(Ping(3))
    assert sent(outbox) == []
    it.attach(2)
    it.send(Ping(4))
    assert sent(outbox) == [(2, 4)], "what repairs the state of the client goes first"
    it.send_waiting()
    assert sent(outbox) == [(2, 2), (2, 3)]
    it.send_waiting()
    assert sent(outbox) == []


def test_beyond_the_bound_all_are_dropped_and_none_waits_any_more():
    outbox, it = channel()
    it.detach()
    for number in range(MAX_WAITING):
        it.send(Ping(number))
    assert not it.has_lost
    it.send(Ping(0))
    assert it.has_lost
    it.send(Ping(1))
    it.attach(2)
    it.send_waiting()
    assert sent(outbox) == []


def test_a_connection_that_has_ended_gets_nothing():
    outbox, it = channel()
    outbox.forget(1)
    it.send(Ping(1))
    assert sent(outbox) == []


@pytest.mark.parametrize("code", ErrorCode)
def test_a_session_goes_on_after_silence_and_loss_only(code):
    assert Ending(code, "").leaves_session is (code is ErrorCode.IDLE_TIMEOUT)
    assert LOST.leaves_session
    assert not FAREWELL.leaves_session


def test_the_log_has_the_reason_and_a_detail_that_says_more():
    assert LOST.fields() == {"reason": "connection_lost"}
    assert (LOST.parting, FAREWELL.parting) == ("connection_lost", "goodbye")
    text = CODES[ErrorCode.BAD_FRAME].text
    assert Ending(ErrorCode.BAD_FRAME, text).fields() == {"reason": ErrorCode.BAD_FRAME}
    assert Ending(ErrorCode.BAD_FRAME, "too long").fields() == {"reason": ErrorCode.BAD_FRAME, "detail": "too long"}
    assert Ending(ErrorCode.BAD_FRAME, "too long").parting == ""
