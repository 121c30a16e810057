"""What the database keeps: accounts, their devices, rooms, and who is in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from tcproto.account import SALT_SIZE, Challenge, check_costs
from tcproto.errors import CryptoFailure
from tcproto.identity import KEY_SIZE
from tcproto.names import RESERVED, clean_display, fold_account, fold_room, is_reserved

DEFAULT_MAX_SESSIONS = 5
"""Sessions of an account at once: one agency, several desks."""
MAX_SESSIONS_CEILING = 1000
"""More than an agency has desks; a bound for the operator's typing error."""
DEFAULT_MAX_PARTICIPANTS = 100
"""Participants of a room unless it says otherwise."""
MAX_PARTICIPANTS_CEILING = 1000
"""What one room can be asked to hold."""
PERMISSION_BITS = 16
"""Permission bits that a role maps to."""
MAX_DEVICES = 100
"""Enrolled devices of an account; bounds the check at login."""


class StoreError(Exception):
    """A change that was refused, or a file that cannot be used; the text is one line for the operator."""


class Role(StrEnum):
    """What somebody may do in a room, from most to least; ``recorder`` stands aside and is always shown."""

    ADMIN = "admin"
    CHAIR = "chair"
    SPEAKER = "speaker"
    LISTENER = "listener"
    OBSERVER = "observer"
    RECORDER = "recorder"


class DuplicatePolicy(StrEnum):
    """What a login does when the account is already in."""

    ALLOW = "allow"
    """Up to the account's sessions; one more is refused."""
    REPLACE = "replace"
    """Up to the account's sessions; one more ends the oldest."""
    REFUSE = "refuse"
    """One session only; a second is refused."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account of an agency; the server knows no password, only what its key is derived with and verified by."""

    name: str
    """Folded; never changes."""
    display: str
    challenge: Challenge
    public_key: bytes = field(repr=False)
    """Ed25519, 32 bytes."""
    created: float = 0.0
    """Seconds since 1970 (UTC)."""
    role: Role | None = None
    """Its role wherever a room does not name another; ``None``: the room's default role."""
    disabled: bool = False
    max_sessions: int = DEFAULT_MAX_SESSIONS
    duplicates: DuplicatePolicy = DuplicatePolicy.ALLOW
    devices_only: bool = False
    """Only its enrolled devices may log in."""
    banned: str | None = None
    """What somebody who proves to be this account is told instead of being let in; ``None``: it is not banned."""
    id: int = 0
    """Never used twice; 0 until stored."""
    generation: int = 0
    """Raised with each change that ends the account's sessions and resume tokens; 0 until stored."""

    def checked(self) -> Account:
        """This account with its names folded and cleaned; raises ``ValueError`` with the reason if it cannot be."""
        name = fold_account(self.name)
        if is_reserved(name) and not (name in RESERVED and self.role is Role.ADMIN):
            raise ValueError(f"the name {name!r} is reserved, or looks like one that is")
        _check_size(self.challenge.salt, SALT_SIZE, "salt")
        _check_size(self.public_key, KEY_SIZE, "public key")
        try:
            check_costs(self.challenge.memory_bytes, self.challenge.passes)
        except CryptoFailure as error:
            raise ValueError(str(error)) from None
        _check_range(self.max_sessions, MAX_SESSIONS_CEILING, "the sessions of an account")
        banned = clean_display(self.banned) if self.banned else self.banned
        return replace(self, name=name, display=clean_display(self.display), banned=banned)


class Standing(NamedTuple):
    """What the running server has to know of all accounts at any time."""

    generations: Mapping[int, int]
    """By id, of those that may log in: a session of another generation, or of none here, is over."""
    bans: Mapping[int, str]
    """What those that are banned are told, by id."""
    costs: Mapping[tuple[int, int], int]
    """How many have each Argon2id cost (bytes, passes)."""


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A device that an account is limited to."""

    account: str
    key: bytes
    """Ed25519 device identity, 32 bytes."""
    label: str
    enrolled: float
    """Seconds since 1970 (UTC)."""

    def checked(self) -> DeviceRecord:
        """This device with its label cleaned; raises ``ValueError`` with the reason if it cannot be."""
        _check_size(self.key, KEY_SIZE, "device key")
        return replace(self, label=clean_display(self.label) if self.label else "")


@dataclass(frozen=True, slots=True)
class RoomRecord:
    """A permanent room."""

    name: str
    """Folded."""
    title: str
    """What is shown; the name as it was typed."""
    e2ee: bool = True
    """Whether media are end-to-end encrypted; fixed for each life of the room."""
    max_participants: int = DEFAULT_MAX_PARTICIPANTS
    default_role: Role = Role.SPEAKER
    """Role of whoever has no other, from the room or from the account."""
    roles: Mapping[str, Role] = field(default_factory=dict)
    """Roles by account name, before the account's own role."""
    permissions: Mapping[Role, int] = field(default_factory=dict)
    """Permission bits by role (16 bits) that replace what the role maps to elsewhere."""
    loudest: int | None = None
    """Talkers that are forwarded in the room while it is large, the loudest; 0: all; ``None``: as many as elsewhere."""
    id: int = 0
    """Never used twice; 0 until stored."""

    def checked(self) -> RoomRecord:
        """This room with its names folded and cleaned; raises ``ValueError`` with the reason if it cannot be."""
        _check_range(self.max_participants, MAX_PARTICIPANTS_CEILING, "the participants of a room")
        for bits in self.permissions.values():
            if not 0 <= bits < 1 << PERMISSION_BITS:
                raise ValueError(f"permissions are {PERMISSION_BITS} bits")
        if self.loudest is not None and not 0 <= self.loudest <= MAX_PARTICIPANTS_CEILING:
            raise ValueError(f"the talkers of a room are 0 to {MAX_PARTICIPANTS_CEILING}")
        return replace(self, name=fold_room(self.name), title=clean_display(self.title or self.name))


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """Somebody who is logged in, written by the running server for the operator to read."""

    session_id: str
    account: str
    device_key: bytes
    display: str
    address: str
    since: float
    """Seconds since 1970 (UTC)."""

    def values(self) -> tuple[str, bytes, str, str, float]:
        """All but the account, in the order of the table."""
        return self.session_id, self.device_key, self.display, self.address, self.since


def session_id(number: int) -> str:
    """A session's number as operators read it everywhere: in the list of sessions and in the log."""
    return f"{number:08x}"


def _check_size(value: bytes, size: int, what: str) -> None:
    if len(value) != size:
        raise ValueError(f"the {what} has {len(value)} bytes instead of {size}")


def _check_range(value: int, highest: int, what: str) -> None:
    if not 1 <= value <= highest:
        raise ValueError(f"{what} are 1 to {highest}")
