"""A login, and the channel to its client, which may outlive a connection."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from tcproto.errors import CODES, ErrorCode
from tcserver.conference.effects import Outbox
from tcserver.records import Account

MAX_WAITING = 256
"""Messages that may wait for another connection: half a minute of a lively meeting, changes of the room excepted."""


class Ending(NamedTuple):
    """Why a connection, or a session, has ended."""

    code: ErrorCode | None
    """What the client was told; None where the client, or the network, ended the connection."""
    detail: str = ""

    @property
    def leaves_session(self) -> bool:
        """Whether the session may go on: the connection was lost, or the client was silent for too long."""
        return self.code is ErrorCode.IDLE_TIMEOUT or self == LOST

    @property
    def parting(self) -> str:
        """The reason for the log where there is no code, else an empty text."""
        return self.detail if self.code is None else ""

    def fields(self) -> dict[str, str]:
        """Return the fields of the log."""
        fields = {"reason": self.code or self.detail}
        if self.code is not None and self.detail and self.detail != CODES[self.code].text:
            fields["detail"] = self.detail
        return fields


LOST = Ending(None, "connection_lost")
FAREWELL = Ending(None, "goodbye")


class Channel:
    """The way to the client of a session: a connection, which can be taken away and replaced by another.

    Messages wait while there is no connection. After more than ``MAX_WAITING`` they are all dropped, and no other
    connection may take over, because keys may be among them.
    """

    def __init__(self, outbox: Outbox, connection: int) -> None:
        self.connection: int | None = connection
        """Number of the connection; None while there is none."""
        self.has_lost = False
        """Whether messages were dropped."""
        self._outbox = outbox
        self._waiting: list[object] = []

    def send(self, message: object) -> None:
        """Send a notification, or let it wait for the next connection."""
        if self.connection is not None:
            self._outbox.send(self.connection, message)
        elif len(self._waiting) < MAX_WAITING and not self.has_lost:
            self._waiting.append(message)
        else:
            self.has_lost = True
            self._waiting.clear()

    def detach(self) -> None:
        """Note that the connection has ended. Messages wait from now on."""
        self.connection = None

    def attach(self, connection: int) -> None:
        """Send messages on another connection from now on. Those that wait are sent with ``send_waiting``."""
        self.connection = connection

    def send_waiting(self) -> None:
        """Send the messages that have waited."""
        waiting, self._waiting = self._waiting, []
        for message in waiting:
            self.send(message)


@dataclass(slots=True, eq=False)
class Session:
    """A login."""

    number: int
    account: Account
    name: str
    """Display name, clean."""
    device_key: bytes
    channel: Channel
    address: str
    """Address of the client on its newest connection."""
    is_changing_password: bool = False
    """Whether a password of this session is being written. That change of the account does not end the session."""
    parting: str = ""
    """Why the session has ended, where no code says it."""
    texts: OrderedDict[bytes, int] = field(default_factory=OrderedDict)
    """Texts of this session by message id, with the time they were sent at."""
