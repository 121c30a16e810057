"""What the server answers to a request that was made in a room: the seat takes it in, and it may be an event."""

from __future__ import annotations

from typing import Any

from tcclient.core import events
from tcclient.core.events import Event
from tcclient.core.seat import Seat
from tcproto import messages


def accepted(seat: Seat | None, request: Any, reply: object, request_id: int, now: float) -> Event | None:
    """Take the reply to ``request``, and return the event of it, if there is one.

    ``seat`` is None where it was given up meanwhile.
    """
    match reply:
        case messages.Published():
            if seat is not None:
                seat.publishing.replied(request.number, reply, now)
            return None
        case messages.ChatAccepted():
            if seat is not None:
                seat.texts.answered(request.message_id, accepted=True)
            return events.ChatSent(request.message_id, reply.sent_at)
        case _:
            _settle(seat, request_id)
            return events.RequestDone(request_id)


def refused(seat: Seat | None, request: object, error: messages.Error, request_id: int, now: float) -> Event | None:
    """Take the refusal of ``request``; otherwise as ``accepted``."""
    match request:
        case messages.Publish():
            if seat is not None:
                seat.publishing.replied(request.number, error, now)
            return None
        case messages.GetSnapshot():
            if seat is not None:
                seat.snapshots.refused(error.retry_after_ms / 1000, now)
            return None
        case messages.Chat():
            if seat is not None:
                seat.texts.answered(request.message_id, accepted=False)
            return events.ChatFailed(request.message_id, error.code, error.text)
        case _:
            _settle(seat, request_id)
            return events.RequestFailed(request_id, error.code, error.text, error.retry_after_ms)


def _settle(seat: Seat | None, request_id: int) -> None:
    """Send the request no more, if it is a subscription that went by datagrams as well."""
    if seat is not None:
        seat.downlink.subscription.urgent.answered(request_id)
