"""The lock of a room: who may still enter while it is locked."""

from __future__ import annotations

from collections import OrderedDict

from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import Join, Role
from tcserver.conference.login.connection import Request
from tcserver.conference.login.session import Session
from tcserver.conference.room.policy import RoomPolicy
from tcserver.conference.room.room import Room
from tcserver.conference.room.seat import Seat

MAX_REMEMBERED_DEVICES = 4096
"""Devices that were in this life of a room, and may come back while it is locked. Beyond it the oldest is forgotten."""


class Lock(RoomPolicy):
    """Lets nobody into a locked room but those who lead it, and devices that were in this life of the room."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._known: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        """Account and device, the one that entered last at the end."""

    def check_join(self, request: Request[Join]) -> None:
        """Refuse a seat in a locked room to a newcomer."""
        session = request.session
        if self._room.info.locked and _key(session) not in self._known and not self._leads(session):
            raise Refusal(ErrorCode.ROOM_LOCKED)

    def entered(self, seat: Seat, now: float) -> None:
        """Let this device come back."""
        key = _key(seat.session)
        self._known.pop(key, None)
        self._known[key] = None
        if len(self._known) > MAX_REMEMBERED_DEVICES:
            self._known.popitem(last=False)

    def _leads(self, session: Session) -> bool:
        account = session.account
        return self._room.record.roles.get(account.name, account.role) in (Role.ADMIN, Role.CHAIR)


def _key(session: Session) -> tuple[str, bytes]:
    return session.account.name, session.device_key
