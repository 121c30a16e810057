from collections import Counter

import pytest

from tcclient.core import Drop
from tcclient.core.path.stream_uplink import LOOK_INTERVAL, StreamUplink
from tcclient.core.timers import NEVER
from tcproto.datagram import LARGE
from tcproto.stream_path import LARGE_PATIENCE, MAX_UNSENT, SMALL_PATIENCE

SOUND, PIECE = bytes(100), bytes(LARGE + 1)


def test_what_the_stream_can_take_leaves_at_once():
    uplink = StreamUplink(Counter())
    uplink.put([SOUND, PIECE], 1.0)
    assert uplink.take(0, 1.0) == [SOUND, PIECE]
    assert uplink.next_deadline == NEVER


def test_sound_leaves_before_pictures_when_the_stream_is_free_again():
    drops = Counter()
    uplink = StreamUplink(drops)
    uplink.put([PIECE, SOUND], 1.0)
    assert uplink.take(MAX_UNSENT, 1.0) == []
    assert uplink.next_deadline == pytest.approx(1.0 + LOOK_INTERVAL)
    assert uplink.take(0, 1.1) == [SOUND, PIECE]
    assert uplink.next_deadline == NEVER
    assert not drops


def test_what_has_waited_too_long_is_dropped_and_counted_once():
    drops = Counter()
    uplink = StreamUplink(drops)
    uplink.put([SOUND, PIECE, PIECE], 1.0)
    assert uplink.take(MAX_UNSENT, 1.01 + LARGE_PATIENCE) == []
    assert drops == {Drop.STREAM_SLOW: 2}, "both pieces of the picture"
    assert uplink.take(0, 1.01 + SMALL_PATIENCE) == []
    assert drops == {Drop.STREAM_SLOW: 3}
    assert uplink.next_deadline == NEVER
    uplink.take(0, 2.0)
    assert drops == {Drop.STREAM_SLOW: 3}
