"""A session whose connection was lost: how long its seat is kept, and what ends it."""

import pytest

from tcproto import messages as m
from tcproto.errors import Action, ErrorCode
from tcserver.conference.login.sessions import LEAVE_PATIENCE
from tcserver.media.interface import SeatLeft
from tests.support.conference.detached import LIFETIME, left, waiting_driver
from tests.support.conference.driver import Driver, error_code


def test_if_seats_are_not_kept_a_session_ends_at_once_with_its_connection():
    driver = Driver()
    client, other = driver.participant(), driver.participant()
    client.drop()
    assert (driver.conference.sessions, driver.conference.seats) == (1, 1)
    driver.advance(0.1)
    assert other.view.members.keys() == {other.participant}
    assert error_code(client.come_back()) is ErrorCode.CANNOT_RESUME


def test_the_seat_is_kept_until_its_deadline_and_nobody_sees_a_leave():
    driver = waiting_driver()
    client, other = driver.participant(), driver.participant()
    client.drop()
    driver.advance(LIFETIME - 0.1)
    assert (driver.conference.sessions, driver.conference.detached) == (2, 1)
    assert other.view.members.keys() == {client.participant, other.participant}
    driver.advance(0.2)
    assert driver.conference.sessions == 1
    assert left(other) == [client.participant]
    assert [event.name for event in driver.logged[-3:]] == ["detached", "left", "session_ended"]
    assert driver.logged[-1].fields["reason"] == "connection_lost"
    assert error_code(client.come_back()) is ErrorCode.CANNOT_RESUME
    driver.check()


def test_what_became_of_lost_connections_is_counted():
    """One comes back, one leaves, one takes over its seat before the loss was noticed, and one stays away."""
    driver = waiting_driver()
    returns, leaves, quick, away = (driver.participant() for _ in range(4))
    for client in (returns, leaves, away):
        client.drop()
    assert isinstance(returns.come_back(), m.Resumed)
    assert isinstance(quick.come_back(), m.Resumed)
    driver.event(SeatLeft(leaves.media_id))
    driver.advance(LIFETIME + 0.1)
    counts = {name: driver.conference.counters[f"session_{name}"] for name in ("detached", "resumed", "not_resumed")}
    assert counts == {"detached": 3, "resumed": 2, "not_resumed": 1}
    driver.check()


def test_who_says_by_a_datagram_that_it_has_left_holds_no_seat():
    driver = waiting_driver()
    client, other = driver.participant(), driver.participant()
    client.drop()
    driver.event(SeatLeft(client.media_id))
    driver.event(SeatLeft(client.media_id))
    driver.advance(0.2)
    assert left(other) == [client.participant]
    assert (driver.conference.sessions, driver.conference.seats) == (1, 1)
    assert driver.logged[-1].fields["reason"] == "goodbye"
    driver.check()


def test_the_connection_of_who_has_left_has_a_second_to_say_what_was_said_before():
    driver = waiting_driver()
    first, second, other = driver.participant(), driver.participant(), driver.participant()
    for client in (first, second):
        driver.event(SeatLeft(client.media_id))
    driver.advance(LEAVE_PATIENCE - 0.3)
    assert left(other) == []
    first.drop()
    driver.advance(0.2)
    assert left(other) == [first.participant], "it is not kept for one who comes back"
    driver.advance(0.2)
    assert left(other) == [second.participant]
    assert driver.conference.connections == 1
    driver.check()


def test_who_has_left_by_a_datagram_cannot_resume_while_its_connection_has_its_second():
    driver = waiting_driver()
    client, other = driver.participant(), driver.participant()
    driver.event(SeatLeft(client.media_id))
    assert error_code(client.come_back()) is ErrorCode.CANNOT_RESUME
    driver.advance(LEAVE_PATIENCE + 0.1)
    assert left(other) == [client.participant]
    driver.check()


def test_a_client_that_is_told_to_resume_keeps_its_seat():
    driver = waiting_driver()
    for code in (ErrorCode.IDLE_TIMEOUT, ErrorCode.SLOW_CONSUMER):
        client = driver.participant()
        driver.apply(driver.conference.hang_up(client.connection, code, driver.now))
        assert (client.closed.code, client.closed.action) == (code, Action.RESUME)
        assert isinstance(client.come_back(), m.Resumed)


@pytest.mark.parametrize("code", [ErrorCode.BAD_FRAME, ErrorCode.BANNED, None])
def test_who_says_goodbye_or_is_closed_for_another_reason_has_no_session_any_more(code):
    driver = waiting_driver()
    client = driver.participant()
    if code is None:
        client.tell(m.Close(ErrorCode.LEAVING, "bye", Action.NONE, 0))
    else:
        driver.apply(driver.conference.hang_up(client.connection, code, driver.now))
    assert (driver.conference.sessions, driver.conference.seats) == (0, 0)


def test_a_browser_that_leaves_the_page_has_said_goodbye():
    driver = waiting_driver()
    client = driver.participant()
    driver.apply(driver.conference.disconnected(client.connection, driver.now, left=True))
    assert (driver.conference.sessions, driver.conference.seats) == (0, 0)
    assert driver.logged[-1].fields["reason"] == "goodbye"


def test_without_a_seat_there_is_nothing_to_keep():
    driver = waiting_driver()
    user = driver.user()
    user.drop()
    driver.hold_seats = True
    client = driver.user()
    client.enter()
    client.drop()
    driver.answer_held()
    assert (driver.conference.sessions, driver.conference.seats) == (0, 0)
    assert error_code(client.come_back()) is ErrorCode.CANNOT_RESUME
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


@pytest.mark.parametrize("noticed", ["before", "after", "never"])
@pytest.mark.parametrize(
    ("send_out", "code"),
    [
        (lambda client: m.Kick(client.participant, "enough"), ErrorCode.KICKED),
        (lambda client: m.CloseRoom(), ErrorCode.ROOM_CLOSED),
    ],
)
def test_who_was_sent_out_while_away_is_out_at_once_and_is_told_once(send_out, code, noticed):
    driver = waiting_driver()
    client, chair = driver.participant(), driver.participant(account="ketua")
    driver.room_of(chair).give_role(driver.room_of(chair).seats[chair.participant], m.Role.CHAIR, 3, driver.now)
    client.lose()
    if noticed == "before":
        client.drop()
    assert isinstance(chair.ask(send_out(client)), m.Ok)
    assert client.media_id not in driver.conference.context.seats
    if noticed == "after":
        client.drop()
    assert client.come_back().code is code
    assert driver.conference.connections == 2, "no connection goes on without its session"
    assert error_code(client.come_back()) is ErrorCode.CANNOT_RESUME
    assert driver.conference.sessions == 1
    driver.advance(LIFETIME + 1)


def test_who_is_away_counts_in_the_room_but_gives_way_to_the_account_itself():
    driver = waiting_driver(rooms__max_participants=1)
    driver.add_account("dinkes", max_sessions=1)
    client = driver.participant()
    client.drop()
    stranger = driver.user("dinas")
    assert error_code(stranger.enter()) is ErrorCode.ROOM_FULL
    colleague = driver.user("dinkes")
    assert isinstance(colleague.enter(), m.Joined)
    assert error_code(client.come_back()) is ErrorCode.CANNOT_RESUME
    driver.check()
