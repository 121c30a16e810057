"""Sessions: how many an account has, and which one goes."""

import pytest

from tcproto import messages as m
from tcproto.errors import Action, ErrorCode
from tcserver.conference.login.sessions import FULL_RETRY_MS
from tcserver.records import DuplicatePolicy
from tests.support.conference.driver import Driver, error_code


def test_account_may_have_so_many_sessions():
    driver = Driver()
    driver.add_account("dinkes", max_sessions=2)
    first, second = driver.user(), driver.user()
    third = driver.client()
    assert error_code(third.log_in()) is ErrorCode.TOO_MANY_SESSIONS
    assert not first.is_gone
    second.drop()
    assert isinstance(third.ask(third.login_message()), m.Welcome)
    driver.check()


def test_oldest_session_is_replaced():
    driver = Driver()
    driver.add_account("dinkes", max_sessions=2, duplicates=DuplicatePolicy.REPLACE)
    first, second, third = driver.user(), driver.user(), driver.user()
    assert first.closed.code is ErrorCode.REPLACED
    assert first.closed.action is Action.STOP
    assert not second.is_gone
    assert not third.is_gone
    driver.check()


def test_second_session_is_refused():
    driver = Driver()
    driver.add_account("dinkes", max_sessions=5, duplicates=DuplicatePolicy.REFUSE)
    driver.user()
    assert error_code(driver.client().log_in()) is ErrorCode.TOO_MANY_SESSIONS


@pytest.mark.parametrize("policy", list(DuplicatePolicy))
def test_device_takes_over_its_own_seat_and_no_colleagues(policy):
    driver = Driver()
    driver.add_account("dinkes", duplicates=policy, max_sessions=2)
    ghost = driver.participant(device=77)
    other = driver.participant(account="dinas", device=78)
    stranger = driver.participant(account="dinas", device=77)
    again = driver.user(device=77)
    driver.advance(1)
    assert ghost.closed.code is ErrorCode.REPLACED
    assert not other.is_gone
    assert not stranger.is_gone
    left = [change for message in other.got(m.RoomChanges) for change in message.changes]
    assert (left[-1].what, left[-1].code) == (m.ChangeKind.MEMBER_LEFT, ErrorCode.REPLACED)
    assert isinstance(again.enter(), m.Joined)
    driver.check()


def test_full_server_lets_a_device_come_back_but_nobody_new_in():
    driver = Driver(login__max_sessions=2)
    driver.user(device=50)
    driver.user()
    refused = driver.client().log_in()
    assert (refused.code, refused.retry_after_ms) == (ErrorCode.SERVER_FULL, FULL_RETRY_MS)
    driver.user(device=50)
    driver.check()


def test_storm_of_logins_is_spread():
    driver = Driver(login__logins_per_s=10, login__login_burst=20)
    clients = [driver.client(f"a{i}", address=f"10.0.1.{i}") for i in range(21)]
    for client in clients:
        client.send(m.LoginBegin(client.account))
    driver.advance(0.1)
    replies = [client.ask(client.login_message()) for client in clients]
    assert [error_code(reply) for reply in replies] == [None] * 20 + [ErrorCode.RATE_LIMITED]
    assert 100 <= replies[-1].retry_after_ms <= 101
    driver.advance(0.101)
    assert isinstance(clients[-1].ask(clients[-1].login_message()), m.Welcome)


def test_an_account_that_floods_waits_for_itself():
    driver = Driver(login__logins_per_s=10, login__login_burst=20, rooms__joins_per_s=10, rooms__join_burst=20)
    replies = [driver.client("flood").log_in() for _ in range(40)]
    assert {error_code(reply) for reply in replies} == {None, ErrorCode.RATE_LIMITED}
    told = [reply.retry_after_ms for reply in replies if error_code(reply)]
    assert 0 < min(told) <= max(told) <= 10_001
    for number in range(8):
        assert isinstance(driver.client(f"office-{number}", address=f"10.0.2.{number}").log_in(), m.Welcome)
    members = [driver.user("other", address="10.0.3.1") for _ in range(3)]
    assert all(isinstance(client.enter(), m.Joined) for client in members)


def test_changed_and_disabled_accounts_are_logged_out():
    driver = Driver()
    changed, disabled, same = driver.participant(account="a1"), driver.user("a2"), driver.user("a3")
    half = driver.client("a1")
    half.ask(m.LoginBegin("a1"))
    idle = driver.client("a1")
    driver.change_accounts({1: 2, 3: 1})
    assert changed.closed.code is disabled.closed.code is ErrorCode.CREDENTIALS_CHANGED
    assert not same.is_gone
    assert not idle.is_gone
    half.send(half.login_message())
    driver.advance(0.26)
    assert error_code(half.replies[half.requests]) is ErrorCode.BAD_CREDENTIALS
    driver.check()


def test_resume_is_answered():
    client = Driver().client()
    assert error_code(client.ask(m.Resume(bytes(32), bytes(32), bytes(64), 0))) is ErrorCode.CANNOT_RESUME


def test_session_ids_come_back_after_ten_minutes_at_the_earliest():
    driver = Driver()
    for _ in range(50):
        driver.user().drop()
    assert len(set(driver.session_numbers)) == 50
    driver.check()
