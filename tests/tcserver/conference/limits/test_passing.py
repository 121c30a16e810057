"""What one participant can make another one receive on its channel, within what its account may cost the server."""

import pytest

from tcproto import messages as m
from tcproto.errors import ErrorCode
from tcproto.messages import encode
from tcproto.messages.types import MAX_SEALED_TEXT
from tcserver.conference import Settings
from tcserver.conference.limits.passing import WINDOW, Passing
from tcserver.conference.requests.chat import PAGE_BYTES, pages
from tcserver.conference.room.seat import MAX_KEYS_PASSED
from tests.support.conference.driver import Driver, error_code

LIMITS = Settings().limits
DEFAULTS = {
    "limits__account_ms_per_s": LIMITS.account_ms_per_s,
    "limits__account_burst_ms": LIMITS.account_burst_ms,
}
SECONDS = 20
THIN = 256_000 / 8
"""Bytes per second of a thin line."""


def keys(victim: object, _: int) -> object:
    return m.KeyBoxes(tuple(m.AddressedBox(victim.participant, bytes(512)) for _ in range(60)))


def receipts(victim: object, number: int) -> object:
    return m.KeyReceipts(tuple(m.KeyReceipt(victim.participant, number) for _ in range(64)))


def mutes(_: object, number: int) -> object:
    return m.Mute(1, number % 2 == 0)


def texts(_: object, number: int) -> object:
    return m.Chat(number.to_bytes(16, "big"), m.ChatScope.ROOM, sealed=bytes(MAX_SEALED_TEXT))


def hands(_: object, number: int) -> object:
    return m.RaiseHand() if number % 2 else m.LowerHand()


@pytest.mark.parametrize("flood", [keys, receipts, mutes, texts, hands])
def test_nobody_fills_the_line_of_another_one(flood: object) -> None:
    """Without a limit of its own it would be 7.7 Mbit/s of boxes, 2.7 of receipts, 0.24 of mutes, 0.14 of texts."""
    world = Driver(**DEFAULTS)
    attacker, victim = world.participant(account="attacker"), world.participant(account="victim")
    attacker.publish()
    world.advance(1)
    victim.inbox.clear()
    began, number = world.now, 0
    while world.now < began + SECONDS and not attacker.is_gone:
        number += 1
        message = flood(victim, number)
        (attacker.ask if m.row_of(type(message)).numbered else attacker.tell)(message)
        world.advance(1 / LIMITS.messages_per_s)
    received = sum(len(encode(message)) for message in victim.inbox if not isinstance(message, m.Ping))
    assert received < THIN * SECONDS / 8
    assert not victim.is_gone
    world.check()


def test_what_is_too_much_for_one_is_nobody_elses_loss() -> None:
    world = Driver()
    attacker, victim, other = (world.participant() for _ in range(3))
    world.advance(1)
    for number in range(3):
        attacker.tell(keys(victim, number))
        attacker.tell(m.KeyBoxes((m.AddressedBox(other.participant, b"other"),)))
        other.tell(m.KeyBoxes((m.AddressedBox(victim.participant, b"honest"),)))
    boxes = [addressed for message in victim.got(m.KeyBoxes) for addressed in message.boxes]
    assert sum(box.participant == attacker.participant for box in boxes) == MAX_KEYS_PASSED
    assert sum(box.participant == other.participant for box in boxes) == 3
    assert len(other.got(m.KeyBoxes)) == 3
    assert world.conference.counters["key_limited"] == 3 * 60 - MAX_KEYS_PASSED
    world.advance(WINDOW)
    attacker.tell(keys(victim, 4))
    assert len(victim.got(m.KeyBoxes)) == 1, "and later it may send as many again"
    world.check()


def test_a_window_begins_with_the_first_that_passes() -> None:
    passing = Passing(4)
    assert [passing.take(1, 3, 100.0), passing.take(1, 3, 101.0), passing.take(1, 3, 102.0)] == [3, 1, 0]
    assert passing.take(2, 9, 102.0) == 4
    assert passing.take(1, 1, 100.0 + WINDOW - 0.01) == 0
    assert passing.take(1, 9, 100.0 + WINDOW) == 4


def test_a_long_text_counts_as_several_and_the_wait_that_is_told_is_true() -> None:
    world = Driver(limits__chat_per_s=2.0, limits__chat_burst=20)
    client, reader = world.participant(), world.participant()
    assert [pages(m.Chat(bytes(16), m.ChatScope.ROOM, sealed=bytes(size))) for size in (1, 512, 513)] == [1, 1, 2]
    assert pages(texts(None, 1)) == 17
    replies = [client.ask(texts(None, number)) for number in range(1, 4)]
    assert [error_code(reply) for reply in replies] == [None, ErrorCode.RATE_LIMITED, ErrorCode.RATE_LIMITED]
    world.advance(replies[-1].retry_after_ms / 1000)
    assert error_code(client.ask(texts(None, 2))) is None
    assert len(reader.got(m.ChatMessage)) == 2


def test_a_long_text_can_be_sent_however_small_the_burst_is() -> None:
    world = Driver(limits__chat_per_s=1.0, limits__chat_burst=2)
    client = world.participant()
    world.participant()
    assert error_code(client.ask(texts(None, 1))) is None
    assert error_code(client.ask(m.Chat(bytes(16), m.ChatScope.ROOM, sealed=bytes(PAGE_BYTES)))) is not None
