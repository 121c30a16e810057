"""The dispatcher's table: what serves each message, what it needs, and what limits it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tcproto import messages as m
from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import Permission
from tcserver.conference.context import Context
from tcserver.conference.limits.budget import DELIVERY_COST, PAGE_COST
from tcserver.conference.login.authenticator import LoginDesk
from tcserver.conference.login.connection import Call
from tcserver.conference.login.connections import Connections
from tcserver.conference.login.sessions import Sessions
from tcserver.conference.permissions import NO_PERMISSION, SCOPE_PERMISSION, SOURCE_PERMISSION
from tcserver.conference.requests import moderation, publishing, relay
from tcserver.conference.room.rooms import Rooms
from tcserver.conference.settings import MessageClass


class House(NamedTuple):
    """The parts of a conference."""

    context: Context
    connections: Connections
    sessions: Sessions
    desk: LoginDesk
    rooms: Rooms


class Command(NamedTuple):
    """How a message is served."""

    run: Callable[[House, Call[Any]], None]
    rate: MessageClass | None
    """None: never limited by itself, only by the connection's total: a key that is dropped makes somebody deaf."""
    needs: Callable[[Any], Permission] = lambda _: NO_PERMISSION
    """The permission that a message needs."""


def _need(permission: Permission) -> Callable[[Any], Permission]:
    return lambda _: permission


def _pong(_: House, call: Call[m.Ping]) -> None:
    call.reply(m.Pong(time=call.message.time))


def _pong_came(_: House, call: Call[m.Pong]) -> None:
    call.connection.unanswered = max(0, call.connection.unanswered - 1)


def _close(house: House, call: Call[m.Close]) -> None:
    house.connections.farewell(call.connection, call.now)


def _resume(_: House, __: Call[m.Resume]) -> None:
    raise Refusal(ErrorCode.CANNOT_RESUME)


def _leave(_: House, call: Call[m.Leave]) -> None:
    call.reply(m.Ok())
    call.cost(DELIVERY_COST * len(call.seat.room.seats))
    call.seat.room.remove(call.seat, call.now)


def _get_snapshot(_: House, call: Call[m.GetSnapshot]) -> None:
    call.reply(m.Ok())
    call.cost(PAGE_COST * call.seat.room.send_snapshot(call.seat))


COMMANDS: Mapping[type, Command] = MappingProxyType(
    {
        m.Ping: Command(_pong, None),
        m.Pong: Command(_pong_came, None),
        m.Close: Command(_close, None),
        m.Probe: Command(lambda house, call: house.desk.probe(call), MessageClass.LOGIN),
        m.LoginBegin: Command(lambda house, call: house.desk.begin(call), MessageClass.LOGIN),
        m.Login: Command(lambda house, call: house.desk.login(call), MessageClass.LOGIN),
        m.Resume: Command(_resume, MessageClass.LOGIN),
        m.OpenRoom: Command(lambda house, call: house.rooms.open(call), MessageClass.ROOM),
        m.Join: Command(lambda house, call: house.rooms.join(call), MessageClass.ROOM),
        m.Leave: Command(_leave, None),
        m.GetSnapshot: Command(_get_snapshot, MessageClass.ROOM),
        m.Publish: Command(
            lambda house, call: publishing.publish(house.context, call),
            MessageClass.MEDIA,
            lambda message: SOURCE_PERMISSION.get(message.source, NO_PERMISSION),
        ),
        m.Unpublish: Command(lambda house, call: publishing.unpublish(house.context, call), None),
        m.Mute: Command(lambda house, call: publishing.mute(house.context, call), None),
        m.Subscribe: Command(
            lambda house, call: publishing.subscribe(house.context, call),
            MessageClass.MEDIA,
            _need(Permission.SUBSCRIBE),
        ),
        m.KeyframeRequest: Command(
            lambda house, call: publishing.request_keyframe(house.context, call), MessageClass.MEDIA
        ),
        m.KeyBoxes: Command(lambda house, call: relay.pass_boxes(house.context, call), None),
        m.KeyReceipts: Command(lambda house, call: relay.pass_receipts(house.context, call), None),
        m.Chat: Command(
            lambda house, call: relay.chat(house.context, call, house.sessions),
            MessageClass.CHAT,
            lambda message: SCOPE_PERMISSION.get(message.scope, NO_PERMISSION),
        ),
        m.SetRole: Command(
            lambda house, call: moderation.set_role(house.context, call),
            MessageClass.OTHER,
            _need(Permission.SET_ROLE),
        ),
        m.Kick: Command(
            lambda house, call: moderation.kick(house.context, call, house.rooms),
            MessageClass.OTHER,
            _need(Permission.KICK),
        ),
        m.UpdateRoom: Command(
            lambda house, call: house.rooms.update(call), MessageClass.OTHER, _need(Permission.UPDATE_ROOM)
        ),
        m.CloseRoom: Command(
            lambda house, call: house.rooms.end(call), MessageClass.OTHER, _need(Permission.CLOSE_ROOM)
        ),
    }
)
"""Every message that a client may send."""
