import csv
import io
import json
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
from typing import NamedTuple

import pytest

from tcproto.account import derive_account_key, effective_salt
from tcproto.identity import format_fingerprint, parse_fingerprint
from tcserver.cli import main
from tcserver.configuration import Configuration, Sources
from tcserver.database import Database
from tcserver.identity import read_identity
from tcserver.records import Role, SessionRecord

PASSWORD = "correct horse"
DEVICE = "ab" * 32


class Result(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Result]


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "share" / "tcserver"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def run_command(*arguments: str, stdin: str = "", stdin_class: type[io.TextIOWrapper] = io.TextIOWrapper) -> Result:
        monkeypatch.setattr(sys, "stdin", stdin_class(io.BytesIO(stdin.encode())))
        status = main(list(arguments))
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Result(status, captured.out, captured.err)

    return run_command


def open_database(data: Path) -> Database:
    return Database(data / "tcserver.db")


def login_works(data: Path, name: str, password: str) -> bool:
    with open_database(data) as database:
        account = database.account(name)
    assert account is not None
    salt = effective_salt(read_identity(data / "identity.key").public, account.name, account.challenge.salt)
    key = derive_account_key(password, salt, account.challenge.memory_bytes, account.challenge.passes)
    return key.public == account.public_key


def add(run: Run, name: str = "kantor-1", *options: str) -> None:
    assert run("account", "add", name, "--password-stdin", *options, stdin=f"{PASSWORD}\n").status == 0


def test_an_account_is_added_with_its_settings(run: Run, data: Path) -> None:
    result = run(
        *("account", "add", "Kantor-1", "--display", "Kantor  Satu", "--password-stdin", "--role", "chair"),
        *("--max-sessions", "2", "--duplicates", "replace", "--devices-only"),
        stdin=f"{PASSWORD}\n",
    )
    assert result.status == 0
    assert result.out == ""
    assert result.err.startswith("tcserver: made the server key ")
    parse_fingerprint(result.err.split()[-1])
    with open_database(data) as database:
        (account,) = database.accounts()
    assert (account.name, account.display, account.role) == ("kantor-1", "Kantor Satu", Role.CHAIR)
    assert (account.max_sessions, account.duplicates, account.devices_only) == (2, "replace", True)
    assert login_works(data, "kantor-1", PASSWORD)
    assert not list(data.glob("*partial"))
    assert {file.stat().st_mode & 0o777 for file in data.iterdir()} == {0o600}


def test_the_name_is_the_display_name_if_there_is_none(run: Run, data: Path) -> None:
    add(run, "admin", "--admin", "--set", "login.max_sessions_per_account=3")
    with open_database(data) as database:
        (account,) = database.accounts()
    assert (account.display, account.role, account.max_sessions) == ("admin", Role.ADMIN, 3)


@pytest.mark.parametrize(
    ("arguments", "stdin", "reason"),
    [
        (["two words", "--password-stdin"], PASSWORD, "an account name has only"),
        (["admin", "--password-stdin"], PASSWORD, "reserved"),
        (["kantor-2", "--password-stdin"], "short\n", "at least 8 characters"),
        (["kantor-2", "--password-stdin"], "", "at least 8 characters"),
        (["kantor-2"], PASSWORD, "there is no terminal"),
        (["kantor-2", "--display", "", "--max-sessions", "0", "--generate"], "", "1 to"),
        (["kantor-2", "--max-sessions", "many"], "", "invalid int value"),
        (["kantor-2", "--role", "king"], "", "invalid choice: 'king'"),
        ([], "", "NAME"),
    ],
)
def test_a_bad_account_is_refused_in_one_line(
    run: Run, data: Path, arguments: list[str], stdin: str, reason: str
) -> None:
    result = run("account", "add", *arguments, stdin=stdin)
    assert result.status == 2
    assert result.err.splitlines()[-1].startswith("tcserver: ")
    assert reason in result.err.splitlines()[-1]
    if data.exists():
        with open_database(data) as database:
            assert database.accounts() == []


def test_a_taken_name_is_refused_before_the_password_is_asked_for(run: Run) -> None:
    add(run)
    result = run("account", "add", "KANTOR-1")
    assert (result.status, result.err) == (2, "tcserver: an account named 'kantor-1' exists\n")


def test_a_password_is_asked_for_twice(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([PASSWORD, "another one", PASSWORD, PASSWORD])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(answers))
    result = run("account", "add", "kantor-1", stdin_class=Terminal)
    assert (result.status, result.err) == (2, "tcserver: the two passwords differ\n")
    assert not data.exists()
    assert run("account", "add", "kantor-1", stdin_class=Terminal).status == 0
    assert login_works(data, "kantor-1", PASSWORD)


def test_a_made_up_password_is_printed_and_works(run: Run, data: Path) -> None:
    result = run("account", "add", "kantor-1", "--generate")
    header, row = csv.reader(io.StringIO(result.out))
    assert header == ["name", "password"]
    assert row[0] == "kantor-1"
    assert login_works(data, *row)


def test_a_reset_gives_a_new_password_and_ends_sessions(run: Run, data: Path) -> None:
    add(run)
    with open_database(data) as running:
        before = running.generations()
        result = run("account", "reset", "Kantor-1", "--generate")
        assert running.changed_elsewhere()
        assert running.generations() != before
    assert result.status == 0
    name, password = list(csv.reader(io.StringIO(result.out)))[1]
    assert login_works(data, name, password)
    assert not login_works(data, name, PASSWORD)
    assert run("account", "reset", "nobody").err == "tcserver: there is no account named 'nobody'\n"


def test_accounts_are_disabled_enabled_changed_and_removed(run: Run, data: Path) -> None:
    add(run)
    assert run("account", "disable", "kantor-1").status == 0
    assert "disabled" in run("account", "list").out
    assert run("account", "enable", "kantor-1").status == 0
    options = ("--display", "New", "--role", "none", "--max-sessions", "9", "--any-device", "--duplicates", "refuse")
    assert run("account", "set", "kantor-1", *options).status == 0
    header, line = run("account", "list").out.splitlines()
    assert header.split() == ["NAME", "DISPLAY", "ROLE", "SESSIONS", "DUPLICATES", "DEVICES", "STATE"]
    assert line.split() == ["kantor-1", "New", "-", "0/9", "refuse", "any", "enabled"]
    assert run("account", "remove", "kantor-1").status == 0
    assert run("account", "list").out.splitlines() == [" ".join(header.split()).replace(" ", "  ")]
    result = run("account", "remove", "kantor-1")
    assert (result.status, result.err) == (2, "tcserver: there is no account named 'kantor-1'\n")


def test_devices_are_enrolled_and_listed(run: Run) -> None:
    add(run)
    assert run("account", "enroll", "kantor-1", DEVICE, "--label", "front desk").status == 0
    assert run("account", "enroll", "kantor-1", "cd" * 32).status == 0
    out = run("account", "devices", "kantor-1").out
    assert f"{DEVICE}  front desk  " in out
    assert run("account", "unenroll", "kantor-1", DEVICE).status == 0
    assert DEVICE not in run("account", "devices", "kantor-1").out
    assert "64 hexadecimal digits" in run("account", "enroll", "kantor-1", "xyz").err
    assert "bytes instead of 32" in run("account", "enroll", "kantor-1", "abcd").err


def test_sessions_are_listed(run: Run, data: Path) -> None:
    add(run)
    with open_database(data) as database:
        database.open_session(SessionRecord("s1", "kantor-1", bytes(32), "Siti Rahma", "127.0.0.1", 0.0))
    for arguments in (["account", "sessions"], ["account", "sessions", "kantor-1"]):
        _, line = run(*arguments).out.splitlines()
        assert line.split() == ["kantor-1", "Siti", "Rahma", "127.0.0.1", "1970-01-01", "00:00:00Z", "s1", "00" * 32]
    assert run("account", "sessions", "nobody").status == 2


def test_agencies_are_imported_with_passwords_that_work(run: Run, data: Path, tmp_path: Path) -> None:
    add(run)
    file = tmp_path / "agencies.csv"
    file.write_text("name,display,role\nkantor-2,Kantor Dua,chair\nkantor-3,Kantor Tiga 🎉,\n")
    result = run("account", "import", str(file))
    assert result.status == 0
    header, *rows = csv.reader(io.StringIO(result.out))
    assert header == ["name", "password"]
    assert [name for name, _ in rows] == ["kantor-2", "kantor-3"]
    assert login_works(data, *rows[0])
    with open_database(data) as database:
        assert [account.role for account in database.accounts()] == [None, Role.CHAIR, None]
    again = run("account", "import", str(file))
    assert again.status == 2
    assert again.err == (
        f"tcserver: {file}: line 2: the name 'kantor-2' exists or looks like 'kantor-2'; no account was made\n"
    )


def test_a_bad_agency_list_makes_nothing(run: Run, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "agencies.csv"
    file.write_text("name,display\nkantor-2,Kantor Dua\nkantor 3,Kantor Tiga\n")
    result = run("account", "import", str(file))
    assert result.status == 2
    assert f"{file}: line 3: an account name has only" in result.err
    assert not data.exists()
    missing = run("account", "import", str(tmp_path / "none.csv"))
    assert (missing.status, missing.err) == (1, f"tcserver: {tmp_path}/none.csv: No such file or directory\n")


def test_rooms_are_added_changed_listed_and_removed(run: Run, data: Path) -> None:
    add(run)
    assert run("room", "add", "Rapat Pagi 🎉", "--no-e2ee", "--max-participants", "7").status == 0
    assert run("room", "add", "rapat  pagi 🎉").err == "tcserver: a room named 'rapat pagi 🎉' exists\n"
    assert run("room", "role", "rapat pagi 🎉", "Kantor-1", "chair").status == 0
    options = ("--e2ee", "--default-role", "listener", "--max-participants", "8", "--title", "Pagi", "--loudest", "5")
    assert run("room", "set", "rapat pagi 🎉", *options).status == 0
    header, line = run("room", "list").out.splitlines()
    assert header.split() == ["NAME", "TITLE", "ENCRYPTION", "PARTICIPANTS", "LOUDEST", "DEFAULT", "ROLES"]
    assert line.split() == ["rapat", "pagi", "🎉", "Pagi", "end-to-end", "8", "5", "listener", "kantor-1=chair"]
    assert run("room", "set", "rapat pagi 🎉", "--name", "Sore").status == 0
    with open_database(data) as database:
        assert database.rooms()[0].loudest == 5
    assert run("room", "set", "sore", "--loudest", "default").status == 0
    result = run("room", "set", "sore", "--loudest", "some")
    assert (result.status, result.err) == (
        2,
        "tcserver: argument --loudest: 'some' should be a number or 'default' (see: tcserver room set --help)\n",
    )
    result = run("room", "set", "sore", "--loudest", "1001")
    assert (result.status, result.err) == (2, "tcserver: the talkers of a room are 0 to 1000\n")
    assert run("room", "list").out.splitlines()[1].split()[2:6] == ["end-to-end", "8", "-", "listener"]
    assert run("room", "role", "sore", "kantor-1", "none").status == 0
    with open_database(data) as database:
        (room,) = database.rooms()
    assert (room.name, room.title, room.e2ee, room.max_participants, room.roles) == ("sore", "Sore", True, 8, {})
    assert run("room", "role", "sore", "two words", "chair").status == 2
    assert run("room", "remove", "sore").status == 0
    assert run("room", "remove", "sore").status == 2


def test_a_room_can_be_the_first_thing_made(run: Run, data: Path) -> None:
    assert run("room", "add", "a", "--set", "rooms.max_participants=5").status == 0
    with open_database(data) as database:
        assert database.rooms()[0].max_participants == 5


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
        (["config", "--config", "/none.toml"], "/none.toml: there is no such file"),
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


def test_backup_export_and_import(run: Run, data: Path, tmp_path: Path) -> None:
    add(run)
    run("room", "add", "a")
    backup = tmp_path / "backup.db"
    assert run("backup", str(backup)).status == 0
    assert run("backup", str(backup)).err == f"tcserver: {backup} exists\n"
    out = run("export", "-").out
    assert json.loads(out)["accounts"][0]["name"] == "kantor-1"
    file = tmp_path / "export.json"
    assert run("export", str(file)).status == 0
    assert file.read_text() == out
    assert file.stat().st_mode & 0o777 == 0o600
    assert run("export", str(file)).err == f"tcserver: {file} exists\n"

    new = tmp_path / "new"
    new.mkdir()
    (data / "identity.key").rename(new / "identity.key")
    assert run("import", str(file), "--data", str(new)).out == "1 accounts and 1 rooms added\n"
    assert login_works(new, "kantor-1", PASSWORD)
    assert run("import", str(file), "--data", str(new)).status == 2

    another = tmp_path / "another"
    assert "there is no server key" in run("import", str(file), "--data", str(another)).err
    result = run("import", "-", "--data", str(another), "--other-server", stdin=out)
    assert result.out == "1 accounts and 1 rooms added\n"


def test_run_hands_the_configuration_and_its_reload_to_the_daemon(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Configuration] = []

    def serve(configuration: Configuration, reload: Callable[[], Configuration]) -> int:
        seen.extend([configuration, reload()])
        return 1

    daemon = ModuleType("tcserver.daemon")
    daemon.run = serve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tcserver.daemon", daemon)
    assert run("run", "--set", "server.port=5").status == 1
    assert seen == [Sources(flags={"server.port": "5"}).load()] * 2


def test_a_database_that_fails_is_one_line(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("room", "add", "a")
    monkeypatch.setattr("tcserver.database.BUSY_TIMEOUT_MS", 1)
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

    monkeypatch.setattr("tcserver.site.Site.of", fail)
    assert run("account", "list") == Result(1, "", "tcserver: the disk is gone\n")


@pytest.mark.parametrize("arguments", [[], ["run"], ["account"], ["account", "import"], ["room", "add"], ["backup"]])
def test_help_teaches_with_examples(run: Run, arguments: list[str]) -> None:
    result = run(*arguments, "--help")
    assert result.status == 0
    assert "usage: tcserver" in result.out
    assert arguments == ["account"] or "examples:\n  tcserver" in result.out


def spawn(*arguments: str, **options: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tcserver.cli", *arguments]
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
