"""Effects: what the conference wants done, in order. The shell carries them out."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from tcproto.account import Challenge
from tcproto.messages import Close
from tcserver.media.interface import Command
from tcserver.records import session_id

_SESSIONS = ("session", "by")
"""Fields of the log that hold a session's number."""


class Send(NamedTuple):
    """Send a control message; ``request_id`` is 0 for a notification."""

    connection: int
    message: Any
    request_id: int


class Disconnect(NamedTuple):
    """Close a connection when what was sent is out. Nothing more is sent to it, and its end need not be reported."""

    connection: int


class FindAccount(NamedTuple):
    """Look an account up, and answer with ``account_found``."""

    connection: int
    name: str
    """Folded."""


class FindDevices(NamedTuple):
    """Look up the devices that an account is limited to, and answer with ``devices_found``."""

    connection: int
    name: str
    """Folded."""


class SaveRoom(NamedTuple):
    """Write a change of a permanent room to disk, and answer with ``saved``."""

    ticket: int
    name: str
    changes: Mapping[str, Any]
    """By field of ``RoomRecord``. The others stay as stored: an operator may have changed them."""


class SavePassword(NamedTuple):
    """Write another password of an account, unless it has changed meanwhile, and answer with ``password_saved``."""

    session: int
    account: str
    old_key: bytes
    """Public key of the present password."""
    challenge: Challenge
    public_key: bytes


class SessionStarted(NamedTuple):
    """An account logged in."""

    session: int
    account: str
    name: str
    device_key: bytes
    address: str
    unix_ms: int


class SessionEnded(NamedTuple):
    """A session has ended. There is exactly one for each ``SessionStarted``."""

    session: int
    unix_ms: int


class MediaCommand(NamedTuple):
    """Pass a command to the media plane."""

    command: Command


class Stop(NamedTuple):
    """End the server, as it ends after SIGTERM: the time that the operator has announced has come."""


class LogEvent(NamedTuple):
    """Write an event to the log."""

    name: str
    fields: Mapping[str, str | int]


class Where(StrEnum):
    """What failed unexpectedly."""

    FRAME = "frame"
    """a control frame, or the answer to a look-up: its connection is closed"""
    TIMER = "timer"
    """a deadline: the connection, or the room, that it belongs to is closed"""
    ROOM = "room"
    """a change of a room, or what the media plane reported of it: its life ends, and the next begins when somebody
    enters"""
    EFFECT = "effect"
    """what was to be done outside of the conference: the connection that it was for is closed"""
    EVENT = "event"
    """what the media plane reported of no room: it is passed over"""


class Crash(NamedTuple):
    """Log an error of the server itself, which has been dealt with."""

    where: Where
    error: Exception
    fields: Mapping[str, str | int]


Effect = (
    Send
    | Disconnect
    | FindAccount
    | FindDevices
    | SaveRoom
    | SavePassword
    | SessionStarted
    | SessionEnded
    | MediaCommand
    | LogEvent
    | Crash
    | Stop
)  # fmt: skip


class Outbox:
    """Effects that wait to be taken. A message for a connection that is gone is not among them."""

    def __init__(self) -> None:
        self._effects: list[Effect] = []
        self._open: set[int] = set()

    def open(self, connection: int) -> None:
        """Take messages for a connection from now on."""
        self._open.add(connection)

    def send(self, connection: int, message: object, request_id: int = 0) -> None:
        """Send a message, unless the connection is gone."""
        if connection in self._open:
            self._effects.append(Send(connection, message, request_id))

    def disconnect(self, connection: int, last: Close | None = None) -> None:
        """End a connection, with ``last`` as its last message."""
        if last is not None:
            self.send(connection, last)
        self._effects.append(Disconnect(connection))
        self.forget(connection)

    def forget(self, connection: int) -> None:
        """Take nothing more for a connection that has ended by itself."""
        self._open.discard(connection)

    def command(self, command: Command) -> None:
        """Pass a command to the media plane."""
        self._effects.append(MediaCommand(command))

    def log(self, name: str, **fields: str | int) -> None:
        """Write an event to the log. ``session`` and ``by`` are numbers of sessions; ``by`` may also be a word."""
        named = {
            key: session_id(value) if key in _SESSIONS and isinstance(value, int) else value
            for key, value in fields.items()
        }
        self._effects.append(LogEvent(name, named))

    def add(self, effect: Effect) -> None:
        """Add any other effect."""
        self._effects.append(effect)

    def take(self) -> list[Effect]:
        """Return all effects since the last call."""
        effects, self._effects = self._effects, []
        return effects
