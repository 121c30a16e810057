from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from tcclient.video.framing import MAX_STRETCH, fit, frame_picture, shown_size

WHITE, BLACK = 235, 16


def plain(width: int, height: int, luma: int = WHITE) -> av.VideoFrame:
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    planes[:height] = luma
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")


def luma(picture: av.VideoFrame) -> np.ndarray:
    return picture.to_ndarray()[: picture.height]


@pytest.mark.parametrize(
    ("size", "limits", "expected"),
    [((1920, 1080), (1280, 720), (1280, 720)), ((5, 3), (100, 100), (4, 2)), ((1, 4000), (100, 100), (2, 100))],
)
def test_fit(size: tuple[int, int], limits: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fit(*size, *limits) == expected


@pytest.mark.parametrize(
    ("pixel", "size"),
    [
        (None, (176, 144)),
        (Fraction(1), (176, 144)),
        (Fraction(16, 11), (256, 144)),
        (Fraction(8, 9), (176, 162)),
        (Fraction(MAX_STRETCH + 1), (176, 144)),
        (Fraction(1, MAX_STRETCH + 1), (176, 144)),
        (Fraction(0), (176, 144)),
    ],
)
def test_pixels_that_are_not_square_are_stretched_and_never_squeezed(
    pixel: Fraction | None, size: tuple[int, int]
) -> None:
    assert shown_size(plain(176, 144), pixel) == size


@pytest.mark.parametrize(
    ("inner", "outer", "bars"),
    [
        ((320, 180), (320, 180), (0, 0)),
        ((180, 320), (320, 180), (110, 0)),
        ((320, 180), (180, 320), (0, 110)),
        ((160, 90), (320, 180), (0, 0)),
        ((322, 180), (320, 180), (0, 0)),
        ((640, 480), (640, 360), (80, 0)),
    ],
)
def test_a_picture_of_another_aspect_gets_bars(
    inner: tuple[int, int], outer: tuple[int, int], bars: tuple[int, int]
) -> None:
    framed = frame_picture(plain(*inner), *outer)
    assert (framed.width, framed.height, framed.format.name) == (*outer, "yuv420p")
    values = luma(framed)
    middle = values[outer[1] // 2, :], values[:, outer[0] // 2]
    for line, bar in zip(middle, bars, strict=True):
        assert abs(int((line < 128).sum()) - 2 * bar) <= 4
        assert line[0] == line[-1] == (BLACK if bar else WHITE)
    assert set(np.unique(framed.to_ndarray()[outer[1] :])) == {128}


@pytest.mark.parametrize(
    ("form", "grey", "expected"),
    [
        ("yuvj420p", 64, 71),
        ("yuvj422p", 255, 235),
        ("yuvj444p", 0, 16),
        ("gray", 255, 235),
        ("rgb24", 64, 71),
        ("rgba", 255, 235),
        ("gbrp", 0, 16),
        ("yuv420p", 71, 71),
    ],
)
def test_values_come_out_in_the_range_of_video(form: str, grey: int, expected: int) -> None:
    picture = av.VideoFrame(64, 48, form)
    for number, plane in enumerate(picture.planes):
        value = grey if number == 0 or not form.startswith("yuv") else 128
        plane.update(bytes([value]) * plane.buffer_size)
    framed = frame_picture(picture, 64, 48)
    assert abs(int(luma(framed)[20, 20]) - expected) <= 1


@pytest.mark.parametrize("form", ["yuv420p", "yuv420p10le", "yuv444p"])
def test_full_range_may_also_be_said_of_the_picture(form: str) -> None:
    picture = plain(64, 48, 255).reformat(format=form, src_color_range=ColorRange.MPEG)
    picture.color_range = ColorRange.JPEG
    assert abs(int(luma(frame_picture(picture, 64, 48))[20, 20]) - 235) <= 1


@pytest.mark.parametrize("size", [(64, 48), (32, 24), (48, 64)])
@pytest.mark.parametrize("form", ["yuv420p", "yuv444p", "yuv420p10le", "yuvj420p"])
@pytest.mark.parametrize("matrix", [Colorspace.ITU709, Colorspace.ITU601, Colorspace.SMPTE240M, Colorspace.BT2020])
def test_colours_are_those_of_the_picture_whatever_its_matrix(
    matrix: Colorspace, form: str, size: tuple[int, int]
) -> None:
    red = av.VideoFrame.from_ndarray(np.full((48, 64, 3), (220, 30, 60), np.uint8), format="rgb24")
    span = ColorRange.JPEG if form == "yuvj420p" else ColorRange.MPEG
    framed = frame_picture(red.reformat(format=form, dst_colorspace=matrix, dst_color_range=span), *size)
    width, height = size
    values = framed.to_ndarray().reshape(-1)
    luma_at, chroma = width * height // 2 + width // 2, width * height
    found = [int(values[place]) for place in (luma_at, chroma + chroma // 8 + width // 4)]
    other = int(values[chroma + chroma // 4 + chroma // 8 + width // 4])
    assert np.abs(np.subtract([*found, other], (93, 113, 209))).max() <= 2  # by ITU-R BT.601, in limited range


def test_a_picture_without_a_size_is_refused() -> None:
    with pytest.raises(ValueError, match="no picture"):
        frame_picture(av.VideoFrame(), 64, 48)
