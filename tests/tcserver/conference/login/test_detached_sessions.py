"""A session whose connection was lost, and which another one may take over."""

import pytest

from tcproto import messages as m
from tcproto.errors import Action, ErrorCode, Refusal
from tcserver.conference import Disconnect, MessageClass, Rate
from tcserver.conference.login.session import MAX_WAITING
from tcserver.conference.room.change_log import MAX_TAIL
from tests.support.conference.driver import Driver

LIFETIME = 20.0


def waiting_driver(**settings):
    return Driver(detached_lifetime=LIFETIME, **settings)


def new_connection(client):
    """Connect again, without a login."""
    driver = client.driver
    driver.clients.pop(client.connection)
    client.connection = next(driver.numbers)
    client.handshake_hash = client.connection.to_bytes(64, "big")
    client.is_gone = False
    driver.clients[client.connection] = client
    client.connect()


def come_back(client, last_change=None):
    """Take the session over on another connection."""
    new_connection(client)
    attach(client, last_change)


def attach(client, last_change=None):
    driver = client.driver
    if last_change is None:
        last_change = client.view.number if client.view is not None else 0
    driver.apply(driver.conference.attach(client.welcome.session, client.connection, last_change, driver.now))


def attach_code(client):
    with pytest.raises(Refusal) as caught:
        attach(client)
    return caught.value.code


def test_by_default_a_session_ends_at_once_with_its_connection():
    driver = Driver()
    client, other = driver.participant(), driver.participant()
    client.drop()
    assert driver.conference.sessions == 1
    assert driver.conference.seats == 1
    driver.advance(0.1)
    assert other.view.members.keys() == {other.participant}
    new_connection(client)
    assert attach_code(client) is ErrorCode.CANNOT_RESUME


def test_a_session_whose_connection_is_lost_keeps_its_seat_until_its_deadline():
    driver = waiting_driver()
    client, other = driver.participant(), driver.participant()
    client.drop()
    driver.advance(LIFETIME - 0.1)
    assert driver.conference.sessions == 2
    assert other.view.members.keys() == {client.participant, other.participant}
    driver.advance(0.2)
    assert driver.conference.sessions == 1
    assert other.view.members.keys() == {other.participant}
    assert [event.name for event in driver.logged[-2:]] == ["left", "session_ended"]
    assert driver.logged[-1].fields["reason"] == "connection_lost"
    driver.check()


def test_a_silent_client_is_closed_and_its_session_waits():
    driver = waiting_driver()
    client = driver.user()
    driver.apply(driver.conference.hang_up(client.connection, ErrorCode.IDLE_TIMEOUT, driver.now))
    assert client.closed.code is ErrorCode.IDLE_TIMEOUT
    assert driver.conference.sessions == 1
    come_back(client)
    assert driver.conference.sessions == 1


@pytest.mark.parametrize("code", [ErrorCode.BAD_FRAME, ErrorCode.SLOW_CONSUMER, ErrorCode.BANNED, None])
def test_who_says_goodbye_or_is_closed_for_a_reason_has_no_session_any_more(code):
    driver = waiting_driver()
    client = driver.user()
    if code is None:
        client.tell(m.Close(ErrorCode.LEAVING, "bye", Action.NONE, 0))
    else:
        driver.apply(driver.conference.hang_up(client.connection, code, driver.now))
    assert driver.conference.sessions == 0


def test_who_comes_back_gets_the_changes_and_messages_that_it_missed_and_no_others():
    driver = waiting_driver()
    client, other = driver.participant(), driver.participant()
    driver.advance(0.2)
    client.drop()
    third = driver.participant()
    other.publish()
    boxes = m.KeyBoxes((m.AddressedBox(client.participant, b"b" * 120),))
    other.tell(boxes)
    driver.advance(1.0)
    client.inbox.clear()
    come_back(client)
    assert [type(message) for message in client.inbox] == [m.RoomChanges, m.KeyBoxes]
    assert client.view.members == other.view.members
    assert client.view.publications == other.view.publications
    assert third.participant in client.view.members
    client.inbox.clear()
    driver.advance(1.0)
    other.publish(m.Source.CAMERA)
    driver.advance(1.0)
    assert len(client.got(m.RoomChanges)) == 1, "the channel bears again"
    driver.check()


def test_who_was_away_for_too_many_changes_gets_a_snapshot():
    driver = waiting_driver(rates=dict.fromkeys(MessageClass, Rate(1000, 10_000)))
    client, other = driver.participant(), driver.participant()
    driver.advance(0.2)
    client.drop()
    other.publish()
    for change in range(MAX_TAIL + 1):
        other.ask(m.Mute(other.numbers, change % 2 == 0))
    driver.advance(1.0)
    client.inbox.clear()
    come_back(client)
    assert client.got(m.RoomChanges) == []
    assert len(client.got(m.Snapshot)) == 1
    driver.check()


def test_a_change_that_waits_for_its_batch_reaches_who_came_back_before_it_once():
    driver = waiting_driver()
    client, other = driver.participant(), driver.participant()
    driver.advance(0.2)
    client.drop()
    other.publish()
    other.announce(m.Source.CAMERA)
    come_back(client)
    driver.check()


def test_messages_wait_in_a_bound_beyond_which_nobody_can_come_back():
    driver = waiting_driver()
    client, other = driver.participant(), driver.participant()
    client.drop()
    for _ in range(MAX_WAITING + 1):
        other.tell(m.KeyBoxes((m.AddressedBox(client.participant, b"b" * 120),)))
        driver.advance(0.01)
    new_connection(client)
    assert attach_code(client) is ErrorCode.CANNOT_RESUME
    driver.advance(LIFETIME)
    assert driver.conference.sessions == 1


def test_another_connection_may_come_before_the_loss_is_noticed():
    driver = waiting_driver()
    client, other = driver.participant(), driver.participant()
    driver.advance(0.2)
    before = client.connection
    new_connection(client)
    effects = driver.conference.attach(client.welcome.session, client.connection, client.view.number, driver.now)
    assert Disconnect(before) in effects
    driver.apply([effect for effect in effects if effect != Disconnect(before)])
    assert (driver.conference.sessions, driver.conference.connections) == (2, 2)
    other.publish()
    driver.advance(0.2)
    assert client.view.publications == other.view.publications


def test_what_is_in_no_session_or_is_taken_takes_none_over():
    driver = waiting_driver()
    client = driver.user()
    other = driver.user()
    client.drop()
    session = client.welcome.session
    conference, now = driver.conference, driver.now
    for number, connection in ((session, 999_999), (session, other.connection), (session + 1, other.connection)):
        with pytest.raises(Refusal):
            conference.attach(number, connection, 0, now)
    conference.connected(4242, "10.0.0.9", now)
    with pytest.raises(Refusal):
        conference.attach(session, 4242, 0, now)
    assert conference.sessions == 2


def test_a_seat_that_was_being_opened_is_given_up_with_the_connection():
    driver = waiting_driver()
    driver.hold_seats = True
    client = driver.user()
    client.enter()
    client.drop()
    driver.answer_held()
    assert (driver.conference.sessions, driver.conference.seats) == (1, 0)
    come_back(client)
    assert isinstance(client.enter(), m.Joined)
    driver.check()


@pytest.mark.parametrize("why", ["device", "account", "shutdown"])
def test_a_detached_session_ends_as_others_do(why):
    driver = waiting_driver()
    client = driver.participant()
    client.drop()
    if why == "device":
        again = driver.user(device=1)
        assert again.device.public == client.device.public
    elif why == "account":
        driver.change_accounts({})
    else:
        driver.apply(driver.conference.shutdown("", 5000, driver.now))
    assert driver.conference.sessions == (1 if why == "device" else 0)
    assert driver.conference.seats == 0
    ended = [event for event in driver.logged if event.name == "session_ended"]
    reason = {
        "device": ErrorCode.REPLACED,
        "account": ErrorCode.CREDENTIALS_CHANGED,
        "shutdown": ErrorCode.SHUTDOWN,
    }
    assert [event.fields["reason"] for event in ended] == [reason[why]]
