import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tcserver.records import StoreError
from tcserver.storage import private_files


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    """The files are private even where the umask would let everybody read them."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_the_default_places_follow_the_base_directory_specification() -> None:
    home = {"HOME": "/home/op"}
    assert private_files.default_data_directory(home) == Path("/home/op/.local/share/tcserver")
    assert private_files.default_configuration_file(home) == Path("/home/op/.config/tcserver/tcserver.toml")
    named = {**home, "XDG_DATA_HOME": "/data", "XDG_CONFIG_HOME": "/etc/xdg"}
    assert private_files.default_data_directory(named) == Path("/data/tcserver")
    assert private_files.default_configuration_file(named) == Path("/etc/xdg/tcserver/tcserver.toml")
    assert private_files.default_data_directory({**home, "XDG_DATA_HOME": "relative"}) == Path(
        "/home/op/.local/share/tcserver"
    )
    assert private_files.default_data_directory({}) == Path.home() / ".local/share/tcserver"
    assert private_files.default_configuration_file({"HOME": "relative"}) is None


def test_a_user_without_a_home_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object) -> None:
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    monkeypatch.setattr("pwd.getpwnam", nobody)
    with pytest.raises(StoreError, match="no home folder: name a data folder with --data, or set HOME"):
        private_files.default_data_directory({})
    assert private_files.default_configuration_file({}) is None
    assert private_files.default_data_directory({"XDG_DATA_HOME": "/data"}) == Path("/data/tcserver")
    for named in ("~/x", "~nobody-here/x"):
        with pytest.raises(StoreError, match=f"{named}: that user has no home"):
            private_files.expanded(named)
    assert private_files.expanded("/srv/x") == Path("/srv/x")


def test_a_data_directory_is_for_its_owner_only(tmp_path: Path) -> None:
    data = tmp_path / "parent" / "data"
    private_files.make_private_directory(data)
    private_files.make_private_directory(data)
    assert mode(data) == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file is not a folder"):
        private_files.make_private_directory(tmp_path / "file")


def test_a_private_file_is_created_once(tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert private_files.create_private(file)
    assert mode(file) == 0o600
    assert not private_files.create_private(file)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch(0o640)
    with pytest.raises(StoreError, match=f"chmod 600 {file}"):
        private_files.create_private(file)
    with pytest.raises(StoreError, match=f"{tmp_path} is not a file"):
        private_files.check_private(tmp_path)


def test_a_private_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "file"
    private_files.write_private(file, b"content")
    assert file.read_bytes() == b"content"
    assert mode(file) == 0o600
    with pytest.raises(FileExistsError):
        private_files.write_private(file, b"other")
    assert file.read_bytes() == b"content"
    assert list(tmp_path.iterdir()) == [file]


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for content in (b"old", b"new"):
        private_files.replace_private(file, content)
        assert (file.read_bytes(), mode(file)) == (content, 0o600)
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(OSError, match="No such file"):
        private_files.replace_private(tmp_path / "none" / "file", b"")


def test_a_file_system_without_hard_links_has_private_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    file = tmp_path / "file"
    private_files.write_private(file, b"content")
    assert file.read_bytes() == b"content"
    assert mode(file) == 0o600
    with pytest.raises(FileExistsError):
        private_files.write_private(file, b"other")
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError):
        private_files.write_private(tmp_path / "second", b"content")
    assert file.read_bytes() == b"content"
    assert list(tmp_path.iterdir()) == [file]


def test_what_a_crash_left_behind_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / f"file.{os.getpid()}.partial").touch()
    private_files.write_private(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


def test_one_server_holds_a_data_directory(tmp_path: Path) -> None:
    with private_files.DataLock(tmp_path):
        with pytest.raises(StoreError, match="another tcserver"), private_files.DataLock(tmp_path):
            pass
        assert mode(tmp_path / private_files.LOCK_FILE) == 0o600
    with private_files.DataLock(tmp_path):
        pass


@pytest.mark.parametrize("write", [private_files.write_private, private_files.replace_private])
def test_a_failure_names_the_file_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, bytes], None]
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=r"No such file or directory: '.*/none/file'$"):
        write(tmp_path / "none" / "file", b"")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/file'$"):
        write(tmp_path / "file", b"")
    assert not list(tmp_path.iterdir())


def test_whether_a_file_can_be_made_is_known_before(tmp_path: Path) -> None:
    private_files.check_new(tmp_path / "file")
    assert not list(tmp_path.iterdir())
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    with pytest.raises(FileExistsError):
        private_files.check_new(tmp_path / "dangling")
    with pytest.raises(FileNotFoundError, match=r"/none/file'$"):
        private_files.check_new(tmp_path / "none" / "file")
