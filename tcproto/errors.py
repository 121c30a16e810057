"""Error codes and the exceptions that carry them.

Exception tree::

    ProtocolError            a peer broke the protocol on a stream; the connection ends
    Refusal                  a well-formed request was refused; the connection goes on
    CryptoFailure            a box, a signature or a cipher text did not verify
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Action(StrEnum):
    """What the receiver of a code should do about its connection."""

    NONE = "none"
    """Carry on: only the request was refused."""
    RESUME = "resume"
    """Connect again and resume the seat."""
    RECONNECT = "reconnect"
    """Connect again and log in afresh, after ``retry_after_ms``."""
    STOP = "stop"
    """Do not come back unless a user decides to."""

    @classmethod
    def _missing_(cls, value: object) -> Action:
        """Return the most careful action for one of a later version."""
        return cls.STOP


class CodeInfo(NamedTuple):
    """The row of an error code: its action and its English text."""

    action: Action
    text: str


class ErrorCode(StrEnum):
    """Stable error codes. A code never changes its meaning; unknown codes are treated as ``internal``."""

    # The stream is broken or closed.
    BAD_FRAME = "bad_frame"
    BAD_HANDSHAKE = "bad_handshake"
    BAD_MESSAGE = "bad_message"
    UNEXPECTED_MESSAGE = "unexpected_message"
    UNSUPPORTED_VERSION = "unsupported_version"
    LOGIN_TIMEOUT = "login_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    SLOW_CONSUMER = "slow_consumer"
    SHUTDOWN = "shutdown"
    LEAVING = "leaving"
    INTERNAL = "internal"
    # Login.
    BAD_CREDENTIALS = "bad_credentials"
    BAD_NAME = "bad_name"
    SERVER_FULL = "server_full"
    TOO_MANY_SESSIONS = "too_many_sessions"
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    BANNED = "banned"
    MAINTENANCE = "maintenance"
    REPLACED = "replaced"
    CREDENTIALS_CHANGED = "credentials_changed"
    # Rooms and requests.
    BAD_REQUEST = "bad_request"
    NO_SUCH_ROOM = "no_such_room"
    NO_SUCH_PARTICIPANT = "no_such_participant"
    NO_SUCH_PUBLICATION = "no_such_publication"
    ROOM_EXISTS = "room_exists"
    ROOM_FULL = "room_full"
    ROOM_LOCKED = "room_locked"
    ROOM_CHANGED = "room_changed"
    ROOM_CLOSED = "room_closed"
    MODE_MISMATCH = "mode_mismatch"
    NOT_IN_ROOM = "not_in_room"
    ALREADY_IN_ROOM = "already_in_room"
    NOT_PERMITTED = "not_permitted"
    TOO_MANY_STREAMS = "too_many_streams"
    RATE_LIMITED = "rate_limited"
    KICKED = "kicked"
    CANNOT_RESUME = "cannot_resume"

    @classmethod
    def _missing_(cls, value: object) -> ErrorCode:
        """Return ``internal`` for a code of a later version."""
        return cls.INTERNAL


CODES: dict[ErrorCode, CodeInfo] = {
    ErrorCode.BAD_FRAME: CodeInfo(Action.RECONNECT, "the frame is malformed or too large"),
    ErrorCode.BAD_HANDSHAKE: CodeInfo(Action.RECONNECT, "the handshake failed"),
    ErrorCode.BAD_MESSAGE: CodeInfo(Action.RECONNECT, "the message is malformed"),
    ErrorCode.UNEXPECTED_MESSAGE: CodeInfo(Action.RECONNECT, "the message is not allowed in this state"),
    ErrorCode.UNSUPPORTED_VERSION: CodeInfo(Action.STOP, "no common protocol version"),
    ErrorCode.LOGIN_TIMEOUT: CodeInfo(Action.RECONNECT, "the login took too long"),
    ErrorCode.IDLE_TIMEOUT: CodeInfo(Action.RESUME, "nothing was heard for too long"),
    ErrorCode.SLOW_CONSUMER: CodeInfo(Action.RESUME, "the receiver does not keep up"),
    ErrorCode.SHUTDOWN: CodeInfo(Action.RECONNECT, "the server is going down"),
    ErrorCode.LEAVING: CodeInfo(Action.NONE, "the client leaves"),
    ErrorCode.INTERNAL: CodeInfo(Action.RECONNECT, "an internal error of the peer"),
    ErrorCode.BAD_CREDENTIALS: CodeInfo(Action.STOP, "the username or the password is wrong"),
    ErrorCode.BAD_NAME: CodeInfo(Action.STOP, "the display name is not allowed"),
    ErrorCode.SERVER_FULL: CodeInfo(Action.RECONNECT, "the server is full"),
    ErrorCode.TOO_MANY_SESSIONS: CodeInfo(Action.STOP, "the account has too many sessions"),
    ErrorCode.TOO_MANY_ATTEMPTS: CodeInfo(Action.RECONNECT, "too many failed logins"),
    ErrorCode.BANNED: CodeInfo(Action.STOP, "the account is banned"),
    ErrorCode.MAINTENANCE: CodeInfo(Action.RECONNECT, "the server is under maintenance"),
    ErrorCode.REPLACED: CodeInfo(Action.STOP, "the session was replaced by a newer login"),
    ErrorCode.CREDENTIALS_CHANGED: CodeInfo(Action.STOP, "the account's password changed or the account was disabled"),
    ErrorCode.BAD_REQUEST: CodeInfo(Action.NONE, "the request has a value that is not allowed"),
    ErrorCode.NO_SUCH_ROOM: CodeInfo(Action.NONE, "there is no such room"),
    ErrorCode.NO_SUCH_PARTICIPANT: CodeInfo(Action.NONE, "there is no such participant"),
    ErrorCode.NO_SUCH_PUBLICATION: CodeInfo(Action.NONE, "there is no such publication"),
    ErrorCode.ROOM_EXISTS: CodeInfo(Action.NONE, "a room of this name exists"),
    ErrorCode.ROOM_FULL: CodeInfo(Action.NONE, "the room is full"),
    ErrorCode.ROOM_LOCKED: CodeInfo(Action.NONE, "the room is locked: nobody else may enter"),
    ErrorCode.ROOM_CHANGED: CodeInfo(Action.NONE, "the room was closed and opened again meanwhile"),
    ErrorCode.ROOM_CLOSED: CodeInfo(Action.STOP, "the room was closed"),
    ErrorCode.MODE_MISMATCH: CodeInfo(Action.NONE, "the room's end-to-end encryption mode is not the one asked for"),
    ErrorCode.NOT_IN_ROOM: CodeInfo(Action.NONE, "not in a room"),
    ErrorCode.ALREADY_IN_ROOM: CodeInfo(Action.NONE, "already in a room"),
    ErrorCode.NOT_PERMITTED: CodeInfo(Action.NONE, "not permitted"),
    ErrorCode.TOO_MANY_STREAMS: CodeInfo(Action.NONE, "too many publications"),
    ErrorCode.RATE_LIMITED: CodeInfo(Action.NONE, "too many requests of this kind"),
    ErrorCode.KICKED: CodeInfo(Action.STOP, "removed from the room"),
    ErrorCode.CANNOT_RESUME: CodeInfo(Action.RECONNECT, "the seat cannot be resumed"),
}


class ProtocolError(Exception):
    """A peer broke the protocol on a stream.

    ``code`` is the stable code; ``detail`` is for the log and, as the text, for the peer.
    """

    def __init__(self, code: ErrorCode, detail: str = "") -> None:
        self.code = code
        self.detail = detail or CODES[code].text
        super().__init__(f"{code}: {self.detail}")


class Refusal(Exception):
    """A well-formed request was refused. The attributes are the fields of the error reply.

    ``retry_after_ms`` is 0 where waiting does not help.
    """

    def __init__(self, code: ErrorCode, text: str = "", retry_after_ms: int = 0) -> None:
        self.code = code
        self.text = text or CODES[code].text
        self.retry_after_ms = retry_after_ms
        super().__init__(f"{code}: {self.text}")


class CryptoFailure(Exception):
    """A box, signature or cipher text did not verify."""
