"""Failed logins: who guesses has to wait, and nobody else."""

from tcproto import messages as m
from tcproto.errors import Action, ErrorCode
from tcproto.identity import SigningKey
from tcserver.conference.login.back_off import LONGEST_WAIT, MAX_DEVICES, MAX_PAIRS, MEMORY, BackOff
from tests.support.conference.client import Client
from tests.support.conference.driver import Driver, error_code

WRONG = SigningKey(bytes(32))
ANSWERED = 0.26
"""Seconds until a failed login is answered."""


def guess(driver: Driver, account: str = "dinkes", **more) -> m.Error:
    """Try a wrong password on another connection, and return the answer."""
    client = driver.client(**more)
    client.account = account
    client.ask(m.LoginBegin(account))
    client.send(client.login_message(key=WRONG))
    return answer(driver, client)


def answer(driver: Driver, client: Client) -> m.Error:
    driver.advance(ANSWERED)
    return client.replies[client.requests]


def log_in(driver: Driver, client: Client) -> object:
    return client.log_in() or answer(driver, client)


def test_each_failure_doubles_the_wait_up_to_five_minutes():
    back_off, now, waits = BackOff(), 0.0, []
    for _ in range(12):
        now += back_off.wait("dinkes", None, "10.0.0.1", now)
        back_off.failed("dinkes", None, "10.0.0.1", 1.0, now)
        waits.append(back_off.wait("dinkes", None, "10.0.0.1", now))
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert waits[-1] == LONGEST_WAIT


def test_failures_are_forgotten_some_time_after_their_wait():
    back_off = BackOff()
    for now, expected in ((0.0, 1.0), (1.0 + MEMORY, 2.0), (3.1 + 2 * MEMORY, 1.0)):
        back_off.failed("dinkes", None, "10.0.0.1", 1.0, now)
        assert round(back_off.wait("dinkes", None, "10.0.0.1", now), 6) == expected


def test_the_tables_are_bounded_and_made_up_names_do_not_push_a_wait_out():
    back_off = BackOff()
    for _ in range(9):
        back_off.failed("dinkes", None, "10.0.0.1", 1.0, 0.0)
    for i in range(2 * MAX_PAIRS):
        back_off.failed(f"made-up-{i}", None, "10.0.0.1", 1.0, i / 256)
    assert back_off.wait("dinkes", None, "10.0.0.1", 100.0) == 156
    waiting = [i for i in range(2 * MAX_PAIRS) if back_off.wait(f"made-up-{i}", None, "10.0.0.1", 0.0)]
    assert len(waiting) == MAX_PAIRS - 1
    back_off.succeeded("dinkes", b"first")
    for i in range(MAX_DEVICES):
        back_off.succeeded("dinkes", i.to_bytes(32, "big"))
    assert back_off.wait("dinkes", b"first", "10.0.0.1", 0.0)
    assert not back_off.wait("dinkes", bytes(32), "10.0.0.1", 0.0)


def test_all_pairs_may_wait_and_one_more_pushes_out_the_first():
    back_off = BackOff()
    for i in range(MAX_PAIRS + 1):
        back_off.failed(f"made-up-{i}", None, "10.0.0.1", 300.0, 0.0)
    waits = [back_off.wait(f"made-up-{i}", None, "10.0.0.1", 0.0) for i in (0, 1, MAX_PAIRS)]
    assert waits == [0, 300, 300]


def test_a_guesser_waits_also_with_the_right_password_and_is_told_for_how_long():
    driver = Driver()
    assert guess(driver).code is ErrorCode.BAD_CREDENTIALS
    for again in (guess(driver), log_in(driver, driver.client("dinkes"))):
        assert (again.code, again.action) == (ErrorCode.TOO_MANY_ATTEMPTS, Action.RECONNECT)
        assert 100 < again.retry_after_ms < 1000, "the second does not begin the wait anew"
    reasons = [event.fields["reason"] for event in driver.logged if event.name == "login_failed"]
    assert reasons == ["bad_credentials", "too_many_attempts", "too_many_attempts"]
    driver.advance(again.retry_after_ms / 1000)
    assert isinstance(driver.client("dinkes").log_in(), m.Welcome)
    driver.check()


def test_an_unknown_name_waits_as_a_known_one():
    driver = Driver()
    for account in ("dinkes", "nobody"):
        codes = [guess(driver, account).code for _ in range(2)]
        assert codes == [ErrorCode.BAD_CREDENTIALS, ErrorCode.TOO_MANY_ATTEMPTS]


def test_one_guesser_leaves_34_colleagues_behind_the_same_address_in_service():
    driver = Driver()
    agencies = [f"kantor-{i}" for i in range(34)]
    for agency in agencies:
        driver.add_account(agency)
    for _ in range(6):
        guess(driver, address="10.9.9.9")
        driver.advance(40)
    guess(driver, address="10.9.9.9")
    for agency in agencies:
        assert isinstance(driver.client(agency, address="10.9.9.9").log_in(), m.Welcome)
    elsewhere = driver.client("dinkes", address="10.9.9.10")
    assert isinstance(elsewhere.log_in(), m.Welcome), "the account is not shut out either"
    driver.check()


def test_a_device_that_has_logged_in_before_does_not_wait_for_a_stranger():
    driver = Driver()
    client = driver.participant()
    client.drop()
    guess(driver, device=99)
    assert isinstance(driver.client("dinkes", device=1).log_in(), m.Welcome)


def test_a_known_device_that_fails_waits_as_any_other():
    driver = Driver()
    driver.participant()
    assert guess(driver, device=1).code is ErrorCode.BAD_CREDENTIALS
    assert guess(driver, device=1).code is ErrorCode.TOO_MANY_ATTEMPTS


def test_a_stranger_who_names_a_known_device_takes_nothing_from_it():
    driver = Driver()
    known = driver.participant().device
    stranger = driver.client("dinkes", device=99)
    stranger.ask(m.LoginBegin("dinkes"))
    message = stranger.login_message(key=WRONG)
    stranger.send(m.Login("dinkes", "x", known.public, message.account_signature, message.device_signature))
    assert answer(driver, stranger).code is ErrorCode.BAD_CREDENTIALS
    assert isinstance(driver.client("dinkes", device=1).log_in(), m.Welcome)


def test_the_operator_may_switch_the_waits_off():
    driver = Driver(login__back_off_s=0)
    assert {guess(driver).code for _ in range(5)} == {ErrorCode.BAD_CREDENTIALS}
    assert error_code(driver.client("dinkes").log_in()) is None
