"""A synthetic camera: a moving test picture with its frame number in it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

from tcproto.packet import VIDEO_CLOCK

COUNTER_BITS = 16
"""Bits of the frame counter in the picture: 43 minutes at 25 pictures per second."""

_BARS = ((235, 128, 128), (210, 16, 146), (170, 166, 16), (145, 54, 34), (106, 202, 222), (81, 90, 240), (41, 240, 110))


class TestPicture:
    """An endless moving test picture: colour bars, a bouncing ball, a sweeping line, and the frame number as a row of
    blocks.

    ``width`` and ``height`` are even and at least 64, ``fps`` is at most 240. Deterministic: the same number gives the
    same bytes.
    """

    __test__ = False  # not a test case, whatever its name says to pytest

    def __init__(self, width: int = 640, height: int = 360, fps: Fraction | float = 25) -> None:
        if min(width, height) < 64 or width % 2 or height % 2:
            raise ValueError(f"a test picture of {width}x{height}: even and at least 64x64")
        self.width, self.height = width, height
        self.frame_rate = Fraction(fps).limit_denominator(1001)
        if not 0 < self.frame_rate <= 240:
            raise ValueError(f"{fps} pictures per second")
        column = np.arange(width) * len(_BARS) // width
        self._bars = np.array(_BARS, np.uint8)[column]
        self._rows, self._columns = np.mgrid[0:height, 0:width]

    def __iter__(self) -> Iterator[av.VideoFrame]:
        number = 0
        while True:
            yield self.frame(number)
            number += 1

    def frame(self, number: int) -> av.VideoFrame:
        """Return picture ``number`` (from 0): yuv420p, pts in 90 kHz."""
        y, u, v = self._draw(number)
        planes = np.concatenate((y.reshape(-1), u.reshape(-1), v.reshape(-1)))
        picture = av.VideoFrame.from_ndarray(planes.reshape(self.height * 3 // 2, self.width), format="yuv420p")
        picture.pts = round(number * VIDEO_CLOCK / self.frame_rate)
        picture.time_base = Fraction(1, VIDEO_CLOCK)
        return picture

    def _draw(self, number: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        height, width = self.height, self.width
        seconds = float(number / self.frame_rate)
        image = np.repeat(self._bars[None, :, :], height, axis=0)
        radius = height // 6
        x = _bounce(seconds * width / 4, radius, width - radius)
        y = _bounce(seconds * height / 3, radius, height - radius)
        ball = (self._columns - x) ** 2 + (self._rows - y) ** 2 <= radius**2
        image[ball] = (180, 90, 170)
        sweep = int(seconds * width / 5) % width
        image[:, sweep : sweep + max(2, width // 160)] = (16, 128, 128)
        side = block_side(width)
        for bit in range(COUNTER_BITS):
            on = number >> (COUNTER_BITS - 1 - bit) & 1
            image[height - side :, bit * side : (bit + 1) * side] = (235 if on else 16, 128, 128)
        return image[:, :, 0], image[::2, ::2, 1], image[::2, ::2, 2]


def block_side(width: int) -> int:
    """Return the side, in pixels, of one block of the frame counter, which is at the bottom, from the left."""
    return width // COUNTER_BITS


def read_counter(picture: av.VideoFrame) -> int:
    """Return the frame number (modulo 2**16) that a test picture shows. It survives coding and scaling."""
    luma = picture.reformat(format="gray8").to_ndarray()
    side = block_side(picture.width)
    middle = picture.height - side // 2 - 1
    number = 0
    for bit in range(COUNTER_BITS):
        number = number << 1 | int(luma[middle, bit * side + side // 2] > 127)
    return number


def _bounce(distance: float, low: int, high: int) -> float:
    span = high - low
    place = distance % (2 * span)
    return low + (place if place <= span else 2 * span - place)
