"""Settings of a session."""

from __future__ import annotations

from dataclasses import dataclass

from tcproto.messages import Source

DEFAULT_SOURCES = (Source.MICROPHONE, Source.CAMERA, Source.SCREEN, Source.SCREEN_AUDIO)
AUDIO_ONLY = (Source.MICROPHONE, Source.SCREEN_AUDIO)


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a session."""

    fingerprint: bytes | None = None
    """Fingerprint of the server, 20 bytes, from the link or pinned. None: the application decides on ``ServerKey``."""
    sources: tuple[Source, ...] = DEFAULT_SOURCES
    """Sources of everybody that are subscribed to after a join."""
    voices: int = 0
    """Voices that are wanted at a time, at most; 0: all."""
