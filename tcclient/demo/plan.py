"""What a demonstration consists of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

DECODING_PARTICIPANTS = 6
"""Participants that play out what they hear, at most. If there are more, all only record, so that two cores are enough.
"""
FULL_SIZE_CAMERAS = 2
"""Cameras that send pictures of up to 1280x720, at most. If there are more, pictures are scaled down to ``SMALL``."""
SMALL = (320, 180)


@dataclass(frozen=True)
class Part:
    """What one participant does, passed to its process as JSON."""

    link: str
    user: str
    password: str
    name: str
    data: str
    """Directory of the client's own files."""
    record: str
    """Directory of what this participant receives. Empty: it keeps a visitor company, and reports nothing."""
    seconds: float
    audio: str = ""
    """File with speech to send; empty for a listener."""
    video: str = ""
    """File with pictures to send; empty without a camera."""
    max_width: int = 1280
    max_height: int = 720
    loop: bool = False
    decode: bool = True
    turn: int = 0
    turns: int = 1
    """In company, talkers speak one after the other, ``turn`` (from 0) of ``turns``."""
    drawn: bool = False
    """In company, the camera shows a drawn face in place of ``video``."""

    def as_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    """The whole demonstration."""

    participants: int
    talkers: int
    cameras: int
    audio: Path
    video: Path
    seconds: float
    loop: bool
    out: Path

    def parts(self, link: str, passwords: dict[str, str], data: Path) -> list[Part]:
        """Return what each participant does. ``passwords`` are by account name, in order."""
        small = self.cameras > FULL_SIZE_CAMERAS
        width, height = SMALL if small else (1280, 720)
        return [
            Part(
                link=link,
                user=user,
                password=password,
                name=f"Participant {number + 1}",
                data=str(data / user),
                record=str(self.out / user),
                seconds=self.seconds,
                audio=str(self.audio) if number < self.talkers else "",
                video=str(self.video) if number < self.cameras else "",
                max_width=width,
                max_height=height,
                loop=self.loop,
                decode=self.participants <= DECODING_PARTICIPANTS,
            )
            for number, (user, password) in enumerate(passwords.items())
        ]
