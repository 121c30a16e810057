"""Datagrams that leave by many streams: how they are joined, and in which order."""

from __future__ import annotations

import pytest

from tcserver.media.lanes.batch import Batch, Piece
from tests.support.media.stream_ends import datagrams_of

OVERHEAD = 3
"""Bytes of the frame and the kind of a small datagram."""


def batch(*datagrams: bytes) -> Batch:
    return Batch(Piece(number, datagram, "picture") for number, datagram in enumerate(datagrams))


@pytest.mark.parametrize(
    ("room", "counts"),
    [
        (1000, [4]),
        (3 * (10 + OVERHEAD), [3, 1]),
        (3 * (10 + OVERHEAD) - 1, [2, 2]),
        (10 + OVERHEAD, [1] * 4),
        (1, [1] * 4),
    ],
)
def test_portions_hold_what_fits_and_one_piece_at_least(room: int, counts: list[int]) -> None:
    datagrams = [bytes([n]) * 10 for n in range(4)]
    made = batch(*datagrams)
    portions = made.portions(room)
    assert [count for _, count in portions] == counts
    assert [len(datagrams_of(data)) for data, _ in portions] == counts
    assert datagrams_of(b"".join(data for data, _ in portions)) == datagrams
    assert made.portions(room)[0][0] is portions[0][0], "joined once for all"


def test_a_sum_has_the_pieces_of_both_in_the_order_in_which_they_came() -> None:
    pieces = [Piece(number, bytes([number]), None) for number in range(5)]
    total = Batch([pieces[0], pieces[3]]) + Batch([pieces[1], pieces[2], pieces[4]])
    assert total.pieces == pieces


def test_only_large_datagrams_are_pieces_of_a_picture() -> None:
    assert [piece.picture for piece in batch(bytes(100), bytes(1100)).pieces] == [None, "picture"]
