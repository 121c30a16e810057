"""One file of sound from a recording: everybody at the right time, and nothing of it is believed blindly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tcclient.audio.opus import OpusEncoder
from tcclient.audio.tone import sine
from tcclient.capture.reader import open_audio
from tcclient.cli.main import main
from tcclient.errors import MediaFileError, RecordingError
from tcclient.playout.mixdown import LONGEST, mix_down, read_index
from tcclient.recording.recording import RoomRecording
from tests.support.packets import sound_packet

Sound = npt.NDArray[np.int16]
SPEAKERS = {"ann": (400, 0.5), "budi": (1_000, 1.5), "cici": (2_500, 4.0)}
"""Pitch, and the second at which it begins; each is heard for a second."""


def record(folder: Path) -> None:
    """Record the three speakers as a client does, by the time at which their packets come."""
    recording = RoomRecording(folder, room="rapat", began=100.0, date="2026-01-02T03:04:05Z")
    for number, (account, (pitch, begin)) in enumerate(SPEAKERS.items()):
        take = recording.take(number, account, video=False)
        encoder = OpusEncoder(bitrate=64_000)
        for frame in range(50):
            sound = encoder.encode(sine(pitch, 960, start=960 * frame, level=-26))
            take.add_audio(sound_packet(frame, 960 * frame, sound, 100 + begin + 0.02 * frame))
    recording.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    record(tmp_path)
    return tmp_path


def heard(sound: Sound, begin: float, end: float) -> set[str]:
    """Return whose pitch is loud in a part of a sound."""
    part = sound[round(begin * 48_000) : round(end * 48_000)]
    assert len(part)
    found = set()
    for account, (pitch, _) in SPEAKERS.items():
        turns = np.exp(-2j * np.pi * pitch * np.arange(len(part)) / 48_000)
        if abs(np.mean(part * turns)) > 300:
            found.add(account)
    return found


def sound_of(path: Path) -> Sound:
    return np.concatenate(list(open_audio(path)))


def test_everybody_is_heard_at_the_time_at_which_it_was_said(folder: Path, tmp_path: Path) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    problems: list[MediaFileError] = []
    seconds = mix_down(folder / "index.json", tmp_path / "all.ogg", problems.append)
    assert seconds == pytest.approx(5.0, abs=0.05)
    assert problems == []
    mix = sound_of(tmp_path / "all.ogg")
    assert heard(mix, 0.05, 0.45) == set()
    assert heard(mix, 0.6, 1.4) == {"ann"}
    assert heard(mix, 1.6, 2.4) == {"budi"}
    assert heard(mix, 2.6, 3.9) == set(), "the pause is kept"
    assert heard(mix, 4.1, 4.9) == {"cici"}
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_who_speaks_at_the_same_time_is_heard_at_the_same_time(folder: Path, tmp_path: Path) -> None:
    index = json.loads((folder / "index.json").read_text())
    for entry in index["files"]:
        entry["offset"] = 0.2
    (folder / "index-2.json").write_text(json.dumps(index))
    assert mix_down(folder / "index-2.json", tmp_path / "all.ogg", list) == pytest.approx(1.2, abs=0.05)
    assert heard(sound_of(tmp_path / "all.ogg"), 0.3, 1.1) == set(SPEAKERS)


def test_a_file_that_cannot_be_read_is_left_out_and_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "budi.ogg").write_bytes(b"no sound")
    (folder / "cici.ogg").unlink()
    assert main(["mix", str(folder)]) == 1
    out, err = capsys.readouterr()
    assert out == f"{folder / 'meeting.ogg'}: 0:00:04\n"
    left_out = [line for line in err.splitlines() if line.startswith("tcclient: left out: ")]
    assert [name for name in ("budi.ogg", "cici.ogg") if any(name in line for line in left_out)] == [
        "budi.ogg",
        "cici.ogg",
    ]
    assert heard(sound_of(folder / "meeting.ogg"), 0.6, 1.4) == {"ann"}


def test_the_command_changes_no_file_that_is_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mix", str(folder), "--output", str(folder / "all.ogg")]) == 0
    assert capsys.readouterr().out == f"{folder / 'all.ogg'}: 0:00:05\n"
    before = (folder / "ann.ogg").read_bytes()
    assert main(["mix", str(folder), "--output", str(folder / "ann.ogg")]) == 1
    assert "exists" in capsys.readouterr().err
    assert (folder / "ann.ogg").read_bytes() == before
    assert (folder / "all.ogg").stat().st_mode & 0o777 == 0o600
    with pytest.raises(RecordingError):
        mix_down(folder / "index.json", folder / "all.ogg", list)


def test_a_recording_of_nobody_gives_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "index.json").write_text('{"room": "rapat", "began": "", "files": []}')
    assert main(["mix", str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith("nobody is heard in this recording\n")
    assert not (tmp_path / "meeting.ogg").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"file": "../outside.ogg"},
        {"file": "/etc/passwd"},
        {"file": 7},
        {"offset": -1},
        {"offset": LONGEST + 1},
        {"offset": float("nan")},
        {"offset": None},
    ],
)
def test_an_index_that_no_recording_has_is_refused(folder: Path, change: dict[str, Any]) -> None:
    index = json.loads((folder / "index.json").read_text())
    index["files"][1] |= change
    (folder / "index.json").write_text(json.dumps(index))
    with pytest.raises(MediaFileError, match="no index of a recording"):
        read_index(folder / "index.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 3}', "[" * 100_000, '{"files": [1]}', "\ud800"])
def test_what_is_no_index_is_one_line(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "index.json").write_bytes(text.encode(errors="surrogatepass"))
    assert main(["mix", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"tcclient: {tmp_path / 'index.json'}: this is no index of a recording\n"
    assert not (tmp_path / "meeting.ogg").exists()
    assert main(["mix", str(tmp_path / "nowhere")]) == 2
    assert "nowhere/index.json" in capsys.readouterr().err
