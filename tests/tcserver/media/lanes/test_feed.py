"""What is collected for the streams of one set of receivers, against a list for each of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tcserver.media.lanes.batch import Piece
from tcserver.media.lanes.feed import Feed


def pieces(first: int, count: int) -> list[Piece]:
    return [Piece(number, b"x", None) for number in range(first, first + count)]


def numbers(feed: Feed[str]) -> dict[str, list[int]]:
    return {stream: [piece.number for piece in batch.pieces] for stream, batch in feed}


@st.composite
def puts(draw: st.DrawFn) -> tuple[int, list[tuple[int, int, int]]]:
    """Streams, and how many pieces each time for which of them: all, all but one, some in a row, or none."""
    streams = draw(st.integers(1, 6))
    ranges = [
        (start, start + length, draw(st.integers(1, 3)))
        for start, length in draw(st.lists(st.tuples(st.integers(0, streams), st.integers(0, streams)), max_size=8))
    ]
    return streams, ranges


@given(puts())
def test_each_stream_gets_its_pieces_in_order(case: tuple[int, list[tuple[int, int, int]]]) -> None:
    streams, ranges = case
    names = [f"stream {index}" for index in range(streams)]
    feed = Feed(names)
    for _ in range(2):
        expected: dict[str, list[int]] = {name: [] for name in names}
        number = 0
        for start, stop, count in ranges:
            feed.put(pieces(number, count), start, stop)
            for index in range(start, stop):
                expected[names[index % streams]] += range(number, number + count)
            number += count
        assert numbers(feed) == {name: got for name, got in expected.items() if got}
        assert len(feed) == number
        feed.clear()
        assert not feed
        assert list(feed) == []


def test_who_gets_the_same_shares_it_and_a_publisher_has_its_own() -> None:
    feed = Feed(["publisher", "camera", "silent", "silent too"])
    feed.put(pieces(0, 1), 1, 4)
    feed.put(pieces(1, 3), 2, 5)
    feed.put(pieces(4, 1), 0, 4)
    batches = dict(feed)
    assert batches["silent"] is batches["silent too"]
    assert numbers(feed) == {
        "publisher": [1, 2, 3, 4],
        "camera": [0, 4],
        "silent": [0, 1, 2, 3, 4],
        "silent too": [0, 1, 2, 3, 4],
    }
    feed.clear()
    assert [piece.number for piece in batches["silent"].pieces] == [0, 1, 2, 3, 4], "what was taken stays as it is"
    feed.put(pieces(5, 1), 0, 4)
    again = dict(feed)
    assert again["publisher"] is again["silent"], "nobody is apart for ever"
