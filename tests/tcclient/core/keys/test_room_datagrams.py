"""Room keys that come by a datagram."""

from collections import Counter

import pytest

from tcclient.core.keys.room_datagrams import RoomDatagramOpener
from tcproto.messages import RoomKey

SEALER = 77


def key(epoch, sealer=SEALER):
    return RoomKey(sealer, epoch, bytes([epoch]) * 32, 0)


@pytest.mark.parametrize(
    ("known", "epoch", "taken"),
    [([4], 5, True), ([4, 5], 5, False), ([4, 5], 4, False), ([4, 5], 3, False), ([255], 0, True), ([0], 255, False)],
)
def test_an_urgent_key_is_taken_if_it_is_newer_than_all_before(known, epoch, taken):
    """An older one may have been used and forgotten. With it everything that came under it would be new again."""
    opener = RoomDatagramOpener(Counter(), lambda now: None)
    for before in known:
        opener.add_key(key(before))
    opener.add_urgent_key(key(epoch))
    assert list(opener.sealers[SEALER].epochs) == [*known, *([epoch] if taken else [])]
    opener.add_key(key(epoch))
    assert epoch in opener.sealers[SEALER].epochs, "the channel has the last word"


def test_an_urgent_key_of_an_unknown_sealer_is_not_taken():
    opener = RoomDatagramOpener(Counter(), lambda now: None)
    opener.add_key(key(4))
    opener.add_urgent_key(key(5, SEALER + 1))
    opener.close(SEALER)
    opener.add_urgent_key(key(5))
    assert opener.sealers == {}
