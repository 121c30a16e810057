"""Texts of others, and what becomes of ours."""

from __future__ import annotations

from dataclasses import dataclass

from tcclient.core.events.roster import ParticipantEvent, Who
from tcproto.errors import ErrorCode
from tcproto.messages import ChatScope


@dataclass(frozen=True, slots=True)
class ChatReceived(ParticipantEvent[Who]):
    """Plain text; show it as it is. ``participant`` is its sender, to a session 0 for an operator's notice."""

    name: str
    """The sender as "agency / name" reads."""
    text: str
    scope: ChatScope
    sent_at: int
    """Unix time in ms by the sender's clock if sealed, else by the server's."""
    message_id: bytes
    sealed: bool = False
    """Only members could read or write it; otherwise all of it is the server's word."""


@dataclass(frozen=True, slots=True)
class TextMissing(ParticipantEvent[Who]):
    """An earlier text of this participant did not come: the server withheld it, or let a later one overtake it."""


@dataclass(frozen=True, slots=True)
class ChatSent:
    """A text of ours was accepted."""

    message_id: bytes
    sent_at: int


@dataclass(frozen=True, slots=True)
class ChatFailed:
    """A text of ours was refused."""

    message_id: bytes
    code: ErrorCode
    text: str
