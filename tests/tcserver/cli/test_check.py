"""What ``tcserver check`` says of a machine, and ``tcserver health`` where no server runs. With one that runs:
tests/integration/test_running_server.py.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server_command import Result, Run, add

SUBJECTS = [
    *("configuration", "data directory", "open files", "socket buffers", "system calls", "clock"),
    *("copies by the kernel", "ports"),
]


@pytest.fixture
def port() -> Iterator[int]:
    """A TCP port of 127.0.0.1 that is in use by another program."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield int(taken.getsockname()[1])


def found(result: Result) -> dict[str, str]:
    """Return what was said, by subject."""
    assert result.err == ""
    said = {}
    for line in result.out.splitlines():
        (subject,) = [subject for subject in (*SUBJECTS, "way to it") if line.startswith(subject)]
        said[subject] = line.removeprefix(subject).strip()
    return said


def test_nothing_is_changed_and_all_is_looked_at(run: Run, data: Path) -> None:
    result = run("check", "--set", "server.port=0")
    said = found(result)
    assert result.status == 0
    assert list(said) == SUBJECTS
    assert said["configuration"] == "can be used"
    assert said["data directory"] == f"{data} will be made at the first start"
    assert re.fullmatch(r"the fastest that work: \w+ to send, \w+ to receive", said["system calls"])
    assert re.match("(do not )?work here: ", said["copies by the kernel"])
    assert said["ports"].startswith("any free one")
    assert said["clock"] == "kept right" or said["clock"].startswith(("nothing keeps it right: ", "not known "))
    assert not data.exists()


def test_a_server_that_has_data_and_does_not_run(run: Run, data: Path, port: int) -> None:
    add(run)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        free = unused.getsockname()[1]
    settings = ["--set", "server.addresses=127.0.0.1", "--set", "web.port=8443", "--set", "web.redirect_port=8080"]
    result = run("check", *settings, "--set", f"server.port={free}")
    said = found(result)
    assert result.status == 0
    assert said["data directory"] == f"{data} can be used"
    assert said["ports"] == f"free; a firewall has to let in {free}/tcp, {free}/udp, 8443/tcp, 8080/tcp"
    assert said["way to it"] == "not tested: the server does not run"
    result = run("check", *settings, "--set", f"server.port={port}")
    assert result.status == 1
    assert found(result)["ports"] == f"{port} cannot be used: Address already in use"


def test_a_key_that_others_can_read(run: Run, data: Path) -> None:
    add(run)
    (data / "identity.key").chmod(0o644)
    result = run("check", "--set", "server.port=0")
    assert result.status == 2
    assert "identity.key can be read by others" in result.err


def test_buffers_and_files_that_are_too_few(run: Run, tmp_path: Path) -> None:
    wanted = 268_435_456
    said = found(run("check", "--set", f"media.socket_buffer_bytes={wanted}", "--set", "server.port=0"))
    assert f"{wanted} wanted; for large meetings: sysctl -w net.core.rmem_max={wanted}" in said["socket buffers"]
    command = [sys.executable, "-m", "tcserver", "check", "--set", "server.port=0", "--data", str(tmp_path / "data")]
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 500; exec "$@"', "sh", *command], capture_output=True, text=True, check=False
    )
    limited = found(Result(done.returncode, done.stdout, done.stderr))
    assert limited["open files"] == "500 at most, and the settings allow 3112: raise LimitNOFILE (ulimit -Hn)"
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("options", "status", "reason"),
    [
        ([], 1, "127.0.0.1, port 1: Connection refused"),
        (["--set", "server.addresses=0.0.0.0"], 1, "127.0.0.1, port 1: Connection refused"),
        (["--set", "server.addresses=127.0.0.2"], 1, "127.0.0.2, port 1: Connection refused"),
        (["--set", "server.port=0"], 2, "server.port is 0: name the port of the running server"),
    ],
)
def test_the_health_of_no_server(run: Run, options: list[str], status: int, reason: str) -> None:
    add(run)
    result = run("health", "--set", "server.port=1", *options)
    assert (result.status, result.out) == (status, "")
    assert reason in result.err


def test_the_health_of_what_takes_connections_and_says_nothing(
    run: Run, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(run)
    monkeypatch.setattr("tcserver.daemon.self_probe.STEP_LIMIT", 0.1)
    result = run("health", "--set", f"server.port={port}")
    assert (result.status, result.err) == (1, f"tcserver: 127.0.0.1, port {port}: no answer\n")
