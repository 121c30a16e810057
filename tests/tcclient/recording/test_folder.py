import json
import stat
from pathlib import Path

import pytest

from tcclient.errors import RecordingError
from tcclient.recording.folder import MAX_STEM, Index, free_names, prepare_folder, safe_name
from tests.support.permissions import closed_folder


@pytest.mark.parametrize(
    ("account", "name"),
    [
        ("kantor-1", "kantor-1"),
        ("кабинет", "кабинет"),
        ("العدل", "العدل"),
        ("são-paulo", "são-paulo"),
        ("sa\u0303o-paulo", "são-paulo"),
        ("สำนักงาน", "สำนักงาน"),
        ("दिल्ली", "दिल्ली"),
        ("教育局", "教育局"),
        ("../../etc/passwd", "etc_passwd"),
        (".hidden", "hidden"),
        ("a\u202eb\u200dc", "a_b_c"),
        ("Ä/\\\0", "ä"),
        ("", "participant"),
        ("/", "participant"),
        ("x" * 500, "x" * MAX_STEM),
        ("教" * 500, "教" * (MAX_STEM // 3)),
        ("con:aux", "con_aux"),
        ("nul", "nul_"),
    ],
    ids=map(str, range(18)),
)
def test_names_of_files_stay_in_the_folder_and_tell_the_account(account: str, name: str) -> None:
    assert safe_name(account) == name


def test_a_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    prepare_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    prepare_folder(folder)
    assert not list(folder.iterdir())


def test_a_folder_that_cannot_be_used_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    cases = [
        (tmp_path / "file", "is not a folder"),
        (tmp_path / "file" / "x", "Not a directory"),
        (Path("a\0b"), "null byte"),
    ]
    for path, reason in cases:
        with pytest.raises(RecordingError) as caught:
            prepare_folder(path)
        assert reason in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_folder_without_permission_is_an_error() -> None:
    with closed_folder() as folder, pytest.raises(RecordingError, match="Permission denied"):
        prepare_folder(folder)


def test_names_that_are_taken_by_any_ending_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").touch()
    (tmp_path / "a-2.ogg").symlink_to("nowhere")
    assert next(free_names(tmp_path, "a", (".ogg", ".mkv"))) == "a-3"
    assert next(free_names(tmp_path, "b", (".ogg", ".mkv"))) == "b"


def test_an_index_is_replaced_as_a_whole_and_only_when_it_changed(tmp_path: Path) -> None:
    index = Index(tmp_path, {"format": 1, "room": "Rapat кабинет"})
    index.write()
    assert not list(tmp_path.iterdir())
    entry = index.add(file="a.ogg", duration=None)
    index.write()
    (path,) = tmp_path.iterdir()
    before = path.read_text()
    assert json.loads(before) == {
        "format": 1,
        "room": "Rapat кабинет",
        "files": [{"file": "a.ogg", "duration": None}],
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    number = path.stat().st_ino
    index.write()
    assert path.stat().st_ino == number
    entry["duration"] = 1.5
    index.touch()
    index.write()
    assert json.loads(path.read_text())["files"] == [{"file": "a.ogg", "duration": 1.5}]
    assert [file.name for file in tmp_path.iterdir()] == ["index.json"]


def test_each_recording_has_an_index_of_its_own(tmp_path: Path) -> None:
    for number in range(3):
        index = Index(tmp_path, {"number": number})
        index.add(file="x")
        index.write()
    found = {path.name: json.loads(path.read_text())["number"] for path in tmp_path.iterdir()}
    assert found == {"index.json": 0, "index-2.json": 1, "index-3.json": 2}


def test_an_index_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    index = Index(tmp_path / "none", {})
    index.add(file="x")
    with pytest.raises(RecordingError, match="No such file"):
        index.write()
