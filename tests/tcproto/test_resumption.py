"""Messages that are counted, kept, and sent again."""

import pytest

from tcproto.messages import (
    ROWS,
    KeyBoxes,
    Ok,
    Ping,
    RoomChanges,
    Speakers,
    Unknown,
)
from tcproto.resumption import UNCOUNTED, SentMessages, is_counted


def filled(count, max_bytes=1000):
    sent = SentMessages(max_bytes)
    for number in range(1, count + 1):
        sent.add(f"message {number}", number % 2, 10)
    return sent


def texts(sent, number):
    return [kept.message for kept in sent.after(number)]


def test_all_is_counted_but_what_is_of_the_moment_or_comes_with_the_snapshot():
    assert is_counted(Ok())
    assert is_counted(KeyBoxes(()))
    assert is_counted(RoomChanges(1, ()))
    assert is_counted(Unknown("later"))
    assert not is_counted(Ping(0))
    assert not is_counted(Speakers())
    assert {row.name for row in ROWS.values() if row.message in UNCOUNTED} == {
        *("ping", "pong", "close", "welcome", "resumed", "session_keys", "media_move", "snapshot", "speakers"),
        "keyframe_request",
    }


def test_those_after_a_number_are_kept_in_order():
    sent = filled(3)
    assert sent.number == 3
    assert texts(sent, 0) == ["message 1", "message 2", "message 3"]
    assert [kept.request_id for kept in sent.after(1)] == [0, 1]
    assert texts(sent, 3) == []
    assert [sent.has_after(number) for number in (0, 3, 4)] == [True, True, False]
    assert SentMessages().has_after(0)


def test_beyond_the_bound_the_oldest_are_forgotten():
    sent = filled(5, max_bytes=30)
    assert [sent.has_after(number) for number in (1, 2)] == [False, True]
    assert texts(sent, 2) == ["message 3", "message 4", "message 5"]
    sent.add("larger than all", 0, 31)
    assert not sent.has_after(5)
    assert sent.has_after(6)


@pytest.mark.parametrize("number", [0, 2, 5, 9])
def test_what_the_other_side_has_is_forgotten(number):
    sent = filled(5)
    sent.forget(number)
    assert sent.has_after(min(number, 5))
    assert sent.has_after(number - 1) is False
    assert len(texts(sent, min(number, 5))) == max(0, 5 - number)


def test_what_was_sent_long_ago_is_forgotten():
    sent = SentMessages()
    for second in range(0, 100, 5):
        sent.add(second, 0, 1)
        sent.mark(float(second), 75.0)
    assert sent.number == 20
    assert texts(sent, 5)[0] == 25
    assert not sent.has_after(4)
