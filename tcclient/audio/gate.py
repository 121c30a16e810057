"""What to do with a frame of the microphone: send it, say that it is silent, or nothing."""

from __future__ import annotations

from enum import Enum
from typing import Final

from tcproto.packet import AUDIO_CLOCK

KEEPALIVE: Final = 0.400
"""Seconds between packets in silence: shows that the stream lives, at a twentieth of the packets."""


class GateMode(Enum):
    """What opens the gate."""

    OPEN = "open"
    """Always open."""
    VOICE = "voice"
    """Open while there is voice."""
    PUSH_TO_TALK = "push-to-talk"
    """Open while the user wants to talk."""


class Decision(Enum):
    """What to send for one frame."""

    SEND = "send"
    """The frame."""
    END = "end"
    """A frame of digital silence, marked as end of talk: the listener must not conceal what follows."""
    SILENCE = "silence"
    """A frame of digital silence, marked as silent."""
    NOTHING = "nothing"
    """No packet."""


class TransmitGate:
    """Decides frame by frame. Only SEND lets sound of the microphone out; a mute holds from the next frame on."""

    def __init__(self, mode: GateMode = GateMode.VOICE) -> None:
        self.mode = mode
        """What opens the gate."""
        self.muted = False
        """Shut, whatever the mode."""
        self.talk_pressed = False
        """The user wants to talk; counts in push-to-talk only."""
        self._open = False
        self._silent_samples = 0

    def decide(self, voice: bool, samples: int) -> Decision:
        """Decide about a frame of ``samples``, in which the detector found voice or not."""
        wanted = {GateMode.OPEN: True, GateMode.VOICE: voice, GateMode.PUSH_TO_TALK: self.talk_pressed}[self.mode]
        was_open, self._open = self._open, wanted and not self.muted
        if self._open:
            return Decision.SEND
        if was_open:
            self._silent_samples = 0
            return Decision.END
        self._silent_samples += samples
        if self._silent_samples < KEEPALIVE * AUDIO_CLOCK:
            return Decision.NOTHING
        self._silent_samples = 0
        return Decision.SILENCE
