"""When a join is tried again, and how long the wait before it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcclient.errors import ConnectError, JoinRefused, LoginRefused, RoomClosed, UntrustedServer
from tcclient.transport.retry import (
    FIRST_WAIT,
    JITTER,
    MAX_WAIT,
    RETURN_WAITS,
    STEADY_RETURNS,
    Backoff,
    ReturnBackoff,
    may_retry,
)
from tcproto.errors import CODES, Action, ErrorCode

BUSY = RoomClosed("too long", ErrorCode.LOGIN_TIMEOUT, Action.RECONNECT)


@pytest.mark.parametrize("code", list(CODES), ids=str)
@pytest.mark.parametrize("error", [LoginRefused, JoinRefused, RoomClosed])
def test_the_action_of_a_code_decides(error, code):
    action = CODES[code].action
    again = action in (Action.RECONNECT, Action.RESUME) or code is ErrorCode.ROOM_CHANGED
    assert may_retry(error("", code, action)) == again


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (LoginRefused("", ErrorCode.RATE_LIMITED, Action.NONE, 400), True),
        (LoginRefused("", ErrorCode.RATE_LIMITED, Action.NONE), False),
        (JoinRefused("", ErrorCode.RATE_LIMITED, retry_after_ms=1), True),
        (JoinRefused("", ErrorCode.MODE_MISMATCH), False),
        (RoomClosed("the connection was lost", None, Action.RECONNECT), True),
        (ConnectError("refused"), False),
        (ConnectError("no answer within 10 s", action=Action.RECONNECT), True),
        (UntrustedServer("host", bytes(20)), False),
    ],
)
def test_what_may_succeed_later(error, again):
    assert may_retry(error) is again
    further = Backoff(bytes).failed(error)
    assert (further is not None) is again


def test_waits_double_up_to_thirty_seconds():
    backoff = Backoff(bytes)
    found = [backoff.failed(BUSY) for _ in range(8)]
    assert [further.wait for further in found] == [1, 2, 4, 8, 16, 30, 30, 30]
    assert [further.attempt for further in found] == list(range(2, 10))
    assert all(further.error is BUSY for further in found)


@given(st.integers(0, 0xFFFF), st.integers(0, 100_000))
def test_chance_adds_up_to_half_and_nothing_undercuts_what_the_server_said(chance, told):
    error = LoginRefused("", ErrorCode.SERVER_FULL, Action.RECONNECT, told)
    further = Backoff(lambda size: chance.to_bytes(size, "big")).failed(error)
    base = max(FIRST_WAIT, told / 1000)
    assert base <= further.wait <= base * (1 + JITTER)
    assert further.wait == pytest.approx(base * (1 + JITTER * chance / 0xFFFF))


def test_what_the_server_said_is_doubled_too_and_may_be_more_than_the_most():
    backoff = Backoff(bytes)
    told = LoginRefused("", ErrorCode.TOO_MANY_ATTEMPTS, Action.RECONNECT, 12_000)
    assert [backoff.failed(told).wait for _ in range(3)] == [12, 24, MAX_WAIT]
    assert backoff.failed(LoginRefused("", ErrorCode.MAINTENANCE, Action.RECONNECT, 90_000)).wait == 90


def test_a_server_that_was_there_is_waited_for():
    backoff, refused = Backoff(bytes), ConnectError("refused")
    assert backoff.failed(BUSY) is not None
    assert backoff.failed(refused) is not None
    assert backoff.failed(LoginRefused("", ErrorCode.BAD_CREDENTIALS, Action.STOP)) is None
    assert Backoff(bytes).failed(refused) is None, "more often a wrong address than a server that starts again"
    known = Backoff(bytes, known=True)
    assert [known.failed(refused).wait for _ in range(3)] == [1, 2, 4]


def test_a_client_that_had_a_seat_comes_back_soon_at_first():
    backoff = ReturnBackoff(lambda n: bytes(n))
    lost = ConnectError("refused")
    waits = [backoff.failed(lost).wait for _ in range(len(RETURN_WAITS) + STEADY_RETURNS + 7)]
    assert waits[:5] == [0.1, 0.5, 1.0, 1.0, 1.0]
    assert sum(waits[:-7]) >= 60
    assert waits[-7:] == [4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0]


def test_a_client_that_had_a_seat_waits_as_long_as_it_is_told():
    backoff = ReturnBackoff(lambda n: bytes(n))
    assert backoff.failed(RoomClosed("", ErrorCode.SHUTDOWN, Action.RECONNECT, 5000)).wait == 5.0
    assert backoff.failed(ConnectError("refused")).wait == 0.5
    assert backoff.failed(RoomClosed("", ErrorCode.KICKED, Action.STOP)) is None
    assert backoff.failed(JoinRefused("", ErrorCode.KICKED, retry_after_ms=600_000)) is None
