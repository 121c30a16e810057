from __future__ import annotations

import os
from pathlib import Path

import pytest

from tcclient.trust import (
    DEVICE_KEY_FILE,
    KNOWN_SERVERS_FILE,
    KnownServers,
    Standing,
    TrustFileError,
    data_directory,
    load_device_identity,
)

ONE, OTHER = bytes(20), bytes(range(20))


def test_device_identity_is_made_once_and_private(tmp_path: Path) -> None:
    first = load_device_identity(tmp_path / "new")
    assert load_device_identity(tmp_path / "new").public == first.public
    assert load_device_identity(tmp_path / "other").public != first.public
    assert (tmp_path / "new" / DEVICE_KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [p.name for p in (tmp_path / "new").iterdir()] == [DEVICE_KEY_FILE]


@pytest.mark.parametrize("content", [b"", b"not base64!", b"AAAA", b"\xff\xfe"])
def test_broken_device_key_is_named_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / DEVICE_KEY_FILE
    path.write_bytes(content)
    with pytest.raises(TrustFileError, match=r"device\.key: not a device key"):
        load_device_identity(tmp_path)
    assert path.read_bytes() == content


def test_unusable_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrustFileError, match="file"):
        load_device_identity(tmp_path / "file" / "below")


def test_first_use_pins_and_a_changed_key_shows(tmp_path: Path) -> None:
    servers = KnownServers(tmp_path / "made")
    assert servers.standing("a.example", 1, ONE) is Standing.NEW
    servers.pin("a.example", 1, ONE)
    servers.pin("b.example", 1, OTHER)
    again = KnownServers(tmp_path / "made")
    assert again.standing("a.example", 1, ONE) is Standing.KNOWN
    assert again.standing("a.example", 1, OTHER) is Standing.CHANGED
    assert again.standing("a.example", 2, ONE) is Standing.NEW
    assert again.pinned("b.example", 1) == OTHER
    assert (tmp_path / "made" / KNOWN_SERVERS_FILE).stat().st_mode & 0o777 == 0o600


def test_pin_replaces_only_its_own_line(tmp_path: Path) -> None:
    one, two = KnownServers(tmp_path), KnownServers(tmp_path)
    one.pin("a", 1, ONE)
    two.pin("b", 1, ONE)
    two.pin("b", 1, OTHER)
    assert KnownServers(tmp_path).pinned("a", 1) == ONE
    assert KnownServers(tmp_path).pinned("b", 1) == OTHER


def test_comments_and_empty_lines_are_allowed(tmp_path: Path) -> None:
    KnownServers(tmp_path).pin("a", 1, ONE)
    path = tmp_path / KNOWN_SERVERS_FILE
    path.write_text("# servers\n\n" + path.read_text())
    assert KnownServers(tmp_path).pinned("a", 1) == ONE


def test_broken_line_is_named(tmp_path: Path) -> None:
    (tmp_path / KNOWN_SERVERS_FILE).write_text("# ok\na:1 nonsense\n")
    with pytest.raises(TrustFileError, match="line 2: a fingerprint is"):
        KnownServers(tmp_path)


def test_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / KNOWN_SERVERS_FILE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TrustFileError, match="not a text file"):
        KnownServers(tmp_path)
    (tmp_path / KNOWN_SERVERS_FILE).unlink()
    (tmp_path / KNOWN_SERVERS_FILE).mkdir()
    with pytest.raises(TrustFileError, match="known_servers"):
        KnownServers(tmp_path)


def test_pin_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    servers = KnownServers(tmp_path / "x")
    (tmp_path / "x").write_text("in the way")
    with pytest.raises(TrustFileError):
        servers.pin("a", 1, ONE)


def test_data_directory_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert data_directory() == tmp_path / "tcclient"
    assert os.environ["XDG_DATA_HOME"] == str(tmp_path)
