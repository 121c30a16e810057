"""Urgent messages: what may be one, and how long it may be."""

import pytest

from tcproto.messages import (
    AddressedBox,
    KeyBoxes,
    KeyReceipt,
    KeyReceipts,
    Mute,
    NewRoomKey,
    RoomKey,
    Source,
    StreamChoice,
    Subscribe,
    encode,
)
from tcproto.urgent import MAX_URGENT, URGENT_DOWN, URGENT_UP, pack_urgent, parse_urgent

SUBSCRIBE = Subscribe(7, (Source.MICROPHONE,), (StreamChoice(3, max_spatial=1),))
BOXES = KeyBoxes((AddressedBox(5, b"b" * 512),))
RECEIPTS = KeyReceipts((KeyReceipt(5, 2),))
ROOM_KEY = NewRoomKey(RoomKey(1, 2, bytes(32), 0))


@pytest.mark.parametrize(
    ("message", "request_id", "allowed"),
    [
        (SUBSCRIBE, 9, URGENT_UP),
        (BOXES, 0, URGENT_UP),
        (BOXES, 0, URGENT_DOWN),
        (RECEIPTS, 0, URGENT_UP),
        (RECEIPTS, 0, URGENT_DOWN),
        (ROOM_KEY, 0, URGENT_DOWN),
    ],
)
def test_a_message_is_as_in_the_channel(message, request_id, allowed):
    value = pack_urgent(message, request_id)
    assert value == encode(message, request_id)
    assert parse_urgent(value, allowed) == message


def test_a_message_that_fits_no_datagram_is_not_packed():
    def subscribe(choices):
        return Subscribe(7, (), tuple(StreamChoice(stream) for stream in range(choices)))

    most = max(count for count in range(100) if len(encode(subscribe(count), 1)) <= MAX_URGENT)
    assert pack_urgent(subscribe(most), 1) is not None
    assert pack_urgent(subscribe(most + 1), 1) is None


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xc1",
        encode(SUBSCRIBE, 9)[:-1],
        encode(Mute(1, True), 9),
        encode(ROOM_KEY),
        b"\x81\xa1t\xa5later",
    ],
)
def test_what_is_not_sent_so_is_refused(value):
    with pytest.raises(ValueError, match="message"):
        parse_urgent(value, URGENT_UP)
