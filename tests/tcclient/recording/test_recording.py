import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import av
import pytest

from tcclient.audio.opus import OpusEncoder
from tcclient.audio.tone import sine
from tcclient.errors import RecordingError
from tcclient.recording import recording as module
from tcclient.recording.recording import ClockMapping, RoomRecording
from tcclient.recording.take import Take
from tests.support.memory import kept, largest_table
from tests.support.packets import sound_packet, whole_picture
from tests.tcclient.recording.test_writers import room_for


@pytest.fixture(scope="module")
def opus() -> list[bytes]:
    encoder = OpusEncoder()
    return [encoder.encode(sine(440, 960, start=960 * i)) for i in range(30)]


def stored(path: Path) -> list[bytes]:
    with av.open(path) as container:
        return [bytes(packet) for packet in container.demux(container.streams[0]) if packet.size]


def listed(folder: Path, name: str = "index.json") -> dict[str, dict[str, object]]:
    return {entry["file"]: entry for entry in json.loads((folder / name).read_text(encoding="utf-8"))["files"]}


def test_a_name_is_given_once(tmp_path: Path, opus: list[bytes]) -> None:
    recording = RoomRecording(tmp_path)
    takes = [recording.take(i, account, video=False) for i, account in enumerate(["a.b", "a b", "a.b"])]
    assert recording.take(0, "a.b", video=True) is takes[0]
    assert recording.take(0, "a.b", video=False) is not takes[0]
    assert recording.speaker(0, "a.b") is takes[0]
    for take in takes:
        take.add_audio(sound_packet(0, 0, opus[0], 1.0))
    recording.close()
    assert sorted(file.name for file in tmp_path.glob("*.ogg")) == ["a_b-2.ogg", "a_b-3.ogg", "a_b.ogg"]
    assert [take.paths for take in takes] == [[tmp_path / f"a_b{end}.ogg"] for end in ("", "-2", "-3")]
    assert [entry["account"] for entry in listed(tmp_path).values()] == ["a.b", "a b", "a.b"]


IN_ANOTHER_LOCALE = """
import sys
from pathlib import Path
from tcclient.audio.opus import OpusEncoder
from tcclient.audio.tone import sine
from tcclient.recording.recording import RoomRecording
from tests.support.packets import sound_packet, whole_picture

assert sys.getfilesystemencoding() == "ascii"
encoder = OpusEncoder()
for _ in range(2):
    recording = RoomRecording(Path(sys.argv[1]))
    take = recording.take(1, sys.stdin.buffer.readline().decode().strip(), video=False)
    recording.take(1, take.account, video=True)
    take.expect_video("vp8", 16, 16)
    for number in range(10):
        take.add_audio(sound_packet(number, 960 * number, encoder.encode(sine(440, 960)), 1.0))
    assert not recording.flush(2.0)
    take.add_video(whole_picture(90_000), 2.0)
    recording.close()
"""


@pytest.mark.parametrize("account", ["кабинет", "العدل", "ꦏꦤ꧀ꦠꦺꦴꦂ", "办公室", "désa"])
def test_a_locale_without_the_letters_of_a_name_loses_no_recording(tmp_path: Path, account: str) -> None:
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(Path.cwd())}
    subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_LOCALE, str(tmp_path)],
        input=f"{account}\n{account}\n".encode(),
        env=os.environ | environment,
        check=True,
        timeout=60,
    )
    for number, index in (("", "index.json"), ("-2", "index-2.json")):
        names = [f"{account}{number}.ogg", f"{account}{number}.mkv"]
        assert list(listed(tmp_path, index)) == names
        assert len(stored(tmp_path / names[0])) == 10
        with av.open(tmp_path / names[1]) as film:
            assert len([packet for packet in film.demux(audio=0) if packet.size]) == 10


def test_recordings_of_earlier_sessions_are_left_alone(tmp_path: Path, opus: list[bytes]) -> None:
    for session in range(3):
        recording = RoomRecording(tmp_path)
        take = recording.take(1, "ann", video=False)
        for number in range(10 * (session + 1)):
            take.add_audio(sound_packet(number, 960 * number, opus[number], 1.0))
        recording.close()
    assert [len(stored(tmp_path / f"ann{end}.ogg")) for end in ("", "-2", "-3")] == [10, 20, 30]
    assert [list(listed(tmp_path, f"index{end}.json")) for end in ("", "-2")] == [["ann.ogg"], ["ann-2.ogg"]]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_the_index_tells_who_and_when(tmp_path: Path, opus: list[bytes]) -> None:
    recording = RoomRecording(tmp_path, room="rapat", began=100.0, date="2026-01-02T03:04:05Z")
    ann = recording.take(1, "ann", video=False, label="Agency / Ann")
    cid = recording.take(0xABC, "кабинет", video=False)
    ann.add_audio(sound_packet(0, 0, opus[0], 100.5))
    cid.add_audio(sound_packet(0, 5, opus[0], 103.5))
    recording.flush(104.0)
    head = json.loads((tmp_path / "index.json").read_text())
    assert (head["format"], head["room"], head["began"]) == (1, "rapat", "2026-01-02T03:04:05Z")
    begun = listed(tmp_path)
    assert [(e["account"], e["name"], e["offset"], e["complete"]) for e in begun.values()] == [
        ("ann", "Agency / Ann", pytest.approx(0.5), False),
        ("кабинет", "кабинет", pytest.approx(3.5), False),
    ]
    recording.close()
    entry = listed(tmp_path)["кабинет.ogg"]
    assert (entry["duration"], entry["complete"], entry["participant"], entry["kind"]) == (
        0.02,
        True,
        "00000abc",
        "audio",
    )
    with av.open(tmp_path / "кабинет.ogg") as container:
        tags = container.streams.audio[0].metadata
    assert (tags["TITLE"], tags["ARTIST"], tags["OFFSET"]) == ("кабинет", "кабинет", "3.500")


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
        take.add_video(whole_picture(90 * i), 0.0)
    stop.set()
    worker.join()
    recording.close()
    assert take.frames_written == 3000


def test_a_disk_that_is_full_is_told_at_once_and_stops_nobody_else(tmp_path: Path, opus: list[bytes]) -> None:
    recording = RoomRecording(tmp_path)
    broken, fine = (recording.take(i, name, video=False) for i, name in enumerate(("a", "b")))
    broken.add_audio(sound_packet(0, 0, opus[0], 1.0))
    with room_for(0):
        failure, index = recording.flush(10.0)
    assert (failure.account, str(failure.error)) == ("a", f"{tmp_path}/a.ogg: File too large")
    assert index.account == ""
    fine.add_audio(sound_packet(0, 0, opus[0], 11.0))
    broken.add_audio(sound_packet(1, 960, opus[1], 11.0))
    assert recording.flush(20.0) == []
    assert (fine.packets_written, broken.packets_written) == (1, 0)
    recording.retry()
    broken.add_audio(sound_packet(2, 1920, opus[2], 21.0))
    assert recording.flush(30.0) == []
    with pytest.raises(RecordingError, match="File too large"):
        recording.close()
    assert stored(tmp_path / "b.ogg") == opus[:1]
    assert stored(tmp_path / "a.ogg") == opus[2:3]


def test_a_file_that_ends_for_a_fault_is_marked_in_the_index(tmp_path: Path, opus: list[bytes]) -> None:
    recording = RoomRecording(tmp_path)
    take = recording.take(1, "a", video=False)
    for number in range(30):
        take.add_audio(sound_packet(number, 50_000 * number, opus[number], float(number)))
    recording.flush(2.5)
    with room_for((tmp_path / "a.ogg").stat().st_size):
        recording.flush(40.0)
    recording.retry()
    take.add_audio(sound_packet(30, 50_000 * 30, opus[0], 41.0))
    recording.flush(50.0)
    entries = listed(tmp_path)
    assert list(entries) == ["a.ogg", "a-2.ogg"]
    assert "File too large" in str(entries["a.ogg"]["problem"])
    assert (entries["a.ogg"]["complete"], entries["a-2.ogg"]["complete"]) == (False, False)
    assert stored(tmp_path / "a.ogg")[:1] == opus[:1]
    with pytest.raises(RecordingError, match="File too large"):
        recording.close()
    assert listed(tmp_path)["a-2.ogg"]["complete"]


def test_a_folder_that_is_deleted_is_told(tmp_path: Path, opus: list[bytes]) -> None:
    recording = RoomRecording(tmp_path / "x")
    take = recording.take(1, "a", video=False)
    take.add_audio(sound_packet(0, 0, opus[0], 1.0))
    assert recording.flush(10.0) == []
    shutil.rmtree(tmp_path / "x")
    first, second = recording.flush(11.0)
    assert (first.account, "deleted" in str(first.error)) == ("a", True)
    assert (second.account, "No such file" in str(second.error)) == ("", True)
    assert recording.flush(12.0) == []
    with pytest.raises(RecordingError):
        recording.close()


def test_who_begins_anew_again_and_again_uses_up_neither_files_nor_descriptors(
    tmp_path: Path, opus: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TAKES", 5)
    recording = RoomRecording(tmp_path)
    failures = []
    for number in range(200):
        take = recording.take(1, "a", video=False)
        if number % 2:
            take.add_audio(sound_packet(0, 0, opus[0], float(number)))
        failures += recording.flush(number + 0.4)
        assert sum(take.open_files for take in kept(recording, Take)) <= 1
        recording.end(take, video=False)
        failures += recording.flush(number + 0.5)
    assert len(list(tmp_path.glob("*.ogg"))) == 5
    assert [str(failure.error) for failure in failures] == [
        f"{tmp_path}: a has started again 5 times, and is not recorded any longer"
    ]
    assert len(kept(recording, Take)) == 2, "the first of the speaker, and the newest"
    assert largest_table(recording) < 10, "five files, and what is told of them"


@pytest.mark.parametrize(("limit", "text"), [("MAX_OPEN", "are being written"), ("MAX_FILES", "in this recording")])
def test_files_are_bounded(
    tmp_path: Path, opus: list[bytes], monkeypatch: pytest.MonkeyPatch, limit: str, text: str
) -> None:
    monkeypatch.setattr(module, limit, 3)
    recording = RoomRecording(tmp_path)
    for number in range(5):
        recording.take(number, f"a{number}", video=False).add_audio(sound_packet(0, 0, opus[0], 1.0))
    failures = recording.flush(2.0)
    assert [failure.account for failure in failures] == ["a3", "a4"]
    assert all(text in str(failure.error) for failure in failures)
    assert len(list(tmp_path.glob("*.ogg"))) == 3
    with pytest.raises(RecordingError, match=text):
        recording.close()


def test_a_folder_that_cannot_be_used_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError, match="is not a folder"):
        RoomRecording(str(tmp_path / "file"))
