"""Changes of the password by the account itself."""

import pytest

from tcproto import messages as m
from tcproto.account import DEFAULT_MEMORY, DEFAULT_PASSES, MEMORY_CEILING, MEMORY_FLOOR, Challenge, sign_account_change
from tcproto.errors import ErrorCode
from tcproto.identity import SigningKey
from tests.support.conference.client import Client
from tests.support.conference.driver import Driver, error_code
from tests.support.conference.identities import account_key

NEW = SigningKey(b"\x77" * 32)
SALT = bytes(range(16))


def change(client: Client, *, key: SigningKey | None = None, memory: int = DEFAULT_MEMORY) -> m.ChangePassword:
    challenge = Challenge(SALT, memory if MEMORY_FLOOR <= memory <= MEMORY_CEILING else MEMORY_FLOOR, DEFAULT_PASSES)
    old = key or account_key(client.account)
    signature = sign_account_change(old, client.handshake_hash, client.account, NEW.public, challenge)
    return m.ChangePassword(SALT, memory // 1024, DEFAULT_PASSES, NEW.public, signature)


def test_the_new_password_holds_from_now_on_and_only_this_session_stays() -> None:
    driver = Driver()
    here, elsewhere, stranger = driver.participant(), driver.participant(), driver.participant(account="other")
    assert isinstance(here.ask(change(here)), m.Ok)
    assert elsewhere.closed.code is ErrorCode.CREDENTIALS_CHANGED
    assert here.closed is None
    assert stranger.closed is None
    account = driver.accounts["dinkes"]
    assert (account.public_key, account.challenge) == (NEW.public, Challenge(SALT, DEFAULT_MEMORY, DEFAULT_PASSES))
    driver.change_accounts({stored.id: stored.generation for stored in driver.accounts.values()})
    assert here.closed is None, "the change is its own"
    late = driver.client("dinkes")
    assert late.ask(m.LoginBegin("dinkes")).salt == SALT
    late.send(late.login_message(key=NEW))
    assert late.welcome is not None
    driver.check()


def test_a_second_change_is_signed_by_the_first() -> None:
    driver = Driver()
    client = driver.user()
    assert isinstance(client.ask(change(client)), m.Ok)
    client.send(change(client))
    driver.advance(1)
    assert error_code(client.replies[client.requests]) is ErrorCode.BAD_CREDENTIALS
    assert isinstance(client.ask(change(client, key=NEW)), m.Ok)
    driver.check()


def test_a_change_that_was_lost_with_its_connection_is_sent_again_as_it_was() -> None:
    driver = Driver(limits__resume_s=60.0)
    client = driver.participant()
    lost = change(client)
    client.drop()
    assert isinstance(client.come_back(), m.Resumed)
    assert isinstance(client.ask(lost), m.Ok)
    driver.check()


def test_a_wrong_signature_is_answered_late_and_one_at_a_time() -> None:
    driver = Driver()
    client = driver.user()
    number = client.send(change(client, key=NEW))
    driver.advance(0.2)
    assert number not in client.replies
    assert error_code(client.ask(change(client))) is ErrorCode.RATE_LIMITED
    driver.advance(0.1)
    assert error_code(client.replies[number]) is ErrorCode.BAD_CREDENTIALS
    assert driver.writes == []
    assert isinstance(client.ask(change(client)), m.Ok), "the session goes on"
    driver.check()


def test_a_wrong_signature_does_not_keep_a_session_whose_account_has_changed() -> None:
    driver = Driver()
    client = driver.user()
    client.send(change(client, key=NEW))
    driver.change_accounts({1: 2})
    assert client.closed.code is ErrorCode.CREDENTIALS_CHANGED
    driver.advance(1)
    driver.check()


@pytest.mark.parametrize("memory", [0, MEMORY_FLOOR - 1024, 2**31])
def test_costs_out_of_range_are_refused(memory: int) -> None:
    driver = Driver()
    client = driver.user()
    assert error_code(client.ask(change(client, memory=memory))) is ErrorCode.BAD_REQUEST
    assert driver.writes == []


def test_a_change_that_is_not_written_is_refused_and_the_session_goes_on() -> None:
    driver = Driver()
    client = driver.user()
    driver.hold_writes = True
    assert client.ask(change(client)) is None
    driver.change_accounts({1: 2})
    assert client.closed is None, "its own change may be what changed"
    assert error_code(client.ask(change(client))) is ErrorCode.RATE_LIMITED
    driver.apply(driver.conference.password_saved(client.welcome.session, None, driver.now))
    refused = [reply for reply in client.replies.values() if error_code(reply) is ErrorCode.INTERNAL]
    assert [reply.retry_after_ms for reply in refused] == [2000]
    driver.change_accounts({1: 2})
    assert client.closed.code is ErrorCode.CREDENTIALS_CHANGED, "it was somebody else's"
    driver.check()


def test_a_session_that_ends_while_its_password_is_written_changes_it_all_the_same() -> None:
    driver = Driver()
    client, other = driver.user(), driver.user()
    driver.hold_writes = True
    client.ask(change(client))
    client.drop()
    driver.answer_held()
    assert other.closed.code is ErrorCode.CREDENTIALS_CHANGED
    assert driver.accounts["dinkes"].public_key == NEW.public
    driver.check()
