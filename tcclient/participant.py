"""A member of a room."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING

from tcclient import events as told
from tcclient.core import events as core
from tcclient.core.events import Participant as Member
from tcclient.errors import WrongValue
from tcproto.messages import Role

if TYPE_CHECKING:
    from tcclient.track import Track
    from tcclient.verbs import RoomVerbs

Mark = core.MemberSilent | core.MemberHeard | core.MembershipMismatch | core.MembershipAgreed | core.CommitmentMismatch
"""What beacons of a member show."""


MAX_VOLUME = 2.0
"""6 dB up: enough for a quiet microphone; the limiter of the mix takes care of the rest."""


class Participant:
    """A member of a room, with its tracks; an object for as long as the seat lasts."""

    def __init__(self, member: Member, *, me: bool, room: RoomVerbs | None = None) -> None:
        self.me = me
        """Whether this is ourselves."""
        self.tracks: dict[int, Track] = {}
        """By publication number."""
        self.speaking = False
        self.priority = False
        """Whether ``Room.listen`` lowers all others, by 12 dB, while this one talks."""
        self.silent = False
        """Whether none of its beacons has come for three intervals: it gets none of our new keys."""
        self.mismatch = False
        """Whether it has seen another set of members than we do for longer than a change takes to arrive."""
        self.key_mismatch = False
        """Whether it has told all members of another key than it gave us, ever since it came."""
        self._member = member
        self._room = room
        self._volume = 1.0

    async def kick(self, reason: str = "") -> None:
        """Take the seat away; ``reason`` is shown to them. As ``Room.kick``."""
        await self._asks().kick(self, reason)

    async def set_role(self, role: Role | str) -> None:
        """Give another role, such as ``"listener"``. As ``Room.set_role``."""
        await self._asks().set_role(self, role)

    def _asks(self) -> RoomVerbs:
        assert self._room is not None
        return self._room

    def update(self, member: Member) -> None:
        """Take what the roster says now."""
        self._member = member

    def mark(self, event: Mark) -> told.Event:
        """Take what its beacons show; return the event for programs."""
        match event:
            case core.MemberSilent():
                self.silent = True
                return told.MemberSilent(self)
            case core.MemberHeard():
                self.silent = False
                return told.MemberHeard(self)
            case core.MembershipMismatch():
                self.mismatch = True
                return told.MembershipMismatch(self)
            case core.MembershipAgreed():
                self.mismatch = False
                return told.MembershipAgreed(self)
            case core.CommitmentMismatch():
                self.key_mismatch = True
                return told.CommitmentMismatch(self)

    @property
    def volume(self) -> float:
        """How loud ``Room.listen`` plays this one, from the next 20 ms on: 0 (silent) to 2 (6 dB more), 1 as it came.

        Setting another value raises ``WrongValue``. Recordings are not touched.
        """
        return self._volume

    @volume.setter
    def volume(self, volume: float) -> None:
        if not isinstance(volume, Real) or not 0 <= volume <= MAX_VOLUME:
            raise WrongValue(f"a volume is from 0 to {MAX_VOLUME:g}, not {volume!r}")
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
