from pathlib import Path

import av
import pytest

from tcclient.audio.opus import OpusEncoder
from tcclient.audio.tone import sine
from tcclient.core.media.repair import RECORDING_PATIENCE
from tcclient.recording.clock import ClockMapping
from tcclient.recording.take import CLOCK_PATIENCE, GAP_PATIENCE, MAX_ENTRIES, PATIENCE, Take
from tests.support.packets import sound_packet, whole_picture

"""As much of a keyframe of 16x16 as a container needs."""
WRAP = 1 << 32


@pytest.fixture(scope="module")
def opus() -> list[bytes]:
    encoder = OpusEncoder()
    return [encoder.encode(sine(440, 960, start=960 * i)) for i in range(60)]


def times(path: Path, kind: str) -> list[float]:
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [float(packet.pts * packet.time_base) for packet in container.demux(stream) if packet.size]


def stored(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams[0]) if packet.size]


def test_packets_out_of_order_are_written_in_order(tmp_path: Path, opus: list[bytes]) -> None:
    speaker = Take(tmp_path, "a")
    for number in (0, 2, 1, 3, 5):
        speaker.add_audio(sound_packet(number, 960 * number, opus[number], 10.0))
    speaker.flush(10.0 + PATIENCE / 2)
    assert speaker.paths == []
    speaker.flush(10.0 + PATIENCE)
    assert speaker.packets_written == 4
    speaker.add_audio(sound_packet(4, 960 * 4, opus[4], 10.4))
    speaker.close()
    assert stored(tmp_path / "a.ogg") == opus[:6]


def test_sound_behind_a_gap_waits_while_the_missing_may_come_and_pictures_with_it(
    tmp_path: Path, opus: list[bytes]
) -> None:
    speaker = Take(tmp_path, "a")
    speaker.expect_video("vp8", 16, 16)
    for video in (False, True):
        speaker.map_clock(video=video, mapping=ClockMapping(0, 5_000_000))
    for number in (0, 2):
        speaker.add_audio(sound_packet(number, 960 * number, opus[number], 10.0))
        speaker.add_video(whole_picture(1800 * number), 10.0 + number * 0.02)
    speaker.flush(10.0 + RECORDING_PATIENCE)
    assert (speaker.packets_written, speaker.frames_written) == (1, 1)
    speaker.add_audio(sound_packet(1, 960, opus[1], 10.0 + RECORDING_PATIENCE))
    speaker.add_audio(sound_packet(4, 960 * 4, opus[4], 10.1))
    speaker.flush(10.0 + GAP_PATIENCE)
    assert (speaker.packets_written, speaker.frames_written) == (3, 2)
    speaker.flush(10.11 + GAP_PATIENCE)
    assert speaker.packets_written == 4, "the fourth will not come any more"
    speaker.add_audio(sound_packet(6, 960 * 6, opus[6], 12.6))
    speaker.end(video=False)
    speaker.flush(12.61 + PATIENCE)
    assert speaker.packets_written == 5, "nor does anything of a track that has ended"
    speaker.close()


def test_without_a_clock_the_time_of_arrival_has_to_do(tmp_path: Path, opus: list[bytes]) -> None:
    speaker = Take(tmp_path, "a")
    speaker.expect_video("vp8", 16, 16)
    speaker.add_video(whole_picture(0), 10.0)
    speaker.add_audio(sound_packet(0, 77, opus[0], 10.01))
    speaker.flush(10.0 + CLOCK_PATIENCE)
    assert speaker.frames_written == 0
    speaker.flush(10.1 + CLOCK_PATIENCE + PATIENCE)
    assert speaker.frames_written == 1
    speaker.map_clock(video=True, mapping=ClockMapping(0, 0))
    speaker.add_video(whole_picture(3600), 10.04)
    speaker.close()
    assert speaker.frames_written == 2
    assert speaker.paths == [tmp_path / "a.ogg", tmp_path / "a.mkv"]


def test_what_waits_is_bounded(tmp_path: Path, opus: list[bytes]) -> None:
    speaker = Take(tmp_path, "a")
    for number in range(MAX_ENTRIES + 5):
        speaker.add_audio(sound_packet(number, 960 * number, opus[0], 10.0))
    speaker.flush(10.0)
    assert speaker.packets_written == 5
    speaker.close()


@pytest.mark.no_cover  # it is long
@pytest.mark.parametrize(("first", "hours"), [(0, 27), (WRAP - 1000, 1)])
def test_nothing_is_lost_in_a_day(tmp_path: Path, opus: list[bytes], first: int, hours: int) -> None:
    """Both clocks wrap: that of sound once in a day and an hour, that of pictures twice."""
    speaker = Take(tmp_path, "a")
    speaker.expect_video("vp8", 16, 16)
    for video in (False, True):
        speaker.map_clock(video=video, mapping=ClockMapping(first, 5_000_000))
    count = hours * 60
    for minute in range(count):
        now = 1000.0 + 60 * minute
        speaker.add_video(whole_picture((first + 5_400_000 * minute) % WRAP), now)
        speaker.add_audio(sound_packet(minute, (first + 2_880_000 * minute) % WRAP, opus[0], now))
        speaker.flush(now)
    speaker.close()
    assert speaker.frames_written == speaker.packets_written == count
    for kind in ("video", "audio"):
        assert times(tmp_path / "a.mkv", kind) == pytest.approx([60.0 * minute for minute in range(count)], abs=0.01)


@pytest.mark.no_cover  # it is long
def test_a_film_keeps_in_step_with_a_sound_card_that_is_off(tmp_path: Path, opus: list[bytes]) -> None:
    """Two tenths of a second in an hour: otherwise sound and pictures would drift so far apart."""
    speaker = Take(tmp_path, "a")
    speaker.expect_video("vp8", 16, 16)
    off = 48_000 * 1.0001
    for second in range(0, 3 * 3600, 10):
        now = 1000.0 + second
        for video, rate in ((False, off), (True, 90_000)):
            speaker.map_clock(
                video=video, mapping=ClockMapping(round(second * rate) % WRAP, 7_000_000 + second * 10**6)
            )
        speaker.add_audio(sound_packet(second, round(second * off) % WRAP, opus[0], now))
        speaker.add_video(whole_picture(second * 90_000 % WRAP), now)
        speaker.flush(now + 1)
    speaker.close()
    sound, pictures = times(tmp_path / "a.mkv", "audio"), times(tmp_path / "a.mkv", "video")
    assert len(sound) == len(pictures) == 1080
    assert max(abs(a - b) for a, b in zip(sound, pictures, strict=True)) < 0.02


def test_the_sound_of_a_film_begins_where_the_ogg_file_does(tmp_path: Path, opus: list[bytes]) -> None:
    speaker = Take(tmp_path, "a")
    speaker.expect_video("vp8", 16, 16)
    speaker.map_clock(video=False, mapping=ClockMapping(5000, 1_000_000))
    speaker.map_clock(video=True, mapping=ClockMapping(100, 1_000_000))
    for number in range(50):
        now = 20.0 + number * 0.02
        speaker.add_audio(sound_packet(number, 5000 + 960 * number, opus[number], now))
        speaker.add_video(whole_picture(100 + 1800 * number, keyframe=number >= 40), now)
        if number % 10 == 9:
            speaker.flush(now + PATIENCE)
    speaker.close()
    assert stored(tmp_path / "a.ogg") == opus[:50]
    assert times(tmp_path / "a.mkv", "audio") == pytest.approx([0.02 * number for number in range(50)], abs=0.01)
    assert times(tmp_path / "a.mkv", "video") == pytest.approx([0.02 * number for number in range(40, 50)], abs=0.01)


def test_pictures_alone_have_no_sound(tmp_path: Path) -> None:
    speaker = Take(tmp_path, "a")
    speaker.expect_video("vp8", 16, 16)
    for number in range(5):
        speaker.add_video(whole_picture(3600 * number), 0.04 * number)
    speaker.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]
    with av.open(str(tmp_path / "a.mkv")) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def test_a_file_is_closed_when_its_track_has_ended_and_the_other_goes_on(tmp_path: Path, opus: list[bytes]) -> None:
    speaker = Take(tmp_path, "a")
    speaker.expect_video("vp8", 16, 16)
    for video in (False, True):
        speaker.expect(video=video)
        speaker.map_clock(video=video, mapping=ClockMapping(0, 0))
    speaker.add_audio(sound_packet(0, 0, opus[0], 10.0))
    speaker.add_video(whole_picture(0), 10.0)
    speaker.flush(11.0)
    assert speaker.open_files == 2
    speaker.end(video=True)
    speaker.flush(12.0)
    assert (speaker.open_files, speaker.done) == (1, False)
    speaker.add_audio(sound_packet(1, 960, opus[1], 12.0))
    speaker.end(video=False)
    speaker.flush(13.0)
    assert (speaker.open_files, speaker.done, speaker.packets_written) == (0, True, 2)


def test_another_program_that_records_here_takes_no_name_twice(tmp_path: Path, opus: list[bytes]) -> None:
    one, two = Take(tmp_path, "a"), Take(tmp_path, "a")
    two.expect_video("vp8", 16, 16)
    two.map_clock(video=True, mapping=ClockMapping(0, 0))
    two.add_video(whole_picture(0), 1.0)
    two.flush(2.0)
    one.add_audio(sound_packet(0, 0, opus[0], 1.0))
    one.flush(2.0)
    (tmp_path / "a.ogg").write_bytes(b"of a third one")
    two.add_audio(sound_packet(0, 0, opus[1], 3.0))
    two.close()
    one.close()
    assert one.paths == [tmp_path / "a-2.ogg"]
    assert two.paths == [tmp_path / "a.mkv", tmp_path / "a-3.ogg"]
    assert (tmp_path / "a.ogg").read_bytes() == b"of a third one"
