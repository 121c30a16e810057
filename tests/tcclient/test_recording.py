import threading
from pathlib import Path

import av
import pytest

from tcclient.audio.opus import OpusEncoder
from tcclient.audio.tone import sine
from tcclient.media.errors import RecordingError
from tcclient.recording import (
    CLOCK_PATIENCE,
    MAX_ENTRIES,
    PATIENCE,
    ClockMapping,
    RoomRecording,
    SpeakerRecording,
    safe_name,
)

VP8_KEY = bytes.fromhex("30030 09d012a1000100000".replace(" ", "")) + bytes(40)
"""As much of a keyframe of 16x16 as a container looks at."""


@pytest.fixture(scope="module")
def opus() -> list[bytes]:
    encoder = OpusEncoder()
    return [encoder.encode(sine(440, 960, start=960 * i)) for i in range(30)]


def stored(path: Path) -> list[bytes]:
    with av.open(path) as container:
        return [bytes(packet) for packet in container.demux(container.streams[0]) if packet.size]


@pytest.mark.parametrize(
    ("account", "name"),
    [
        ("kantor-1", "kantor-1"),
        ("../../etc/passwd", "etc_passwd"),
        (".hidden", "hidden"),
        ("Ä/\\\0", "participant"),
        ("", "participant"),
        ("x" * 200, "x" * 64),
        ("con:aux", "con_aux"),
    ],
)
def test_names_of_files_stay_in_the_directory(account: str, name: str) -> None:
    assert safe_name(account) == name


def test_a_name_is_given_once(tmp_path: Path, opus: list[bytes]) -> None:
    recording = RoomRecording(tmp_path)
    takes = [recording.take(i, account, video=False) for i, account in enumerate(["a.b", "a b", "a.b"])]
    assert recording.take(0, "a.b", video=True) is takes[0]
    assert recording.take(0, "a.b", video=False) is not takes[0]
    assert recording.speaker(0, "a.b") is takes[0]
    for take in takes:
        take.add_audio(0, 0, opus[0], 1.0)
    recording.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a_b-2.ogg", "a_b-3.ogg", "a_b.ogg"]
    assert [take.paths for take in takes] == [[tmp_path / f"a_b{end}.ogg"] for end in ("", "-2", "-3")]


def test_packets_out_of_order_are_written_in_order(tmp_path: Path, opus: list[bytes]) -> None:
    speaker = SpeakerRecording(tmp_path, "a")
    for number in (0, 2, 1, 3, 5):
        speaker.add_audio(number, 960 * number, opus[number], 10.0)
    speaker.flush(10.0 + PATIENCE / 2)
    assert speaker.paths == []
    speaker.flush(10.0 + PATIENCE)
    speaker.add_audio(4, 960 * 4, opus[4], 10.4)
    speaker.close()
    assert speaker.packets_written == 5
    assert stored(tmp_path / "a.ogg")[:4] == opus[:4]


def test_without_a_clock_the_time_of_arrival_has_to_do(tmp_path: Path, opus: list[bytes]) -> None:
    speaker = SpeakerRecording(tmp_path, "a")
    speaker.expect_video("vp8", 16, 16)
    speaker.add_video(0, VP8_KEY, True, 10.0)
    speaker.add_audio(0, 77, opus[0], 10.01)
    speaker.flush(10.0 + CLOCK_PATIENCE)
    assert speaker.frames_written == 0
    speaker.flush(10.1 + CLOCK_PATIENCE + PATIENCE)
    assert speaker.frames_written == 1
    speaker.map_clock(video=True, mapping=ClockMapping(0, 0))
    speaker.add_video(3600, VP8_KEY, True, 10.04)
    speaker.close()
    assert speaker.frames_written == 2
    assert speaker.paths == [tmp_path / "a.ogg", tmp_path / "a.mkv"]


def test_what_waits_is_bounded(tmp_path: Path, opus: list[bytes]) -> None:
    speaker = SpeakerRecording(tmp_path, "a")
    for number in range(MAX_ENTRIES + 5):
        speaker.add_audio(number, 960 * number, opus[0], 10.0)
    speaker.flush(10.0)
    assert speaker.packets_written == 5
    speaker.close()


def test_mappings_near_the_wrap() -> None:
    mapping = ClockMapping(2**32 - 48_000, 5_000_000)
    assert mapping.time_of(0, 48_000) == 6_000_000
    assert mapping.time_of(2**32 - 96_000, 48_000) == 4_000_000


def test_pictures_that_come_while_a_worker_writes_are_not_lost(tmp_path: Path) -> None:
    recording = RoomRecording(tmp_path)
    take = recording.take(1, "a", video=True)
    take.expect_video("vp8", 16, 16)
    take.map_clock(video=True, mapping=ClockMapping(0, 0))
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            recording.flush(1000.0)

    worker = threading.Thread(target=write)
    worker.start()
    for i in range(3000):
        take.add_video(90 * i, VP8_KEY, True, 0.0)
    stop.set()
    worker.join()
    recording.close()
    assert take.frames_written == 3000


def test_a_disk_that_fails_is_reported_at_the_end_and_stops_nobody_else(tmp_path: Path, opus: list[bytes]) -> None:
    recording = RoomRecording(tmp_path / "later")
    broken, fine = (recording.take(i, name, video=False) for i, name in enumerate(("a", "b")))
    broken.add_audio(0, 0, opus[0], 1.0)
    recording.flush(10.0)
    (tmp_path / "later").mkdir()
    fine.add_audio(0, 0, opus[0], 1.0)
    recording.flush(20.0)
    assert fine.packets_written == 0
    with pytest.raises(RecordingError, match="No such file"):
        recording.close()
    assert stored(tmp_path / "later" / "b.ogg") == opus[:1]
