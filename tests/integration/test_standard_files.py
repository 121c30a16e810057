"""Standard files that are closed, and users without a home: both programs work, or say what they need."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes.client_process import COMMAND
from tests.support.processes.world import PASSWORD, Server, World

SERVER = [sys.executable, "-m", "tcserver"]
CLOSINGS = ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"]


BUFFERED = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
BUFFERS = pytest.mark.parametrize(
    "environment", [BUFFERED, BUFFERED | {"PYTHONUNBUFFERED": "1"}], ids=["", "unbuffered"]
)


def closed(
    command: list[str], closing: str, stdin: str = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {closing}', "sh", *command],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env=env,
        check=False,
    )


@pytest.mark.parametrize("closing", CLOSINGS)
def test_a_probe_with_closed_files(shared_server: Server, closing: str) -> None:
    done = closed([*COMMAND, "probe", str(shared_server.link)], closing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("closing", [">&-", "2>&-", ">&- 2>&-"])
def test_a_meeting_with_closed_files(shared_server: Server, tmp_path: Path, closing: str) -> None:
    options = ["--user", "kantor-1", "--password-stdin", "--data", str(tmp_path / "client"), "--seconds", "0.2"]
    record = ["--record", str(tmp_path / "recording")]
    done = closed([*COMMAND, "join", str(shared_server.room("Hall")), *options, *record], closing, PASSWORD + "\n")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_password_cannot_be_asked_for_where_input_is_closed(shared_server: Server, tmp_path: Path) -> None:
    link = str(shared_server.room("Hall"))
    command = [*COMMAND, "join", link, "--user", "kantor-1", "--data", str(tmp_path / "client")]
    done = closed(command, "<&-")
    assert (done.returncode, done.stderr) == (
        2,
        "tcclient: no terminal to ask for the password: use --password-stdin\n",
    )
    done = closed([*command, "--password-stdin"], "<&-")
    assert (done.returncode, done.stderr) == (2, "tcclient: the password is empty\n")


@pytest.mark.parametrize("closing", CLOSINGS)
@pytest.mark.parametrize("command", ["account list", "config", "fingerprint", "export -", "account add new --generate"])
def test_operators_commands_with_closed_files(world: World, command: str, closing: str) -> None:
    done = closed([*SERVER, *command.split(), "--data", str(world.data)], closing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("closing", ["<&- 2>&-", "<&-"])
def test_a_server_with_closed_files_serves(world: World, closing: str) -> None:
    settings = ["--set=server.addresses=127.0.0.1", "--set=server.port=0", "--set=server.workers=1"]
    command = ["sh", "-c", f'exec "$@" {closing}', "sh", *SERVER, "run", "--data", str(world.data), *settings]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        link = next(line.split()[-1] for line in process.stdout if line.startswith("join link"))
        assert closed([*COMMAND, "probe", link], "").returncode == 0
        process.terminate()
        assert process.wait(20) == 0


@BUFFERS
@pytest.mark.parametrize("command", ["account list", "fingerprint", "export -", "account add new --generate", "config"])
def test_output_that_cannot_be_written_is_named(world: World, command: str, environment: dict[str, str]) -> None:
    whole = [*SERVER, *command.split(), "--data", str(world.data)]
    done = closed(whole, ">/dev/full", env=environment)
    assert (done.returncode, done.stderr) == (1, "tcserver: standard output: No space left on device\n")
    with subprocess.Popen(whole, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read().decode()
        assert process.wait(60) == 1
    assert "Exception" not in said


@BUFFERS
def test_a_probe_whose_output_cannot_be_written(shared_server: Server, environment: dict[str, str]) -> None:
    done = closed([*COMMAND, "probe", str(shared_server.link)], ">/dev/full", env=environment)
    assert (done.returncode, done.stderr) == (1, "tcclient: standard output: No space left on device\n")


@BUFFERS
@pytest.mark.parametrize(
    ("command", "status"),
    [
        ([*COMMAND, "join", "nothing", "--user", "a", "--password-stdin"], 2),
        ([*COMMAND, "probe", "127.0.0.1:1"], 1),
        ([*SERVER, "account", "list", "--data", "/none"], 2),
        ([*SERVER, "import", "/none", "--data", "/none"], 1),
    ],
)
def test_the_status_of_a_mistake_that_cannot_be_told(
    command: list[str], status: int, environment: dict[str, str]
) -> None:
    done = closed(command, "2>/dev/full", stdin=PASSWORD + "\n", env=environment)
    assert (done.returncode, done.stdout) == (status, "")


@BUFFERS
def test_a_demonstration_goes_on_where_nobody_can_see_its_progress(tmp_path: Path, environment: dict[str, str]) -> None:
    options = ["--participants", "2", "--talkers", "1", "--cameras", "0", "--seconds", "1", "--out", str(tmp_path)]
    done = closed([*COMMAND, "demo", *options], "2>/dev/full", env=environment)
    assert done.returncode == 0
    assert "Everybody received everything." in done.stdout


@pytest.mark.parametrize("command", [COMMAND, SERVER])
def test_help_that_cannot_be_written(command: list[str]) -> None:
    done = closed([*command, "--help"], ">/dev/full", env=BUFFERED)
    assert done.returncode == 1
    assert done.stderr.endswith(": standard output: No space left on device\n")
    assert len(done.stderr.splitlines()) == 1


def test_input_that_cannot_be_read_is_named(shared_server: Server, world: World, tmp_path: Path) -> None:
    unreadable = f"0>{tmp_path / 'file'}"
    join = ["join", str(shared_server.room("Hall")), "--user", "kantor-1", "--data", str(tmp_path / "client")]
    done = closed([*COMMAND, *join, "--password-stdin"], unreadable)
    assert (done.returncode, done.stderr) == (1, "tcclient: standard input: Bad file descriptor\n")
    for command in ("account add new --password-stdin", "import -"):
        done = closed([*SERVER, *command.split(), "--data", str(world.data)], unreadable)
        assert (done.returncode, done.stderr) == (1, "tcserver: standard input: Bad file descriptor\n")


@pytest.mark.parametrize("prefix", [[], ["nohup"]])
def test_the_end_of_a_terminal_ends_a_meeting_unless_it_is_to_go_on(
    shared_server: Server, tmp_path: Path, prefix: list[str]
) -> None:
    link, data = str(shared_server.room("Hall")), str(tmp_path / "client")
    command = [*prefix, *COMMAND, "join", link, "--user", "kantor-1", "--password-stdin", "--data", data, "--json"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(PASSWORD + "\n")
        process.stdin.flush()
        assert '"joined"' in process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        if prefix:
            assert len([process.stdout.readline() for _ in range(4) if process.poll() is None]) == 4
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == (0 if prefix else 130)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be a user that nobody knows")
@pytest.mark.parametrize(
    ("command", "status", "text"),
    [
        ([*SERVER, "config"], 0, ""),
        ([*SERVER, "config", "--set", "server.data=~/x"], 0, ""),
        ([*SERVER, "account", "list"], 2, "this user has no home folder: name a data folder with --data, or set HOME"),
        ([*SERVER, "run"], 2, "this user has no home folder"),
        ([*SERVER, "fingerprint", "--set", "server.data=~/x"], 2, "~/x: that user has no home folder"),
        (
            [*COMMAND, "join", "tc://127.0.0.1:1/r", "--user", "a", "--password-stdin"],
            2,
            "this user has no home folder",
        ),
        ([*COMMAND, "forget", "a.example"], 2, "this user has no home folder"),
    ],
)
def test_a_user_without_a_home(command: list[str], status: int, text: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "HOME" and not key.startswith("XDG")}
    done = subprocess.run(
        ["setpriv", "--reuid", "12345", "--clear-groups", *command],
        input="password\n",
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )
    assert done.returncode == status
    assert text in done.stderr
    assert len(done.stderr.splitlines()) == bool(text)
