"""Urgent messages of participants, which come by a datagram beside the channel, whose TCP may stall."""

from __future__ import annotations

from functools import partial

from tcproto.messages import KeyBoxes, KeyReceipts, Permission, Subscribe
from tcproto.urgent import URGENT_UP, pack_urgent, parse_urgent
from tcserver.conference.context import Context
from tcserver.conference.limits.budget import BYTE_COST, FRAME_COST, Solvency
from tcserver.conference.requests import key_exchange, publishing
from tcserver.conference.room.room import Room
from tcserver.conference.room.seat import Seat
from tcserver.media.interface import SendUrgent


def take(context: Context, room: Room, seat: Seat, value: bytes, now: float) -> None:
    """Act on an urgent message as on the same one of the channel, but without a reply.

    One that is wrong, not allowed or too much for the account is ignored and counted: the channel has the last word.
    """
    budget = context.budget(seat.session.account, now)
    if not seat.is_open or budget.solvency(now) is not Solvency.GOOD:
        context.counters["urgent_limited"] += 1
        return
    budget.spend(FRAME_COST + BYTE_COST * len(value))
    try:
        message = parse_urgent(value, URGENT_UP)
    except ValueError:
        context.counters["urgent_ignored"] += 1
        return
    if isinstance(message, KeyBoxes | KeyReceipts):
        send = partial(_send, context)
        budget.spend(key_exchange.pass_on(context, room, seat, message, seat.passed_urgent, send, now))
    elif isinstance(message, Subscribe) and Permission.SUBSCRIBE & seat.permissions:
        budget.spend(publishing.follow_wish(room, seat, message, now))
    else:
        context.counters["urgent_ignored"] += 1


def _send(context: Context, seat: Seat, message: KeyBoxes | KeyReceipts) -> None:
    """Send keys by a datagram only: the sender has sent them by the channel, too."""
    value = pack_urgent(message)
    if value is not None:
        context.outbox.command(SendUrgent((seat.media_id,), value))
