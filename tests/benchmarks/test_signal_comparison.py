import av
import numpy as np
import pytest

from benchmarks.harness.signal_comparison import (
    BEST_PSNR,
    aligned,
    alignment,
    onsets,
    psnr,
    resampled,
    squared_errors,
    windows,
)


def noise(length, seed=1):
    return np.random.default_rng(seed).integers(-8000, 8000, length).astype(np.int16)


@pytest.mark.parametrize("offset", [0, 1, 700, 4000])
def test_a_sound_that_begins_later_is_found(offset):
    source = noise(5000)
    heard = np.concatenate((noise(offset, 2) // 4, source[:4500]))
    assert alignment(source, heard) == offset
    a, b = aligned(source, heard)
    assert len(a) == 4500
    assert (a == b).all()


def test_a_sound_whose_beginning_is_missing_is_found():
    source = noise(5000)
    assert alignment(source, source[300:]) == -300
    a, b = aligned(source, source[300:])
    assert len(a) == 4700
    assert (a == b).all()


@pytest.mark.parametrize(
    ("length", "lengths"),
    [(5, [5]), (8, [8]), (10, [10]), (11, [11]), (14, [14]), (17, [8, 9]), (30, [10] * 3), (1, [1])],
)
def test_windows_have_the_length_that_was_asked_for_where_that_is_possible(length, lengths):
    parts = windows(length, 8, 10)
    assert [part.stop - part.start for part in parts] == lengths
    assert parts[0].start == 0
    assert parts[-1].stop == length


def test_resampling_keeps_length_and_pitch():
    sine = (10_000 * np.sin(2 * np.pi * 1000 * np.arange(48_000) / 48_000)).astype(np.int16)
    low = resampled(sine, 48_000)
    assert abs(len(low) - 16_000) < 40
    assert int(np.argmax(np.abs(np.fft.rfft(low[:16_000], 16_000)))) == 1000


def picture(level):
    return av.VideoFrame.from_ndarray(np.full((24, 16), level, np.uint8), format="yuv420p")


def test_psnr_is_that_of_the_formula():
    assert squared_errors([picture(100), picture(50)], [picture(105), picture(50)]) == [25.0, 0.0]
    assert psnr(25.0) == pytest.approx(10 * np.log10(255**2 / 25))
    assert psnr(0.0) == BEST_PSNR


def test_pictures_without_a_source_are_an_error():
    with pytest.raises(ValueError, match="argument 2 is longer"):
        squared_errors([picture(1)], [picture(1), picture(1)])


def test_an_onset_counts_once_until_it_was_quiet_for_long_enough():
    levels = np.zeros(100)
    levels[[10, 12, 15, 40, 41, 80]] = 5
    assert onsets(levels, 5, 10) == [10, 40, 80]
    assert onsets(levels, 6, 10) == []
