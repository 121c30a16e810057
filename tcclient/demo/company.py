"""What those send who keep a visitor company: talkers that take turns, and drawn faces that speak with them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from tcclient.audio.opus import Pcm
from tcclient.capture.reader import open_audio
from tcclient.demo.plan import Part
from tcclient.sources import AnySource, AudioSource, VideoSource, video_file
from tcproto.packet import AUDIO_CLOCK

TURN_LIMIT = 30
"""Seconds of a file that are one turn, at most: everybody should be heard soon, and a turn is kept in memory."""
PIECE = 960
"""Samples of a piece of sound: 20 ms."""
WIDTH, HEIGHT = 640, 360
FRAME_RATE = 15
LOUD = 3000
"""Peak of a piece of sound, of 32,767, at which a mouth is wide open."""
MOUTHS = 4
"""Pictures of a mouth, from closed to wide open."""
BLINK_INTERVAL, BLINK = 4 * FRAME_RATE, 2
"""Pictures from one blink to the next, and of one."""

Rgb = npt.NDArray[np.uint8]
SKIN, DARK, LIP, WHITE = (236, 188, 150), (45, 38, 38), (150, 52, 60), (250, 250, 250)
COLOURS = ((38, 92, 122), (120, 68, 108), (64, 108, 66), (136, 92, 40), (70, 76, 132), (132, 66, 60))
"""Of walls and clothes; who comes later begins again."""
HAIR = ((52, 40, 40), (92, 62, 42), (40, 44, 62), (120, 112, 108))


def company(part: Part) -> list[AnySource]:
    """Return what a participant sends, without end. Raises ``MediaFileError``."""
    speech = _speech(part) if part.audio else []
    sources: list[AnySource] = []
    if speech:
        sources.append(AudioSource(in_turn(speech, part.turn, part.turns), dtx=True))
    if part.video and part.drawn:
        face = Face(part.turn)
        round_ = itertools.islice(in_turn(speech, part.turn, part.turns), len(speech) * part.turns)
        sources.append(VideoSource(face.speaking(mouth(round_)), WIDTH, HEIGHT, Fraction(FRAME_RATE)))
    elif part.video:
        sources.append(video_file(part.video, loop=True, max_width=part.max_width, max_height=part.max_height))
    return sources


def _speech(part: Part) -> list[Pcm]:
    return list(itertools.islice(open_audio(part.audio, samples=PIECE), TURN_LIMIT * AUDIO_CLOCK // PIECE))


def in_turn(speech: Sequence[Pcm], turn: int, turns: int) -> Iterator[Pcm]:
    """Yield a talker's sound without end: its speech in turn ``turn`` (from 0) of each ``turns``, otherwise silence."""
    silence = np.zeros(PIECE, np.int16)
    while True:
        for current in range(turns):
            yield from speech if current == turn else itertools.repeat(silence, len(speech))


def mouth(sound: Iterable[Pcm]) -> list[int]:
    """Return how open the mouth is in each piece of sound: 0 to ``MOUTHS`` - 1."""
    peaks = (int(np.abs(piece.astype(np.int32)).max()) for piece in sound)
    return [min(peak * (MOUTHS - 1) // LOUD, MOUTHS - 1) for peak in peaks]


class Face:
    """A drawn face before a wall; faces of different numbers have different colours."""

    def __init__(self, number: int) -> None:
        self._wall = COLOURS[number % len(COLOURS)]
        self._clothes = COLOURS[(number + len(COLOURS) // 2) % len(COLOURS)]
        self._hair = HAIR[number % len(HAIR)]
        self._rows, self._columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
        self._pictures = {
            (opening, blinks): self._draw(opening, blinks) for opening in range(MOUTHS) for blinks in (False, True)
        }

    def picture(self, opening: int, blinks: bool = False) -> Rgb:
        """Return a picture, RGB of shape (``HEIGHT``, ``WIDTH``, 3); the mouth is open 0 to ``MOUTHS`` - 1."""
        return self._pictures[opening, blinks]

    def speaking(self, openings: Sequence[int]) -> Iterator[Rgb]:
        """Yield pictures without end; ``openings`` of the mouth are for each piece of sound, and begin again."""
        for number in itertools.count():
            piece = number * AUDIO_CLOCK // (PIECE * FRAME_RATE)
            opening = openings[piece % len(openings)] if openings else 0
            yield self.picture(opening, number % BLINK_INTERVAL < BLINK)

    def _draw(self, opening: int, blinks: bool) -> Rgb:
        image = np.empty((HEIGHT, WIDTH, 3), np.float32)
        image[:] = self._wall
        image *= (1.25 - 0.5 * self._rows / HEIGHT)[:, :, None]
        middle = WIDTH / 2
        self._ellipse(image, middle, 380, 150, 120, self._clothes)
        self._ellipse(image, middle, 265, 34, 40, SKIN)
        self._ellipse(image, middle, 150, 84, 96, self._hair)
        self._ellipse(image, middle, 172, 72, 92, SKIN)
        for side in (-1, 1):
            self._ellipse(image, middle + side * 28, 158, 12, 1.5 if blinks else 8, DARK if blinks else WHITE)
            if not blinks:
                self._ellipse(image, middle + side * 28, 158, 5, 6, DARK)
        self._ellipse(image, middle, 218, 24 - opening, 3 + 5 * opening, LIP)
        return np.clip(image, 0, 255).astype(np.uint8)

    def _ellipse(
        self, image: npt.NDArray[np.float32], x: float, y: float, width: float, height: float, colour: tuple[int, ...]
    ) -> None:
        """Draw an ellipse around a point with two half axes, in pixels; its edge is one pixel wide."""
        distance = np.hypot((self._columns - x) / width, (self._rows - y) / height)
        cover = np.clip((1 - distance) * min(width, height) + 0.5, 0, 1)[:, :, None]
        image += cover * (np.array(colour, np.float32) - image)
