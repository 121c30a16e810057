"""What can go wrong with media: each error is one line that a person can act on."""

from __future__ import annotations

import os
from pathlib import Path


class MediaError(Exception):
    """A file or a device cannot be used; the text is a single line."""


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
