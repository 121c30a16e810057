"""What comes again to a session that is resumed, and by which token it is."""

import pytest

from tcproto import messages as m
from tcproto.errors import Action, ErrorCode
from tcproto.identity import SigningKey
from tcproto.resumption import MAX_KEPT_BYTES
from tcserver.conference import Disconnect
from tcserver.conference.room.seat import MAX_KEYS_PASSED
from tcserver.media.interface import RekeySeat
from tests.support.conference.client import LostConnection
from tests.support.conference.detached import LIFETIME, box, left, waiting_driver
from tests.support.conference.driver import error_code


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
    client, _ = driver.participant(), driver.participant()
    driver.advance(0.1)
    client.drop()
    if last < 0:
        for _ in range(MAX_KEPT_BYTES // (500 * MAX_KEYS_PASSED) + 1):
            driver.participant().tell(m.KeyBoxes((m.AddressedBox(client.participant, b"b" * 500),) * MAX_KEYS_PASSED))
        driver.advance(0.1)
        last = client.last_event
    elif last == 1:
        last += client.last_event
    client.last_event = last
    assert error_code(client.come_back()) is ErrorCode.CANNOT_RESUME
    sessions = driver.conference.sessions
    driver.advance(LIFETIME)
    assert driver.conference.sessions == sessions - 1


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
