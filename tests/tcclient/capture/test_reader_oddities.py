"""Files from practice: late beginnings, holes, loops, damage, and pictures that are not as their headers say."""

import os
import struct
import threading
import wave
from collections.abc import Callable
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from tcclient.capture.picture import TestPicture, read_counter
from tcclient.capture.reader import MAX_RATE, open_audio, open_video
from tcclient.capture.splice import LEAST_ROUND
from tcclient.errors import MediaFileError
from tests.support.films import CLAP, beeps, flashes, write_film
from tests.tcclient.capture.test_reader import write_tone

Moved = Callable[[float], float | None]


def in_step(path: Path, seconds: float, count: int, *, loop: bool = False) -> list[float]:
    """Check that beeps and flashes of a film come together; return when."""
    heard, seen = beeps(open_audio(path, loop=loop), seconds), flashes(open_video(path, loop=loop), seconds)
    assert len(heard) == len(seen) == count
    assert np.abs(np.subtract(heard, seen)).max() < 0.05
    return seen


def hole(begin: float, end: float) -> Moved:
    return lambda time: None if begin <= time < end else time


@pytest.mark.parametrize("name", ["x.mkv", "x.mp4", "x.mov"])
@pytest.mark.parametrize(
    ("sound", "pictures"),
    [
        (lambda time: time, lambda time: time),
        (hole(0, 0.8), lambda time: time),
        (lambda time: time, hole(0, 0.8)),
        (hole(0.2, 0.9), lambda time: time),
        (lambda time: time, hole(0.2, 0.9)),
        (lambda time: time + 500, lambda time: time + 500),
    ],
    ids=["plain", "late sound", "late pictures", "hole in the sound", "hole in the pictures", "late beginning"],
)
def test_sound_and_pictures_of_a_file_stay_in_step(tmp_path: Path, name: str, sound: Moved, pictures: Moved) -> None:
    codecs = ("libopus", "libvpx") if name == "x.mkv" else ("aac", "libx264")
    path = write_film(tmp_path / name, sound=sound, pictures=pictures, codecs=codecs)
    assert in_step(path, 2.0, 1)[0] == pytest.approx(CLAP, abs=0.06)


@pytest.mark.parametrize("sound_seconds", [1.7, 2.0, 2.6])
@pytest.mark.parametrize("name", ["x.mkv", "x.mp4"])
def test_a_loop_keeps_the_sound_with_the_pictures(tmp_path: Path, sound_seconds: float, name: str) -> None:
    codecs = ("libopus", "libvpx") if name == "x.mkv" else ("aac", "libx264")
    path = write_film(tmp_path / name, sound_seconds=sound_seconds, codecs=codecs)
    length = max(2.0, sound_seconds)
    times = in_step(path, 5 * length, 5, loop=True)
    assert [b - a for a, b in pairwise(times)] == pytest.approx([length] * 4, abs=0.06)


def test_timestamps_that_begin_again_go_on_for_both(tmp_path: Path) -> None:
    one, two = write_film(tmp_path / "one.mkv"), tmp_path / "two.mkv"
    with av.open(str(one)) as source, av.open(str(two), "w") as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    # joined as bytes: the clusters of the second follow those of the first, with times of their own
    data = one.read_bytes()
    cluster = data.index(b"\x1f\x43\xb6\x75")
    joined = tmp_path / "joined.mkv"
    joined.write_bytes(without_index(data) + data[cluster : end_of_clusters(data)])
    assert in_step(joined, 10.0, 2) == pytest.approx([CLAP, 2.0 + CLAP], abs=0.1)


def end_of_clusters(data: bytes) -> int:
    found = data.rfind(b"\x1c\x53\xbb\x6b")
    return found if found > 0 else len(data)


def without_index(data: bytes) -> bytes:
    """Return a Matroska file up to its index, with a segment of unknown size."""
    segment = data.index(b"\x18\x53\x80\x67") + 4
    return data[:segment] + b"\x01" + b"\xff" * 7 + data[segment + 8 : end_of_clusters(data)]


@pytest.mark.parametrize("parts", [[(44_100, False), (48_000, True)], [(8_000, True), (24_000, False)]])
def test_sound_may_change_its_rate_and_channels(tmp_path: Path, parts: list[tuple[int, bool]]) -> None:
    path = tmp_path / "x.mp3"
    path.write_bytes(
        b"".join(
            write_tone(tmp_path / f"{number}.mp3", "libmp3lame", rate=rate, stereo=stereo, seconds=1.5).read_bytes()
            for number, (rate, stereo) in enumerate(parts)
        )
    )
    assert sum(map(len, open_audio(path))) / 48_000 == pytest.approx(3.0, abs=0.3)


def test_a_chain_of_ogg_streams_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "x.ogg"
    path.write_bytes(
        write_tone(tmp_path / "a.ogg", "libopus", seconds=1.0).read_bytes()
        + write_tone(tmp_path / "b.ogg", "libopus", seconds=1.5, stereo=True).read_bytes()
    )
    audio = open_audio(path)
    sound = np.abs(np.concatenate(list(audio)).astype(int))
    assert len(sound) / 48_000 == pytest.approx(2.5, abs=0.05)
    assert all(sound[i : i + 4800].max() > 5000 for i in range(0, 115_000, 4800))
    assert audio.damaged == 0
    assert sum(map(len, islice(open_audio(path, loop=True), 300))) == 300 * 960


@pytest.mark.parametrize(("name", "codec"), [("x.mp3", "libmp3lame"), ("x.ogg", "libopus"), ("x.flac", "flac")])
def test_damage_is_a_short_gap(tmp_path: Path, name: str, codec: str) -> None:
    path = write_tone(tmp_path / name, codec, seconds=3.0)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = os.urandom(300)
    path.write_bytes(data)
    sound = np.concatenate(list(open_audio(path)))
    assert len(sound) / 48_000 == pytest.approx(3.0, abs=0.15)
    assert np.abs(sound[-24_000:-9600]).max() > 5000


@pytest.mark.parametrize(("name", "codec"), [("x.mp3", "libmp3lame"), ("x.ogg", "libopus"), ("x.wav", "pcm_s16le")])
def test_a_file_that_is_cut_off_or_padded_plays_what_there_is(tmp_path: Path, name: str, codec: str) -> None:
    data = write_tone(tmp_path / name, codec, seconds=3.0).read_bytes()
    for changed, seconds in ((data[: len(data) // 2], 1.5), (data + bytes(2000), 3.0)):
        path = tmp_path / ("changed-" + name)
        path.write_bytes(changed)
        assert sum(map(len, open_audio(path))) / 48_000 == pytest.approx(seconds, abs=0.6)


@pytest.mark.parametrize("name", ["x.mp3", "x.wav", "x.mp4", "x.mkv"])
def test_tags_never_matter(tmp_path: Path, name: str) -> None:
    codec = {"x.mp3": "libmp3lame", "x.wav": "pcm_s16le", "x.mp4": "aac"}.get(name, "libopus")
    path = tmp_path / name
    write_tone(path, codec)
    with av.open(str(path)) as source, av.open(str(tmp_path / f"tagged-{name}"), "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        target.metadata["title"] = "caf" + "#" * 8
        for packet in source.demux():
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    tagged = tmp_path / f"tagged-{name}"
    data = tagged.read_bytes()
    assert b"#" * 8 in data
    tagged.write_bytes(data.replace(b"#" * 8, bytes(range(0xE0, 0xE8))))
    assert len(list(open_audio(tagged))) >= 50


def write_shown(path: Path, codec: str, degrees: int, *, mirrored: bool = False, pixel: Fraction | None = None) -> Path:
    """Write black pictures of 128x96 with a white corner at the top left, to be shown as a header says."""
    picture = np.zeros((96, 128, 3), np.uint8)
    picture[:32, :32] = 255
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, width=128, height=96, pix_fmt="yuv420p")
        if degrees or mirrored:
            stream.set_display_rotation(degrees, hflip=mirrored)
        if pixel is not None:
            stream.codec_context.sample_aspect_ratio = pixel
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("name", "codec"), [("x.mp4", "libx264"), ("x.mov", "libx264"), ("x.mkv", "libvpx")])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_pictures_are_upright(tmp_path: Path, name: str, codec: str, degrees: int, mirrored: bool) -> None:
    video = open_video(write_shown(tmp_path / name, codec, degrees, mirrored=mirrored))
    assert (video.width, video.height) == ((128, 96) if degrees % 180 == 0 else (96, 128))
    bright = next(iter(video)).to_ndarray()[: video.height] > 128
    rows, columns = np.nonzero(bright)
    # to the left: from the top left corner down, then to the right, then up
    low, right = {0: (False, False), 90: (True, False), 180: (True, True), 270: (False, True)}[degrees]
    assert (rows.mean() > video.height / 2) is np.bool_(low)
    assert (columns.mean() > video.width / 2) is np.bool_(right != mirrored)


@pytest.mark.parametrize(("name", "codec"), [("x.mp4", "libx264"), ("x.mov", "libx264")])
@pytest.mark.parametrize(
    ("pixel", "degrees", "size"),
    [
        (Fraction(16, 11), 0, (186, 96)),
        (Fraction(3, 4), 0, (128, 128)),
        (Fraction(16, 11), 90, (96, 186)),
    ],
)
def test_pixels_become_square(
    tmp_path: Path, name: str, codec: str, pixel: Fraction, degrees: int, size: tuple[int, int]
) -> None:
    video = open_video(write_shown(tmp_path / name, codec, degrees, pixel=pixel))
    assert (video.width, video.height) == size


def write_fast(path: Path, count: int, step: int, size: tuple[int, int] = (64, 64)) -> Path:
    """Write pictures that are ``step`` ms apart in a WebM that says 1000/s."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=1000, width=size[0], height=size[1], pix_fmt="yuv420p")
        for number, picture in enumerate(islice(TestPicture(64, 64), count)):
            small = picture.reformat(*size)
            small.pts, small.time_base = number * step, Fraction(1, 1000)
            container.mux(stream.encode(small))
        container.mux(stream.encode(None))
    return path


def test_timestamps_count_and_not_what_the_header_says(tmp_path: Path) -> None:
    video = open_video(write_fast(tmp_path / "x.webm", 12, 40))
    assert video.frame_rate == pytest.approx(25, rel=0.02)
    assert [read_counter(picture) for picture in video] == list(range(12))


def test_slow_pictures_are_slow(tmp_path: Path) -> None:
    video = open_video(write_fast(tmp_path / "x.webm", 4, 500))
    assert video.frame_rate == pytest.approx(2, rel=0.02)
    assert open_video(write_fast(tmp_path / "y.webm", 3, 5000)).frame_rate == 1


def test_more_pictures_than_anybody_sees_are_thinned_out(tmp_path: Path) -> None:
    video = open_video(write_fast(tmp_path / "x.webm", 200, 1))
    assert video.frame_rate == MAX_RATE
    times = [picture.pts or 0 for picture in video]
    assert 10 <= len(times) <= 0.2 * MAX_RATE + 1
    assert min(b - a for a, b in pairwise(times)) >= 90_000 // (MAX_RATE + 1)


@pytest.mark.parametrize(("size", "sent"), [((640, 8), "640x8"), ((8, 8), "8x8"), ((1920, 20), "1280x12")])
def test_pictures_that_are_too_small_to_encode_are_refused(tmp_path: Path, size: tuple[int, int], sent: str) -> None:
    with pytest.raises(MediaFileError, match=f"x.webm: pictures of {size[0]}x{size[1]} would be sent as {sent}"):
        open_video(write_fast(tmp_path / "x.webm", 3, 40, size))


def test_a_cover_is_no_video(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "x.mp3", "libmp3lame")
    cover = b"\x89PNG\r\n\x1a\n" + bytes(100)
    body = b"\0image/png\0\3\0" + cover
    frame = b"APIC" + struct.pack(">IH", len(body), 0) + body
    size = len(frame)
    syncsafe = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\3\0\0" + syncsafe + frame + path.read_bytes())
    assert sum(map(len, open_audio(path))) > 40_000
    with pytest.raises(MediaFileError, match="no video in it"):
        open_video(path)


@pytest.mark.parametrize("form", ["u8", "s16", "s24", "s32", "f32", "f64", "alaw", "mulaw"])
@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_wav_of_any_sort_is_read(tmp_path: Path, form: str, channels: int) -> None:
    codec = {"u8": "pcm_u8", "alaw": "pcm_alaw", "mulaw": "pcm_mulaw"}.get(form, f"pcm_{form}le")
    layout = {1: "mono", 2: "stereo", 3: "2.1", 6: "5.1"}[channels]
    path = tmp_path / "x.wav"
    tone = (10_000 * np.sin(2 * np.pi * 440 / 22_050 * np.arange(22_050))).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=22_050, layout=layout)
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=22_050)
        frame = av.AudioFrame.from_ndarray(np.repeat(tone, channels)[None, :], format="s16", layout=layout)
        frame.sample_rate = 22_050
        for piece in resampler.resample(frame):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    sound = np.concatenate(list(open_audio(path)))
    assert len(sound) / 48_000 == pytest.approx(1.0, abs=0.03)
    assert 4000 < np.abs(sound).max() < 25_000


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_a_wav_written_as_a_stream_does_not_know_its_length(tmp_path: Path, length: int) -> None:
    path = tmp_path / "x.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(np.full(9600, 700, "<i2").tobytes())
    data = bytearray(path.read_bytes())
    data[40:44] = struct.pack("<I", length)
    path.write_bytes(data)
    assert len(list(open_audio(path))) == 10


def test_an_empty_file_and_an_empty_wav_are_refused(tmp_path: Path) -> None:
    empty, silent = tmp_path / "empty.wav", tmp_path / "silent.wav"
    empty.touch()
    with wave.open(str(silent), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
    for path in (empty, silent):
        with pytest.raises(MediaFileError, match=str(path)):
            open_audio(path)


def fed(path: Path, data: bytes) -> threading.Thread:
    os.mkfifo(path)
    thread = threading.Thread(target=lambda: path.write_bytes(data), daemon=True)
    thread.start()
    return thread


def test_a_pipe_is_played_once(tmp_path: Path) -> None:
    data = write_tone(tmp_path / "x.wav", seconds=2.0).read_bytes()
    thread = fed(tmp_path / "pipe", data)
    audio = open_audio(tmp_path / "pipe")
    assert len(list(audio)) == 100
    thread.join()
    with pytest.raises(MediaFileError, match="can be read only once"):
        list(audio)


def test_pictures_may_come_through_a_pipe(tmp_path: Path) -> None:
    thread = fed(tmp_path / "pipe", write_film(tmp_path / "x.mkv").read_bytes())
    assert len(list(open_video(tmp_path / "pipe"))) == 50
    thread.join()


def test_a_pipe_cannot_be_repeated(tmp_path: Path) -> None:
    fed(tmp_path / "pipe", write_tone(tmp_path / "x.wav").read_bytes())
    with pytest.raises(MediaFileError, match="a pipe cannot be repeated"):
        open_audio(tmp_path / "pipe", loop=True)


def test_what_is_neither_file_nor_pipe_is_refused() -> None:
    with pytest.raises(MediaFileError, match="/dev/null: is neither a file nor a pipe"):
        open_audio("/dev/null")


@pytest.mark.parametrize(
    ("codec", "form", "size"),
    [
        ("libx264", "yuv420p10le", (64, 48)),
        ("libx264", "yuv444p", (65, 49)),
        ("ffv1", "bgr0", (65, 49)),
        ("ffv1", "gray", (64, 48)),
        ("ffv1", "yuva420p", (64, 48)),
        ("mjpeg", "yuvj422p", (64, 48)),
    ],
)
def test_pictures_of_any_sort_are_read(tmp_path: Path, codec: str, form: str, size: tuple[int, int]) -> None:
    path = tmp_path / "x.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, width=size[0], height=size[1], pix_fmt=form)
        for number in range(5):
            grey = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), 64, np.uint8), format="rgb24")
            picture = grey.reformat(format=form)
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    pictures = list(open_video(path))
    assert {(picture.width, picture.height, picture.format.name) for picture in pictures} == {(64, 48, "yuv420p")}
    assert len(pictures) == 5
    assert abs(int(pictures[0].to_ndarray()[20, 20]) - 71) <= 2


def test_pictures_that_are_larger_than_any_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaFileError, match="pictures of 8208x16: more than 8192"):
        open_video(write_fast(tmp_path / "x.webm", 1, 40, (8208, 16)))


def write_two_sounds(path: Path) -> Path:
    """Write two tracks of one sound with different codecs, as phones do."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=48_000, layout="mono") for codec in ("pcm_s16le", "libopus")]
        for stream, level in zip(streams, (2_000, 10_000), strict=True):
            tone = (level * np.sin(2 * np.pi * 440 / 48_000 * np.arange(48_000))).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(tone[None, :], format="s16", layout="mono")
            frame.sample_rate = 48_000
            for piece in av.AudioResampler(format=stream.format, layout="mono", rate=48_000).resample(frame):
                container.mux(stream.encode(piece))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("codec", "level"), [(b"", 2_000), (b"A_PCM", 10_000), (b"A_OPUS", 2_000)])
def test_the_first_track_that_can_be_decoded_is_played(tmp_path: Path, codec: bytes, level: int) -> None:
    path = write_two_sounds(tmp_path / "x.mkv")
    path.write_bytes(path.read_bytes().replace(codec, codec[:-1] + b"?" * bool(codec)))
    assert np.abs(np.concatenate(list(open_audio(path)))[9_600:38_400]).max() == pytest.approx(level, rel=0.3)


@pytest.mark.parametrize(
    ("name", "codec", "known"),
    [
        ("x.wav", "pcm_s16le", b"fmt \x10\0\0\0\x01\0"),
        ("x.mkv", "libopus", b"A_OPUS"),
        ("x.mkv", "libx264", b"V_MPEG4/ISO/AVC"),
        ("x.webm", "libvpx", b"V_VP8"),
        ("x.mp4", "libx264", b"avc1"),
    ],
)
def test_a_codec_that_is_not_known_is_named_as_the_reason(tmp_path: Path, name: str, codec: str, known: bytes) -> None:
    path, sound = tmp_path / name, codec in ("pcm_s16le", "libopus")
    data = (write_tone(path, codec) if sound else write_shown(path, codec, 0)).read_bytes()
    opener: Callable[[Path], object] = open_audio if sound else open_video
    path.write_bytes(data.replace(known, known[:-2] + b"zz"))
    with pytest.raises(MediaFileError, match=f"{name}: the (audio|video) in it is of a codec that is not known here"):
        opener(path)


def test_sound_that_cannot_be_mixed_to_one_channel_is_refused_at_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((200, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(200 * 2 * 800))
    with pytest.raises(MediaFileError, match=r"x.wav: sound of 200 channels at 8000 Hz cannot be converted"):
        open_audio(path)


@pytest.mark.parametrize("count", [1, 2, 9, 10, 11])
@pytest.mark.parametrize("loop", [False, True])
def test_a_film_of_a_few_pictures_is_as_its_header_says(tmp_path: Path, count: int, loop: bool) -> None:
    """Its end is reached while it is looked at. What the closed file said would be read from memory that is gone."""
    path = tmp_path / "x.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, width=176, height=144, pix_fmt="yuv420p")
        stream.codec_context.sample_aspect_ratio = Fraction(16, 11)
        for picture in islice(TestPicture(176, 144, 30), count):
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    for _ in range(20):
        video = open_video(path, loop=loop)
        assert (video.width, video.height, video.frame_rate) == (256, 144, 30)
        shown = list(islice(video, count))
        assert [(picture.width, picture.height) for picture in shown] == [(256, 144)] * count


def test_a_click_that_is_repeated_is_not_opened_a_thousand_times(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(struct.pack("<h", 20_000))
    sound = np.concatenate(list(islice(open_audio(path, loop=True), 50)))
    assert np.count_nonzero(sound) == pytest.approx(1 / LEAST_ROUND, abs=3)
