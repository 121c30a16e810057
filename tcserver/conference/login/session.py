"""A login, and the channel to its client, which may outlive a connection."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from tcproto.errors import CODES, Action, ErrorCode
from tcproto.messages import Evicted, KeyBoxes, KeyReceipts, encode
from tcproto.resumption import SentMessages, is_counted
from tcserver.conference.effects import Outbox
from tcserver.records import Account

OVERHEAD = 32
"""Bytes of a message without its values, and of an entry of it."""


class Ending(NamedTuple):
    """Why a connection, or a session, has ended."""

    code: ErrorCode | None
    """What the client was told; None where the client, or the network, ended the connection."""
    detail: str = ""

    @property
    def leaves_session(self) -> bool:
        """Whether the session may go on: the connection was lost, or the client was told to resume."""
        return self == LOST or (self.code is not None and CODES[self.code].action is Action.RESUME)

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

    Messages are kept, so that a client that lost some of them with its connection can be sent them again; not without
    ``keeps``.
    """

    def __init__(self, outbox: Outbox, connection: int, *, keeps: bool) -> None:
        self.connection: int | None = connection
        """Number of the connection; None while there is none."""
        self.received = 0
        """Number of the newest counted message of the client."""
        self.keeps = keeps
        """Whether another connection may take over."""
        self._outbox = outbox
        self._sent = SentMessages()

    def send(self, message: object, request_id: int = 0) -> None:
        """Send a notification, or the reply to a request. Without a connection it is only kept."""
        if self.keeps and is_counted(message):
            self._sent.add(message, request_id, _size(message, request_id))
        if self.connection is not None:
            self._outbox.send(self.connection, message, request_id)

    def forget_old(self, now: float, lifetime: float) -> None:
        """Forget messages that were sent ``lifetime`` seconds ago: their loss would have been noticed."""
        if self.keeps:
            self._sent.mark(now, lifetime)

    def detach(self) -> None:
        """Note that the connection has ended."""
        self.connection = None

    def can_attach(self, last: int) -> bool:
        """Tell whether all messages after number ``last`` are kept."""
        return self.keeps and self._sent.has_after(last)

    def attach(self, connection: int) -> None:
        """Send messages on another connection from now on. Those that were lost are sent again with ``send_again``."""
        self.connection = connection

    def send_again(self, last: int) -> int:
        """Send the messages after number ``last``, of which ``can_attach`` is true, again; return how many."""
        assert self.connection is not None
        lost = self._sent.after(last)
        for kept in lost:
            self._outbox.send(self.connection, kept.message, kept.request_id)
        return len(lost)


def _size(message: object, request_id: int) -> int:
    """Return the bytes of a message, or a little more for one that each receiver gets another of.

    To encode these once more would cost ten times as much as all else here. One that goes to everybody is encoded once.
    """
    match message:
        case KeyBoxes(boxes):
            return OVERHEAD + sum(OVERHEAD + len(addressed.box) for addressed in boxes)
        case KeyReceipts(receipts):
            return OVERHEAD * (1 + len(receipts))
        case _:
            return len(encode(message, request_id))


@dataclass(slots=True, eq=False)
class Session:
    """A login."""

    number: int
    account: Account
    name: str
    """Display name, clean."""
    device_key: bytes
    handshake_hash: bytes
    """Hash of the handshake of its login, 64 bytes. A change of the password is signed for it."""
    channel: Channel
    address: str
    """Address of the client on its newest connection."""
    token: bytes
    """With it, and with its device, the client can resume the session once."""
    token_before: bytes = b""
    """The token that was used last, until the client has said something: the reply with the next may be lost."""
    evicted: Evicted | None = None
    """Why its last seat was taken away: a client that lost its connection may not have read it."""
    is_changing_password: bool = False
    """Whether a password of this session is being written. That change of the account does not end the session."""
    has_left: bool = False
    """Whether its client has said by a datagram that it has left."""
    parting: str = ""
    """Why the session has ended, where no code says it."""
    texts: OrderedDict[bytes, int] = field(default_factory=OrderedDict)
    """Texts of this session by message id, with the time they were sent at."""
