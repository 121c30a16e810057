"""Urgent messages: the same as in the channel, without a reply, and bounded by the budget of the account."""

import pytest

from tcproto import messages as m
from tcproto.messages import encode
from tcproto.urgent import URGENT_DOWN, parse_urgent
from tcserver.conference.room.sealer import URGENT_AGAIN
from tcserver.media.interface import SendUrgent, UrgentCame
from tests.support.conference.driver import Driver

MICROPHONE = m.Source.MICROPHONE


def tell(driver, client, message, request_id=0):
    """Bring a message by a datagram. Return what is sent by datagrams then: receivers and message."""
    driver.plane.log.clear()
    driver.event(UrgentCame(client.media_id, encode(message, request_id)))
    return sent(driver)


def sent(driver):
    return [
        (command.media_ids, parse_urgent(command.message, URGENT_DOWN))
        for command in driver.plane.log
        if isinstance(command, SendUrgent)
    ]


def test_the_newest_subscription_wins_whichever_way_it_came():
    driver = Driver()
    speaker, listener = driver.participant(), driver.participant()
    stream = speaker.publish().stream
    key = speaker.media_id, stream

    def gets():
        return listener.media_id in driver.plane.forwarding.get(key, {})

    replies = len(listener.replies)
    tell(driver, listener, m.Subscribe(1, (MICROPHONE,)), 5)
    assert gets()
    tell(driver, listener, m.Subscribe(3, ()), 7)
    assert not gets()
    assert len(listener.replies) == replies, "it is answered in the channel"
    assert isinstance(listener.subscribe(MICROPHONE, generation=2), m.Ok)
    assert not gets(), "an older one came late"
    assert isinstance(listener.subscribe(generation=3), m.Ok)
    assert isinstance(listener.subscribe(MICROPHONE, generation=4), m.Ok)
    assert gets()
    tell(driver, listener, m.Subscribe(3, ()), 7)
    assert gets(), "so with a datagram that was delayed"
    driver.check()


def test_keys_go_to_those_they_name_by_datagrams_alone():
    driver = Driver()
    sender, first, second = (driver.participant() for _ in range(3))
    boxes = tuple(m.AddressedBox(client.participant, b"box") for client in (first, second, sender))
    mine = m.KeyBoxes((m.AddressedBox(sender.participant, b"box"),))
    assert tell(driver, sender, m.KeyBoxes(boxes)) == [((first.media_id,), mine), ((second.media_id,), mine)]
    receipts = m.KeyReceipts((m.KeyReceipt(sender.participant, 9), m.KeyReceipt(12345, 9)))
    answer = m.KeyReceipts((m.KeyReceipt(first.participant, 9),))
    assert tell(driver, first, receipts) == [((sender.media_id,), answer)]
    assert driver.conference.counters["key_for_nobody"] == 2
    for client in (sender, first, second):
        assert client.got(m.KeyBoxes) == client.got(m.KeyReceipts) == []


def test_what_fits_no_datagram_is_left_to_the_channel():
    driver = Driver()
    sender, first = driver.participant(), driver.participant()
    boxes = (m.AddressedBox(first.participant, b"b" * 512),) * 3
    assert tell(driver, sender, m.KeyBoxes(boxes)) == []
    assert len(tell(driver, sender, m.KeyBoxes(boxes[:2]))) == 1


def test_a_new_room_key_is_told_by_datagrams_twice_to_those_who_are_there():
    driver = Driver()
    first, second, third = (driver.participant() for _ in range(3))
    driver.plane.log.clear()
    third.drop()
    (new,) = first.got(m.NewRoomKey)
    assert sent(driver) == [((first.media_id, second.media_id), new)]
    driver.plane.log.clear()
    second.drop()
    driver.advance(URGENT_AGAIN)
    assert ((first.media_id,), new) in sent(driver), "and not to who has left"
    driver.plane.log.clear()
    driver.advance(60)
    assert len(sent(driver)) == 2, "the next key, which the second leave brought"


@pytest.mark.parametrize(
    "message", [m.Mute(1, True), m.Leave(), m.Chat(bytes(16), m.ChatScope.ROOM, text="no"), m.Ping(1)]
)
def test_other_messages_are_ignored(message):
    driver = Driver()
    client = driver.participant()
    client.inbox.clear()
    assert tell(driver, client, message, 5) == []
    assert client.inbox == []
    assert driver.conference.counters["urgent_ignored"] == 1
    driver.event(UrgentCame(client.media_id, b"\xc1"))
    driver.event(UrgentCame(12345, b"nobody"))
    assert driver.conference.counters["urgent_ignored"] == 2
    driver.check()


def test_who_may_not_subscribe_may_not_do_so_by_a_datagram():
    driver = Driver()
    chair, other = driver.participant(), driver.participant()
    speaker = chair.publish()
    driver.conference.context.seats[other.media_id].permissions &= ~m.Permission.SUBSCRIBE
    tell(driver, other, m.Subscribe(1, (MICROPHONE,)), 5)
    assert other.media_id not in driver.plane.forwarding.get((chair.media_id, speaker.stream), {})
    assert driver.conference.counters["urgent_ignored"] == 1


def test_an_account_that_asks_too_much_is_not_heard():
    driver = Driver(limits__account_ms_per_s=10, limits__account_burst_ms=50)
    first, *others = (driver.participant() for _ in range(25))
    boxes = [m.KeyBoxes((m.AddressedBox(other.participant, b"box"),)) for other in others]
    passed = sum(len(tell(driver, first, boxes[number % len(boxes)])) for number in range(1000))
    assert 0 < passed < 1000
    assert driver.conference.counters["urgent_limited"] == 1000 - passed
    driver.advance(5)
    assert tell(driver, first, boxes[0])
