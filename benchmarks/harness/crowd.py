"""A large meeting in virtual time: people behind lines of all kinds, three who talk, and four cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from benchmarks.harness.signal_comparison import Sound
from benchmarks.harness.virtual_meeting import Heard, Listener, Talker, hold
from tests.support.simulation.film import FRAME
from tests.support.simulation.network import Conditions

PEOPLE, CAMERAS = 35, 4
PICTURE = 500
"""As ``Simulcast`` counts: pictures of 530 and 2,130 bytes, as those of 320x180 and 640x360 have."""
RATES = (128e3, 256e3, 512e3, 1e6, 2e6, 4e6)
"""Bits per second of the lines."""
LOSSES = (0.0, 0.05, 0.1, 0.2)
LAYERS = (530, 2_125)
"""Bytes of a picture of each layer."""
AROUND_PACKET = 90
"""Bytes of all headers of a packet of pictures, with those of IP and UDP."""
IN_PACKET = 1_100
"""Bytes of a picture in a packet, at most."""
VOICE, COPIED_VOICE = 54e3, 85e3
"""Bits per second of a voice on the line, without and with a copy of each packet."""
COPIED_FROM = 0.05
"""Loss from which copies are usual."""
FILLED = 0.8
"""Share of a line that media can fill."""
SHOWN = 0.8
"""Share of the pictures of a second that have to be shown."""


@dataclass(frozen=True)
class Seat:
    """Somebody who listens and watches, and what that came to."""

    line: Conditions
    heard: Heard

    def behind(self, seconds: float) -> float:
        """Return the seconds until each camera is shown in the layer that fits, and stays so; infinite if never."""
        lacking = [
            at
            for camera, layer in enumerate(fitting(self.line))
            for at in range(int(seconds))
            if layer is not None and self._shown(camera, layer, at) < SHOWN / FRAME * (1 - self.line.loss)
        ]
        since = max(lacking, default=-1) + 1
        return since if since < int(seconds) else float("inf")

    def _shown(self, camera: int, layer: int, at: int) -> int:
        return sum(at <= when < at + 1 and of >= layer for when, of in self.heard.pictures[camera])


def hold_crowd(voices: Sequence[Sound], seconds: float, seed: int, people: int = PEOPLE) -> list[Seat]:
    """Hold the meeting; return all who do not send. The first voice is that of the first camera."""
    sounds = [*voices, *[None] * (CAMERAS - len(voices))]
    lines = list(product(RATES, LOSSES))
    spread = [lines[number * 7 % len(lines)] for number in range(people - CAMERAS)]  # 7 and 24 share no factor
    listeners = [Listener(Conditions(delay=0.04, queue=1.0, rate=rate, loss=loss)) for rate, loss in spread]
    found = hold([Talker(sound, PICTURE, len(LAYERS)) for sound in sounds], listeners, seconds, seed)
    return [Seat(listener.down, heard) for listener, heard in zip(listeners, found, strict=True)]


def fitting(line: Conditions, voices: int = 3) -> list[int | None]:
    """Return the layer of each camera that fits a line, None where none does: those of the first one come first."""
    room = line.rate * FILLED - voices * (COPIED_VOICE if line.loss >= COPIED_FROM else VOICE)
    found: list[int | None] = [None] * CAMERAS
    order = [(0, 0), (0, 1), *((camera, layer) for layer in range(len(LAYERS)) for camera in range(1, CAMERAS))]
    for camera, layer in order:
        more = _bitrate(layer) - (_bitrate(layer - 1) if layer else 0.0)
        if found[camera] == (layer - 1 if layer else None) and more <= room:
            found[camera] = layer
            room -= more
    return found


def _bitrate(layer: int) -> float:
    packets = -(-LAYERS[layer] // IN_PACKET)
    return (LAYERS[layer] + packets * AROUND_PACKET) * 8 / FRAME
