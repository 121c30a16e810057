import wave
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from tcclient.capture.picture import TestPicture, read_counter
from tcclient.capture.reader import open_audio, open_video
from tcclient.errors import MediaFileError

FORMATS = [
    ("x.wav", "pcm_s16le"),
    ("x.ogg", "libopus"),
    ("x.flac", "flac"),
    ("x.mp3", "libmp3lame"),
    ("x.mp4", "aac"),
    ("x.mkv", "libopus"),
]


def write_tone(
    path: Path, codec: str = "pcm_s16le", *, seconds: float = 1.0, rate: int = 48_000, stereo: bool = False
) -> Path:
    layout = "stereo" if stereo else "mono"
    tone = (10_000 * np.sin(2 * np.pi * 440 / rate * np.arange(round(seconds * rate)))).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate)
        frame = av.AudioFrame.from_ndarray(np.repeat(tone, 1 + stereo)[None, :], format="s16", layout=layout)
        frame.sample_rate = rate
        for piece in resampler.resample(frame):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def write_pictures(path: Path, count: int = 10, size: tuple[int, int] = (320, 180), rate: int = 25) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, width=size[0], height=size[1], pix_fmt="yuv420p")
        for picture in islice(TestPicture(*size, rate), count):
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("name", "codec"), FORMATS)
def test_sound_of_each_format_is_read_at_48_khz(tmp_path: Path, name: str, codec: str) -> None:
    audio = open_audio(write_tone(tmp_path / name, codec), samples=480)
    assert audio.duration == pytest.approx(1.0, abs=0.06)
    frames = list(audio)
    assert all(frame.shape == (480,) and frame.dtype == np.int16 for frame in frames)
    sound = np.concatenate(frames)[4800:43_200].astype(float)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    assert np.argmax(spectrum) * 48_000 / len(sound) == pytest.approx(440, abs=2)
    assert np.sqrt((sound**2).mean()) == pytest.approx(10_000 / 2**0.5, rel=0.05)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_sound_of_another_rate_and_stereo_keeps_its_length_and_level(tmp_path: Path, rate: int) -> None:
    audio = open_audio(write_tone(tmp_path / "x.wav", rate=rate, stereo=True), samples=960)
    frames = list(audio)
    assert len(frames) == 50
    assert np.abs(np.concatenate(frames)).max() == pytest.approx(10_000, rel=0.02)


def test_the_last_frame_is_padded_with_zeros(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(np.full(1000, 7, "<i2").tobytes())
    frames = list(open_audio(path, samples=960))
    assert [int(frame.sum()) for frame in frames] == [960 * 7, 40 * 7]
    again = list(islice(open_audio(path, samples=960, loop=True), 100))
    assert {int(frame.sum()) for frame in again} == {960 * 7}


def test_a_file_that_vanishes_while_it_loops_is_an_error(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "x.wav", seconds=0.1)
    frames = iter(open_audio(path, loop=True))
    next(frames)
    path.unlink()
    with pytest.raises(MediaFileError, match="No such file"):
        list(islice(frames, 50))


def test_pictures_are_read_with_their_times(tmp_path: Path) -> None:
    video = open_video(write_pictures(tmp_path / "x.mp4", rate=30))
    assert (video.width, video.height, video.frame_rate) == (320, 180, 30)
    assert video.duration == pytest.approx(1 / 3, abs=0.04)
    pictures = list(video)
    assert [read_counter(picture) for picture in pictures] == list(range(10))
    assert [picture.pts for picture in pictures] == [3000 * number for number in range(10)]
    assert {(picture.time_base, picture.format.name) for picture in pictures} == {(Fraction(1, 90_000), "yuv420p")}


def test_a_loop_of_pictures_goes_on_in_time(tmp_path: Path) -> None:
    pictures = list(islice(open_video(write_pictures(tmp_path / "x.mkv", 5), loop=True), 13))
    assert [read_counter(picture) for picture in pictures] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2]
    assert [picture.pts for picture in pictures] == [3600 * number for number in range(13)]


def test_a_kind_of_file_that_is_not_played_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.avi"
    write_pictures(path)
    with pytest.raises(MediaFileError, match="not WAV, Ogg"):
        open_video(path)


def test_pictures_are_scaled_down_and_never_up(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "x.mp4", 3, (640, 272))
    for limits, size in (((320, 180), (320, 136)), ((1280, 720), (640, 272)), ((400, 100), (234, 100))):
        video = open_video(path, max_width=limits[0], max_height=limits[1])
        picture = next(iter(video))
        assert (video.width, video.height) == (picture.width, picture.height) == size


@pytest.mark.parametrize("opener", [open_audio, open_video])
def test_what_cannot_be_read_is_an_error_of_one_line(
    tmp_path: Path, opener: Callable[[Path], object], capfd: pytest.CaptureFixture[str]
) -> None:
    broken, playlist, cut = tmp_path / "broken\n.wav", tmp_path / "list.m3u8", tmp_path / "cut.mkv"
    broken.write_bytes(bytes(range(256)) * 10)
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n")
    cut.write_bytes(write_pictures(tmp_path / "whole.mkv").read_bytes()[:200])
    cases = [
        (tmp_path / "missing.wav", "No such file or directory"),
        (tmp_path, "is a directory"),
        (broken, "Invalid data found when processing input"),
        (playlist, "not WAV, Ogg, FLAC, MP3, MP4 or Matroska"),
        (tmp_path / "nul\0", "embedded null byte"),
        (cut, ""),
    ]
    for path, reason in cases:
        with pytest.raises(MediaFileError) as caught:
            opener(path)
        assert "\n" not in str(caught.value)
        assert str(caught.value).startswith(str(path)[:20])
        assert str(caught.value).endswith(reason)
    assert capfd.readouterr() == ("", "")


def test_a_file_without_the_stream_asked_for_says_so(tmp_path: Path) -> None:
    with pytest.raises(MediaFileError, match="no audio in it"):
        open_audio(write_pictures(tmp_path / "x.mp4"))
    with pytest.raises(MediaFileError, match="no video in it"):
        open_video(write_tone(tmp_path / "x.wav"))


@pytest.mark.parametrize("opener", [open_audio, open_video])
def test_streams_of_nothing_but_noise_are_an_error(tmp_path: Path, opener: Callable[[Path], object]) -> None:
    path = tmp_path / "x.mkv"
    data = bytearray((write_tone(path, "libopus") if opener is open_audio else write_pictures(path)).read_bytes())
    start = data.index(b"\x1f\x43\xb6\x75") + 12  # inside the first cluster
    data[start:] = bytes(len(data) - start)
    path.write_bytes(data)
    with pytest.raises(MediaFileError, match=r"."):
        list(opener(path))  # type: ignore[call-overload]


def test_senseless_parameters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sample"):
        open_audio(tmp_path, samples=0)
    with pytest.raises(ValueError, match="16x16"):
        open_video(tmp_path, max_width=4)


def test_real_files_are_read(shared_media: Path) -> None:
    speech = open_audio(shared_media / "speech-en.wav")
    frames = list(speech)
    assert speech.duration == pytest.approx(len(frames) * 0.02, abs=0.03)
    film = open_video(shared_media / "bigbuckbunny.mp4", max_width=320)
    pictures = list(film)
    assert (film.width, film.height, film.frame_rate) == (320, 180, 25)
    assert [picture.pts for picture in pictures] == [3600 * number for number in range(len(pictures))]
    assert sum(1 for _ in open_audio(shared_media / "bigbuckbunny.mp4")) > 200
    with pytest.raises(MediaFileError, match="no audio in it"):
        open_audio(shared_media / "bikes.mp4")
