"""``tcserver account``: accounts, their passwords, devices and sessions."""

import csv
import io
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tcproto.identity import parse_fingerprint
from tcproto.messages import Role
from tcserver.records import SessionRecord
from tests.support.server_command import PASSWORD, Run, add, login_works, open_database

DEVICE = "ab" * 32


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


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
        (
            ["kantor-2", "--max-sessions", "many"],
            "",
            "--max-sessions: should be a whole number from 1 to 1000, not 'many'",
        ),
        (
            ["kantor-2", "--role", "king"],
            "",
            "--role: should be one of admin, chair, speaker, listener, observer, recorder, or none, not 'king'",
        ),
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
        before = running.standing().generations
        result = run("account", "reset", "Kantor-1", "--generate")
        assert running.changed_elsewhere()
        assert running.standing().generations != before
    assert result.status == 0
    name, password = list(csv.reader(io.StringIO(result.out)))[1]
    assert login_works(data, name, password)
    assert not login_works(data, name, PASSWORD)
    assert run("account", "reset", "nobody").err == "tcserver: there is no account named 'nobody'\n"


def test_accounts_are_banned_with_a_reason(run: Run, data: Path) -> None:
    run("account", "add", "kantor-1", "--generate")
    assert run("account", "ban", "kantor-1", "--reason", "has moved").status == 0
    assert "banned" in run("account", "list").out
    with open_database(data) as database:
        account = database.account("kantor-1")
        assert account is not None
        assert account.banned == "has moved"
    assert run("account", "unban", "kantor-1").status == 0
    assert "enabled" in run("account", "list").out
    assert run("account", "ban", "kantor-1", "--days", "2.5").status == 0
    assert re.search(r"banned until 2\d{3}-\d\d-\d\d \d\d:\d\d:\d\dZ", run("account", "list").out)
    with open_database(data) as database:
        account = database.account("kantor-1")
        assert account is not None
        assert account.banned_until is not None
        assert abs(account.banned_until - time.time() - 2.5 * 86_400) < 60
        database.change_account("kantor-1", lambda account: replace(account, banned_until=time.time() - 1))
    assert "enabled" in run("account", "list").out
    for days in ("0", "-1", "4000", "soon"):
        assert run("account", "ban", "kantor-1", "--days", days).status == 2
    refused = run("account", "ban", "nobody")
    assert (refused.status, refused.err) == (2, "tcserver: there is no account named 'nobody'\n")


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
    assert "64 hexadecimal digits" in run("account", "enroll", "kantor-1", "abcd").err


def test_sessions_are_listed(run: Run, data: Path) -> None:
    add(run)
    with open_database(data) as database:
        database.note_sessions({"s1": SessionRecord("s1", "kantor-1", bytes(32), "Siti Rahma", "127.0.0.1", 0.0)})
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
    assert result.err == "tcserver: making 2 accounts\n"
    assert login_works(data, *rows[0])
    with open_database(data) as database:
        assert [account.role for account in database.accounts()] == [None, Role.CHAIR, None]
    again = run("account", "import", str(file))
    assert again.status == 2
    assert again.err == (
        f"tcserver: {file}: line 2: the name 'kantor-2' exists or looks like 'kantor-2'; no account was made\n"
    )


def test_one_agency_is_one_account(run: Run, tmp_path: Path) -> None:
    add(run)
    file = tmp_path / "agencies.csv"
    file.write_text("name,display\nkantor-2,Kantor Dua\n")
    assert run("account", "import", str(file)).err == "tcserver: making 1 account\n"


def test_a_bad_agency_list_makes_nothing(run: Run, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "agencies.csv"
    file.write_text("name,display\nkantor-2,Kantor Dua\nkantor 3,Kantor Tiga\n")
    result = run("account", "import", str(file))
    assert result.status == 2
    assert f"{file}: line 3: an account name has only" in result.err
    assert not data.exists()
    missing = run("account", "import", str(tmp_path / "none.csv"))
    assert (missing.status, missing.err) == (1, f"tcserver: {tmp_path}/none.csv: No such file or directory\n")
