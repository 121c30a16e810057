"""Moderation: participants remove others, and give them roles."""

from __future__ import annotations

from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import Kick, Ok, Role, SetRole
from tcserver.conference.limits.budget import DELIVERY_COST
from tcserver.conference.permissions import RANK, may_give
from tcserver.conference.room.room import RoomRequest
from tcserver.conference.services import Services


def kick(services: Services, request: RoomRequest[Kick]) -> None:
    """Remove a participant for a while. A participant who removes itself just leaves."""
    actor, room = request.seat, request.room
    target = room.find(request.message.participant)
    if actor.rank < target.rank:
        raise Refusal(ErrorCode.NOT_PERMITTED)
    request.cost(DELIVERY_COST * len(room.seats))
    services.context.outbox.log(
        "kicked",
        room=room.info.name,
        participant=target.participant,
        session=target.session.number,
        by=request.session.number,
    )
    request.reply(Ok())
    if target is actor:
        room.evict(target, request.now, ErrorCode.KICKED, request.message.reason)
    else:
        services.rooms.kick(room, target, request.now, request.message.reason)


def set_role(services: Services, request: RoomRequest[SetRole]) -> None:
    """Give a participant another role, but none above the own one. A participant may give itself a role."""
    actor, room, role = request.seat, request.room, request.message.role
    target = room.find(request.message.participant)
    if role is Role.UNKNOWN:
        raise Refusal(ErrorCode.BAD_REQUEST, "no such role")
    if actor.rank < target.rank or not may_give(actor.role, role):
        raise Refusal(ErrorCode.NOT_PERMITTED)
    if role is not target.role:
        request.cost(DELIVERY_COST * len(room.seats))
        room.give_role(target, role, min(RANK[role], actor.rank), request.now)
        services.context.outbox.log(
            "role_given",
            room=room.info.name,
            participant=target.participant,
            session=target.session.number,
            role=role,
            by=request.session.number,
        )
    request.reply(Ok())
