"""Texts that participants write to each other. Each is passed on once."""

from __future__ import annotations

from collections.abc import Iterable

from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import Chat, ChatAccepted, ChatMessage, ChatScope
from tcserver.conference.limits.budget import DELIVERY_COST
from tcserver.conference.login.session import Channel, Session
from tcserver.conference.room.room import RoomRequest
from tcserver.conference.services import Services

MAX_TEXTS = 256
"""Texts that are remembered for a session, so that none is passed on twice. A client has fewer in flight."""

PAGE_BYTES = 512
"""Bytes of a text that count as one message of its class. A few words are one, the longest text is seventeen: else a
page a second would fill the thin lines of those who have to read it."""


def pages(message: Chat) -> int:
    """Return as how many messages a text counts."""
    return max(1, -(-max(len(message.text.encode()), len(message.sealed)) // PAGE_BYTES))


def pass_text(services: Services, request: RoomRequest[Chat]) -> None:
    """Pass a text on, unless it was passed on before."""
    context, message, session, seat = services.context, request.message, request.session, request.seat
    _check_form(message, e2ee=request.room.info.e2ee)
    sent_at = session.texts.get(message.message_id)
    if sent_at is None:
        receivers = _receivers(request, services.sessions)
        sent_at = context.unix_ms()
        session.texts[message.message_id] = sent_at
        if len(session.texts) > MAX_TEXTS:
            session.texts.popitem(last=False)
        text = ChatMessage(
            message_id=message.message_id,
            scope=message.scope,
            participant=seat.participant,
            name=f"{session.account.display} / {session.name}",
            text=message.text,
            sent_at=sent_at,
            sealed=message.sealed,
        )

        def send(_: float) -> None:
            for receiver in receivers:
                receiver.send(text)

        request.cost(DELIVERY_COST * len(receivers))
        request.room.change_log.after(seat.entry, send, request.now)
        if message.scope is ChatScope.SERVER:
            context.outbox.log("notice", session=session.number)
    request.reply(ChatAccepted(sent_at=sent_at))


def _check_form(message: Chat, *, e2ee: bool) -> None:
    """Refuse a text that is plain where it has to be sealed, or sealed where it has to be plain."""
    sealed = e2ee and message.scope is not ChatScope.SERVER
    if sealed and (message.text or not message.sealed):
        raise Refusal(ErrorCode.BAD_REQUEST, "text is sealed in an end-to-end encrypted room")
    if not sealed and message.sealed:
        raise Refusal(ErrorCode.BAD_REQUEST, "a sealed text is for members of an end-to-end encrypted room")


def _receivers(request: RoomRequest[Chat], sessions: Iterable[Session]) -> list[Channel]:
    """Return the channels that a text goes to; ``sessions`` are all of the server."""
    message, sender, room = request.message, request.seat, request.room
    if message.scope is ChatScope.UNKNOWN:
        raise Refusal(ErrorCode.BAD_REQUEST, "no such scope")
    if message.scope is ChatScope.SERVER:
        return [session.channel for session in sessions if session is not sender.session]
    if message.scope is ChatScope.PARTICIPANT:
        seat = room.find(message.participant)
        if seat is sender:
            raise Refusal(ErrorCode.BAD_REQUEST, "a text to oneself")
        return [seat.channel]
    return [seat.channel for seat in room.seats.values() if seat is not sender]
