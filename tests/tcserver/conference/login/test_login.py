"""The login: challenge, proof, and the same answer for every failure."""

import pytest

from tcproto import messages as m
from tcproto.errors import Action, ErrorCode
from tcproto.identity import SigningKey
from tcproto.messages import Role
from tcserver.conference import MessageClass
from tcserver.conference.login.authenticator import ANSWER_GRID, on_grid
from tests.support.conference.client import CHALLENGE_WAIT
from tests.support.conference.driver import Driver, error_code
from tests.support.conference.identities import make_account
from tests.support.conference.settings import settings


def test_login_welcomes_with_the_clean_name_and_the_limits():
    driver = Driver()
    client = driver.client("dinkes", name="  Siti   Aminah ")
    welcome = client.log_in()
    assert isinstance(welcome, m.Welcome)
    assert (welcome.account, welcome.agency, welcome.name) == ("dinkes", "Dinkes", "Siti Aminah")
    assert welcome.limits.text_chars == 2000
    rates = {rate.name: (rate.per_minute, rate.burst) for rate in welcome.limits.rates}
    assert rates.keys() == {*MessageClass, "all"}
    assert (rates["chat"], rates["other"], rates["all"]) == ((120, 20), (600, 50), (12_000, 1000))
    started = driver.sessions[welcome.session]
    assert (started.account, started.name, started.address) == ("dinkes", "Siti Aminah", "10.0.0.1")
    assert started.device_key == client.device.public
    driver.check()


def test_challenge_of_a_known_name_is_its_own_and_of_an_unknown_one_stable():
    driver = Driver()
    client = driver.client("dinkes")
    known = client.ask(m.LoginBegin("\uff24\uff29\uff2e\uff2b\uff25\uff33"))
    assert (known.salt, known.memory_kib, known.passes) == (b"dinkes".ljust(16, b"\0"), 65536, 3)
    made_up = client.ask(m.LoginBegin("nobody"))
    assert made_up == driver.client().ask(m.LoginBegin("nobody"))
    assert (made_up.memory_kib, made_up.passes) == (known.memory_kib, known.passes)


def failing(driver, kind):
    """A client whose login fails, just after it was sent."""
    client = driver.client("dinkes")
    if kind == "unknown name":
        client.account = "nobody"
        client.ask(m.LoginBegin("nobody"))
        client.send(client.login_message())
    elif kind == "wrong password":
        client.ask(m.LoginBegin("dinkes"))
        client.send(client.login_message(key=SigningKey(bytes(32))))
    elif kind == "disabled":
        driver.accounts["dinkes"] = make_account("dinkes", 1, disabled=True)
        client.ask(m.LoginBegin("dinkes"))
        client.send(client.login_message())
    elif kind == "device not enrolled":
        driver.accounts["dinkes"] = make_account("dinkes", 1, devices_only=True)
        client.ask(m.LoginBegin("dinkes"))
        client.send(client.login_message())
    elif kind == "signature of another device":
        client.ask(m.LoginBegin("dinkes"))
        message = client.login_message()
        client.device = SigningKey(b"\x55" * 32)
        client.send(
            m.Login(
                message.account,
                message.name,
                client.device.public,
                message.account_signature,
                message.device_signature,
            )
        )
    elif kind == "replayed on another connection":
        client.ask(m.LoginBegin("dinkes"))
        client.handshake_hash = bytes(64)
        client.send(client.login_message())
    return client


FAILURES = [
    "unknown name",
    "wrong password",
    "disabled",
    "device not enrolled",
    "signature of another device",
    "replayed on another connection",
]


@pytest.mark.parametrize("kind", FAILURES)
def test_every_failure_has_the_same_answer_at_the_same_time(kind):
    driver = Driver()
    client = failing(driver, kind)
    driver.advance(0.2499)
    assert not isinstance(client.replies.get(client.requests), m.Error)
    driver.advance(0.0001 + ANSWER_GRID)
    assert client.replies[client.requests] == m.Error(
        ErrorCode.BAD_CREDENTIALS, "the username or the password is wrong", Action.STOP
    )
    assert client.welcome is None
    assert driver.logged[-1].name == "login_failed"
    driver.check()


def test_a_failed_login_can_be_tried_again_but_not_meanwhile_and_not_for_ever():
    driver = Driver()
    client = failing(driver, "wrong password")
    assert error_code(client.ask(client.login_message())) is ErrorCode.RATE_LIMITED
    assert error_code(client.ask(m.LoginBegin("dinkes"))) is ErrorCode.RATE_LIMITED
    driver.advance(1)
    client.send(client.login_message(key=SigningKey(bytes(32))))
    driver.advance(2)
    client.send(client.login_message(key=SigningKey(bytes(32))))
    driver.advance(0.26)
    assert error_code(client.replies[client.requests]) is ErrorCode.BAD_CREDENTIALS
    assert client.closed.code is ErrorCode.TOO_MANY_ATTEMPTS
    assert 3700 <= client.closed.retry_after_ms <= 4000, "the third failure costs four seconds"
    assert client.is_gone
    driver.check()


def test_who_is_gone_before_the_answer_gets_none():
    driver = Driver(login__attempts=1)
    client = failing(driver, "wrong password")
    client.drop()
    driver.advance(1)
    assert [event.name for event in driver.logged] == ["connection_ended"]
    driver.check()


def test_after_a_failure_the_right_password_is_taken():
    driver = Driver()
    client = failing(driver, "wrong password")
    driver.advance(1)
    assert isinstance(client.ask(client.login_message()), m.Welcome)


def test_enrolled_device_may_log_in():
    driver = Driver()
    driver.add_account("dinkes", devices_only=True)
    client = driver.client("dinkes")
    driver.devices["dinkes"] = {client.device.public}
    assert isinstance(client.log_in(), m.Welcome)


def test_login_needs_its_challenge():
    driver = Driver()
    client = driver.client("dinkes")
    assert error_code(client.ask(client.login_message())) is ErrorCode.BAD_REQUEST
    client.ask(m.LoginBegin("other"))
    assert error_code(client.ask(client.login_message())) is ErrorCode.BAD_REQUEST


def test_a_ban_is_told_to_who_has_proved_the_account_only():
    driver = Driver()
    client = driver.participant()
    driver.accounts["dinkes"] = make_account("dinkes", 1, banned="moved to another house", generation=2)
    driver.change_accounts({}, {1: "moved to another house"})
    assert (client.closed.code, client.closed.text) == (ErrorCode.BANNED, "moved to another house")
    again = driver.client("dinkes")
    refused = again.log_in()
    assert (refused.code, refused.text, refused.action) == (ErrorCode.BANNED, "moved to another house", Action.STOP)
    again.send(again.login_message(key=SigningKey(bytes(32))))
    driver.advance(0.3)
    assert error_code(again.replies[again.requests]) is ErrorCode.BAD_CREDENTIALS
    driver.check()


def test_a_ban_ends_by_itself():
    driver = Driver()
    end = driver.unix_ms / 1000 + 60
    driver.accounts["dinkes"] = make_account("dinkes", 1, banned="for a minute", banned_until=end)
    assert error_code(driver.client("dinkes").log_in()) is ErrorCode.BANNED
    driver.unix_ms += 60_000
    assert isinstance(driver.client("dinkes").log_in(), m.Welcome)


def test_during_maintenance_only_administrators_come_in_and_who_is_in_stays():
    driver = Driver()
    driver.add_account("kominfo", role=Role.ADMIN)
    member = driver.participant()
    driver.conference.settings_changed(settings(server__maintenance=True))
    refused = driver.client().log_in()
    assert (refused.code, refused.retry_after_ms) == (ErrorCode.MAINTENANCE, 30_000)
    assert isinstance(driver.client("kominfo").log_in(), m.Welcome)
    assert not member.is_gone


def test_a_lookup_that_fails_is_no_wrong_password():
    driver = Driver()
    driver.add_account("limited", devices_only=True)
    for account, begin in (("dinkes", True), ("limited", False)):
        client = driver.client(account)
        if not begin:
            client.ask(m.LoginBegin(account))
        driver.hold_lookups = True
        number = client.send(m.LoginBegin(account) if begin else client.login_message())
        assert error_code(client.ask(m.LoginBegin(account))) is ErrorCode.RATE_LIMITED
        driver.held.clear()
        driver.apply(driver.conference.lookup_failed(client.connection, driver.now))
        assert (client.replies[number].code, client.replies[number].retry_after_ms) == (ErrorCode.INTERNAL, 2000)
        driver.hold_lookups = False
        driver.devices[account] = {client.device.public}
        assert isinstance(client.log_in(), m.Welcome)
        assert driver.conference.lookup_failed(client.connection, driver.now) == []
    driver.check()


def test_the_challenge_comes_at_the_same_time_however_long_the_lookup_takes():
    driver = Driver()
    took = set()
    for lookup in (0.0, 0.001, 0.0199):
        driver.hold_lookups = True
        client = driver.client()
        number = client.send(m.LoginBegin("dinkes"))
        start = driver.now = on_grid(driver.now)
        driver.advance(lookup)
        driver.answer_held()
        while number not in client.replies:
            driver.advance(0.0005)
        took.add(round(driver.now - start, 3))
    assert len(took) == 1
    driver.hold_lookups = True
    client = driver.client()
    number = client.send(m.LoginBegin("dinkes"))
    driver.advance(0.0351)
    driver.answer_held()
    assert number not in client.replies, "late, but on the grid"
    driver.advance(ANSWER_GRID)
    assert number in client.replies


def test_made_up_costs_are_those_in_use():
    driver = Driver()
    driver.change_accounts({}, costs={(128 << 20, 4): 3, (64 << 20, 3): 1})
    costs = set()
    for number in range(40):
        challenge = driver.client().ask(m.LoginBegin(f"nobody-{number}"))
        costs.add((challenge.memory_kib, challenge.passes))
    assert costs == {(131072, 4), (65536, 3)}


def test_devices_are_looked_up_after_the_proof_only():
    driver = Driver()
    driver.add_account("limited", devices_only=True)
    client = driver.client("limited")
    client.ask(m.LoginBegin("limited"))
    driver.hold_lookups = True
    client.send(client.login_message(key=SigningKey(bytes(32))))
    assert not driver.held
    driver.advance(1)
    client.send(client.login_message())
    assert len(driver.held) == 1
    driver.devices["limited"] = {client.device.public}
    driver.change_accounts({})
    driver.answer_held()
    driver.advance(2)
    assert error_code(client.replies[client.requests]) is ErrorCode.BAD_CREDENTIALS, "it has changed meanwhile"
    driver.accounts["limited"] = make_account("limited", 1, devices_only=True)
    client.ask(m.LoginBegin("limited"))
    assert error_code(client.ask(client.login_message(name="Administrator"))) is ErrorCode.BAD_NAME
    assert isinstance(client.ask(client.login_message()), m.Welcome)
    assert driver.conference.devices_found(client.connection, (), driver.now) == []


@pytest.mark.parametrize("name", ["", "a\u202eb", "\u200b", "x" * 65])
def test_bad_display_name_is_refused(name):
    client = Driver().client("dinkes")
    client.ask(m.LoginBegin("dinkes"))
    assert error_code(client.ask(client.login_message(name=name))) is ErrorCode.BAD_NAME


def test_reserved_name_is_for_admins():
    driver = Driver()
    driver.add_account("kominfo", role=Role.ADMIN)
    client = driver.client("dinkes")
    client.ask(m.LoginBegin("dinkes"))
    assert error_code(client.ask(client.login_message(name="\u0410dmin"))) is ErrorCode.BAD_NAME
    admin = driver.client("kominfo")
    admin.ask(m.LoginBegin("kominfo"))
    assert isinstance(admin.ask(admin.login_message(name="Admin")), m.Welcome)


@pytest.mark.parametrize("name", ["", "a b", "<script>", "\U0001f600"])
def test_impossible_account_name_is_refused(name):
    assert error_code(Driver().client().ask(m.LoginBegin(name))) is ErrorCode.BAD_REQUEST


def test_answer_that_nobody_asked_for_is_ignored():
    driver = Driver()
    client = driver.client()
    assert driver.conference.account_found(client.connection, None, driver.now) == []


def test_account_that_changes_during_its_lookup_is_looked_up_again():
    driver = Driver()
    driver.hold_lookups = True
    client = driver.client("a1")
    client.send(m.LoginBegin("a1"))
    stale = driver.accounts["a1"]
    driver.accounts["a1"] = make_account("a1", 1, generation=2)
    driver.change_accounts({1: 2})
    driver.held.clear()
    driver.apply(driver.conference.account_found(client.connection, stale, driver.now))
    assert not isinstance(client.replies.get(client.requests), m.LoginChallenge)
    driver.answer_held()
    driver.advance(CHALLENGE_WAIT)
    assert isinstance(client.replies[client.requests], m.LoginChallenge)
    driver.change_accounts({1: 2})
    assert isinstance(client.ask(client.login_message()), m.Welcome)
