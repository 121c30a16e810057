"""What members send each other through the server: key boxes, receipts, texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import (
    AddressedBox,
    Chat,
    ChatAccepted,
    ChatMessage,
    ChatScope,
    KeyBoxes,
    KeyReceipt,
    KeyReceipts,
)
from tcserver.conference.connection import Call, Session
from tcserver.conference.context import Context
from tcserver.conference.seat import Seat

MAX_TEXTS = 256
"""Texts remembered for a session, so that one sent again is not shown again; more than a client has in flight."""


def pass_boxes(context: Context, call: Call[KeyBoxes]) -> None:
    """Pass key boxes to the members they are for, as coming from the sender."""
    call.seat.room.journal.flush(call.now)  # a receiver has to know the sender first
    boxes = defaultdict(list)
    for item in call.message.boxes:
        boxes[item.participant].append(AddressedBox(call.seat.participant, item.box))
    for seat in _members(context, call.seat, boxes):
        context.outbox.send(seat.connection, KeyBoxes(boxes=tuple(boxes[seat.participant])))


def pass_receipts(context: Context, call: Call[KeyReceipts]) -> None:
    """Pass receipts to the members they are for, as coming from the sender."""
    receipts = defaultdict(list)
    for item in call.message.receipts:
        receipts[item.participant].append(KeyReceipt(call.seat.participant, item.key))
    for seat in _members(context, call.seat, receipts):
        context.outbox.send(seat.connection, KeyReceipts(receipts=tuple(receipts[seat.participant])))


def _members(context: Context, sender: Seat, participants: Iterable[int]) -> Iterable[Seat]:
    """The other members among ``participants``; those who have left meanwhile are passed over."""
    for participant in participants:
        seat = sender.room.seats.get(participant)
        if seat is None or seat is sender:
            context.counters["key_for_nobody"] += 1
        else:
            yield seat


def chat(context: Context, call: Call[Chat], everyone: Iterable[Session]) -> None:
    """Pass a text on, once; ``everyone`` are all sessions of the server."""
    message, session, seat = call.message, call.session, call.seat
    sent_at = session.texts.get(message.message_id)
    if sent_at is None:
        receivers = _receivers(seat, message, everyone)
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
        )
        for connection in receivers:
            context.outbox.send(connection, text)
        if message.scope is ChatScope.SERVER:
            context.outbox.log("notice", session=session.number)
    call.reply(ChatAccepted(sent_at=sent_at))


def _receivers(sender: Seat, message: Chat, everyone: Iterable[Session]) -> list[int]:
    """Connections that a text goes to."""
    if message.scope is ChatScope.UNKNOWN:
        raise Refusal(ErrorCode.BAD_REQUEST, "no such scope")
    if message.scope is ChatScope.SERVER:
        return [session.connection.number for session in everyone if session is not sender.session]
    if message.scope is ChatScope.PARTICIPANT:
        seat = sender.room.find(message.participant)
        if seat is sender:
            raise Refusal(ErrorCode.BAD_REQUEST, "a text to oneself")
        return [seat.connection]
    return [seat.connection for seat in sender.room.seats.values() if seat is not sender]
