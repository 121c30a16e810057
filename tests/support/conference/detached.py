"""Sessions that were detached from their connections: what their tests share."""

from typing import Any

from tcproto import messages as m
from tests.support.conference.client import Client
from tests.support.conference.driver import Driver

LIFETIME = 60.0
"""Seconds."""


def waiting_driver(**settings: Any) -> Driver:
    """Return a world whose server keeps the seats of detached sessions for ``LIFETIME``."""
    return Driver(limits__resume_s=LIFETIME, **settings)


def box(client: Client, size: int = 120) -> m.KeyBoxes:
    """Return a message with a key box for a client."""
    return m.KeyBoxes((m.AddressedBox(client.participant, b"b" * size),))


def left(client: Client) -> list[int | None]:
    """Return the participants that a client was told to have left."""
    changes = [change for message in client.got(m.RoomChanges) for change in message.changes]
    return [change.participant for change in changes if change.what is m.ChangeKind.MEMBER_LEFT]
