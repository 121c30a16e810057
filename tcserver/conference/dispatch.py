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
from tcserver.conference.login.connection import Request
from tcserver.conference.login.connections import Connections
from tcserver.conference.login.sessions import Sessions
from tcserver.conference.permissions import NO_PERMISSION, SCOPE_PERMISSION, SOURCE_PERMISSION
from tcserver.conference.requests import chat, key_exchange, moderation, publishing
from tcserver.conference.room.rooms import Rooms
from tcserver.conference.settings import MessageClass


class Services(NamedTuple):
    """The parts of a conference."""

    context: Context
    connections: Connections
    sessions: Sessions
    authenticator: LoginDesk
    rooms: Rooms


class Command(NamedTuple):
    """How a message is served."""

    run: Callable[[Services, Request[Any]], None]
    rate: MessageClass | None
    """None: never limited by itself, only by the connection's total: a key that is dropped makes somebody deaf."""
    needs: Callable[[Any], Permission] = lambda _: NO_PERMISSION
    """The permission that a message needs."""


def _need(permission: Permission) -> Callable[[Any], Permission]:
    return lambda _: permission


def _pong(_: Services, request: Request[m.Ping]) -> None:
    request.reply(m.Pong(time=request.message.time))


def _pong_came(_: Services, request: Request[m.Pong]) -> None:
    request.connection.unanswered = max(0, request.connection.unanswered - 1)


def _close(services: Services, request: Request[m.Close]) -> None:
    services.connections.farewell(request.connection, request.now)


def _resume(_: Services, __: Request[m.Resume]) -> None:
    raise Refusal(ErrorCode.CANNOT_RESUME)


def _leave(_: Services, request: Request[m.Leave]) -> None:
    request.reply(m.Ok())
    request.cost(DELIVERY_COST * len(request.seat.room.seats))
    request.seat.room.remove(request.seat, request.now)


def _get_snapshot(_: Services, request: Request[m.GetSnapshot]) -> None:
    request.reply(m.Ok())
    request.cost(PAGE_COST * request.seat.room.send_snapshot(request.seat))


COMMANDS: Mapping[type, Command] = MappingProxyType(
    {
        m.Ping: Command(_pong, None),
        m.Pong: Command(_pong_came, None),
        m.Close: Command(_close, None),
        m.Probe: Command(lambda services, request: services.authenticator.probe(request), MessageClass.LOGIN),
        m.LoginBegin: Command(lambda services, request: services.authenticator.begin(request), MessageClass.LOGIN),
        m.Login: Command(lambda services, request: services.authenticator.login(request), MessageClass.LOGIN),
        m.Resume: Command(_resume, MessageClass.LOGIN),
        m.OpenRoom: Command(lambda services, request: services.rooms.open(request), MessageClass.ROOM),
        m.Join: Command(lambda services, request: services.rooms.join(request), MessageClass.ROOM),
        m.Leave: Command(_leave, None),
        m.GetSnapshot: Command(_get_snapshot, MessageClass.ROOM),
        m.Publish: Command(
            lambda services, request: publishing.publish(services.context, request),
            MessageClass.MEDIA,
            lambda message: SOURCE_PERMISSION.get(message.source, NO_PERMISSION),
        ),
        m.Unpublish: Command(lambda services, request: publishing.unpublish(services.context, request), None),
        m.Mute: Command(lambda services, request: publishing.mute(services.context, request), None),
        m.Subscribe: Command(
            lambda services, request: publishing.subscribe(services.context, request),
            MessageClass.MEDIA,
            _need(Permission.SUBSCRIBE),
        ),
        m.KeyframeRequest: Command(
            lambda services, request: publishing.request_keyframe(services.context, request), MessageClass.MEDIA
        ),
        m.KeyBoxes: Command(lambda services, request: key_exchange.pass_boxes(services.context, request), None),
        m.KeyReceipts: Command(lambda services, request: key_exchange.pass_receipts(services.context, request), None),
        m.Chat: Command(
            lambda services, request: chat.pass_text(services.context, request, services.sessions),
            MessageClass.CHAT,
            lambda message: SCOPE_PERMISSION.get(message.scope, NO_PERMISSION),
        ),
        m.SetRole: Command(
            lambda services, request: moderation.set_role(services.context, request),
            MessageClass.OTHER,
            _need(Permission.SET_ROLE),
        ),
        m.Kick: Command(
            lambda services, request: moderation.kick(services.context, request, services.rooms),
            MessageClass.OTHER,
            _need(Permission.KICK),
        ),
        m.UpdateRoom: Command(
            lambda services, request: services.rooms.update(request), MessageClass.OTHER, _need(Permission.UPDATE_ROOM)
        ),
        m.CloseRoom: Command(
            lambda services, request: services.rooms.end(request), MessageClass.OTHER, _need(Permission.CLOSE_ROOM)
        ),
    }
)
"""Every message that a client may send."""
