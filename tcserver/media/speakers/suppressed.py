"""Seats that nobody hears although they send: open microphones beside which others are louder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

LOOK_BACK = 0.3
"""Seconds of which a seat has to have been unheard."""
FEW = 4
"""Fewer unheard seats than this are heard out one by one: reading them together would save nothing."""
MAX_UNHEARD = 256
"""Most that are told: so many media ids fit a steering program on all kernels."""


@dataclass(frozen=True, slots=True)
class UnheardSeats:
    """What a media worker tells: seats whose datagrams may wait, by media id."""

    media_ids: tuple[int, ...]


def fair_share(workers: Iterable[Sequence[int]]) -> list[int]:
    """Return ``MAX_UNHEARD`` of the workers' unheard seats at most, of each worker as many, as far as it has them."""
    turns = zip_longest(*workers)
    return [media_id for turn in turns for media_id in turn if media_id is not None][:MAX_UNHEARD]


class Unheard:
    """Media ids of seats whose datagrams may wait a little, since what is in them is kept back anyway."""

    __slots__ = ("changed", "media_ids")

    def __init__(self) -> None:
        self.media_ids: set[int] = set()
        self.changed = False
        """Whether they have changed since whoever follows them has set it back."""

    def replace(self, found: set[int]) -> None:
        """Take the seats that are unheard now in place of those before; fewer than ``FEW`` are none."""
        if len(found) < FEW:
            found = set()
        elif len(found) > MAX_UNHEARD:
            found = set(sorted(found)[:MAX_UNHEARD])
        if found != self.media_ids:
            self.media_ids = found
            self.changed = True

    def discard(self, media_id: int) -> None:
        """What comes from a seat matters from now on."""
        if media_id in self.media_ids:
            self.media_ids.discard(media_id)
            self.changed = True
