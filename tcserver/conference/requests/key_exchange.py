"""Key exchange between participants through the server: sealed key boxes, and receipts for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

from tcproto.messages import AddressedBox, KeyBoxes, KeyReceipt, KeyReceipts
from tcserver.conference.context import Context
from tcserver.conference.limits.budget import DELIVERY_COST
from tcserver.conference.limits.passing import Passing
from tcserver.conference.room.room import Room, RoomRequest
from tcserver.conference.room.seat import Seat
from tcserver.conference.services import Services

Keys = KeyBoxes | KeyReceipts


def pass_keys(services: Services, request: RoomRequest[Keys]) -> None:
    """Pass key boxes or receipts on to their participants."""
    seat, now = request.seat, request.now
    cost = pass_on(services.context, request.room, seat, request.message, seat.passed_keys, _send_by_channel, now)
    request.cost(cost)


def pass_on(
    context: Context,
    room: Room,
    sender: Seat,
    message: Keys,
    passed: Passing,
    send: Callable[[Seat, Keys], None],
    now: float,
) -> float:
    """Send other participants what is addressed to them, once they know the sender, whom the server names.

    Drop it if either has left meanwhile, and what is too much for its recipient by what has ``passed``. Return what it
    costs, in microseconds.
    """
    parts = _by_recipient(sender, message)

    def pass_all(now: float) -> None:
        for participant, part in parts.items():
            seat = room.seats.get(participant)
            if seat is None or seat is sender or sender.participant not in room.seats:
                context.counters["key_for_nobody"] += 1
                continue
            within = _first(part, passed.take(participant, _count(part), now))
            context.counters["key_limited"] += _count(part) - _count(within)
            if _count(within):
                send(seat, within)

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


def _count(message: Keys) -> int:
    return len(message.boxes if isinstance(message, KeyBoxes) else message.receipts)


def _first(message: Keys, count: int) -> Keys:
    """Return the first boxes or receipts of a message."""
    return KeyBoxes(message.boxes[:count]) if isinstance(message, KeyBoxes) else KeyReceipts(message.receipts[:count])


def _send_by_channel(seat: Seat, message: Keys) -> None:
    seat.channel.send(message)
