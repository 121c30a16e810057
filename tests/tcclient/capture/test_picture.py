from itertools import islice

import numpy as np
import pytest

from tcclient.capture.picture import TestPicture, read_counter


def test_pictures_move_count_and_repeat_exactly() -> None:
    pictures = list(islice(TestPicture(320, 180, 30), 5))
    assert [picture.pts for picture in pictures] == [0, 3000, 6000, 9000, 12000]
    assert [read_counter(picture) for picture in pictures] == [0, 1, 2, 3, 4]
    assert {(picture.width, picture.height, picture.format.name) for picture in pictures} == {(320, 180, "yuv420p")}
    arrays = [picture.to_ndarray() for picture in pictures]
    assert not np.array_equal(arrays[3], arrays[4])
    assert np.array_equal(arrays[4], TestPicture(320, 180, 30).frame(4).to_ndarray())


@pytest.mark.parametrize("number", [0, 1, 0x5555, 0xAAAA, 0xFFFF])
def test_the_counter_survives_scaling(number: int) -> None:
    picture = TestPicture(640, 360).frame(number)
    assert read_counter(picture) == number
    assert read_counter(picture.reformat(320, 180)) == number


def test_the_picture_stays_within_video_levels() -> None:
    for number in range(0, 2000, 97):
        array = TestPicture(64, 64, 25).frame(number).to_ndarray()
        assert 16 <= array.min() <= array.max() <= 240


@pytest.mark.parametrize(
    ("width", "height", "fps"), [(63, 64, 25), (64, 62, 25), (65, 64, 25), (64, 64, 0), (64, 64, 999)]
)
def test_senseless_parameters_are_refused(width: int, height: int, fps: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        TestPicture(width, height, fps)
