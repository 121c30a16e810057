"""What can go wrong with media: each error is one line that a person can act on."""

from __future__ import annotations

import os
from pathlib import Path

from tcclient.errors import ClientError
from tcproto.errors import Action


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
    """Return "path: reason" without control characters, whatever the file is called; of an `OSError` what the system
    says."""
    text = f"{os.fspath(path)}: {getattr(reason, 'strerror', None) or reason}"
    return "".join(character if character.isprintable() else "?" for character in text)
