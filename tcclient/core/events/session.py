"""What becomes of a session: its server, its login, its seat, and its requests."""

from __future__ import annotations

from dataclasses import dataclass

from tcproto.errors import Action, ErrorCode
from tcproto.messages import Limits, Role, RoomInfo


@dataclass(frozen=True, slots=True)
class ServerKey:
    """The server proved this static key. Unless ``trusted``, nothing more is sent before ``trust_server``."""

    fingerprint: bytes
    static: bytes
    trusted: bool
    """It is the key that the link named, or that was pinned."""


@dataclass(frozen=True, slots=True)
class WrongServerKey:
    """The server is not the one expected; ``Closed`` follows, and nothing was sent."""

    expected: bytes
    found: bytes


@dataclass(frozen=True, slots=True)
class DeriveKey:
    """Derive the account key with ``derive_account_key``, off the loop, and give it to ``account_key_derived``."""

    account: str
    salt: bytes
    """The effective one."""
    memory_bytes: int
    passes: int


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The login succeeded; account and name as the server cleaned them."""

    account: str
    agency: str
    name: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class LoginFailed:
    """The login was refused."""

    code: ErrorCode
    text: str
    action: Action
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class JoinFailed:
    """The room was refused, by the server or because its mode is not the one asked for."""

    code: ErrorCode
    text: str
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Joined:
    """In the room; ``ParticipantJoined`` and ``TrackPublished`` follow for all who were there, oneself included."""

    participant: int
    room: RoomInfo
    role: Role
    permissions: int


@dataclass(frozen=True, slots=True)
class Left:
    """The seat was given up; the login stands."""


@dataclass(frozen=True, slots=True)
class Evicted:
    """The seat was taken away; the login stands."""

    code: ErrorCode
    text: str


@dataclass(frozen=True, slots=True)
class Detached:
    """The connection was lost, and the seat goes on without: until it is resumed, or the server has given it up.

    Sound and pictures travel on where UDP works. Requests wait for another connection.
    """

    code: ErrorCode | None
    """None where the connection was lost without a word."""
    text: str
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Resumed:
    """The seat goes on, on another connection. What was missed follows."""


@dataclass(frozen=True, slots=True)
class ResumeFailed:
    """The server does not have the seat any more, so it is over; ready for ``begin_login``."""

    code: ErrorCode
    text: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over, to a program also the seat: the last event."""

    code: ErrorCode | None
    """None where the connection was lost without a word."""
    text: str
    action: Action
    retry_after_ms: int = 0
    dishonest: bool = False
    """The server said something that no honest server says, such as a room without us. ``text`` names it."""


@dataclass(frozen=True, slots=True)
class RequestDone:
    """A request was carried out."""

    request: int


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """A request was refused."""

    request: int
    code: ErrorCode
    text: str
    retry_after_ms: int = 0
