"""Shows pictures as they are meant to be seen: upright, whole, with square pixels, in the value range of video."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideData
from av.video.reformatter import ColorRange, Colorspace, Interpolation

MAX_STRETCH = 10
"""How many times a pixel may be wider than high, or higher than wide. A picture that claims more is taken as damaged.
"""

MAX_BAR = 2
"""Pixels on a side by which a picture may be smaller than the wanted size before bars are drawn: the cost of even
sizes."""

SQUARE = Fraction(1)

_OTHER_MATRICES = (1, 7, 9, 10)
"""Matrices of films in high definition (BT.709, SMPTE 240M) and in HDR (BT.2020, of two kinds), as numbered in ITU-T
H.273, table 4. What names none of them is taken as BT.601."""


def shown_size(picture: av.VideoFrame, pixel: Fraction | None = None) -> tuple[int, int]:
    """Return the size at which to show a picture: upright, with square pixels.

    ``pixel`` is the aspect of the pixels that it has. No side is shorter than that of the picture.
    """
    width, height = Fraction(picture.width), Fraction(picture.height)
    if pixel is not None and Fraction(1, MAX_STRETCH) <= pixel <= MAX_STRETCH:
        width, height = width * max(pixel, SQUARE), height / min(pixel, SQUARE)
    quarter, _ = _orientation(picture)
    if quarter % 2:
        width, height = height, width
    return round(width), round(height)


def fit(width: int, height: int, max_width: int, max_height: int) -> tuple[int, int]:
    """Return the largest even size of the same aspect, within one pixel pair, that exceeds neither of the sizes."""
    scale = min(Fraction(1), Fraction(max_width, width), Fraction(max_height, height))
    return _even(width * scale), _even(height * scale)


def frame_picture(picture: av.VideoFrame, width: int, height: int, pixel: Fraction | None = None) -> av.VideoFrame:
    """Return a picture as yuv420p of the wanted size, which is even: upright, with bars if its aspect is different.

    The values are in limited range (luma 16 to 235), which VP8 assumes and H.264 names, with the matrix of BT.601,
    which VP8 assumes (RFC 6386, section 9.2). ``pixel`` is the aspect of the
    pixels that the picture has, square by default. The picture itself is not changed, and may be returned as it is.
    Raises ``av.FFmpegError`` and ``ValueError`` for a picture that cannot be converted.
    """
    if not picture.width or not picture.height:
        raise ValueError("there is no picture in it")
    quarter, mirrored = _orientation(picture)
    inner_width, inner_height = _inside(shown_size(picture, pixel), width, height)
    scaled_width, scaled_height = (inner_height, inner_width) if quarter % 2 else (inner_width, inner_height)
    small = picture.reformat(
        scaled_width,
        scaled_height,
        "yuv420p",
        interpolation=Interpolation.AREA,
        dst_color_range=ColorRange.MPEG,
        dst_colorspace=Colorspace.ITU601 if picture.colorspace in _OTHER_MATRICES else None,
        threads=1,
    )
    if quarter or mirrored:
        small = _from_planes([_turned(plane, quarter, mirrored) for plane in _planes(small)])
    if (inner_width, inner_height) != (width, height):
        small = _with_bars(small, width, height)
    return small


def _inside(shown: tuple[int, int], width: int, height: int) -> tuple[int, int]:
    scale = min(Fraction(width, shown[0]), Fraction(height, shown[1]))
    inner = min(width, _even(shown[0] * scale)), min(height, _even(shown[1] * scale))
    return width if width - inner[0] <= MAX_BAR else inner[0], height if height - inner[1] <= MAX_BAR else inner[1]


def _even(side: Fraction) -> int:
    return max(2, int(side) // 2 * 2)


def _orientation(picture: av.VideoFrame) -> tuple[int, bool]:
    """Return the quarter turns to the left of a picture's display matrix, and whether to mirror it after them.

    To mirror is to exchange left and right.
    """
    data = picture.side_data.get("DISPLAYMATRIX")
    matrix = bytes(data) if isinstance(data, SideData) else b""
    if len(matrix) < 36:
        return 0, False
    a, b, _, c, d = np.frombuffer(matrix, np.int32, 5).astype(float)
    if not (a or b) or not (c or d):
        return 0, False
    mirrored = a * d - b * c < 0
    if mirrored:
        a, c = -a, -c
    return round(np.degrees(np.arctan2(-b, a)) / 90) % 4, bool(mirrored)


Plane = npt.NDArray[np.uint8]


def _turned(plane: Plane, quarter: int, mirrored: bool) -> Plane:
    turned = np.rot90(plane, quarter)
    return turned[:, ::-1] if mirrored else turned


def _planes(picture: av.VideoFrame) -> list[Plane]:
    """Return luma and both chroma planes of yuv420p."""
    whole = picture.to_ndarray()
    width, height = picture.width, picture.height
    luma = whole[:height]
    chroma = whole[height:].reshape(2, height // 2, width // 2)
    return [luma, chroma[0], chroma[1]]


def _from_planes(planes: list[Plane]) -> av.VideoFrame:
    height, width = planes[0].shape
    whole = np.concatenate([plane.reshape(-1) for plane in planes]).reshape(height * 3 // 2, width)
    picture = av.VideoFrame.from_ndarray(whole, format="yuv420p")
    picture.color_range = ColorRange.MPEG
    return picture


def _with_bars(picture: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    left, top = (width - picture.width) // 4 * 2, (height - picture.height) // 4 * 2
    framed = []
    for plane, half, black in zip(_planes(picture), (1, 2, 2), (16, 128, 128), strict=True):
        canvas = np.full((height // half, width // half), black, np.uint8)
        canvas[top // half : top // half + plane.shape[0], left // half : left // half + plane.shape[1]] = plane
        framed.append(canvas)
    return _from_planes(framed)
