"""Accounts, and the devices that an account is limited to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, NamedTuple

from tcproto.account import (
    MEMORY_CEILING,
    MEMORY_FLOOR,
    PASSES_CEILING,
    PASSES_FLOOR,
    SALT_SIZE,
    Challenge,
)
from tcproto.identity import KEY_SIZE
from tcproto.messages import Role
from tcproto.names import RESERVED, clean_display, fold_account, is_reserved
from tcserver.records.declaration import Declaration, Opposite, Parts, checked
from tcserver.records.kinds import Choice, Data, Flag, Maybe, Name, Number, Whole

DEFAULT_MAX_SESSIONS = 5
"""Sessions of an account at once: one agency has several desks."""
MAX_SESSIONS_CEILING = 1000
"""Sessions that an account may be set to: more than an agency has desks, and a bound for a typing error."""
MAX_DEVICES = 100
"""Enrolled devices of an account. Bounds the cost of the check at login."""
MAX_ID = 2**63 - 1
"""Largest integer of SQLite."""
MAX_TIME = 253_402_300_799
"""Seconds since 1970 at the end of the year 9999: ``datetime`` ends there."""

ROLES = tuple(role for role in Role if role is not Role.UNKNOWN)
"""Roles that can be given, from the most permissions to the least. ``recorder`` is always shown to the others."""
ROLE = Choice(ROLES)
TIME = Number(0, MAX_TIME)
"""Seconds since 1970 (UTC)."""
DEVICE_KEY = Data(KEY_SIZE)
"""Ed25519 identity of a device."""
ASSIGNED = Declaration(Whole(0, MAX_ID), is_exported=False)
"""A number that the database gives."""


class DuplicatePolicy(StrEnum):
    """What happens at a login of an account that has sessions already."""

    ALLOW = "allow"
    """As many as the account may have; one more is refused."""
    REPLACE = "replace"
    """As many as the account may have; one more ends the oldest."""
    REFUSE = "refuse"
    """One session only; a second is refused."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account of an agency. The server has no password: it has salt, costs and the public key that it leads to."""

    name: Annotated[str, Declaration(Name(fold_account))]
    """Folded; never changes."""
    display: Annotated[str, Declaration(Name(clean_display), "what others see before the name of a participant")]
    challenge: Annotated[
        Challenge,
        Declaration(
            Parts(
                Challenge,
                {
                    "salt": Data(SALT_SIZE),
                    "memory": Whole(MEMORY_FLOOR, MEMORY_CEILING),
                    "passes": Whole(PASSES_FLOOR, PASSES_CEILING),
                },
            ),
            heading="",
        ),
    ]
    public_key: Annotated[bytes, Declaration(Data(KEY_SIZE), heading="")] = field(repr=False)
    """Ed25519, 32 bytes."""
    created: Annotated[float, Declaration(TIME, heading="")] = 0.0
    role: Annotated[Role | None, Declaration(Maybe(ROLE, "none"), "role in every room; none: each room's default")] = (
        None
    )
    """Its role in rooms that give it no other. ``None``: the default role of the room."""
    disabled: Annotated[bool, Declaration(Flag(), heading="")] = False
    max_sessions: Annotated[
        int,
        Declaration(Whole(1, MAX_SESSIONS_CEILING), "devices that may be logged in at once", heading="sessions"),
    ] = DEFAULT_MAX_SESSIONS
    duplicates: Annotated[
        DuplicatePolicy,
        Declaration(
            Choice(tuple(DuplicatePolicy)),
            "one login more than --max-sessions: allow refuses it, replace ends the oldest; refuse: one session only",
        ),
    ] = DuplicatePolicy.ALLOW
    devices_only: Annotated[
        bool,
        Declaration(
            Flag("enrolled", "any"),
            "only devices of `account enroll` may log in",
            opposite=Opposite("--any-device", "any device may log in"),
            heading="devices",
        ),
    ] = False
    """Whether only its enrolled devices may log in."""
    banned: Annotated[
        str | None, Declaration(Maybe(Name(clean_display, may_be_empty=True), "none"), since=3, heading="")
    ] = None
    """The reason that a login with the right password is refused with. ``None``: the account is not banned."""
    banned_until: Annotated[float | None, Declaration(Maybe(TIME, "none"), since=5, heading="")] = None
    """When a ban ends by itself, in seconds since 1970. ``None``: it does not."""
    id: Annotated[int, ASSIGNED] = 0
    """Never used twice; 0 until the account is stored."""
    generation: Annotated[int, ASSIGNED] = 0
    """Grows with each change that ends the sessions of the account and their resume tokens; 0 until it is stored."""

    def is_banned(self, now: float) -> bool:
        """Tell whether the account is banned at a time, in seconds since 1970."""
        return self.banned is not None and (self.banned_until is None or now < self.banned_until)

    def checked(self) -> Account:
        """This account with its names folded and cleaned. Raises ``ValueError`` with the reason."""
        account = checked(self)
        if is_reserved(account.name) and not (account.name in RESERVED and self.role is Role.ADMIN):
            raise ValueError(f"the name {account.name!r} is reserved, or looks like one that is")
        return account


class Standing(NamedTuple):
    """What the running server knows of all accounts at any time."""

    generations: Mapping[int, int]
    """Generations by id, of accounts that may log in. A session of another generation, or of no such id, is over."""
    bans: Mapping[int, str]
    """Reasons by id, of accounts that are banned."""
    costs: Mapping[tuple[int, int], int]
    """Number of accounts by their Argon2id costs (bytes, passes)."""


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A device that an account may be limited to."""

    account: Annotated[str, Declaration(Name(fold_account), is_column=False, is_exported=False)]
    key: Annotated[bytes, Declaration(DEVICE_KEY)]
    label: Annotated[str, Declaration(Name(clean_display, may_be_empty=True))]
    enrolled: Annotated[float, Declaration(TIME)]

    def checked(self) -> DeviceRecord:
        """This device with its label cleaned. Raises ``ValueError`` with the reason."""
        return checked(self)
