"""The command line as a whole: configuration, usage, failures, and the process that runs it."""

import os
import pty
import select
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tcproto.identity import format_fingerprint
from tcserver.config.configuration import Sources
from tcserver.config.sections import Configuration
from tcserver.identity import read_identity
from tcserver.storage.database import Database
from tests.support.server_command import Result, Run, add


def test_the_configuration_is_printed_and_reads_back(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text("[server]\nport = 5\n")
    out = run("config", "--config", str(file), "--set", "log.level=debug").out
    file.write_text(out)
    assert run("config", "--config", str(file)).out == out
    assert "port = 5\n" in out
    assert 'level = "debug"\n' in out


def test_the_file_in_the_data_directory_or_of_the_user_is_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tcserver.toml").write_text("[server]\nport = 6\n")
    out = run("config", "--data", str(tmp_path)).out
    assert "port = 6\n" in out
    assert f'data = "{tmp_path}"\n' in out
    user = tmp_path / "config" / "tcserver"
    user.mkdir(parents=True)
    (user / "tcserver.toml").write_text("[server]\nport = 7\n")
    assert "port = 7\n" in run("config").out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["config", "--set", "server.port=x"], "flag: server.port should be a whole number from 0 to 65535, not 'x'"),
        (["config", "--set", "server.port"], "should be SECTION.KEY=VALUE"),
        (["config", "--set", "="], "'=' should be SECTION.KEY=VALUE"),
        (["config", "--set", "port=1"], "'port=1' should be SECTION.KEY=VALUE"),
        (["account", "set", "kantor-1"], "nothing to change is given (see: tcserver account set --help)"),
        (["room", "set", "Hall"], "nothing to change is given (see: tcserver room set --help)"),
        (["config", "--config", "/none.toml"], "/none.toml: there is no such file"),
        (["config", "--data", ""], "argument --data: the name is empty"),
        (["config", "--config", ""], "argument --config: the name is empty"),
        (["export", ""], "argument FILE: the name is empty"),
        (["backup", ""], "argument FILE: the name is empty"),
        (["account", "import", "x.csv", "--output", ""], "argument --output: the name is empty"),
        (["bogus"], "invalid choice: 'bogus'"),
        (["account"], "the following arguments are required: COMMAND"),
        ([], "the following arguments are required: COMMAND"),
        (["account", "list"], "there is no database in"),
        (["fingerprint"], "there is no server key"),
        (["run", "--set", "server.port=x"], "server.port should be"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(run: Run, data: Path, arguments: list[str], reason: str) -> None:
    result = run(*arguments)
    assert result.status == 2
    assert result.out == ""
    (line,) = result.err.splitlines()
    assert line.startswith("tcserver: ")
    assert reason in line
    assert not data.exists()


def test_a_bad_variable_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TCSERVER_LOG_LEVEL", "loud")
    assert run("config").err == (
        "tcserver: environment: TCSERVER_LOG_LEVEL: "
        "log.level should be one of debug, info, warning, error, not 'loud'\n"
    )


def test_the_fingerprint_is_that_of_the_key(run: Run, data: Path) -> None:
    add(run)
    expected = format_fingerprint(read_identity(data / "identity.key").fingerprint)
    assert run("fingerprint").out == f"{expected}\n"


def test_run_hands_the_configuration_and_its_reload_to_the_daemon(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Configuration] = []
    ends: list[bool] = []

    def serve(configuration: Configuration, reload: Callable[[], Configuration], *, until_eof: bool) -> int:
        seen.extend([configuration, reload()])
        ends.append(until_eof)
        return 1

    daemon = ModuleType("tcserver.daemon.process")
    daemon.run = serve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tcserver.daemon.process", daemon)
    assert run("run", "--set", "server.port=5").status == 1
    assert seen == [Sources(flags={"server.port": "5"}).load()] * 2
    assert run("run", "--until-eof").status == 1
    assert ends == [False, True]


def test_a_database_that_fails_is_one_line(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Database.__init__, "__defaults__", (100,))  # ms, not seconds
    run("room", "add", "a")
    blocker = sqlite3.connect(data / "tcserver.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    result = run("room", "remove", "a")
    blocker.close()
    assert (result.status, result.err) == (
        1,
        "tcserver: the database failed: database is locked; nothing was changed\n",
    )


def test_an_error_without_a_file_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr("tcserver.storage.data_directory.DataDirectory.of", fail)
    assert run("account", "list") == Result(1, "", "tcserver: the disk is gone\n")


def test_until_eof_needs_something_that_ends(data: Path) -> None:
    command = [sys.executable, "-m", "tcserver", "run", "--until-eof", "--data", str(data)]
    options = ["--set", "server.addresses=127.0.0.1", "--set", "server.port=0"]
    done = subprocess.run([*command, *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "tcserver: --until-eof: standard input is no pipe\n")


def test_until_eof_of_an_input_that_is_closed(data: Path) -> None:
    command = [sys.executable, "-m", "tcserver", "run", "--until-eof", "--data", str(data)]
    done = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh", *command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "tcserver: --until-eof: standard input is no pipe\n")


def test_an_address_that_the_resolver_does_not_know(data: Path) -> None:
    command = [sys.executable, "-m", "tcserver", "run", "--data", str(data), "--set", "server.addresses=fe80::1%none0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("tcserver: address fe80::1%none0, port ")
    assert "unknown error" not in done.stderr.lower()
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="looks at limits in /proc")
def test_a_server_takes_as_many_descriptors_as_it_may(data: Path) -> None:
    command = [sys.executable, "-m", "tcserver", "run", "--until-eof", "--data", str(data)]
    options = ["--set", "server.addresses=127.0.0.1", "--set", "server.port=0"]
    limited = ["sh", "-c", 'ulimit -Sn 100; exec "$@"', "sh", *command, *options]
    with subprocess.Popen(limited, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        process.stdin.close()
        assert process.wait(10) == 0
    (line,) = [line for line in limits.splitlines() if line.startswith("Max open files")]
    *_, soft, hard, _ = line.split()
    assert soft == hard != "100"


@pytest.mark.parametrize("arguments", [[], ["run"], ["account"], ["account", "import"], ["room", "add"], ["backup"]])
def test_help_teaches_with_examples(run: Run, arguments: list[str]) -> None:
    result = run(*arguments, "--help")
    assert result.status == 0
    assert "usage: tcserver" in result.out
    assert arguments == ["account"] or "examples:\n  tcserver" in result.out


def spawn(*arguments: str, **options: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tcserver.cli.main", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload,no-any-return]


def test_the_version_is_printed() -> None:
    with spawn("--version", stdout=subprocess.PIPE) as process:
        out, _ = process.communicate()
    assert out.startswith(b"tcserver ")
    assert process.returncode == 0


def test_an_interrupted_question_leaves_nothing_behind(data: Path) -> None:
    controller, terminal = pty.openpty()
    with spawn("account", "add", "kantor-1", stdin=terminal, stdout=terminal, start_new_session=True) as process:
        assert process.stderr
        heard = b""
        # Without a controlling terminal the question goes to standard error.
        while b"Password: " not in heard:
            ready, _, _ = select.select([process.stderr.fileno(), controller], [], [], 30)
            assert ready, heard
            heard += b"".join(os.read(descriptor, 100) for descriptor in ready)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    os.close(controller)
    os.close(terminal)
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert err.endswith(b"tcserver: interrupted\n")
    assert not data.exists()


def test_a_reader_that_leaves_is_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with spawn("config", stdout=writer) as process:
        os.close(writer)
        _, err = process.communicate()
    assert process.returncode == 1
    assert err == b""


def test_a_terminal_without_unicode_still_gets_its_answer(run: Run) -> None:
    run("room", "add", "🎉")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    with spawn("room", "list", stdout=subprocess.PIPE, env=environment) as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert b"\\U0001f389" in out


def test_a_command_does_not_wait_until_the_server_is_loaded() -> None:
    listing = "import sys, tcserver.cli.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "tcserver.cli.account" in loaded
    unneeded = ("asyncio", "tcserver.conference", "tcserver.daemon", "tcserver.media")
    assert [name for name in loaded if name.startswith(unneeded)] == []
