"""Moderation: participants remove others, give them roles, and mute them."""

from __future__ import annotations

from dataclasses import replace

from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import Kick, Kind, LockRoom, MuteAsked, MuteOther, Ok, Role, SetAudioOnly, SetRole, Source
from tcserver.conference.context import Context
from tcserver.conference.limits.budget import DELIVERY_COST
from tcserver.conference.permissions import RANK, SOURCE_KIND, may_give
from tcserver.conference.requests.publishing import follow_hold
from tcserver.conference.room.room import Room, RoomRequest
from tcserver.conference.room.seat import Seat
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


def lock_room(services: Services, request: RoomRequest[LockRoom]) -> None:
    """Let nobody else enter this life of the room, or let them enter again."""
    room, locked = request.room, request.message.locked
    if locked is not room.info.locked:
        request.cost(DELIVERY_COST * len(room.seats))
        room.set_info(replace(room.info, locked=locked), request.now)
        services.context.outbox.log(
            "lock_changed", room=room.info.name, locked="yes" if locked else "no", by=request.session.number
        )
    request.reply(Ok())


def set_audio_only(services: Services, request: RoomRequest[SetAudioOnly]) -> None:
    """Hold all pictures of this life of the room, or let them be sent again."""
    room, audio_only = request.room, request.message.audio_only
    if audio_only is not room.info.audio_only:
        streams = room.forwarding.streams.values()
        pictures = [stream for stream in streams if stream.info is not None and stream.info.kind is Kind.VIDEO]
        request.cost(DELIVERY_COST * (1 + len(pictures)) * len(room.seats))
        room.set_info(replace(room.info, audio_only=audio_only), request.now)
        for stream in pictures:
            follow_hold(services.context, room, stream, request.now)
        services.context.outbox.log(
            "audio_only_changed",
            room=room.info.name,
            audio_only="yes" if audio_only else "no",
            by=request.session.number,
        )
    request.reply(Ok())


def mute_other(services: Services, request: RoomRequest[MuteOther]) -> None:
    """Ask participants to mute or unmute a source, or hold the source muted."""
    message, actor, room = request.message, request.seat, request.room
    if message.source not in SOURCE_KIND or message.source is Source.MICROPHONE_LOW:
        raise Refusal(ErrorCode.BAD_REQUEST, "no such source, or one that follows its microphone")
    if message.participant:
        targets = [room.find(message.participant)]
    else:
        targets = [seat for seat in room.seats.values() if seat.rank < actor.rank]
    if any(actor.rank < target.rank for target in targets):
        raise Refusal(ErrorCode.NOT_PERMITTED)
    if not message.hard:
        request.cost(DELIVERY_COST * len(targets))
        for target in targets:
            target.channel.send(MuteAsked(actor.participant, message.source, message.muted))
    else:
        request.cost(DELIVERY_COST * len(targets) * len(room.seats))
        for target in targets:
            hold(services.context, room, target, message.source, message.muted, request.now, request.session.number)
    request.reply(Ok())


def hold(context: Context, room: Room, target: Seat, source: Source, held: bool, now: float, by: int | str) -> None:
    """Hold what a participant sends of a source muted, now and from now on, or hold it no more."""
    if (source in target.held) is held:
        return
    room.tell(lambda policy: policy.source_held(target, source, held, now))
    for stream in target.publications.values():
        if stream.info is not None and stream.info.source is source:
            follow_hold(context, room, stream, now)
    context.outbox.log(
        "hold_changed",
        held="yes" if held else "no",
        room=room.info.name,
        participant=target.participant,
        session=target.session.number,
        source=source,
        by=by,
    )
