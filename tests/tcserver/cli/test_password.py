"""Passwords on the command line: no encoding changes them, and none is lost."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tcproto.identity import format_fingerprint
from tcproto.link import parse_link
from tcserver.identity import read_identity
from tests.support.server_command import PASSWORD, Run, add, login_works, open_database

ACCENTED = "pässwörd 1"
HOST = ("--set", "server.public_host=conference.example")


def names(data: Path) -> list[str]:
    with open_database(data) as database:
        return [account.name for account in database.accounts()]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "agencies.csv"
    file.write_text("name,display\nKabinet-1,Désa Satu\n会計2,Kantor Dua\n", encoding="utf-8")
    return file


def process(*arguments: str, stdin: bytes = b"", locale: str = "utf-8", **options: object) -> subprocess.Popen[bytes]:
    """The command in a process with a locale of its own."""
    environment = {**os.environ, "PYTHONIOENCODING": locale, "PYTHONUTF8": "0"}
    with subprocess.Popen(
        [sys.executable, "-m", "tcserver", *arguments],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        **{"stdout": subprocess.PIPE, **options},
    ) as running:
        running.out, running.err = running.communicate(stdin)
    return running


@pytest.mark.parametrize("locale", ["utf-8", "latin-1", "ascii"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_same_bytes_are_the_same_password_in_every_locale(data: Path, locale: str, mark: bytes) -> None:
    line = mark + ACCENTED.encode() + b"\n"
    done = process("account", "add", "kantor-1", "--password-stdin", stdin=line, locale=locale)
    assert done.returncode == 0, done.err
    assert login_works(data, "kantor-1", ACCENTED)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("command", ["add", "reset"])
def test_a_password_that_is_not_utf_8_is_refused_in_one_line(run: Run, data: Path, command: str, encoding: str) -> None:
    if command == "reset":
        add(run, "kantor-2")
    result = run("account", command, "kantor-2", "--password-stdin", stdin=(ACCENTED + "\n").encode(encoding))
    assert result.status == 2
    (line,) = result.err.splitlines()
    assert line.startswith("tcserver: the password is not in UTF-8")
    if command == "reset":
        assert login_works(data, "kantor-2", PASSWORD)


def test_an_endless_line_is_no_password(run: Run) -> None:
    result = run("account", "add", "kantor-2", "--password-stdin", stdin="x" * 10_000_000)
    assert (result.status, result.err) == (2, "tcserver: a password has at most 1024 bytes\n")


@pytest.mark.parametrize("locale", ["latin-1", "ascii", "cp1252"])
def test_what_programs_read_is_utf_8_in_every_locale(run: Run, data: Path, table: Path, locale: str) -> None:
    made = process("account", "import", str(table), locale=locale)
    assert [row[0] for row in csv.reader(made.out.decode().splitlines())] == ["name", "kabinet-1", "会計2"]
    for arguments in (("add", "事務"), ("reset", "会計2")):
        done = process("account", *arguments, "--generate", locale=locale)
        name, password = list(csv.reader(done.out.decode().splitlines()))[1]
        assert name == arguments[1]
        assert login_works(data, name, password)
    exported = process("export", "-", locale=locale).out
    assert exported == run("export", "-").out.encode()
    assert "Désa Satu" in exported.decode()
    other = data.parent / "désa"
    configuration = process("config", "--data", str(other), locale=locale).out
    (data.parent / "tcserver.toml").write_bytes(configuration)
    assert run("config", "--config", str(data.parent / "tcserver.toml")).out.encode() == configuration


FULL = ["account import FILE", "account add kantor-9 --generate", "account reset kantor-1 --generate"]


@pytest.mark.parametrize("command", FULL)
def test_a_full_disk_loses_no_password(run: Run, data: Path, table: Path, command: str) -> None:
    add(run)
    before = names(data)
    arguments = [str(table) if word == "FILE" else word for word in command.split()]
    with open("/dev/full", "wb") as full:
        done = process(*arguments, stdout=full)
    assert done.returncode == 1
    assert done.err.decode().splitlines()[-1] == "tcserver: standard output: No space left on device"
    assert names(data) == before
    assert login_works(data, "kantor-1", PASSWORD)
    assert run(*arguments).status == 0


@pytest.mark.parametrize("command", FULL)
def test_a_reader_that_left_loses_no_password(run: Run, data: Path, table: Path, command: str) -> None:
    add(run)
    before = names(data)
    reader, writer = os.pipe()
    os.close(reader)
    done = process(*[str(table) if word == "FILE" else word for word in command.split()], stdout=writer)
    os.close(writer)
    assert done.returncode == 1
    assert b"Traceback" not in done.err
    assert names(data) == before
    assert login_works(data, "kantor-1", PASSWORD)


def test_what_was_printed_and_not_stored_is_said(run: Run, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    add(run)
    monkeypatch.setattr("tcserver.storage.database.Database.add_accounts", fail)
    result = run("account", "import", str(table))
    assert result.status == 1
    assert "tcserver: the passwords above are not valid\n" in result.err
    target = table.with_name("passwords.csv")
    assert run("account", "import", str(table), "--output", str(target), *HOST).status == 1
    assert not target.exists()


def test_passwords_are_written_to_a_private_file_with_links(run: Run, data: Path, table: Path, tmp_path: Path) -> None:
    target = tmp_path / "passwords.csv"
    result = run("account", "import", str(table), "--output", str(target), "--room", "Rapat Pagi", *HOST)
    assert (result.status, result.out) == (0, "")
    assert target.stat().st_mode & 0o777 == 0o600
    with target.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["name", "display name", "user name", "password", "link", "web link"]
    assert [(row["name"], row["display name"], row["user name"]) for row in rows] == [
        ("Kabinet-1", "Désa Satu", "kabinet-1"),
        ("会計2", "Kantor Dua", "会計2"),
    ]
    for row in rows:
        assert login_works(data, row["user name"], row["password"])
        link = parse_link(row["link"])
        assert (link.host, link.port, link.room, link.e2ee) == ("conference.example", 7433, "Rapat Pagi", True)
        assert link.fingerprint == read_identity(data / "identity.key").fingerprint
        assert row["web link"] == link.on_the_web(7433)


def test_links_know_port_and_mode(run: Run, data: Path, table: Path, tmp_path: Path) -> None:
    run("room", "add", "Open", "--no-e2ee")
    target = tmp_path / "passwords.csv"
    options = ("--output", str(target), "--room", "open", "--set", "server.port=7000", *HOST)
    assert run("account", "import", str(table), *options).status == 0
    fingerprint = format_fingerprint(read_identity(data / "identity.key").fingerprint)
    words = f"fp={fingerprint}&e2ee=off"
    web_link = f"https://conference.example:7000/open#{words}"
    assert f",tc://conference.example:7000/open?{words},{web_link}\n" in target.read_text()


@pytest.mark.parametrize(
    ("setting", "web_link"),
    [("web.port=443", "https://conference.example/#fp="), ("web.enabled=false", "")],
    ids=["port", "off"],
)
def test_web_links_know_the_port_of_the_page(
    run: Run, table: Path, tmp_path: Path, setting: str, web_link: str
) -> None:
    target = tmp_path / "passwords.csv"
    assert run("account", "import", str(table), "--output", str(target), "--set", setting, *HOST).status == 0
    with target.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            assert row["web link"].startswith(web_link)
            assert bool(row["web link"]) == bool(web_link)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--output", "NEW"], "server.public_host"),
        (["--output", "NEW", *HOST, "--set", "server.port=0"], "server.port"),
        (["--output", "OLD", *HOST], "OLD exists"),
        (["--room", "Hall"], "--room is for the links of --output"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is_made(
    run: Run, data: Path, table: Path, tmp_path: Path, options: list[str], reason: str
) -> None:
    (tmp_path / "OLD").write_text("keep")
    result = run(
        "account",
        "import",
        str(table),
        *(word if word not in ("NEW", "OLD") else str(tmp_path / word) for word in options),
    )
    assert result.status == 2
    (line,) = result.err.splitlines()
    assert reason in line
    assert not data.exists()
    assert (tmp_path / "OLD").read_text() == "keep"


def test_a_folder_that_cannot_be_written_makes_no_account(run: Run, data: Path, table: Path, tmp_path: Path) -> None:
    add(run)
    result = run("account", "import", str(table), "--output", str(tmp_path / "none" / "p.csv"), *HOST)
    assert (result.status, result.err) == (1, f"tcserver: {tmp_path}/none/p.csv: No such file or directory\n")
    assert names(data) == ["kantor-1"]
