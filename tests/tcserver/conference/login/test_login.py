import pytest

from tcproto import messages as m
from tcproto.errors import Action, ErrorCode
from tcproto.identity import SigningKey
from tcserver.conference import Disconnect, MessageClass, Rate, Settings
from tcserver.conference.login.authenticator import ANSWER_GRID, on_grid
from tcserver.conference.login.sessions import FULL_RETRY_MS
from tcserver.media.interface import OpenTicket
from tcserver.records import DuplicatePolicy, Role
from tests.support.conference.client import CHALLENGE_WAIT, Client
from tests.support.conference.driver import Driver, error_code
from tests.support.conference.identities import make_account


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
    """Somebody whose login fails, just after having sent it."""
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
    driver.advance(0.26)
    client.send(client.login_message(key=SigningKey(bytes(32))))
    driver.advance(0.26)
    client.send(client.login_message(key=SigningKey(bytes(32))))
    driver.advance(0.26)
    assert error_code(client.replies[client.requests]) is ErrorCode.BAD_CREDENTIALS
    assert client.closed.code is ErrorCode.TOO_MANY_ATTEMPTS
    assert client.is_gone
    driver.check()


def test_who_is_gone_before_the_answer_gets_none():
    driver = Driver(login_attempts=1)
    client = failing(driver, "wrong password")
    client.drop()
    driver.advance(1)
    assert [event.name for event in driver.logged] == ["connection_ended"]
    driver.check()


def test_after_a_failure_the_right_password_is_taken():
    driver = Driver()
    client = failing(driver, "wrong password")
    driver.advance(0.26)
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


def test_during_maintenance_only_administrators_come_in_and_who_is_in_stays():
    driver = Driver()
    driver.add_account("kominfo", role=Role.ADMIN)
    member = driver.participant()
    driver.conference.settings_changed(Settings(maintenance=True))
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
    driver.advance(0.3)
    client.send(client.login_message())
    assert len(driver.held) == 1
    driver.devices["limited"] = {client.device.public}
    driver.change_accounts({})
    driver.answer_held()
    driver.advance(0.3)
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


@pytest.mark.parametrize("handshaken", [False, True])
def test_login_has_ten_seconds(handshaken):
    driver = Driver()
    if handshaken:
        client = driver.client()
        driver.advance(9.9)
        assert not client.is_gone
        driver.advance(0.1)
        assert client.closed.code is ErrorCode.LOGIN_TIMEOUT
    else:
        conference = driver.conference
        conference.connected(999_999, "10.0.0.9", driver.now)
        assert conference.timeout(driver.now + 2) == []
        effects = conference.timeout(driver.now + 10)
        assert effects[0] == Disconnect(999_999), "no message without a handshake"
        assert [effect.name for effect in effects[1:]] == ["connection_ended"]
    driver.check()


def test_login_that_waits_for_its_lookup_times_out_too():
    driver = Driver()
    driver.hold_lookups = True
    client = driver.client()
    client.send(m.LoginBegin("dinkes"))
    assert error_code(client.ask(m.LoginBegin("dinkes"))) is ErrorCode.RATE_LIMITED
    driver.advance(10)
    assert client.closed.code is ErrorCode.LOGIN_TIMEOUT
    driver.answer_held()
    driver.check()


def test_answer_that_nobody_asked_for_is_ignored():
    driver = Driver()
    client = driver.client()
    assert driver.conference.account_found(client.connection, None, driver.now) == []


def test_half_open_connections_are_bounded_for_an_address_and_in_all():
    driver = Driver(max_half_open_per_address=3, max_half_open=5)
    clients = [driver.client(address="10.0.0.1") for _ in range(3)]
    clients.append(driver.client(address="10.0.0.1"))
    assert [client.is_gone for client in clients] == [True, False, False, False]
    assert (clients[0].closed.code, clients[0].closed.retry_after_ms) == (ErrorCode.SERVER_FULL, 1000)
    clients[1].log_in()
    clients.append(driver.client(address="10.0.0.1"))
    assert not clients[2].is_gone, "who has logged in counts no longer"
    elsewhere = [driver.client(address=f"10.0.0.{i}") for i in range(2, 5)]
    assert driver.conference.half_open == 5
    assert elsewhere[0].is_gone, "the address that somebody has logged in from has a reserve"
    assert not any(client.is_gone for client in [*clients[2:], *elsewhere[1:]])
    driver.check()


def test_an_end_is_logged_with_its_reason_and_the_account():
    driver = Driver(login_attempts=1)
    silent = driver.client(address="10.0.0.7")
    driver.advance(10)
    assert silent.is_gone
    failing(driver, "wrong password")
    driver.advance(1)
    sri = driver.participant()
    other = driver.participant()
    sri.drop()
    other.tell(m.Close(ErrorCode.INTERNAL, "bye", Action.STOP))
    told = [(event.name, event.fields.get("account"), event.fields.get("reason")) for event in driver.logged]
    assert [line for line in told if line[0].endswith("_ended")] == [
        ("connection_ended", "", "login_timeout"),
        ("connection_ended", "dinkes", "too_many_attempts"),
        ("session_ended", "dinkes", "connection_lost"),
        ("session_ended", "dinkes", "goodbye"),
    ]
    assert [name for name, *_ in told].count("left") == 2
    assert driver.logged[0].fields["address"] == "10.0.0.7"


def test_what_the_shell_closes_is_logged_with_its_detail_and_told_to_others():
    driver = Driver()
    client, witness = driver.participant(), driver.participant()
    failed = driver.conference.failed
    assert failed(client.connection + 100, ErrorCode.BAD_FRAME, driver.now) == []
    client.is_gone = True
    driver.apply(failed(client.connection, ErrorCode.BAD_FRAME, driver.now, "too long"))
    driver.advance(1)
    assert driver.logged[-1].fields["reason"] is ErrorCode.BAD_FRAME
    assert driver.logged[-1].fields["detail"] == "too long"
    changes = [change for message in witness.got(m.RoomChanges) for change in message.changes]
    assert changes[-1].code is ErrorCode.BAD_FRAME
    driver.check()


@pytest.mark.parametrize("step", ["silent", "greeted", "named"])
@pytest.mark.parametrize("addresses", [1, 18], ids=["one address", "18 addresses"])
def test_nobody_who_stops_on_the_way_keeps_a_colleague_out(step, addresses):
    driver = Driver()
    numbers = iter(range(10**6, 10**7))

    def attack(address):
        if step == "silent":
            number = next(numbers)
            driver.clients[number] = client = Client(driver, "x", "", 1, address)
            client.connection = number
            driver.apply(driver.conference.connected(number, address, driver.now))
            return
        attacker = driver.client(address=address)
        if step == "named":
            attacker.ask(m.LoginBegin(f"guess-{attacker.connection % 7}"))

    for i in range(1024):
        attack(f"10.0.0.{i % addresses}")
    for _ in range(10):
        colleague = driver.client("dinkes", address="10.0.0.0")
        for i in range(12):  # and the attack goes on
            attack(f"10.0.0.{i % addresses}")
        colleague.ask(m.LoginBegin("dinkes"))
        driver.advance(0.3)
        for i in range(48):
            attack(f"10.0.0.{i % addresses}")
        assert isinstance(colleague.ask(colleague.login_message()), m.Welcome)
    assert driver.conference.half_open <= 1024


@pytest.mark.parametrize("crowded", [False, True])
def test_the_first_frame_is_due_earlier_where_places_are_few(crowded):
    driver = Driver(max_half_open_per_address=4)
    for number in range(3 if crowded else 1):
        driver.conference.connected(10**6 + number, "10.0.0.1", driver.now)
    ended = [effect for effect in driver.conference.timeout(driver.now + 2) if isinstance(effect, Disconnect)]
    assert len(ended) == (2 if crowded else 0), "until no half of the places is taken"
    assert driver.conference.half_open == 1
    driver.conference.timeout(driver.now + 10)
    assert driver.conference.half_open == 0


def test_colleagues_behind_one_address_log_in_beside_an_attacker():
    driver = Driver()
    for _ in range(20):
        failing(driver, "wrong password")
    clients = [driver.client(address="10.0.0.1") for _ in range(34)]
    assert all(isinstance(client.log_in(), m.Welcome) for client in clients)


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
    driver = Driver(max_sessions=2)
    driver.user(device=50)
    driver.user()
    refused = driver.client().log_in()
    assert (refused.code, refused.retry_after_ms) == (ErrorCode.SERVER_FULL, FULL_RETRY_MS)
    driver.user(device=50)
    driver.check()


def test_storm_of_logins_is_spread():
    driver = Driver(login_rate=Rate(10, 20))
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
    driver = Driver(login_rate=Rate(10, 20), join_rate=Rate(10, 20))
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


def test_probe_ticket_once_for_a_connection():
    driver = Driver()
    client = driver.client()
    ticket = client.ask(m.Probe())
    assert (ticket.lifetime_ms, ticket.datagrams) == (10_000, 20)
    command = driver.plane.tickets[0]
    assert command == OpenTicket(ticket.media_id, ticket.key, driver.now + 10, 20)
    assert error_code(client.ask(m.Probe())) is ErrorCode.BAD_REQUEST
    driver.check()


def test_probe_tickets_are_bounded_for_all():
    driver = Driver(ticket_rate=Rate(1, 2))
    codes = [error_code(driver.client().ask(m.Probe())) for _ in range(3)]
    assert codes == [None, None, ErrorCode.RATE_LIMITED]


def test_resume_is_answered():
    client = Driver().client()
    assert error_code(client.ask(m.Resume(bytes(32), bytes(32), bytes(64), 0))) is ErrorCode.CANNOT_RESUME


def test_session_ids_come_back_after_ten_minutes_at_the_earliest():
    driver = Driver()
    for _ in range(50):
        driver.user().drop()
    assert len(set(driver.session_numbers)) == 50
    driver.check()
