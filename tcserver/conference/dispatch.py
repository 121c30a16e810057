"""The dispatcher and its table: what serves each message, what permission it needs, and what limits it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tcproto import messages as m
from tcproto.errors import ErrorCode, ProtocolError, Refusal
from tcproto.messages import Permission, Sender, State, Unknown, row_of
from tcserver.conference.limits.budget import DELIVERY_COST, PAGE_COST
from tcserver.conference.login.connection import Connection, Request
from tcserver.conference.permissions import NO_PERMISSION, SCOPE_PERMISSION, SOURCE_PERMISSION
from tcserver.conference.requests import chat, hands, key_exchange, moderation, publishing
from tcserver.conference.room.room import RoomRequest
from tcserver.conference.services import Services
from tcserver.conference.settings import MessageClass


class Command(NamedTuple):
    """Serves a message that needs no seat."""

    run: Callable[[Services, Request[Any]], None]
    rate: MessageClass | None
    """None: limited only by the connection's total."""


class RoomCommand(NamedTuple):
    """Serves a message that needs a seat."""

    run: Callable[[Services, RoomRequest[Any]], None]
    rate: MessageClass | None
    """None: limited only by the connection's total. A participant whose key were dropped could not be heard."""
    needs: Callable[[Any], Permission] = lambda _: NO_PERMISSION
    """The permission that a message needs."""
    tokens: Callable[[Any], int] = lambda _: 1
    """As how many messages of its class it counts."""


def _need(permission: Permission) -> Callable[[Any], Permission]:
    return lambda _: permission


def _pong(_: Services, request: Request[m.Ping]) -> None:
    request.reply(m.Pong(time=request.message.time))


def _pong_came(_: Services, request: Request[m.Pong]) -> None:
    request.connection.unanswered = max(0, request.connection.unanswered - 1)


def _close(services: Services, request: Request[m.Close]) -> None:
    services.connections.farewell(request.connection, request.now)


def _resume(services: Services, request: Request[m.Resume]) -> None:
    session, connection, context = services.authenticator.resume(request), request.connection, services.context
    connection.budget = context.budget(session.account, request.now)
    seat = context.seat_of[session.number]
    services.rooms.of(seat).resume(seat, request)


def _leave(_: Services, request: RoomRequest[m.Leave]) -> None:
    request.reply(m.Ok())
    request.cost(DELIVERY_COST * len(request.room.seats))
    request.room.remove(request.seat, request.now)


def _get_snapshot(_: Services, request: RoomRequest[m.GetSnapshot]) -> None:
    request.reply(m.Ok())
    request.cost(PAGE_COST * request.room.send_snapshot(request.seat))


def _own_quality(_: Services, request: RoomRequest[m.OwnQuality]) -> None:
    if request.room.qualities.reported(request.seat, request.message.quality, request.now):
        request.cost(DELIVERY_COST * len(request.room.seats))


COMMANDS: Mapping[type, Command | RoomCommand] = MappingProxyType(
    {
        m.Ping: Command(_pong, None),
        m.Pong: Command(_pong_came, None),
        m.Close: Command(_close, None),
        m.Probe: Command(lambda services, request: services.authenticator.probe(request), MessageClass.LOGIN),
        m.LoginBegin: Command(lambda services, request: services.authenticator.begin(request), MessageClass.LOGIN),
        m.Login: Command(lambda services, request: services.authenticator.login(request), MessageClass.LOGIN),
        m.Resume: Command(_resume, MessageClass.LOGIN),
        m.ChangePassword: Command(lambda services, request: services.passwords.change(request), MessageClass.LOGIN),
        m.OpenRoom: Command(lambda services, request: services.rooms.open(request), MessageClass.ROOM),
        m.Join: Command(lambda services, request: services.rooms.join(request), MessageClass.ROOM),
        m.Leave: RoomCommand(_leave, None),
        m.GetSnapshot: RoomCommand(_get_snapshot, MessageClass.ROOM),
        m.Publish: RoomCommand(
            publishing.publish,
            MessageClass.MEDIA,
            lambda message: SOURCE_PERMISSION.get(message.source, NO_PERMISSION),
        ),
        m.Unpublish: RoomCommand(publishing.unpublish, None),
        m.Mute: RoomCommand(publishing.mute, None),
        m.Subscribe: RoomCommand(publishing.subscribe, MessageClass.MEDIA, _need(Permission.SUBSCRIBE)),
        m.KeyframeRequest: RoomCommand(publishing.request_keyframe, MessageClass.MEDIA),
        m.OwnQuality: RoomCommand(_own_quality, MessageClass.OTHER),
        m.KeyBoxes: RoomCommand(key_exchange.pass_keys, None),
        m.KeyReceipts: RoomCommand(key_exchange.pass_keys, None),
        m.Chat: RoomCommand(
            chat.pass_text,
            MessageClass.CHAT,
            lambda message: SCOPE_PERMISSION.get(message.scope, NO_PERMISSION),
            chat.pages,
        ),
        m.SetRole: RoomCommand(moderation.set_role, MessageClass.OTHER, _need(Permission.SET_ROLE)),
        m.Kick: RoomCommand(moderation.kick, MessageClass.OTHER, _need(Permission.KICK)),
        m.RaiseHand: RoomCommand(hands.raise_hand, MessageClass.OTHER),
        m.LowerHand: RoomCommand(hands.lower_hand, MessageClass.OTHER),
        m.MuteOther: RoomCommand(moderation.mute_other, MessageClass.OTHER, _need(Permission.MUTE_OTHERS)),
        m.UpdateRoom: RoomCommand(
            lambda services, request: services.rooms.update(request),
            MessageClass.OTHER,
            _need(Permission.UPDATE_ROOM),
        ),
        m.LockRoom: RoomCommand(moderation.lock_room, MessageClass.OTHER, _need(Permission.UPDATE_ROOM)),
        m.SetAudioOnly: RoomCommand(moderation.set_audio_only, MessageClass.OTHER, _need(Permission.UPDATE_ROOM)),
        m.CloseRoom: RoomCommand(
            lambda services, request: services.rooms.end(request), MessageClass.OTHER, _need(Permission.CLOSE_ROOM)
        ),
    }
)
"""Every message that a client may send."""


class Dispatcher:
    """Serves the messages of clients by the table, after checks of rate, state and permission."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._context = services.context

    def dispatch(self, request: Request[object]) -> None:
        """Serve a request.

        Raises ``Refusal``, which is the reply to the client, or ``ProtocolError``, which ends its connection.
        """
        services, connection, message = self._services, request.connection, request.message
        if wait := connection.buckets.flooded(request.now):
            self._context.limited["all"] += 1
            self._context.refusals[ErrorCode.RATE_LIMITED] += 1
            text, wait_ms = "far too many messages", int(wait * 1000) + 1
            services.connections.hang_up(connection, ErrorCode.RATE_LIMITED, request.now, text, wait_ms)
            return
        if not connection.handshake_hash:
            raise ProtocolError(ErrorCode.UNEXPECTED_MESSAGE)
        if isinstance(message, Unknown):
            self._limit(request, MessageClass.OTHER)
            raise Refusal(ErrorCode.BAD_REQUEST, "no such request")
        self._check_state(connection, message)
        command = COMMANDS[type(message)]
        if command.rate is not None:
            self._limit(request, command.rate, command.tokens(message) if isinstance(command, RoomCommand) else 1)
        if not isinstance(command, RoomCommand):
            command.run(services, request)
            return
        seat = self._context.seat_of[request.session.number]
        if command.needs(message) & ~seat.permissions:
            raise Refusal(ErrorCode.NOT_PERMITTED)
        command.run(services, services.rooms.request(request, seat))

    def _check_state(self, connection: Connection, message: object) -> None:
        row = row_of(type(message))
        if not row.sender & Sender.CLIENT:
            raise ProtocolError(ErrorCode.UNEXPECTED_MESSAGE)
        state = self._state(connection)
        if row.states & state:
            return
        # A client always knows whether it has logged in. It may not know yet that it was taken out of its room.
        if state is State.LOGIN or row.states is State.LOGIN:
            raise ProtocolError(ErrorCode.UNEXPECTED_MESSAGE)
        raise Refusal(ErrorCode.NOT_IN_ROOM if state is State.LOBBY else ErrorCode.ALREADY_IN_ROOM)

    def _state(self, connection: Connection) -> State:
        """Return the state of a connection in the sense of the message table."""
        if connection.session is None:
            return State.LOGIN
        seat = self._context.seat_on(connection)
        return State.LOBBY if seat is None or not seat.is_open else State.ROOM

    def _limit(self, request: Request[object], message_class: MessageClass, tokens: int = 1) -> None:
        connection = request.connection
        if connection.is_overdrawn and connection.budget is not None:
            self._context.limited["account"] += 1
            wait = connection.budget.wait(request.now)
            raise Refusal(ErrorCode.RATE_LIMITED, "the account asks too much of the server", int(wait * 1000) + 1)
        wait = connection.buckets.wait(message_class, request.now, tokens)
        if wait:
            self._context.limited[message_class] += 1
            raise Refusal(ErrorCode.RATE_LIMITED, retry_after_ms=int(wait * 1000) + 1)
