"""A batch: datagrams that leave by many byte streams, framed and joined once for all of them. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from tcproto.datagram import LARGE
from tcproto.stream_path import frame, pack_datagram


class Piece:
    """A datagram in its frame; ``number`` tells the order in which pieces came."""

    __slots__ = ("frame", "number", "picture")

    def __init__(self, number: int, datagram: bytes, picture: Hashable) -> None:
        self.number = number
        self.frame = frame(pack_datagram(datagram))
        self.picture = picture if len(datagram) > LARGE else None
        """Equal for the pieces of one picture; None: it is small."""


class Batch:
    """Pieces in the order in which they came. It takes more of them until it is written."""

    __slots__ = ("_portions", "pieces")

    def __init__(self, pieces: Iterable[Piece] = ()) -> None:
        self.pieces = list(pieces)
        self._portions: dict[int, list[tuple[bytes, int]]] = {}

    def __add__(self, other: Batch) -> Batch:
        """Return the pieces of both."""
        return Batch(sorted(self.pieces + other.pieces, key=lambda piece: piece.number))

    def portions(self, room: int) -> list[tuple[bytes, int]]:
        """Join frames into portions of at most ``room`` bytes, to be written at once; return each with its size.

        The size is the number of pieces. One that is larger than ``room`` is a portion of its own.
        """
        portions = self._portions.get(room)
        if portions is None:
            portions = self._portions[room] = _join(self.pieces, room)
        return portions


def _join(pieces: Sequence[Piece], room: int) -> list[tuple[bytes, int]]:
    portions: list[tuple[bytes, int]] = []
    frames: list[bytes] = []
    size = 0
    for piece in pieces:
        if frames and size + len(piece.frame) > room:
            portions.append((b"".join(frames), len(frames)))
            frames, size = [], 0
        frames.append(piece.frame)
        size += len(piece.frame)
    portions.append((b"".join(frames), len(frames)))
    return portions
