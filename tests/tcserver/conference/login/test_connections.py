"""Connections before their login: how many, how long, and how their end is reported."""

import pytest

from tcproto import messages as m
from tcproto.errors import Action, ErrorCode
from tcproto.identity import SigningKey
from tcserver.conference import Disconnect, Rate
from tcserver.media.interface import OpenTicket
from tests.support.conference.client import Client
from tests.support.conference.driver import Driver, error_code


def send_wrong_password(driver):
    client = driver.client("dinkes")
    client.ask(m.LoginBegin("dinkes"))
    client.send(client.login_message(key=SigningKey(bytes(32))))


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


def test_a_connection_that_is_withdrawn_leaves_nothing_behind():
    driver = Driver()
    conference = driver.conference
    conference.connected(999_999, "10.0.0.9", driver.now)
    assert conference.half_open == 1
    assert conference.withdrawn(999_999, driver.now) == []
    assert conference.half_open == conference.connections == 0
    assert conference.timeout(driver.now + 20) == []
    assert conference.withdrawn(999_999, driver.now) == []


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


def test_half_open_connections_are_bounded_for_an_address_and_in_all():
    driver = Driver(login__max_half_open_per_address=3, login__max_half_open=5)
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
    driver = Driver(login__attempts=1)
    silent = driver.client(address="10.0.0.7")
    driver.advance(10)
    assert silent.is_gone
    send_wrong_password(driver)
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
    driver = Driver(login__max_half_open_per_address=4)
    for number in range(3 if crowded else 1):
        driver.conference.connected(10**6 + number, "10.0.0.1", driver.now)
    ended = [effect for effect in driver.conference.timeout(driver.now + 2) if isinstance(effect, Disconnect)]
    assert len(ended) == (2 if crowded else 0), "until no half of the places is taken"
    assert driver.conference.half_open == 1
    driver.conference.timeout(driver.now + 10)
    assert driver.conference.half_open == 0


def test_colleagues_behind_one_address_log_in_beside_an_attacker():
    driver = Driver()
    for device in range(1000, 1017):
        driver.user(device=device).drop()
    for _ in range(20):
        send_wrong_password(driver)
    known = [driver.client(device=device) for device in range(1000, 1017)]
    others = [driver.client(f"kantor-{number}") for number in range(17)]
    assert all(isinstance(client.log_in(), m.Welcome) for client in known + others)


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
