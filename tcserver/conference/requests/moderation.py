"""What members do about each other: roles and removal."""

from __future__ import annotations

from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import Kick, Ok, Role, SetRole
from tcserver.conference.context import Context
from tcserver.conference.limits.budget import DELIVERY_COST
from tcserver.conference.login.connection import Request
from tcserver.conference.permissions import RANK, may_give
from tcserver.conference.room.rooms import Rooms


def kick(context: Context, request: Request[Kick], rooms: Rooms) -> None:
    """Take a member's seat away for a while; one's own, too, which is no more than to leave."""
    actor = request.seat
    target = actor.room.find(request.message.participant)
    if actor.rank < target.rank:
        raise Refusal(ErrorCode.NOT_PERMITTED)
    request.cost(DELIVERY_COST * len(actor.room.seats))
    context.outbox.log(
        "kicked",
        room=actor.room.info.name,
        participant=target.participant,
        session=target.session.number,
        by=request.session.number,
    )
    request.reply(Ok())
    if target is actor:
        actor.room.evict(target, request.now, ErrorCode.KICKED, request.message.reason)
    else:
        rooms.kick(target, request.now, request.message.reason)


def set_role(context: Context, request: Request[SetRole]) -> None:
    """Give a member another role; one's own, too, but none above it."""
    actor, role = request.seat, request.message.role
    target = actor.room.find(request.message.participant)
    if role is Role.UNKNOWN:
        raise Refusal(ErrorCode.BAD_REQUEST, "no such role")
    if actor.rank < target.rank or not may_give(actor.role, role):
        raise Refusal(ErrorCode.NOT_PERMITTED)
    if role is not target.role:
        request.cost(DELIVERY_COST * len(actor.room.seats))
        actor.room.give_role(target, role, min(RANK[role], actor.rank), request.now)
        context.outbox.log(
            "role_given",
            room=actor.room.info.name,
            participant=target.participant,
            session=target.session.number,
            role=role,
            by=request.session.number,
        )
    request.reply(Ok())
