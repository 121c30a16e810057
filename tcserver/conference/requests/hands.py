"""Raised hands: each participant raises the own hand, and those who lead lower hands."""

from __future__ import annotations

from collections.abc import Iterable

from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import Change, ChangeKind, LowerHand, Ok, Permission, RaiseHand
from tcserver.conference.limits.budget import DELIVERY_COST
from tcserver.conference.room.room import RoomRequest
from tcserver.conference.room.seat import Seat
from tcserver.conference.services import Services


def raise_hand(services: Services, request: RoomRequest[RaiseHand]) -> None:
    """Put a participant at the end of the queue, unless it stands there already."""
    if not request.seat.hand:
        last = max(seat.hand for seat in request.room.seats.values())
        # The wall clock may step back, and two may come in one millisecond.
        _set([request.seat], max(services.context.unix_ms(), last + 1), request)
    request.reply(Ok())


def lower_hand(_: Services, request: RoomRequest[LowerHand]) -> None:
    """Take a participant out of the queue, or all of them."""
    message, room, actor = request.message, request.room, request.seat
    others = message.everybody or message.participant not in (0, actor.participant)
    if others and Permission.MUTE_OTHERS not in actor.permissions:
        raise Refusal(ErrorCode.NOT_PERMITTED)
    if message.everybody:
        lowered: Iterable[Seat] = room.seats.values()
    else:
        lowered = [room.find(message.participant) if message.participant else actor]
    _set([seat for seat in lowered if seat.hand], 0, request)
    request.reply(Ok())


def _set(seats: list[Seat], hand: int, request: RoomRequest[RaiseHand] | RoomRequest[LowerHand]) -> None:
    room = request.room
    request.cost(DELIVERY_COST * len(seats) * len(room.seats))
    for seat in seats:
        seat.hand = hand
        room.change_log.add(Change(ChangeKind.MEMBER_UPDATED, member=seat.member()), request.now)
