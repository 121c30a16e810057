"""Key exchange between participants through the server: sealed key boxes, and receipts for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from tcproto.messages import AddressedBox, KeyBoxes, KeyReceipt, KeyReceipts
from tcserver.conference.context import Context
from tcserver.conference.limits.budget import DELIVERY_COST
from tcserver.conference.room.room import RoomRequest
from tcserver.conference.services import Services


def pass_boxes(services: Services, request: RoomRequest[KeyBoxes]) -> None:
    """Pass key boxes on to their participants, with the sender named by the server."""
    boxes = defaultdict(list)
    for item in request.message.boxes:
        boxes[item.participant].append(AddressedBox(request.seat.participant, item.box))
    messages = {participant: KeyBoxes(boxes=tuple(items)) for participant, items in boxes.items()}
    _pass(services.context, request, messages)


def pass_receipts(services: Services, request: RoomRequest[KeyReceipts]) -> None:
    """Pass receipts on to their participants, with the sender named by the server."""
    receipts = defaultdict(list)
    for item in request.message.receipts:
        receipts[item.participant].append(KeyReceipt(request.seat.participant, item.key))
    messages = {participant: KeyReceipts(receipts=tuple(items)) for participant, items in receipts.items()}
    _pass(services.context, request, messages)


def _pass(context: Context, request: RoomRequest[Any], messages: Mapping[int, object]) -> None:
    """Send other participants a message each, once they know the sender. Drop it if either has left meanwhile."""
    sender, seats = request.seat, request.room.seats

    def send(_: float) -> None:
        for participant, message in messages.items():
            seat = seats.get(participant)
            if seat is None or seat is sender or sender.participant not in seats:
                context.counters["key_for_nobody"] += 1
            else:
                seat.channel.send(message)

    request.cost(DELIVERY_COST * len(messages))
    request.room.change_log.after(sender.entry, send, request.now)
