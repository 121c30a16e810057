"""Backups: whole, private, and refused when anything is wrong."""

from __future__ import annotations

import io
import sqlite3
import tarfile
from pathlib import Path

import pytest

from tcserver.records import RoomRecord, StoreError
from tcserver.storage.archive import back_up, pack, restore, unpack
from tcserver.storage.data_directory import DataDirectory

FILES = {"tcserver.db": b"d" * 1000, "identity.key": b"key"}
NOW = 1_900_000_000


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    directory = DataDirectory(tmp_path / "data")
    directory.make()
    directory.open_identity()
    with directory.database() as database:
        database.add_room(RoomRecord("Rapat Pagi", ""))
    return directory


def packed(directory: DataDirectory, tmp_path: Path) -> Path:
    target = tmp_path / "backup"
    back_up(directory, None, target, NOW)
    return target


def test_what_is_packed_is_unpacked() -> None:
    assert unpack(pack(FILES, NOW)) == FILES
    files = {**FILES, "tcserver.toml": b"[server]\n"}
    assert unpack(pack(files, NOW)) == files


def tar(**members: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        for name, content in members.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"SQLite format 3\0" + bytes(4096),
        bytes(10240),
        tar(passwd=b"x"),
        tar(**{"..__identity.key": b"x"}),
        tar(**{"tcserver-backup.json": b"[" * 100_000}),
        tar(**{"tcserver-backup.json": b"[]"}),
        tar(**{"tcserver-backup.json": b'{"format": "tcserver backup", "version": 2, "sha256": {}}'}),
        tar(**{"tcserver-backup.json": b'{"format": "tcserver backup", "version": 1, "sha256": {}}'}),
        pack({"tcserver.db": b"d"}, NOW),
        pack({"identity.key": b"k"}, NOW),
        pack(FILES, NOW)[:-9000],
        pack(FILES, NOW)[:1500],
        pack(FILES, NOW).replace(b"dddd", b"dedd", 1),
    ],
)
def test_what_is_no_backup_or_damaged_is_refused(content: bytes) -> None:
    with pytest.raises(StoreError, match=r"^it is .*(tcserver backup|damaged)"):
        unpack(content)


def test_every_byte_of_the_files_counts() -> None:
    whole = pack(FILES, NOW)
    start = whole.index(b"d" * 1000)
    for position in (start, start + 500, start + 999, whole.index(b"key", start)):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        with pytest.raises(StoreError, match="damaged"):
            unpack(bytes(damaged))


def test_a_link_in_an_archive_leads_nowhere() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        member = tarfile.TarInfo("identity.key")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(member)
    with pytest.raises(StoreError, match="no tcserver backup"):
        unpack(file.getvalue())


def test_a_backup_is_private_and_restored_with_its_settings(directory: DataDirectory, tmp_path: Path) -> None:
    settings = tmp_path / "tcserver.toml"
    settings.write_text("[server]\nport = 7000\n")
    target = tmp_path / "backup"
    with directory.database():  # a server that runs
        back_up(directory, settings, target, NOW)
    assert target.stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["backup", "data", "tcserver.toml"]
    again = DataDirectory(tmp_path / "new" / "folder")
    assert restore(again, again.path / "tcserver.toml", target) == (0, 1)
    assert again.identity() == directory.identity()
    with again.database() as database:
        assert database.room("rapat pagi") is not None
    assert (again.path / "tcserver.toml").read_text() == "[server]\nport = 7000\n"
    assert {p.stat().st_mode & 0o777 for p in again.path.iterdir()} == {0o600}
    with pytest.raises(StoreError, match="is not empty"):
        restore(again, None, target)


def test_nothing_is_overwritten(directory: DataDirectory, tmp_path: Path) -> None:
    settings = tmp_path / "tcserver.toml"
    settings.write_text("[server]\n")
    target = tmp_path / "backup"
    back_up(directory, settings, target, NOW)
    with pytest.raises(StoreError, match="backup exists"):
        back_up(directory, settings, target, NOW)
    again = DataDirectory(tmp_path / "new")
    with pytest.raises(StoreError, match=r"tcserver\.toml exists"):
        restore(again, settings, target)
    assert not again.path.exists()
    again.make()
    (again.path / "lost").touch()
    with pytest.raises(StoreError, match="is not empty"):
        restore(again, None, target)


def test_a_backup_needs_the_key(directory: DataDirectory, tmp_path: Path) -> None:
    (directory.path / "identity.key").unlink()
    with pytest.raises(StoreError, match=r"no identity\.key"):
        packed(directory, tmp_path)
    assert not (tmp_path / "backup").exists()


@pytest.mark.parametrize("name", ["tcserver.db", "identity.key"])
def test_what_cannot_be_used_is_not_left_half(directory: DataDirectory, tmp_path: Path, name: str) -> None:
    files = unpack(packed(directory, tmp_path).read_bytes())
    bad = tmp_path / "bad"
    bad.write_bytes(pack({**files, name: b"SQLite format 3\0 nonsense"}, NOW))
    again = DataDirectory(tmp_path / "new")
    with pytest.raises(StoreError):
        restore(again, None, bad)
    assert list(again.path.iterdir()) == []
    assert restore(again, None, tmp_path / "backup") == (0, 1)


def test_a_database_with_damaged_pages_is_refused(directory: DataDirectory, tmp_path: Path) -> None:
    files = unpack(packed(directory, tmp_path).read_bytes())
    database = tmp_path / "copy.db"
    database.write_bytes(files["tcserver.db"])
    connection = sqlite3.connect(database, isolation_level=None)
    root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name LIKE 'sqlite_autoindex%'").fetchone()[0]
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.close()
    content = bytearray(database.read_bytes())
    content[(root - 1) * size : root * size] = bytes(size)
    bad = tmp_path / "bad"
    bad.write_bytes(pack({**files, "tcserver.db": bytes(content)}, NOW))
    again = DataDirectory(tmp_path / "new")
    with pytest.raises(StoreError, match="the database is damaged"):
        restore(again, None, bad)
    assert list(again.path.iterdir()) == []


def test_a_file_that_is_too_large_is_no_backup(directory: DataDirectory, tmp_path: Path) -> None:
    target = packed(directory, tmp_path)
    size = target.stat().st_size
    assert restore(DataDirectory(tmp_path / "one"), None, target, size) == (0, 1)
    with pytest.raises(StoreError, match="more than"):
        restore(DataDirectory(tmp_path / "two"), None, target, size - 1)
