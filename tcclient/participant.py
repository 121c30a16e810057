"""A member of a room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcclient.core.events import Participant as Member
from tcproto.messages import Role

if TYPE_CHECKING:
    from tcclient.track import Track


MAX_VOLUME = 2.0
"""6 dB up: enough for a quiet microphone; the limiter of the mix takes care of the rest."""


class Participant:
    """A member of a room, with its tracks; an object for as long as the seat lasts."""

    def __init__(self, member: Member, *, me: bool) -> None:
        self.me = me
        """Whether this is ourselves."""
        self.tracks: dict[int, Track] = {}
        """By publication number."""
        self.speaking = False
        self.priority = False
        """Whether ``Room.listen`` lowers all others, by 12 dB, while this one talks."""
        self._member = member
        self._volume = 1.0

    def update(self, member: Member) -> None:
        """Take what the roster says now."""
        self._member = member

    @property
    def volume(self) -> float:
        """How loud ``Room.listen`` plays this one, from the next 20 ms on: 0 (silent) to 2 (6 dB more), 1 as it came.

        Setting another value raises ``ValueError``. Recordings are not touched.
        """
        return self._volume

    @volume.setter
    def volume(self, volume: float) -> None:
        if not 0 <= volume <= MAX_VOLUME:
            raise ValueError(f"a volume is from 0 to {MAX_VOLUME:g}, not {volume!r}")
        self._volume = volume

    @property
    def id(self) -> int:
        """The id in this room."""
        return self._member.id

    @property
    def account(self) -> str:
        """The account's name."""
        return self._member.member.account

    @property
    def label(self) -> str:
        """As the roster reads: "agency / name"."""
        return self._member.label

    @property
    def role(self) -> Role:
        """The role in this room."""
        return self._member.member.role

    @property
    def verified(self) -> bool:
        """Whether the device signed name, account and box key; what others send is neither played nor answered."""
        return self._member.verified

    @property
    def device_key(self) -> bytes:
        """The public half of the device identity, 32 bytes."""
        return self._member.member.device_key

    def __repr__(self) -> str:
        return f"<Participant {self.label} ({self.id:08x})>"
