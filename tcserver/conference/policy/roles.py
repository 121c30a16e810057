"""Roles in a room: which participant has which, what it allows, and which role a device gets when it comes back."""

from __future__ import annotations

from collections import OrderedDict

from tcproto.messages import Permission, Role
from tcserver.conference.permissions import OPENER_RANK, RANK, ROLE_PERMISSIONS
from tcserver.conference.room.policy import RoomPolicy
from tcserver.conference.room.room import Room
from tcserver.conference.room.seat import Seat

MAX_REMEMBERED_ROLES = 4096
"""Roles that are kept for devices that come back in the same life of a room. Beyond it the oldest is forgotten."""


class Roles(RoomPolicy):
    """Gives each participant a role, the rank that goes with it, and the permissions."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._given: OrderedDict[tuple[str, bytes], tuple[Role, int]] = OrderedDict()
        """Role and rank by account and device."""
        self._roles = room.record.roles
        """Those of the record, as they were applied last."""
        self._had_chair = False

    def admitted(self, seat: Seat, now: float) -> None:
        """Give a participant who joins its role in this room."""
        self._set(seat, *self._role_of(seat))

    def role_given(self, seat: Seat, role: Role, rank: int, now: float) -> None:
        """Give a participant a role and a rank, also for its next seats in this life of the room."""
        self.remember(seat, role, rank)
        self._set(seat, role, rank)

    def settings_changed(self, now: float) -> None:
        """Apply roles and permissions of the record to those who are here.

        A role that another participant gave stays, unless the record has another one for that account than before.
        """
        before, self._roles = self._roles, self._room.record.roles
        changed = {name for name in before.keys() | self._roles.keys() if before.get(name) != self._roles.get(name)}
        for key in [key for key in self._given if key[0] in changed]:
            del self._given[key]
        for seat in list(self._room.seats.values()):
            role, rights = seat.role, (seat.role, seat.rank, seat.permissions)
            self._set(seat, *self._role_of(seat))
            if seat.role is not role:
                self._room.context.outbox.log("role_given", **self._room.who(seat), role=seat.role, by="operator")
            if rights != (seat.role, seat.rank, seat.permissions):
                self._room.rights_changed(seat, now)

    def left(self, seat: Seat, now: float) -> None:
        """Let the next participant lead an empty room, where no record or account says otherwise."""
        if not self._room.seats:
            self._had_chair = False

    def remember(self, seat: Seat, role: Role, rank: int) -> None:
        """Keep a role and a rank for when the participant comes back."""
        key = (seat.session.account.name, seat.session.device_key)
        self._given[key] = role, rank
        self._given.move_to_end(key)
        if len(self._given) > MAX_REMEMBERED_ROLES:
            self._given.popitem(last=False)

    def remembered(self, seat: Seat) -> tuple[Role, int] | None:
        """Return role and rank that were given to this account on this device."""
        return self._given.get((seat.session.account.name, seat.session.device_key))

    def _permissions(self, role: Role) -> Permission:
        override = self._room.record.permissions.get(role)
        return ROLE_PERMISSIONS[role] if override is None else Permission(override)

    def _set(self, seat: Seat, role: Role, rank: int) -> None:
        seat.role, seat.rank = role, rank
        seat.permissions = self._permissions(role)
        seat.may_subscribe = Permission.SUBSCRIBE in seat.permissions
        self._had_chair = self._had_chair or role in (Role.CHAIR, Role.ADMIN)

    def _role_of(self, seat: Seat) -> tuple[Role, int]:
        account, record = seat.session.account, self._room.record
        remembered = self.remembered(seat)
        if remembered is not None:
            return remembered
        role = record.roles.get(account.name, account.role)
        if role is not None:
            return _ranked(role)
        if self._room.info.permanent:
            return _ranked(record.default_role)
        if self._had_chair:
            return _ranked(Role.SPEAKER)
        # Nobody prepared this room: the first participant leads it.
        self.remember(seat, Role.CHAIR, OPENER_RANK)
        return Role.CHAIR, OPENER_RANK


def _ranked(role: Role) -> tuple[Role, int]:
    return role, RANK[role]
