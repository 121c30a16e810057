from __future__ import annotations

import os
from pathlib import Path

import pytest

from tcclient.trust.identity import (
    DEVICE_KEY_FILE,
    KNOWN_SERVERS_FILE,
    KnownServers,
    Standing,
    TrustFileError,
    data_directory,
    load_device_identity,
)
from tcproto.identity import format_fingerprint

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
    path.touch(0o600)
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


def test_pins_of_several_clients_stay(tmp_path: Path) -> None:
    one, two = KnownServers(tmp_path), KnownServers(tmp_path)
    assert one.pin("a", 1, ONE) == ONE
    assert two.pin("b", 1, ONE) == ONE
    assert KnownServers(tmp_path).pinned("a", 1) == ONE
    assert KnownServers(tmp_path).pinned("b", 1) == ONE


def test_a_pin_is_replaced_only_by_a_person(tmp_path: Path) -> None:
    one, two = KnownServers(tmp_path), KnownServers(tmp_path)
    one.pin("a", 1, ONE)
    assert one.pin("a", 1, OTHER) == two.pin("a", 1, OTHER) == ONE
    assert two.forget("a", 1) == ONE
    assert two.pin("a", 1, OTHER) == OTHER
    with pytest.raises(KeyError):
        two.forget("b", 1)


def test_comments_and_empty_lines_are_allowed(tmp_path: Path) -> None:
    KnownServers(tmp_path).pin("a", 1, ONE)
    path = tmp_path / KNOWN_SERVERS_FILE
    path.write_text("# servers\n\n" + path.read_text())
    assert KnownServers(tmp_path).pinned("a", 1) == ONE


def written(path: Path, content: bytes) -> Path:
    path.touch(0o600)
    path.write_bytes(content)
    return path


GOOD = f"good:1 {format_fingerprint(ONE)}"


@pytest.mark.parametrize(
    "line",
    [
        b"a:1 nonsense",
        b"a:1",
        b"a b:1 " + format_fingerprint(ONE).encode(),
        b"a:1 " + format_fingerprint(ONE).encode() + b" more",
        b"\xff\xfe\x00",
        b"a:1 \xff",
    ],
)
def test_a_damaged_line_is_told_and_kept_and_harms_no_other(tmp_path: Path, line: bytes) -> None:
    path = written(tmp_path / KNOWN_SERVERS_FILE, b"# ok\n" + line + b"\n" + GOOD.encode() + b"\n")
    servers = KnownServers(tmp_path)
    (fault,) = servers.faults
    assert f"{path}: damaged" in fault
    assert "line 2;" in fault
    assert servers.pinned("good", 1) == ONE
    servers.pin("new", 1, OTHER)
    assert line in path.read_bytes().splitlines()
    assert KnownServers(tmp_path).pinned("new", 1) == OTHER


def test_a_server_whose_line_is_damaged_is_not_a_new_one(tmp_path: Path) -> None:
    written(tmp_path / KNOWN_SERVERS_FILE, b"a:1 nonsense\n")
    servers = KnownServers(tmp_path)
    for use in (lambda: servers.pinned("a", 1), lambda: servers.pin("a", 1, ONE)):
        with pytest.raises(TrustFileError, match=r"line 1: .* tcclient forget a:1"):
            use()
    assert servers.forget("a", 1) is None
    assert servers.pinned("a", 1) is None
    assert servers.faults == []


def test_many_damaged_lines_are_one_line_of_text(tmp_path: Path) -> None:
    written(tmp_path / KNOWN_SERVERS_FILE, b"".join(b"x%d nonsense\n" % i for i in range(100)))
    (fault,) = KnownServers(tmp_path).faults
    assert "line 1, 2, 3, 4, 5 and 95 more;" in fault


@pytest.mark.parametrize("host", ["a b", "a\nb", "#a", "", "a\u2028b"])
def test_a_host_that_would_break_the_file_is_refused(tmp_path: Path, host: str) -> None:
    servers = KnownServers(tmp_path)
    with pytest.raises(ValueError, match="no host name"):
        servers.pin(host, 1, ONE)
    assert not servers.path.exists()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o602, 0o604])
@pytest.mark.parametrize("name", [DEVICE_KEY_FILE, KNOWN_SERVERS_FILE])
def test_a_file_of_others_is_refused_with_the_way_to_mend_it(tmp_path: Path, name: str, mode: int) -> None:
    load_device_identity(tmp_path)
    KnownServers(tmp_path).pin("a", 1, ONE)
    path = tmp_path / name
    path.chmod(mode)
    with pytest.raises(TrustFileError, match=f"chmod 600 {path}"):
        load_device_identity(tmp_path) if name == DEVICE_KEY_FILE else KnownServers(tmp_path)
    path.chmod(0o600)
    load_device_identity(tmp_path)
    KnownServers(tmp_path)


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / KNOWN_SERVERS_FILE).mkdir(mode=0o700)
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


def test_a_user_without_a_home_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object) -> None:
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    with pytest.raises(TrustFileError, match="--data"):
        data_directory()
