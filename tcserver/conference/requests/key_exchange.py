"""Key exchange between participants through the server: sealed key boxes, and receipts for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

from tcproto.messages import AddressedBox, KeyBoxes, KeyReceipt, KeyReceipts
from tcserver.conference.context import Context
from tcserver.conference.limits.budget import DELIVERY_COST
from tcserver.conference.room.room import Room, RoomRequest
from tcserver.conference.room.seat import Seat
from tcserver.conference.services import Services

Keys = KeyBoxes | KeyReceipts


def pass_keys(services: Services, request: RoomRequest[Keys]) -> None:
    """Pass key boxes or receipts on to their participants."""
    request.cost(pass_on(services.context, request.room, request.seat, request.message, _send_by_channel, request.now))


def pass_on(
    context: Context, room: Room, sender: Seat, message: Keys, send: Callable[[Seat, Keys], None], now: float
) -> float:
    """Send other participants what is addressed to them, once they know the sender, whom the server names.

    Drop it if either has left meanwhile. Return what it costs, in microseconds.
    """
    parts = _by_recipient(sender, message)

    def pass_all(_: float) -> None:
        for participant, part in parts.items():
            seat = room.seats.get(participant)
            if seat is None or seat is sender or sender.participant not in room.seats:
                context.counters["key_for_nobody"] += 1
            else:
                send(seat, part)

    room.change_log.after(sender.entry, pass_all, now)
    return DELIVERY_COST * len(parts)


def _by_recipient(sender: Seat, message: Keys) -> Mapping[int, Keys]:
    if isinstance(message, KeyBoxes):
        boxes = defaultdict(list)
        for addressed in message.boxes:
            boxes[addressed.participant].append(AddressedBox(sender.participant, addressed.box))
        return {participant: KeyBoxes(tuple(items)) for participant, items in boxes.items()}
    receipts = defaultdict(list)
    for receipt in message.receipts:
        receipts[receipt.participant].append(KeyReceipt(sender.participant, receipt.key))
    return {participant: KeyReceipts(tuple(items)) for participant, items in receipts.items()}


def _send_by_channel(seat: Seat, message: Keys) -> None:
    seat.channel.send(message)
