"""Files of lines: written whole, one client at a time, bounded."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tcclient.trust.trust_file import LOCK_FILE, MAX_FILE_BYTES, TrustFile, TrustFileError, publish

ADD = """
import sys
from pathlib import Path
from tcclient.trust.trust_file import TrustFile
for i in range(20):
    TrustFile(Path(sys.argv[1])).change(lambda lines: [*lines, f"{sys.argv[2]} {i}".encode()])
"""


def test_clients_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "made" / "lines"
    writers = [subprocess.Popen([sys.executable, "-c", ADD, str(path), str(n)]) for n in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert sorted(TrustFile(path).lines()) == sorted(f"{n} {i}".encode() for n in range(4) for i in range(20))
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in path.parent.iterdir()) == ["lines", LOCK_FILE]


def test_a_client_that_holds_the_lock_for_ever_is_not_waited_for(tmp_path: Path) -> None:
    with (tmp_path / LOCK_FILE).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        began = time.monotonic()
        with pytest.raises(TrustFileError, match=r"lock: another client"):
            TrustFile(tmp_path / "lines", wait=0.1).change(lambda lines: [*lines, b"x"])
        assert time.monotonic() - began < 5
    TrustFile(tmp_path / "lines").change(lambda lines: [*lines, b"x"])
    assert TrustFile(tmp_path / "lines").lines() == [b"x"]


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = TrustFile(tmp_path / "lines")
    file.change(lambda lines: [b"old"])

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TrustFileError, match="No space left"):
        file.change(lambda lines: [*lines, b"new"])
    assert file.lines() == [b"old"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lines", LOCK_FILE]


def test_a_file_that_is_too_large_is_some_other_file(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.touch(0o600)
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES)
    assert TrustFile(path).lines()
    with path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(TrustFileError, match="more than"):
        TrustFile(path).lines()


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    publish(tmp_path / "key", b"x", replace=False)
    assert (tmp_path / "key").read_bytes() == b"x"


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lines", 0o600)
    with pytest.raises(TrustFileError, match="lines is not a file"):
        TrustFile(tmp_path / "lines").lines()
