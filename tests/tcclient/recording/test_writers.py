import contextlib
import stat
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import opuslib
import pytest

from tcclient.capture.picture import TestPicture, read_counter
from tcclient.errors import RecordingError
from tcclient.recording.writers import MAX_LATE, MAX_LEAD, MatroskaWriter, OggOpusWriter, recorded_sound
from tcclient.video.bitstream import Codec, nal_units
from tcclient.video.codec import EncodedFrame, VideoEncoder
from tests.support.permissions import closed_folder

FRAME = 960
CODECS = pytest.mark.parametrize("codec", ["vp8", "h264"])


@pytest.fixture(scope="module")
def packets() -> list[bytes]:
    """Three seconds of a 440 Hz tone, 20 ms each."""
    encoder = opuslib.Encoder(48_000, 1, opuslib.APPLICATION_AUDIO)
    encoder.bitrate = 32_000
    tone = (10_000 * np.sin(2 * np.pi * 440 / 48_000 * np.arange(150 * FRAME))).astype("<i2")
    return [encoder.encode(part.tobytes(), FRAME) for part in tone.reshape(-1, FRAME)]


def decode_audio(path: Path) -> npt.NDArray[np.float32]:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def levels(sound: npt.NDArray[np.float32], step: int = 4800) -> list[float]:
    return [float(np.sqrt((sound[i : i + step] ** 2).mean())) for i in range(0, len(sound) - step + 1, step)]


def test_ogg_plays_what_was_recorded(tmp_path: Path, packets: list[bytes]) -> None:
    path = tmp_path / "one.ogg"
    with OggOpusWriter(path, tags={"TITLE": "Zoë"}) as writer:
        for number, packet in enumerate(packets):
            assert writer.write(packet, number * FRAME, number * 0.02)
        assert writer.duration == 3.0
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.rate, stream.codec_context.channels) == ("opus", 48_000, 1)
        assert stream.metadata["TITLE"] == "Zoë"
        got = [bytes(packet) for packet in container.demux(stream) if packet.size]
    assert got == packets
    sound = decode_audio(path)
    assert len(sound) == 3 * 48_000 - 312
    assert min(levels(sound)) > 0.15


def test_a_gap_keeps_the_time_and_is_silent(tmp_path: Path, packets: list[bytes]) -> None:
    path = tmp_path / "gap.ogg"
    with OggOpusWriter(path) as writer:
        for number in [*range(50), *range(100, 150)]:
            assert writer.write(packets[number], 0xFFFFFFFF - 5000 + number * FRAME, number * 0.02)
    sound = decode_audio(path)
    assert len(sound) == 3 * 48_000 - 312
    loud = levels(sound)
    assert max(loud[12:19]) < 0.01
    assert min(loud[:9] + loud[22:]) > 0.15


def test_single_losses_of_any_length_never_add_up(tmp_path: Path, packets: list[bytes]) -> None:
    path = tmp_path / "holes.ogg"
    with OggOpusWriter(path) as writer:
        for number, packet in enumerate(packets):
            writer.write(packet, number * (FRAME + 50), number * 0.02)
        assert abs(writer.duration * 48_000 - (149 * (FRAME + 50) + FRAME)) < 120
    assert len(decode_audio(path)) == round(writer.duration * 48_000) - 312


def test_the_beginning_may_be_before_the_first_packet(tmp_path: Path, packets: list[bytes]) -> None:
    path = tmp_path / "late.ogg"
    with OggOpusWriter(path, start=(1000, 5.0)) as writer:
        assert writer.write(packets[0], 1000 + 48_000, 6.0)
        assert writer.duration == 1.02


def test_late_repeated_and_broken_packets_are_left_out(tmp_path: Path, packets: list[bytes]) -> None:
    with OggOpusWriter(tmp_path / "x.ogg") as writer:
        assert writer.write(packets[0], 0, 0.0)
        assert writer.write(packets[1], FRAME, 0.02)
        assert not writer.write(packets[1], FRAME, 0.02)
        assert not writer.write(packets[0], 0, 0.03)
        assert not writer.write(b"", 2 * FRAME, 0.04)
        assert not writer.write(b"\xff", 2 * FRAME, 0.04)
        assert not writer.write(bytes([31 << 3]) + bytes(255 * 255), 2 * FRAME, 0.04)
        assert writer.duration == 0.04


@pytest.mark.parametrize("jump", [-MAX_LATE - 1, MAX_LEAD + FRAME, 1 << 31])
def test_a_wild_jump_of_the_timestamp_writes_no_silence(tmp_path: Path, packets: list[bytes], jump: int) -> None:
    with OggOpusWriter(tmp_path / "x.ogg") as writer:
        assert writer.write(packets[0], 0, 0.0)
        assert writer.write(packets[1], FRAME + jump, 0.02)
        assert writer.write(packets[2], 2 * FRAME + jump, 0.04)
        assert writer.duration == 0.06


def test_an_hour_of_silence_is_written_when_an_hour_has_passed(tmp_path: Path, packets: list[bytes]) -> None:
    path = tmp_path / "hour.ogg"
    with OggOpusWriter(path) as writer:
        writer.write(packets[0], 0, 0.0)
        assert writer.write(packets[1], 3600 * 48_000, 3600.0)
        assert writer.duration == pytest.approx(3600.02)
    assert path.stat().st_size < 600_000


def test_ogg_is_readable_after_a_crash(tmp_path: Path, packets: list[bytes]) -> None:
    path, copy = tmp_path / "live.ogg", tmp_path / "copy.ogg"
    writer = OggOpusWriter(path)
    for number, packet in enumerate(packets[:120]):
        writer.write(packet, number * FRAME, number * 0.02)
    copy.write_bytes(path.read_bytes())
    writer.close()
    assert len(decode_audio(copy)) >= 48_000 * 2 - 312
    copy.write_bytes(path.read_bytes()[:-100])
    assert len(decode_audio(copy)) >= 48_000 * 2 - 312


def test_an_empty_recording_is_a_file_that_opens(tmp_path: Path) -> None:
    path = tmp_path / "empty.ogg"
    OggOpusWriter(path, channels=2).close()
    with av.open(str(path)) as container:
        assert container.streams.audio[0].codec_context.channels == 2


def encode_pictures(codec: Codec, sizes: list[tuple[int, int]]) -> list[EncodedFrame]:
    frames: list[EncodedFrame] = []
    encoder: VideoEncoder | None = None
    for number, (width, height) in enumerate(sizes):
        if encoder is None or encoder.width != width:
            encoder = VideoEncoder(codec, width, height, 25, 300_000)
        picture = TestPicture(width, height).frame(number)
        frames.append(encoder.encode(picture, timestamp=number * 3600, keyframe=number == 50))
    return frames


@CODECS
def test_matroska_keeps_bytes_and_times(tmp_path: Path, packets: list[bytes], codec: Codec) -> None:
    path = tmp_path / "call.mkv"
    frames = encode_pictures(codec, [(320, 180)] * 75)
    start = 7_000_000
    with MatroskaWriter(path, video_codec=codec, width=320, height=180) as writer:
        assert not writer.write_audio(packets[0], start - 20_000)
        assert not writer.write_video(frames[3].data, start - 40_000, keyframe=False)
        for number, frame in enumerate(frames):
            assert writer.write_video(frame.data, start + number * 40_000, frame.keyframe)
            for place in (2 * number, 2 * number + 1):
                assert writer.write_audio(packets[place], start + place * 20_000)
    with av.open(str(path)) as container:
        assert container.duration == pytest.approx(2_980_000, abs=1000)
        demuxed = [packet for packet in container.demux() if packet.size]
        video = [packet for packet in demuxed if packet.stream.type == "video"]
        audio = [packet for packet in demuxed if packet.stream.type == "audio"]
    assert [bytes(packet) for packet in audio] == packets
    if codec == "vp8":
        assert [bytes(packet) for packet in video] == [frame.data for frame in frames]
    else:
        for packet, frame in zip(video, frames, strict=True):
            assert bytes(packet) == b"".join(len(unit).to_bytes(4, "big") + unit for unit in nal_units(frame.data))
    assert [packet.is_keyframe for packet in video] == [frame.keyframe for frame in frames]
    codec_delay = Fraction(312, 48_000)
    for stream, period, delay in ((video, 0.04, Fraction(0)), (audio, 0.02, codec_delay)):
        for number, packet in enumerate(stream):
            assert packet.pts is not None
            assert packet.time_base is not None
            assert float(packet.pts * packet.time_base + delay) == pytest.approx(number * period, abs=0.001)
    with av.open(str(path)) as container:
        assert [read_counter(picture) for picture in container.decode(video=0)] == list(range(75))
    assert min(levels(decode_audio(path))[1:]) > 0.15
    with av.open(str(path)) as container:
        container.seek(2_500_000)
        assert read_counter(next(iter(container.decode(video=0)))) == 50


@CODECS
def test_a_change_of_size_in_the_middle_is_recorded(tmp_path: Path, codec: Codec) -> None:
    path = tmp_path / "sizes.mkv"
    frames = encode_pictures(codec, [(640, 360)] * 10 + [(320, 180)] * 10)
    with MatroskaWriter(path, video_codec=codec, width=640, height=360, audio=False) as writer:
        for number, frame in enumerate(frames):
            assert writer.write_video(frame.data, number * 40_000, frame.keyframe)
        assert not writer.write_audio(b"\xf8x", 900_000)
    with av.open(str(path)) as container:
        pictures = [(picture.width, read_counter(picture)) for picture in container.decode(video=0)]
    assert pictures == [(640 if number < 10 else 320, number) for number in range(20)]


@CODECS
def test_matroska_is_readable_after_a_crash(tmp_path: Path, codec: Codec) -> None:
    path, copy = tmp_path / "live.mkv", tmp_path / "copy.mkv"
    writer = MatroskaWriter(path, video_codec=codec, width=320, height=180)
    for number, frame in enumerate(encode_pictures(codec, [(320, 180)] * 20)):
        writer.write_video(frame.data, number * 40_000, frame.keyframe)
    copy.write_bytes(path.read_bytes()[:-10])
    writer.close()
    with av.open(str(copy)) as container:
        assert [read_counter(picture) for picture in islice(container.decode(video=0), 19)] == list(range(19))


def test_matroska_of_sound_alone_and_a_pause_of_minutes(tmp_path: Path, packets: list[bytes]) -> None:
    path = tmp_path / "sound.mkv"
    with MatroskaWriter(path, video_codec=None) as writer:
        assert not writer.write_video(b"x", 0, keyframe=True)
        assert not writer.write_audio(b"", 0)
        times = [0, 20_000, 300_000_000, 300_020_000]
        assert [writer.write_audio(packets[number], at) for number, at in enumerate(times)] == [True] * 4
        assert not writer.write_audio(packets[4], 20_000)
    with av.open(str(path)) as container:
        got = [float(packet.pts * packet.time_base) for packet in container.demux(audio=0) if packet.size]
    assert got == pytest.approx([at / 1e6 - 0.0065 for at in times], abs=0.001)


def test_h264_without_parameter_sets_waits_for_some(tmp_path: Path) -> None:
    path = tmp_path / "wait.mkv"
    frame = encode_pictures("h264", [(320, 180)])[0]
    bare = b"".join(b"\0\0\1" + unit for unit in nal_units(frame.data) if unit[0] & 31 == 5)
    with MatroskaWriter(path, video_codec="h264", width=320, height=180) as writer:
        assert not writer.write_video(bare, 0, keyframe=True)
        assert not writer.write_video(b"", 0, keyframe=True)
        assert writer.write_video(frame.data, 40_000, keyframe=True)


OPENERS = [lambda path: OggOpusWriter(path), lambda path: MatroskaWriter(path, width=16, height=16)]


@pytest.mark.parametrize("create", OPENERS)
def test_what_cannot_be_written_is_an_error_of_one_line(
    tmp_path: Path, create: Callable[[Path], OggOpusWriter | MatroskaWriter]
) -> None:
    existing = tmp_path / "there.ogg"
    existing.write_bytes(b"precious")
    for path, reason in (
        (tmp_path / "no\nfolder" / "x.ogg", "No such file or directory"),
        (existing, "File exists"),
        (tmp_path / "nul\0", "embedded null byte"),
    ):
        with pytest.raises(RecordingError) as caught:
            create(path)
        assert str(caught.value).endswith(f": {reason}")
        assert "\n" not in str(caught.value)
    assert existing.read_bytes() == b"precious"


@pytest.mark.parametrize("create", OPENERS)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_no_permission_is_an_error(create: Callable[[Path], OggOpusWriter | MatroskaWriter]) -> None:
    with closed_folder() as folder, pytest.raises(RecordingError, match="Permission denied"):
        create(folder / "x")


@contextlib.contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes, as a full disk or a quota does."""
    resource = pytest.importorskip("resource", reason="this system has no limit of file sizes")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_an_error(tmp_path: Path, packets: list[bytes]) -> None:
    with room_for(0), pytest.raises(RecordingError, match=r"a\.ogg: File too large"):
        OggOpusWriter(tmp_path / "a.ogg")
    writer = MatroskaWriter(tmp_path / "b.mkv", video_codec=None)
    with room_for(0), pytest.raises(RecordingError, match=r"b\.mkv: File too large"):
        writer.write_audio(packets[0], 0)
    with pytest.raises(RecordingError, match="has ended"):
        writer.write_audio(packets[1], 20_000)
    writer.close()


@pytest.mark.parametrize("create", OPENERS)
def test_a_file_is_for_its_owner_alone_and_missed_when_it_is_deleted(
    tmp_path: Path, create: Callable[[Path], OggOpusWriter | MatroskaWriter]
) -> None:
    path = tmp_path / "x"
    writer = create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    writer.check()
    path.unlink()
    with pytest.raises(RecordingError, match="deleted"):
        writer.check()
    writer.close()


def test_sound_begins_before_the_pictures_where_it_did(tmp_path: Path, packets: list[bytes]) -> None:
    path = tmp_path / "x.mkv"
    frames = encode_pictures("vp8", [(320, 180)])
    with MatroskaWriter(path, width=320, height=180, start=5_000_000, title="kantor-1") as writer:
        assert writer.begin(frames[0].data, 6_000_000)
        for number in range(100):
            assert writer.write_audio(packets[number], 5_000_000 + 20_000 * number)
        assert writer.write_video(frames[0].data, 6_000_000, keyframe=True)
    with av.open(str(path)) as container:
        assert container.metadata["title"] == "kantor-1"
        first = {
            packet.stream.type: packet.pts * packet.time_base
            for packet in reversed(list(container.demux()))
            if packet.size
        }
    assert first["audio"] == pytest.approx(0, abs=0.01)
    assert first["video"] == pytest.approx(1, abs=0.01)


def test_pictures_alone_have_no_track_of_sound_until_it_comes(tmp_path: Path, packets: list[bytes]) -> None:
    path = tmp_path / "x.mkv"
    frames = encode_pictures("vp8", [(320, 180)])
    writer = MatroskaWriter(path, width=320, height=180)
    writer.write_video(frames[0].data, 0, keyframe=True)
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
    writer.write_audio(packets[0], 40_000)
    writer.close()
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert len([packet for packet in container.demux(audio=0) if packet.size]) == 1


def test_what_is_being_recorded_can_be_read_but_for_the_newest(tmp_path: Path, packets: list[bytes]) -> None:
    path = tmp_path / "x.ogg"
    assert list(recorded_sound(path)) == []
    writer = OggOpusWriter(path)
    for number in range(75):
        writer.write(packets[number], number * FRAME, 0.0)
    writer.sync()
    assert list(recorded_sound(path)) == [(20_000 * number, packets[number]) for number in range(74)]
    writer.sync()
    writer.close()
    assert len(decode_audio(path)) == 75 * FRAME - 312


def test_after_the_end_nothing_is_recorded(tmp_path: Path, packets: list[bytes]) -> None:
    writer = MatroskaWriter(tmp_path / "x.mkv", video_codec=None)
    writer.write_audio(packets[0], 0)
    writer.close()
    writer.close()
    with pytest.raises(RecordingError, match="has ended"):
        writer.write_audio(packets[1], 20_000)


@pytest.mark.parametrize(
    "create",
    [
        lambda path: OggOpusWriter(path, channels=3),
        lambda path: MatroskaWriter(path, video_codec=None, audio=False),
        lambda path: MatroskaWriter(path, width=0, height=10),
    ],
)
def test_senseless_parameters_are_refused_and_leave_no_file(tmp_path: Path, create: Callable[[Path], object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        create(tmp_path / "x")
    assert not list(tmp_path.iterdir())
