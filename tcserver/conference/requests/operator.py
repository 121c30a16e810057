"""What an operator asks of the running conference: who is in which room, kicks, notices, the end of a meeting."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from math import inf
from typing import NamedTuple

from tcproto.codec import encode_fields
from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import ChatMessage, ChatScope, Evicted, Role, Source
from tcproto.messages.types import MESSAGE_ID_SIZE
from tcproto.names import fold_account, fold_room
from tcserver.conference.context import Context
from tcserver.conference.effects import Effect, Stop
from tcserver.conference.login.session import Channel
from tcserver.conference.login.sessions import Sessions
from tcserver.conference.permissions import OPENER_RANK
from tcserver.conference.requests.moderation import hold
from tcserver.conference.room.room import Room
from tcserver.conference.room.rooms import Rooms
from tcserver.conference.room.seat import Seat
from tcserver.records import session_id

HELD_SOURCES = {
    str(source): source for source in (Source.MICROPHONE, Source.CAMERA, Source.SCREEN, Source.SCREEN_AUDIO)
}
"""Sources that can be held muted, by name. A low rate follows its microphone."""
MAX_DRAIN = 86_400.0
"""Seconds until an announced end of the server: a day."""
REMINDER = 60.0
"""Seconds before that end at which everybody is told again."""
NOTICE_FROM = "operator"
"""Name of the sender of a notice of the operator. Its participant is 0, which is nobody."""


class SeatStatus(NamedTuple):
    """A participant of a room. ``media_id`` is the number of the seat on the media path."""

    participant: int
    account: str
    agency: str
    name: str
    role: Role
    session: str
    """Identifier of the session, as the log and the list of sessions show it."""
    seconds: int
    """Seconds since the seat was taken."""
    speaking: bool
    publications: Mapping[str, bool]
    """By source: whether all publications of it are muted."""
    media_id: int


class RoomStatus(NamedTuple):
    """An open room. ``seconds`` count from the beginning of this life of the room."""

    name: str
    title: str
    permanent: bool
    e2ee: bool
    max_participants: int
    seconds: int
    seats: tuple[SeatStatus, ...]


class Operator:
    """Serves the operator. Names are folded here. A room or participant that is not there raises ``Refusal``."""

    def __init__(self, context: Context, sessions: Sessions, rooms: Rooms) -> None:
        self._context = context
        self._sessions = sessions
        self._rooms = rooms

    def rooms(self, now: float) -> list[RoomStatus]:
        """Return the open rooms, by name."""
        return [_room_status(room, now) for room in sorted(self._rooms, key=lambda room: room.info.name)]

    def kick(self, name: str, who: str, reason: str, now: float) -> tuple[int, list[Effect]]:
        """Remove the seats of an account for a while, or the seat of one participant; return how many they were.

        ``who`` is an account, or a participant's number. Raises ``Refusal`` (``no_such_room``,
        ``no_such_participant``, ``bad_request`` for a reason that no message can carry).
        """
        _check(Evicted(ErrorCode.KICKED, reason))
        room = self._room(name)
        seats = _seats_of(room, who)
        if not seats:
            raise Refusal(ErrorCode.NO_SUCH_PARTICIPANT, f"{who} is not in the room")
        for seat in seats:
            self._context.outbox.log(
                "kicked", room=room.info.name, participant=seat.participant, session=seat.session.number, by="operator"
            )
            self._rooms.kick(room, seat, now, reason)
        return len(seats), self._context.outbox.take()

    def mute(self, name: str, who: str | None, source: str, held: bool, now: float) -> tuple[int, list[Effect]]:
        """Hold a source of participants muted, or hold it no more; return how many participants they are.

        ``who`` is as for ``kick``; None means all but chairs and admins. Who comes later is not held. Raises
        ``Refusal`` (``no_such_room``, ``no_such_participant``, ``bad_request`` for no source).
        """
        if source not in HELD_SOURCES:
            raise Refusal(ErrorCode.BAD_REQUEST, f"no such source; there are: {', '.join(HELD_SOURCES)}")
        room = self._room(name)
        if who is None:
            seats = [seat for seat in room.seats.values() if seat.rank < OPENER_RANK]
        elif not (seats := [seat for seat in _seats_of(room, who) if seat.is_open]):
            raise Refusal(ErrorCode.NO_SUCH_PARTICIPANT, f"{who} is not in the room")
        for seat in seats:
            hold(self._context, room, seat, HELD_SOURCES[source], held, now, "operator")
        return len(seats), self._context.outbox.take()

    def notice(self, text: str, name: str | None) -> tuple[int, list[Effect]]:
        """Send a text to everybody who is logged in, or is in one room; return the number of receivers.

        Raises ``Refusal`` (``bad_request`` for a text that no message can carry, ``no_such_room``).
        """
        if name is None:
            return self._tell(text, [session.channel for session in self._sessions]), self._context.outbox.take()
        return self._tell(text, [seat.channel for seat in self._room(name).seats.values()]), self._context.outbox.take()

    def drain(self, seconds: float, text: str, now: float) -> tuple[int, list[Effect]]:
        """Let no room begin, tell everybody ``text`` now and shortly before the end, and end the server in ``seconds``.

        A further call sets another time. Returns the number of receivers. Raises ``Refusal`` (``bad_request``).
        """
        if not 0 < seconds <= MAX_DRAIN:
            raise Refusal(ErrorCode.BAD_REQUEST, f"the time is more than 0 s, and at most {MAX_DRAIN:.0f} s")
        count, effects = self.notice(text, None)
        context, ends = self._context, now + seconds
        context.drains_at = ends
        context.timers.set("drain", ends, lambda _: context.outbox.add(Stop()))
        context.timers.cancel("drain reminder")
        if seconds > REMINDER:
            context.timers.set("drain reminder", ends - REMINDER, lambda _: self._remind(text))
        context.outbox.log("drain", seconds=round(seconds), by="operator")
        return count, effects + context.outbox.take()

    def end_drain(self) -> tuple[int, list[Effect]]:
        """Go on as before ``drain``. Raises ``Refusal`` (``bad_request``) if nothing was announced."""
        context = self._context
        if context.timers.when("drain") is None:
            raise Refusal(ErrorCode.BAD_REQUEST, "no end of the server was announced")
        context.drains_at = inf
        for name in ("drain", "drain reminder"):
            context.timers.cancel(name)
        context.outbox.log("drain_cancelled", by="operator")
        return 0, context.outbox.take()

    def _remind(self, text: str) -> None:
        self._tell(text, [session.channel for session in self._sessions])

    def _tell(self, text: str, receivers: list[Channel]) -> int:
        if not text.strip():
            raise Refusal(ErrorCode.BAD_REQUEST, "the notice is empty")
        message = ChatMessage(
            message_id=self._context.random_bytes(MESSAGE_ID_SIZE),
            scope=ChatScope.SERVER,
            participant=0,
            name=NOTICE_FROM,
            text=text,
            sent_at=self._context.unix_ms(),
        )
        _check(message)
        for receiver in receivers:
            receiver.send(message)
        self._context.outbox.log("notice", by="operator")
        return len(receivers)

    def close(self, name: str, reason: str, now: float) -> tuple[int, list[Effect]]:
        """End the meeting in a room; return the number of its participants.

        Raises ``Refusal`` (``no_such_room``, ``bad_request`` for a reason that no message can carry).
        """
        _check(Evicted(ErrorCode.ROOM_CLOSED, reason))
        room = self._room(name)
        seats = len(room.seats)
        self._context.outbox.log("meeting_ended", room=room.info.name, by="operator")
        self._rooms.close(room, now, reason)
        return seats, self._context.outbox.take()

    def _room(self, name: str) -> Room:
        try:
            folded = fold_room(name)
        except ValueError as error:
            raise Refusal(ErrorCode.NO_SUCH_ROOM, str(error)) from None
        room = self._rooms.by_name(folded)
        if room is None:
            raise Refusal(ErrorCode.NO_SUCH_ROOM, f"the room {folded!r} is not open")
        return room


def _check(message: object) -> None:
    """Refuse a text of the operator that no message can carry, before anything is done."""
    try:
        encode_fields(message)
    except ValueError:
        raise Refusal(ErrorCode.BAD_REQUEST, "the text is too long, or has control characters") from None


def _seats_of(room: Room, who: str) -> list[Seat]:
    seats = list(chain(room.seats.values(), room.joining.values()))
    if who.isascii() and who.isdecimal():
        numbered = [seat for seat in seats if seat.participant == int(who)]
        if numbered:
            return numbered
    try:
        account = fold_account(who)
    except ValueError:
        return []
    return [seat for seat in seats if seat.session.account.name == account]


def _room_status(room: Room, now: float) -> RoomStatus:
    info = room.info
    return RoomStatus(
        info.name,
        info.title,
        info.permanent,
        info.e2ee,
        info.max_participants,
        int(now - room.opened_at),
        tuple(_seat_status(seat, now) for seat in room.seats.values()),
    )


def _seat_status(seat: Seat, now: float) -> SeatStatus:
    session = seat.session
    infos = [stream.info for stream in seat.publications.values() if stream.info is not None]
    muted: dict[Source, bool] = {}
    for info in infos:
        if info.source is Source.MICROPHONE_LOW:
            continue  # it is a part of the microphone
        muted[info.source] = info.muted and muted.get(info.source, True)
    return SeatStatus(
        seat.participant,
        session.account.name,
        session.account.display,
        session.name,
        seat.role,
        session_id(session.number),
        int(now - seat.seated_at),
        seat.is_speaking,
        {str(source): off for source, off in muted.items()},
        seat.media_id,
    )
