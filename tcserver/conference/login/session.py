"""A login, and the channel to its client, which may outlive a connection."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from tcproto.errors import CODES, ErrorCode
from tcserver.conference.effects import Outbox
from tcserver.records import Account

MAX_WAITING = 256
"""Messages that wait for another connection, without the changes of the room: half a minute of a lively meeting."""


class Ending(NamedTuple):
    """Why a connection, or a session, has ended."""

    code: ErrorCode | None
    """What the client was told; None where the client, or the network, ended the connection."""
    detail: str = ""

    @property
    def leaves_session(self) -> bool:
        """Whether the client may not know of the end, or could not help it: its session may go on."""
        return self.code is ErrorCode.IDLE_TIMEOUT or self == LOST

    @property
    def parting(self) -> str:
        """The word of the log for an end that no code explains."""
        return self.detail if self.code is None else ""

    def fields(self) -> dict[str, str]:
        """Return what the log tells of it."""
        fields = {"reason": self.code or self.detail}
        if self.code is not None and self.detail and self.detail != CODES[self.code].text:
            fields["detail"] = self.detail
        return fields


LOST = Ending(None, "connection_lost")
FAREWELL = Ending(None, "goodbye")


class Channel:
    """The way to the client of a session: a connection, which can be taken away and replaced by another.

    Messages wait in between. Beyond ``MAX_WAITING`` of them nothing waits any more, and no other connection can take
    over: keys may be among what is missing.
    """

    def __init__(self, outbox: Outbox, connection: int) -> None:
        self.connection: int | None = connection
        """Number of the connection; None while there is none."""
        self.has_lost = False
        """Whether messages were dropped."""
        self._outbox = outbox
        self._waiting: list[object] = []

    def send(self, message: object) -> None:
        """Send a notification, or keep it for the next connection."""
        if self.connection is not None:
            self._outbox.send(self.connection, message)
        elif len(self._waiting) < MAX_WAITING and not self.has_lost:
            self._waiting.append(message)
        else:
            self.has_lost = True
            self._waiting.clear()

    def detach(self) -> None:
        """Keep messages from now on: the connection is gone."""
        self.connection = None

    def attach(self, connection: int) -> None:
        """Send messages on another connection from now on; those that waited follow with ``send_waiting``."""
        self.connection = connection

    def send_waiting(self) -> None:
        """Send what waited for a connection."""
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
    """Of the client, on its newest connection."""
    parting: str = ""
    """Why the client's connection has ended, where it did so by itself."""
    texts: OrderedDict[bytes, int] = field(default_factory=OrderedDict)
    """Texts of this session by message id, with the time they were sent at."""
