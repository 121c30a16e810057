"""What participants publish and want to receive: publish, unpublish, mute, subscribe, ask for keyframes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import (
    Change,
    ChangeKind,
    KeyframeRequest,
    Kind,
    Mute,
    Ok,
    PublicationInfo,
    Publish,
    Published,
    Source,
    Subscribe,
    Unpublish,
)
from tcserver.conference.context import Context
from tcserver.conference.limits.budget import DELIVERY_COST, STREAM_COST
from tcserver.conference.permissions import SOURCE_KIND
from tcserver.conference.room.room import Room, RoomRequest
from tcserver.conference.room.seat import Seat, Stream, Subscription
from tcserver.conference.services import Services
from tcserver.media.interface import KeyframeAsked, MuteStream, SendKeyframe


def publish(services: Services, request: RoomRequest[Publish]) -> None:
    """Open a stream and announce it."""
    context, message, seat, room = services.context, request.message, request.seat, request.room
    if SOURCE_KIND.get(message.source) is not message.kind or not message.codec:
        raise Refusal(ErrorCode.BAD_REQUEST, "kind, source and codec do not go together")
    if message.layers > 1 and message.kind is Kind.AUDIO:
        raise Refusal(ErrorCode.BAD_REQUEST, "audio has one layer")
    if message.source is Source.MICROPHONE_LOW and seat.lone_microphone is None:
        raise Refusal(ErrorCode.BAD_REQUEST, "no microphone to stand in for")
    if message.number <= seat.last_number:
        raise Refusal(ErrorCode.BAD_REQUEST, "the publication number was used, or passed over")
    room.tell(lambda policy: policy.check_publish(seat, message))
    wait = context.budget(request.session.account, request.now).publications.take(request.now)
    if wait:
        raise Refusal(ErrorCode.RATE_LIMITED, "the account publishes and ends too much", int(wait * 1000) + 1)
    caps = context.settings.caps[message.source]
    held = room.is_held(seat, message.source)
    info = PublicationInfo(
        participant=seat.participant,
        number=message.number,
        stream=room.stream_ids.take(request.now),
        kind=message.kind,
        source=message.source,
        codec=message.codec,
        muted=message.muted or held,
        held=held,
        layers=message.layers,
        stills=message.stills and message.layers > 1,
        width=message.width,
        height=message.height,
    )
    request.cost((DELIVERY_COST + STREAM_COST) * len(room.seats))
    reply = partial(request.reply, Published(number=info.number, stream=info.stream, caps=caps))
    room.publish(seat, info, reply, request.now)


def unpublish(_: Services, request: RoomRequest[Unpublish]) -> None:
    """End a publication."""
    request.cost(DELIVERY_COST * len(request.room.seats))
    request.room.unpublish(request.seat, request.message.number, request.now)
    request.reply(Ok())


def mute(services: Services, request: RoomRequest[Mute]) -> None:
    """Set the mute flag of a publication, in the media plane first."""
    message, seat, room = request.message, request.seat, request.room
    stream = room.publication(seat, message.number)
    assert stream.info is not None
    if stream.info.held and not message.muted:
        raise Refusal(ErrorCode.NOT_PERMITTED, "another participant holds it muted")
    if stream.info.muted != message.muted:
        request.cost(DELIVERY_COST * len(room.seats))
        _change_flags(services.context, room, stream, request.now, muted=message.muted, held=stream.info.held)
    request.reply(Ok())


def follow_hold(context: Context, room: Room, stream: Stream, now: float) -> None:
    """Hold a publication muted, or hold it no more, as the room has it now. One that was held stays muted."""
    assert stream.info is not None
    held = room.is_held(stream.seat, stream.info.source)
    if held is not stream.info.held:
        _change_flags(context, room, stream, now, muted=stream.info.muted or held, held=held)


def _change_flags(context: Context, room: Room, stream: Stream, now: float, *, muted: bool, held: bool) -> None:
    """Change the flags of a publication, in the media plane first."""
    assert stream.info is not None
    stream.info = replace(stream.info, muted=muted, held=held)
    context.outbox.command(MuteStream(stream.number, stream.seat.media_id, muted))
    room.change_log.add(Change(ChangeKind.PUBLICATION_UPDATED, publication=stream.info), now)


def subscribe(_: Services, request: RoomRequest[Subscribe]) -> None:
    """Follow what a participant wants from now on."""
    request.cost(follow_wish(request.room, request.seat, request.message, request.now))
    request.reply(Ok())


def follow_wish(room: Room, seat: Seat, message: Subscribe, now: float) -> float:
    """Forward what a participant wants from now on; return what that costs, in microseconds.

    An older wish that comes late changes nothing.
    """
    if message.generation < seat.subscription.generation:
        return 0.0
    streams = room.forwarding.streams
    choices = {choice.stream: choice for choice in message.choices if choice.stream in streams}
    redundant = frozenset(message.redundant_sources)
    defaults = frozenset(message.defaults)
    seat.subscription = Subscription(message.generation, defaults, choices, redundant, message.voices)
    room.forwarding.update(seat, now)
    return STREAM_COST * len(streams)


def request_keyframe(services: Services, request: RoomRequest[KeyframeRequest]) -> None:
    """Have the last keyframe sent to a receiver again, or have the publisher asked for one."""
    request.cost(DELIVERY_COST)
    number, spatial = request.message.stream, request.message.spatial
    context, asker = services.context, request.seat.media_id
    stream = _layer(context, request.room, asker, number, spatial)
    if stream is not None:
        context.outbox.command(SendKeyframe(number, stream.seat.media_id, asker, spatial))


def keyframe_asked(context: Context, room: Room, event: KeyframeAsked, now: float) -> None:
    """Ask the publisher for a keyframe that a receiver needs."""
    stream = _layer(context, room, event.media_id, event.stream, event.spatial)
    if stream is None:
        return
    due = stream.keyframes.ask(event.media_id, event.spatial, now)
    if due is None:
        context.counters["keyframe_request_limited"] += 1
        return
    if due <= now:
        _send_request(context, room, stream, event.spatial, now)
    else:
        key = ("keyframe", room.number, stream.number, event.spatial)
        context.timers.set(key, due, partial(_send_request, context, room, stream, event.spatial))


def _layer(context: Context, room: Room, asker: int, stream_number: int, spatial: int) -> Stream | None:
    """Return the stream if the receiver may ask for a keyframe of the layer; else count that, and return None."""
    stream = room.forwarding.streams.get(stream_number)
    receiver = stream.receivers.get(asker) if stream else None
    if (
        stream is None
        or stream.info is None
        or receiver is None
        or not receiver.wants(spatial)
        or spatial >= stream.info.layers
        or stream.info.kind is Kind.AUDIO
    ):
        # Only a receiver of a layer may make its publisher send bigger frames.
        context.counters["keyframe_request_ignored"] += 1
        return None
    return stream


def _send_request(context: Context, room: Room, stream: Stream, spatial: int, now: float) -> None:
    stream.keyframes.asked(spatial, now)

    def send(_: float) -> None:
        if stream.number in room.forwarding.streams:
            stream.seat.channel.send(KeyframeRequest(stream=stream.number, spatial=spatial))

    # The publisher must know newcomers first, so that the keyframe is under a key that they have.
    room.change_log.after(room.change_log.number, send, now)
