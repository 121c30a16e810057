"""A member of a room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcclient.core.events import Participant as Member
from tcproto.messages import Role

if TYPE_CHECKING:
    from tcclient.track import Track


class Participant:
    """A member of a room, with its tracks; an object for as long as the seat lasts."""

    def __init__(self, member: Member, *, me: bool) -> None:
        self.me = me
        """Whether this is ourselves."""
        self.tracks: dict[int, Track] = {}
        """By publication number."""
        self.speaking = False
        self._member = member

    def update(self, member: Member) -> None:
        """Take what the roster says now."""
        self._member = member

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
