"""What can go wrong in a client: why it could not connect or was sent away, and why media could not be used.

Exception tree::

    ClientError
        ConnectError            no server there, or the network failed
        ServerKeyError
            WrongServer         the server's key is not the one in the link, or the one that was pinned
            LinkContradictsPin  the link names another key than the one that was pinned
            UntrustedServer     the server's key is in no link and not pinned, and nobody was asked
        LoginRefused
        JoinRefused
        RequestRefused          a single request; the room goes on
        WrongValue              what was asked for cannot be; a ValueError, too
        NoReply                 a single request that the server has not answered in time; the room goes on
        RoomClosed              the seat or the connection is gone
            DishonestServer     the server said what no honest server says; never to be dealt with again unasked
        MediaError              a file, a device or a source cannot be used
            MediaFileError      a file cannot be played
            DeviceError         a microphone, a loudspeaker or a camera cannot be used
            RecordingError      a recording cannot be written
            SourceError         what was to be published cannot be sent
            VideoError          a picture cannot be encoded or decoded (tcclient.video.codec)
            OpusUnavailable     there is no Opus library (tcclient.audio.libopus)
        TrustFileError          in tcclient.trust.trust_file: a file of the data directory cannot be used
"""

from __future__ import annotations

import os
from pathlib import Path

from tcclient.core.events import Closed, Detached
from tcproto.errors import Action, ErrorCode
from tcproto.identity import format_fingerprint


class ClientError(Exception):
    """The text is one line to be read; ``code`` is stable, for programs."""

    def __init__(
        self,
        text: str,
        code: ErrorCode | None = ErrorCode.INTERNAL,
        action: Action = Action.STOP,
        retry_after_ms: int = 0,
    ) -> None:
        super().__init__(text)
        self.code = code
        self.action = action
        self.retry_after_ms = retry_after_ms


class ConnectError(ClientError):
    """There is no server, or the network failed."""


class ServerKeyError(ClientError):
    """The server's key cannot be trusted; nothing secret was sent."""

    def __init__(self, text: str, fingerprint: bytes) -> None:
        super().__init__(text)
        self.fingerprint = fingerprint
        """The fingerprint that the server proved, 20 bytes; of ``LinkContradictsPin`` the one in the link."""


class WrongServer(ServerKeyError):
    """The server proved another key than the one expected; ``hint`` says how to go on once the operator confirms it."""

    def __init__(self, host: str, expected: bytes, found: bytes, source: str, hint: str) -> None:
        super().__init__(
            f"{host} has another key than {source} says: {format_fingerprint(found)} instead of "
            f"{format_fingerprint(expected)}; either the server was set up anew, which its operator can confirm, or "
            f"somebody is in between. Nothing was sent to it. {hint}",
            found,
        )


class LinkContradictsPin(ServerKeyError):
    """The link names another key (``fingerprint``) than the one that was pinned (``pinned``, 20 bytes).

    No server was asked. The pin stays until a user removes it: ``tcclient forget``, or ``KnownServers.forget``.
    """

    def __init__(self, address: str, pinned: bytes, in_link: bytes) -> None:
        super().__init__(
            f"the link says that the key of {address} is {format_fingerprint(in_link)}, but it is known here as "
            f"{format_fingerprint(pinned)}; either the server was set up anew, or the link is a trap. Nothing was "
            f"sent. If its operator confirms the key of the link: tcclient forget {address}, and join again",
            in_link,
        )
        self.pinned = pinned


class UntrustedServer(ServerKeyError):
    """Nobody has said that this key is the right one."""

    def __init__(self, host: str, found: bytes) -> None:
        super().__init__(
            f"the key of {host} is not known here: {format_fingerprint(found)}; use a link with this fingerprint "
            "(?fp=...) if the operator confirms it",
            found,
        )


class LoginRefused(ClientError):
    """The login was refused."""


class JoinRefused(ClientError):
    """The room was refused."""


class RequestRefused(ClientError):
    """A request was refused; the room goes on."""


class WrongValue(ClientError, ValueError):
    """What was asked for cannot be, such as a link without a room or a text that is too long; nothing was sent."""

    def __init__(self, text: str) -> None:
        super().__init__(text, ErrorCode.BAD_REQUEST, Action.NONE)


class NoReply(ClientError):
    """The server has not answered a request, and what became of it is not known. The room goes on."""

    def __init__(self, text: str) -> None:
        super().__init__(text, None, Action.NONE)


class RoomClosed(ClientError):
    """The seat or the connection is gone; ``code`` is None where the connection was lost without a word."""


class DishonestServer(RoomClosed):
    """The server said what no honest server says, before or after the seat was taken; the text tells what.

    Such as: another account than was asked for, a room without us, a meeting that was over. ``action`` is *stop*.
    """


def closed_error(closed: Closed) -> RoomClosed:
    """Return the error that says the same as the last event: what is asked of a closed room raises it."""
    kind = DishonestServer if closed.dishonest else RoomClosed
    return kind(closed.text, closed.code, closed.action, closed.retry_after_ms)


def lost_error(lost: Detached) -> RoomClosed:
    """Return the error that says why a connection was lost whose seat goes on."""
    return RoomClosed(lost.text, lost.code, Action.RECONNECT, lost.retry_after_ms)


class MediaError(ClientError):
    """A file, a device or a source cannot be used; the text is a single line, and ``code`` is None."""

    def __init__(self, text: str) -> None:
        super().__init__(text, None, Action.NONE)


class SourceError(MediaError):
    """What was to be published cannot be sent: a wrong shape, type, size or rate, or a source that failed."""


class MediaFileError(MediaError):
    """A file cannot be played: the path and the reason."""


class RecordingError(MediaError):
    """A recording cannot be written: the path and the reason."""


class DeviceError(MediaError):
    """A microphone, a loudspeaker or a camera cannot be used."""


def one_line(path: Path, reason: object) -> str:
    """Return "path: reason" without control characters, whatever the file is called; of an ``OSError`` what the system
    says."""
    text = f"{os.fspath(path)}: {getattr(reason, 'strerror', None) or reason}"
    return "".join(character if character.isprintable() else "?" for character in text)
