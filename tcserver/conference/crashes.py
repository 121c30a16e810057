"""What an error of the server itself ends: the room or the connection that it was about, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import Evicted
from tcserver.conference.context import Context
from tcserver.conference.room.room import Room
from tcserver.conference.room.seat import Seat
from tcserver.media.interface import CloseRoom, CloseSeat

RESTARTED = "the room had to be restarted"
"""What participants of a room that failed are told. They may enter again, into a new life of the room."""


def is_whole(room: Room, context: Context) -> bool:
    """Tell whether the tables of a room agree: it has the seats that were announced, each with its session."""
    seats = list(chain(room.seats.values(), room.joining.values()))
    known = {media_id for media_id, seat in context.seats.items() if seat.room == room.number}
    if room.is_closed:
        return not seats and not known
    return (
        known == {seat.media_id for seat in seats}
        and all(context.seat_of.get(seat.session.number) is seat for seat in seats)
        and room.change_log.told == room.seats.keys()
    )


def abandon(room: Room, context: Context, now: float) -> None:
    """End the life of a room that failed, in any state, and tell all participants."""
    room.is_closed = True
    outbox, timers = context.outbox, context.timers
    timers.cancel_all(lambda key: _is_of(key, room.number))
    for seat in dict.fromkeys(_seats(room, context)):
        if seat.is_open:
            seat.channel.send(Evicted(code=ErrorCode.INTERNAL, text=RESTARTED))
            outbox.log("left", **room.who(seat), reason=ErrorCode.INTERNAL)
        else:
            seat.join.refuse(Refusal(ErrorCode.INTERNAL, RESTARTED))
        if context.seat_of.get(seat.session.number) is seat:
            del context.seat_of[seat.session.number]
        if context.seats.get(seat.media_id) is seat:
            del context.seats[seat.media_id]
            context.participant_ids.free(seat.participant, now)
            context.media_ids.free(seat.media_id, now)
            outbox.command(CloseSeat(seat.media_id, room.number))
    room.seats.clear()
    room.joining.clear()
    room.tell(lambda policy: policy.closed(now))
    outbox.command(CloseRoom(room.number))
    outbox.log("room_restarted", room=room.info.name)


def _seats(room: Room, context: Context) -> Iterator[Seat]:
    """Go through the seats of a room that any of the tables has."""
    yield from room.seats.values()
    yield from room.joining.values()
    yield from (seat for seat in context.seats.values() if seat.room == room.number)


ROOM_TIMERS = frozenset({"changes", "keyframe", "rekey", "room", "sealer", "seat"})
"""Names of the deadlines of rooms; each key is (name, number of the room, ...)."""
SESSION_TIMERS = frozenset({"detached", "password"})
"""Names of the deadlines of sessions; each key is (name, number of the session)."""
CONNECTION_TIMERS = frozenset({"challenge", "failed login", "idle", "login"})
"""Names of the deadlines of connections; each key is (name, number of the connection)."""


def _is_of(key: object, room: int) -> bool:
    return isinstance(key, tuple) and key[0] in ROOM_TIMERS and key[1] == room
