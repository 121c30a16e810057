"""Rates of the messages of one connection."""

import pytest

from tcproto import messages as m
from tcproto.errors import Action, ErrorCode
from tcserver.conference import MessageClass, Rate
from tcserver.conference.room.change_log import BATCH_INTERVAL
from tests.support.conference.driver import Driver, error_code

ROOM = m.ChatScope.ROOM


def text_id(number):
    return number.to_bytes(16, "big")


@pytest.mark.parametrize(
    ("message", "rate"),
    [
        (m.GetSnapshot(), MessageClass.ROOM),
        (m.Subscribe(1, ()), MessageClass.MEDIA),
        (m.Chat(text_id(1), ROOM, sealed=b"x"), MessageClass.CHAT),
        (m.UpdateRoom(), MessageClass.OTHER),
    ],
)
def test_requests_beyond_the_rate_are_told_when_to_come_again(message, rate):
    rates = {name: Rate(2, 3) for name in MessageClass}
    driver = Driver(rates=rates)
    client = driver.participant()
    driver.advance(10)
    replies = [client.ask(message) for _ in range(4)]
    assert [error_code(reply) for reply in replies] == [None] * 3 + [ErrorCode.RATE_LIMITED], rate
    assert 500 <= replies[-1].retry_after_ms <= 501
    driver.unix_ms += 86_400_000
    assert error_code(client.ask(message)) is ErrorCode.RATE_LIMITED, "the wall clock limits nothing"
    driver.unix_ms -= 2 * 86_400_000
    driver.advance(replies[-1].retry_after_ms / 1000)
    assert error_code(client.ask(message)) is None


def test_notifications_beyond_the_rate_are_dropped_and_counted():
    driver = Driver(rates={name: Rate(2, 3) for name in MessageClass})
    client = driver.participant()
    for _ in range(5):
        client.tell(m.KeyframeRequest(1, 0))
    assert driver.conference.counters["keyframe_request_ignored"] == 3
    assert driver.conference.counters["notification_rate_limited"] == 2


def test_keys_are_never_dropped():
    """No client sends a box again: a hundred that join at once make hundreds of boxes, and as many receipts."""
    driver = Driver()
    sender, *others = (driver.participant() for _ in range(101))
    for number in range(1, 5):
        for other in others:
            sender.tell(m.KeyBoxes((m.AddressedBox(other.participant, b""),)))
            other.tell(m.KeyReceipts((m.KeyReceipt(sender.participant, number),)))
    driver.advance(BATCH_INTERVAL)
    assert [len(other.got(m.KeyBoxes)) for other in others] == [4] * 100
    assert len(sender.got(m.KeyReceipts)) == 400


def test_mute_leave_and_the_like_are_never_limited():
    driver = Driver(rates={name: Rate(0.001, 2) for name in MessageClass})
    client = driver.participant()
    client.publish()
    while error_code(client.publish()) is None:
        pass
    for muted in [True, False] * 20:
        assert isinstance(client.ask(m.Mute(1, muted)), m.Ok)
    assert client.ask(m.Ping(5)) == m.Pong(5)
    assert isinstance(client.ask(m.Unpublish(1)), m.Ok)
    assert isinstance(client.ask(m.Leave()), m.Ok)


@pytest.mark.parametrize(
    "message", [m.Ping(1), m.Leave(), m.Chat(text_id(1), ROOM, sealed=b"x"), m.GetSnapshot(), m.LoginBegin("x")]
)
def test_flood_of_anything_ends_the_connection_that_sends_it_and_no_other(message):
    driver = Driver(limits__messages_per_s=200, limits__message_burst=300)
    other = driver.participant()
    client = driver.client() if isinstance(message, m.LoginBegin) else driver.participant()
    for _ in range(301):
        if not client.is_gone:
            client.send(message)
    assert client.closed.code is ErrorCode.RATE_LIMITED
    assert client.closed.action is Action.RECONNECT
    assert 0 < client.closed.retry_after_ms <= 6
    assert isinstance(other.ask(m.GetSnapshot()), m.Ok)
    driver.check()
