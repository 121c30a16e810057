"""What participants need to agree on keys: sealed key boxes and receipts for them, passed through the server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from tcproto.messages import AddressedBox, KeyBoxes, KeyReceipt, KeyReceipts
from tcserver.conference.context import Context
from tcserver.conference.limits.budget import DELIVERY_COST
from tcserver.conference.login.connection import Request


def pass_boxes(context: Context, request: Request[KeyBoxes]) -> None:
    """Pass key boxes to the members they are for, as coming from the sender."""
    boxes = defaultdict(list)
    for item in request.message.boxes:
        boxes[item.participant].append(AddressedBox(request.seat.participant, item.box))
    messages = {participant: KeyBoxes(boxes=tuple(items)) for participant, items in boxes.items()}
    _pass(context, request, messages)


def pass_receipts(context: Context, request: Request[KeyReceipts]) -> None:
    """Pass receipts to the members they are for, as coming from the sender."""
    receipts = defaultdict(list)
    for item in request.message.receipts:
        receipts[item.participant].append(KeyReceipt(request.seat.participant, item.key))
    _pass(
        context, request, {participant: KeyReceipts(receipts=tuple(items)) for participant, items in receipts.items()}
    )


def _pass(context: Context, request: Request[Any], messages: Mapping[int, object]) -> None:
    """Send other members a message each, once they know the sender; if either has left meanwhile, it is dropped."""
    sender = request.seat
    seats = sender.room.seats

    def send(_: float) -> None:
        for participant, message in messages.items():
            seat = seats.get(participant)
            if seat is None or seat is sender or sender.participant not in seats:
                context.counters["key_for_nobody"] += 1
            else:
                context.outbox.send(seat.connection, message)

    request.cost(DELIVERY_COST * len(messages))
    sender.room.change_log.after(sender.entry, send, request.now)
