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
"""Sessions of an account at once: one agency, several desks."""
MAX_SESSIONS_CEILING = 1000
"""More than an agency has desks; a bound for the operator's typing error."""
MAX_DEVICES = 100
"""Enrolled devices of an account; bounds the check at login."""
MAX_ID = 2**63 - 1
"""Largest integer of SQLite."""
MAX_TIME = 253_402_300_799
"""Seconds since 1970 at the end of the year 9999, the last that dates are written for."""

ROLES = tuple(role for role in Role if role is not Role.UNKNOWN)
"""Roles that can be given, from most to least; ``recorder`` stands aside and is always shown."""
ROLE = Choice(ROLES)
TIME = Number(0, MAX_TIME)
"""Seconds since 1970 (UTC)."""
DEVICE_KEY = Data(KEY_SIZE)
"""Ed25519 identity of a device."""
ASSIGNED = Declaration(Whole(0, MAX_ID), is_exported=False)
"""A number that the database gives."""


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

    name: Annotated[str, Declaration(Name(fold_account))]
    """Folded; never changes."""
    display: Annotated[str, Declaration(Name(clean_display), "what people see before the person's name")]
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
    """Its role wherever a room does not name another; ``None``: the room's default role."""
    disabled: Annotated[bool, Declaration(Flag(), heading="")] = False
    max_sessions: Annotated[
        int,
        Declaration(Whole(1, MAX_SESSIONS_CEILING), "devices that may be in at once", heading="sessions"),
    ] = DEFAULT_MAX_SESSIONS
    duplicates: Annotated[
        DuplicatePolicy,
        Declaration(
            Choice(tuple(DuplicatePolicy)),
            "--max-sessions reached: refuse one more (allow), or end the oldest (replace); refuse: one session only",
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
    """Only its enrolled devices may log in."""
    banned: Annotated[
        str | None, Declaration(Maybe(Name(clean_display, may_be_empty=True), "none"), since=3, heading="")
    ] = None
    """What somebody who proves to be this account is told instead of being let in; ``None``: it is not banned."""
    id: Annotated[int, ASSIGNED] = 0
    """Never used twice; 0 until stored."""
    generation: Annotated[int, ASSIGNED] = 0
    """Raised with each change that ends the account's sessions and resume tokens; 0 until stored."""

    def checked(self) -> Account:
        """This account with its names folded and cleaned; raises ``ValueError`` with the reason if it cannot be."""
        account = checked(self)
        if is_reserved(account.name) and not (account.name in RESERVED and self.role is Role.ADMIN):
            raise ValueError(f"the name {account.name!r} is reserved, or looks like one that is")
        return account


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

    account: Annotated[str, Declaration(Name(fold_account), is_column=False, is_exported=False)]
    key: Annotated[bytes, Declaration(DEVICE_KEY)]
    label: Annotated[str, Declaration(Name(clean_display, may_be_empty=True))]
    enrolled: Annotated[float, Declaration(TIME)]

    def checked(self) -> DeviceRecord:
        """This device with its label cleaned; raises ``ValueError`` with the reason if it cannot be."""
        return checked(self)
