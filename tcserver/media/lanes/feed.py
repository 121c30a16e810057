"""A feed: what is collected for the streams of one set of receivers, once for all of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from tcserver.media.lanes.batch import Batch, Piece

S = TypeVar("S")


class Feed(Generic[S]):
    """Collects pieces for streams, of which nearly all get every piece, and share a batch.

    A publisher does not get its own pieces. A stream has a batch of its own from the first piece on that it misses.
    """

    __slots__ = ("_apart", "_shared", "_streams")

    def __init__(self, streams: Sequence[S]) -> None:
        self._streams = streams
        self._shared = Batch()
        self._apart: dict[int, Batch] = {}
        """By index of the stream."""

    def __len__(self) -> int:
        """Return how many pieces were collected."""
        return len(self._shared.pieces)

    def __iter__(self) -> Iterator[tuple[S, Batch]]:
        """Return each stream for which something was collected, with that."""
        for index, stream in enumerate(self._streams):
            batch = self._apart.get(index, self._shared)
            if batch.pieces:
                yield stream, batch

    def put(self, pieces: Sequence[Piece], start: int, stop: int) -> None:
        """Collect pieces for the streams from index ``start`` to before ``stop``; indices go round, as of a lane."""
        streams, apart = len(self._streams), self._apart
        for index in range(stop, start + streams):
            if index % streams not in apart:
                apart[index % streams] = Batch(self._shared.pieces)
        for index, batch in apart.items():
            if (index - start) % streams < stop - start:
                batch.pieces += pieces
        self._shared.pieces += pieces

    def clear(self) -> None:
        """Begin with other batches."""
        self._shared, self._apart = Batch(), {}
