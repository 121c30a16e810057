import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcproto.path import Position
from tcserver.media.relay import wire
from tcserver.media.relay.wire import LEVELS_IN_MESSAGE, MAX_RELAYED, Message
from tcserver.media.speakers.selection import Level, News, Ranked

U32, U16 = st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1)
LEVELS = st.builds(Level, U16, U32, U32, st.integers(0, 127), st.integers(0, 127), st.booleans())


@given(st.sampled_from(Message), U32)
def test_a_head(kind, number):
    assert wire.parse_head(wire.pack_head(kind, number)) == (kind, number)


@given(U32, U32, st.frozensets(U32))
def test_an_audience(number, room, members):
    data = wire.pack_audience(number, room, members)
    assert wire.parse_head(data) == (Message.AUDIENCE, number)
    assert wire.parse_audience(data) == (room, members)


@given(U32, U32, st.integers(0, 2**48 - 1))
def test_a_position(room, sealer, counter):
    data = wire.pack_position(room, Position(sealer, counter))
    assert wire.parse_head(data) == (Message.POSITION, room)
    assert wire.parse_position(data) == Position(sealer, counter)


@given(U32, st.lists(LEVELS, max_size=20))
def test_levels(room, levels):
    data = wire.pack_levels(room, levels)
    assert wire.parse_head(data) == (Message.LEVELS, room)
    assert wire.parse_levels(data) == levels


def test_a_packet_longer_than_can_be_told_counts_as_the_longest():
    (level,) = wire.parse_levels(wire.pack_levels(1, [Level(1, 2, -(2**32), 3, 4, 200)]))
    assert level == Level(1, 2, -(2**32), 3, 4, 127)


def test_as_many_levels_as_fit():
    assert len(wire.pack_levels(1, [Level(1, 2, 9, 3, 4, 20)] * LEVELS_IN_MESSAGE)) <= MAX_RELAYED


def test_many_levels_take_several_messages():
    levels = [Level(stream, 4, 4, 3, 25, 20, True) for stream in range(2 * LEVELS_IN_MESSAGE + 1)]
    parts = [wire.parse_levels(message) for message in wire.pack_news(1, News(levels))]
    assert [len(part) for part in parts] == [LEVELS_IN_MESSAGE, LEVELS_IN_MESSAGE, 1]
    assert [level for part in parts for level in part] == levels


@pytest.mark.parametrize("streams", [(), (8, 7)])
def test_news_of_the_home(streams):
    places = tuple(Ranked(stream, 1000 + stream) for stream in streams)
    holders, ranking = wire.pack_news(1, News(holders=streams, ranking=places))
    assert wire.parse_head(holders) == (Message.HOLDERS, 1)
    assert wire.parse_head(ranking) == (Message.RANKING, 1)
    assert wire.parse_holders(holders) == frozenset(streams)
    assert wire.parse_ranking(ranking) == places
    assert wire.pack_news(1, News()) == []


@given(U32, st.frozensets(U16))
def test_holders(room, streams):
    data = wire.pack_holders(room, streams)
    assert wire.parse_head(data) == (Message.HOLDERS, room)
    assert wire.parse_holders(data) == streams


@given(U32, st.lists(st.builds(Ranked, U16, U32)).map(tuple))
def test_a_ranking(room, ranking):
    data = wire.pack_ranking(room, ranking)
    assert wire.parse_head(data) == (Message.RANKING, room)
    assert wire.parse_ranking(data) == ranking


@pytest.mark.parametrize("kind", ["head", "audience", "position", "levels", "holders", "ranking"])
@given(data=st.binary(max_size=80))
def test_whatever_comes_is_a_value_or_a_value_error(kind, data):
    with contextlib.suppress(ValueError):
        getattr(wire, f"parse_{kind}")(data)
