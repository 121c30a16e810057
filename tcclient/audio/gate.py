"""Decides for each frame of the microphone: send it, send that it is silent, or send nothing.

A frame that is not sent takes no sequence number, but its time passes.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from tcproto.packet import AUDIO_CLOCK, COMFORT_INTERVAL

UPDATE_WAIT: Final = 0.080
"""Seconds beyond ``COMFORT_INTERVAL`` that comfort noise waits for a frame that describes the background: libopus makes
one every 400 to 420 ms, and a frame lasts up to 60 ms."""


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
    LAST = "last"
    """The frame, marked as end of talk and as silent."""
    COMFORT = "comfort"
    """The frame, marked as silent."""
    NOTHING = "nothing"
    """No packet."""


class MicrophoneGate:
    """Decides frame by frame. Only ``SEND`` lets sound of the microphone out. A mute holds from the next frame on."""

    def __init__(self, mode: GateMode = GateMode.VOICE) -> None:
        self.mode = mode
        """What opens the gate."""
        self.muted = False
        """Shut, whatever the mode."""
        self.talk_pressed = False
        """Whether the user wants to talk; counts in push-to-talk only."""
        self._open = False
        self._silent_samples = 0

    def decide(self, voice: bool, samples: int) -> Decision:
        """Decide about a frame of ``samples``; ``voice`` says whether the detector found voice in it."""
        wanted = {GateMode.OPEN: True, GateMode.VOICE: voice, GateMode.PUSH_TO_TALK: self.talk_pressed}[self.mode]
        was_open, self._open = self._open, wanted and not self.muted
        if self._open:
            return Decision.SEND
        if was_open:
            self._silent_samples = 0
            return Decision.END
        self._silent_samples += samples
        if self._silent_samples < COMFORT_INTERVAL * AUDIO_CLOCK:
            return Decision.NOTHING
        self._silent_samples = 0
        return Decision.SILENCE


class ComfortThinner:
    """Decides about the frames that the gate sends, when the encoder makes comfort noise of some.

    The first frame of comfort noise ends the talk. After it one in each ``COMFORT_INTERVAL`` is sent. All other frames
    are sent at once.
    """

    def __init__(self) -> None:
        self._since: int | None = None
        """Samples since the beginning of the comfort noise that was sent last; None while there is talk."""

    def decide(self, comfort: bool, update: bool, samples: int) -> Decision:
        """Decide about a frame of ``samples``; ``update`` says whether it describes the background."""
        if not comfort:
            self._since = None
            return Decision.SEND
        if self._since is None:
            self._since = 0
            return Decision.LAST
        self._since += samples
        if self._since < (COMFORT_INTERVAL if update else COMFORT_INTERVAL + UPDATE_WAIT) * AUDIO_CLOCK:
            return Decision.NOTHING
        self._since = 0
        return Decision.COMFORT
