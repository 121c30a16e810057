"""Suppressed seats: they send sound, and none of it is forwarded, since others are louder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

LOOK_BACK = 0.3
"""Seconds for which everything of a seat has to have been kept back before the seat counts as suppressed."""
FEW = 4
"""Where fewer seats are suppressed, none is treated so: to read their datagrams together would save nothing."""
MAX_SUPPRESSED = 256
"""Suppressed seats at most: so many media ids fit a steering program on all kernels."""


@dataclass(frozen=True, slots=True)
class SuppressedSeats:
    """A media worker's report: its suppressed seats, by media id."""

    media_ids: tuple[int, ...]


def fair_share(workers: Iterable[Sequence[int]]) -> list[int]:
    """Return at most ``MAX_SUPPRESSED`` of the suppressed seats, in turn one of each worker that has more."""
    turns = zip_longest(*workers)
    return [media_id for turn in turns for media_id in turn if media_id is not None][:MAX_SUPPRESSED]


class Suppression:
    """The suppressed seats of a plane. Their datagrams may wait a little, since what is in them is kept back anyway."""

    __slots__ = ("changed", "media_ids")

    def __init__(self) -> None:
        self.media_ids: set[int] = set()
        self.changed = False
        """Whether the seats have changed. The user of this sets it back to False."""

    def replace(self, found: set[int]) -> None:
        """Take the seats that are suppressed now, instead of those before; fewer than ``FEW`` count as none."""
        if len(found) < FEW:
            found = set()
        elif len(found) > MAX_SUPPRESSED:
            found = set(sorted(found)[:MAX_SUPPRESSED])
        if found != self.media_ids:
            self.media_ids = found
            self.changed = True

    def discard(self, media_id: int) -> None:
        """Take a seat out: what it sends matters from now on."""
        if media_id in self.media_ids:
            self.media_ids.discard(media_id)
            self.changed = True
