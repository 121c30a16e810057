"""Somebody in a room."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from numbers import Real

from tcclient.core import events
from tcclient.core.membership.roster_entry import RosterEntry
from tcclient.errors import WrongValue
from tcproto.messages import Kick, LowerHand, MuteOther, Quality, Role, SetRole, Source

MAX_VOLUME = 2.0
"""6 dB up: enough for a quiet microphone; the limiter of the mix takes care of the rest."""
ROLES = tuple(role.value for role in Role if role is not Role.UNKNOWN)
"""Roles that can be given."""
SOURCES = (Source.MICROPHONE, Source.CAMERA, Source.SCREEN, Source.SCREEN_AUDIO)
"""Sources that can be muted."""
Ask = Callable[[Kick | SetRole | MuteOther | LowerHand], Awaitable[None]]
"""Sends a request to the server, and waits for its reply."""


def known_source(source: Source | str) -> Source:
    """Return a source that can be muted, by its name; raises ``WrongValue``."""
    if source not in SOURCES:
        raise WrongValue(f"{source!r} is no source; there are {', '.join(SOURCES)}")
    return Source(source)


class Participant:
    """Somebody in a room, perhaps ourselves; one object for as long as the seat lasts."""

    def __init__(self, entry: RosterEntry, ask: Ask, *, is_me: bool = False) -> None:
        self.is_me = is_me
        """Whether this is ourselves."""
        self.speaking = False
        self.priority = False
        """Whether ``Room.listen`` lowers all others, by 12 dB, while this one talks."""
        self.quality = Quality.UNKNOWN
        """How good the connection is: ``lost``, ``poor``, ``good``, ``excellent``. Each finds out for itself."""
        self.silent = False
        """Whether none of its beacons has come for three intervals: it gets none of our new keys."""
        self.mismatch = False
        """Whether it has seen another set of members than we do for longer than a change takes to arrive."""
        self.key_mismatch = False
        """Whether it has told all members of another key than it gave us, ever since it came."""
        self._entry = entry
        self._ask = ask
        self._volume = 1.0

    async def kick(self, reason: str = "") -> None:
        """Take the seat away; ``reason`` (at most 256 characters) is shown to them. For a chair; raises as all verbs of
        ``Room`` do."""
        await self._ask(Kick(self.id, reason))

    async def set_role(self, role: Role | str) -> None:
        """Give another role, such as ``"listener"``, for as long as the meeting goes on. For a chair; raises as all
        verbs of ``Room`` do."""
        if role not in ROLES:
            raise WrongValue(f"{role!r} is no role; there are {', '.join(ROLES)}")
        await self._ask(SetRole(self.id, Role(role)))

    async def mute(self, source: Source | str = Source.MICROPHONE, *, hold: bool = False) -> None:
        """Ask to mute a source. With ``hold`` the server drops its packets, and only ``release`` lets it be unmuted.

        For a chair; raises as all verbs of ``Room`` do.
        """
        await self._ask(MuteOther(self.id, known_source(source), True, hold))

    async def ask_to_unmute(self, source: Source | str = Source.MICROPHONE) -> None:
        """Ask to unmute a source. For a chair; raises as all verbs of ``Room`` do."""
        await self._ask(MuteOther(self.id, known_source(source), False))

    async def release(self, source: Source | str = Source.MICROPHONE) -> None:
        """End a hold. The source stays muted until its owner unmutes it. For a chair; raises as all verbs of ``Room``
        do."""
        await self._ask(MuteOther(self.id, known_source(source), False, hard=True))

    async def lower_hand(self) -> None:
        """Lower the raised hand. For a chair; raises as all verbs of ``Room`` do."""
        await self._ask(LowerHand(self.id))

    def update(self, entry: RosterEntry) -> None:
        """Take what the roster says now."""
        self._entry = entry

    def mark(self, event: events.Event) -> None:
        """Take what its beacons show, and how its connection is."""
        match event:
            case events.ConnectionQuality():
                self.quality = event.quality
            case events.MemberSilent() | events.MemberHeard():
                self.silent = isinstance(event, events.MemberSilent)
            case events.MembershipMismatch() | events.MembershipAgreed():
                self.mismatch = isinstance(event, events.MembershipMismatch)
            case events.CommitmentMismatch():
                self.key_mismatch = True

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
        return self._entry.id

    @property
    def account(self) -> str:
        """The account's name."""
        return self._entry.member.account

    @property
    def label(self) -> str:
        """As the roster reads: "agency / name"."""
        return self._entry.label

    @property
    def role(self) -> Role:
        """The role in this room."""
        return self._entry.member.role

    @property
    def permissions(self) -> int:
        """What this one may do in the room: the bits of ``Permission`` in PROTOCOL.md."""
        return self._entry.member.permissions

    @property
    def hand(self) -> int:
        """When the hand was raised, in ms since 1970 by the server's clock; 0: it is down. This orders the hands."""
        return self._entry.member.hand

    @property
    def verified(self) -> bool:
        """Whether the device signed name, account and box key.

        Otherwise nothing of it is played, and no key is sent to it.
        """
        return self._entry.verified

    @property
    def device_key(self) -> bytes:
        """The public half of the device identity, 32 bytes."""
        return self._entry.member.device_key

    def __repr__(self) -> str:
        return f"<Participant {self.label} ({self.id:08x})>"
