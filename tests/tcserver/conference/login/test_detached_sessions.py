"""A session whose connection was lost: its seat is kept, and its client resumes it on another connection."""

import pytest

from tcproto import messages as m
from tcproto.errors import Action, ErrorCode
from tcproto.identity import SigningKey
from tcproto.resumption import MAX_KEPT_BYTES
from tcserver.conference import Disconnect
from tcserver.conference.login.sessions import LEAVE_PATIENCE
from tcserver.media.interface import RekeySeat, SeatLeft
from tests.support.conference.client import LostConnection
from tests.support.conference.driver import Driver, error_code

LIFETIME = 60.0


def waiting_driver(**settings):
    return Driver(limits__resume_s=LIFETIME, **settings)


def box(client, size=120):
    return m.KeyBoxes((m.AddressedBox(client.participant, b"b" * size),))


def left(client):
    changes = [change for message in client.got(m.RoomChanges) for change in message.changes]
    return [change.participant for change in changes if change.what is m.ChangeKind.MEMBER_LEFT]


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


def test_who_resumes_has_the_seat_with_new_keys_under_a_raised_epoch():
    driver = waiting_driver()
    client, other = driver.participant(), driver.participant()
    client.publish()
    client.ask(m.RaiseHand())
    client.subscribe(m.Source.MICROPHONE)
    before = client.view.joined
    client.drop()
    driver.advance(30)
    resumed = client.come_back()
    assert (resumed.participant, resumed.media_id) == (before.participant, before.media_id)
    assert resumed.epoch == before.epoch + 1
    assert not {resumed.up_key, resumed.down_key} & {before.up_key, before.down_key}
    assert driver.plane.log[-1] == RekeySeat(before.media_id, resumed.epoch, resumed.up_key, resumed.down_key)
    assert client.view.members[client.participant].hand
    assert client.view.publications.keys() == {(client.participant, 1)}
    assert left(other) == []
    assert driver.logged[-1].name == "resumed"
    driver.advance(LIFETIME + 1)
    assert driver.conference.sessions == 2, "the deadline was that of the connection before"
    driver.check()


def test_what_was_sent_before_the_loss_was_noticed_comes_again_in_order_and_once():
    driver = waiting_driver()
    client, other = driver.participant(), driver.participant()
    driver.advance(0.2)
    client.lose()
    third = driver.participant()
    driver.advance(0.2)
    third.tell(box(client))
    other.publish()
    driver.advance(0.2)
    other.ask(m.Chat(b"m" * 16, m.ChatScope.ROOM, "", 0, b"sealed"))
    client.inbox.clear()
    assert isinstance(client.come_back(), m.Resumed)
    assert [type(message) for message in client.inbox] == [
        m.RoomChanges, m.KeyBoxes, m.RoomChanges, m.ChatMessage, m.Snapshot,
    ]  # fmt: skip
    assert client.view.members == other.view.members
    assert client.view.publications == other.view.publications
    client.inbox.clear()
    client.drop()
    client.come_back()
    assert [type(message) for message in client.inbox] == [m.Snapshot], "nothing comes twice"
    driver.check()


def test_the_room_key_of_a_leave_and_changes_that_wait_for_their_batch_are_not_missed():
    driver = waiting_driver()
    client, other, third = driver.participant(), driver.participant(), driver.participant()
    driver.advance(0.2)
    client.drop()
    third.ask(m.Leave())
    driver.advance(3)
    other.publish()
    other.announce(m.Source.CAMERA)
    client.inbox.clear()
    client.come_back()
    assert client.got(m.NewRoomKey)
    driver.check()


def test_a_reply_that_was_lost_comes_again_and_a_request_that_was_lost_is_known_to_be():
    driver = waiting_driver()
    client, _ = driver.participant(), driver.participant()
    client.lose()
    came = client.send(m.RaiseHand())
    client.count_sent(m.LowerHand())  # it never left
    resumed = client.come_back()
    assert isinstance(client.replies[came], m.Ok)
    assert resumed.number == client.sent - 1
    driver.check()


def test_a_reply_that_takes_long_comes_on_the_other_connection():
    driver = waiting_driver()
    client = driver.participant()
    driver.advance(0.2)
    client.publish(m.Source.CAMERA)
    request = client.announce()
    client.lose()
    client.come_back()
    assert request not in client.replies
    driver.advance(0.2)
    assert isinstance(client.replies[request], m.Published)


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


def test_a_token_is_good_once_and_for_its_device_on_its_connection_only():
    driver = waiting_driver()
    client = driver.participant()
    token = client.token
    thief = driver.client(device=99)
    assert error_code(thief.ask(thief.resume_message(token=token))) is ErrorCode.CANNOT_RESUME
    signature = client.resume_message().device_signature  # of another connection
    for message in (
        m.Resume(token, client.device.public, signature, client.last_event),
        m.Resume(bytes(32), client.device.public, signature, client.last_event),
    ):
        assert error_code(thief.ask(message)) is ErrorCode.CANNOT_RESUME
    forged = client.reconnect().resume_message(device=SigningKey(b"another".ljust(32)))
    assert error_code(client.ask(forged)) is ErrorCode.CANNOT_RESUME
    assert isinstance(client.ask(client.resume_message()), m.Resumed)
    assert client.token != token
    client.ask(m.RaiseHand())
    client.reconnect()
    assert error_code(client.ask(client.resume_message(token=token))) is ErrorCode.CANNOT_RESUME
    assert isinstance(client.ask(client.resume_message()), m.Resumed)


def test_a_client_that_lost_the_reply_to_its_resume_has_a_token_still():
    driver = waiting_driver()
    client, other = driver.participant(), driver.participant()
    tokens = [client.token]
    for _ in range(3):
        client.reconnect()
        driver.clients[client.connection] = LostConnection()
        client.ask(client.resume_message())
    other.tell(box(client))
    client.inbox.clear()
    assert isinstance(client.come_back(), m.Resumed)
    assert client.got(m.KeyBoxes)
    assert driver.conference.connections == 2
    tokens.append(client.token)
    assert isinstance(client.come_back(), m.Resumed)
    tokens.append(client.token)
    client.tell(m.OwnQuality(m.Quality.GOOD))
    client.reconnect()
    for token in tokens[:2]:
        assert error_code(client.ask(client.resume_message(token=token))) is ErrorCode.CANNOT_RESUME
    assert isinstance(client.ask(client.resume_message()), m.Resumed)
    client.tell(m.Close(ErrorCode.LEAVING, "bye", Action.NONE, 0))
    assert error_code(client.come_back()) is ErrorCode.CANNOT_RESUME
    driver.check()


@pytest.mark.parametrize("last", [-1, 1, 2**60])
def test_a_client_cannot_have_more_than_was_sent_or_less_than_is_kept(last):
    driver = waiting_driver()
    client, other = driver.participant(), driver.participant()
    driver.advance(0.1)
    client.drop()
    if last < 0:
        for _ in range(MAX_KEPT_BYTES // (500 * 64) + 1):
            other.tell(m.KeyBoxes((m.AddressedBox(client.participant, b"b" * 500),) * 64))
        last = client.last_event
    elif last == 1:
        last += client.last_event
    client.last_event = last
    assert error_code(client.come_back()) is ErrorCode.CANNOT_RESUME
    driver.advance(LIFETIME)
    assert driver.conference.sessions == 1


def test_what_is_older_than_an_outage_can_be_is_not_kept():
    driver = waiting_driver()
    client, other = driver.participant(), driver.participant()
    other.tell(box(client))
    early = client.last_event - 1
    driver.advance(LIFETIME + driver.conference.context.settings.limits.idle_s + 12)
    late = client.last_event
    other.tell(box(client))
    client.last_event = early
    assert error_code(client.come_back()) is ErrorCode.CANNOT_RESUME
    client.last_event = late
    assert isinstance(client.come_back(), m.Resumed)


def test_another_connection_may_come_before_the_loss_is_noticed():
    driver = waiting_driver()
    client, other = driver.participant(), driver.participant()
    before = client.connection
    lost = client.reconnect() and driver.clients[before]
    client.ask(client.resume_message())
    assert lost.is_gone
    assert (driver.conference.sessions, driver.conference.connections) == (2, 2)
    driver.apply(driver.conference.disconnected(before, driver.now))
    assert Disconnect(before) not in driver.conference.context.outbox.take()
    other.publish()
    driver.advance(0.2)
    assert client.view.publications == other.view.publications
    driver.check()


def test_nobody_resumes_in_the_middle_of_a_login_or_after_it():
    driver = waiting_driver()
    client = driver.participant()
    client.drop()
    driver.hold_lookups = True
    client.reconnect().send(m.LoginBegin(client.account))
    assert error_code(client.ask(client.resume_message())) is ErrorCode.RATE_LIMITED
    driver.answer_held()
    driver.advance(0.1)
    assert isinstance(client.ask(client.resume_message()), m.Resumed)
    client.ask(client.resume_message())
    assert client.closed.code is ErrorCode.UNEXPECTED_MESSAGE


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


def test_who_resumes_again_and_again_pays_for_it_and_keeps_the_seat():
    driver = waiting_driver(limits__account_ms_per_s=30.0, limits__account_burst_ms=100.0)
    client, other = driver.participant(), driver.participant(account="dinas")
    first = client.last_event
    other.tell(box(client))
    replies = []
    for _ in range(100):
        client.last_event = first
        replies.append(client.come_back())
        if not isinstance(replies[-1], m.Resumed):
            break
    refused = replies[-1]
    assert error_code(refused) is ErrorCode.RATE_LIMITED
    assert 40 < len(replies) < 70, "a page of a snapshot is 1.5 ms of 100"
    assert driver.conference.sessions == 2
    driver.advance(refused.retry_after_ms / 1000)
    assert isinstance(client.ask(client.resume_message()), m.Resumed)
    driver.check()
