"""Letters to agencies and an invitation: everything that somebody needs, and nothing of the table as HTML or lines."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tcserver.cli.invitation import Event, calendar
from tcserver.cli.letter import LANGUAGES, Meeting, Recipient, letters
from tests.documents.reader import ROOT
from tests.support.server_command import Run

AGENCIES = [
    Recipient("Kantor <b>Satu</b> & Co", "kantor-1", "abcd-efgh", "tc://h/rapat?fp=x&e2ee=off", "https://h/rapat#fp=x"),
    Recipient("Kantor Dua", "kantor-2", "ijkl-mnop", "tc://h/rapat?fp=x", "https://h/rapat#fp=x"),
]
WIB = timezone(timedelta(hours=7))
EVENT = Event(
    "Rapat; besar,\nbaru", datetime(2026, 12, 1, 9, tzinfo=WIB), datetime(2026, 12, 1, 11, tzinfo=WIB), "https://h/r"
)


class Texts(HTMLParser):
    """The texts of a page by element, and the names of all elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self._open: list[str] = []
        self.found: dict[str, list[str]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.elements.append(tag)
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open:
            self.found.setdefault(self._open[-1], []).append(data)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_agency_has_a_page_with_its_own_password_and_no_other(language: str) -> None:
    page = letters(AGENCIES, Meeting("Rapat <i>", "2026-12-01, 09:00 WIB"), language)
    first, second = re.findall("<article>.*?</article>", page, re.DOTALL)
    assert Texts(first).found["code"] == ["https://h/rapat#fp=x", "kantor-1", "abcd-efgh", "tc://h/rapat?fp=x&e2ee=off"]
    assert Texts(second).found["code"] == ["https://h/rapat#fp=x", "kantor-2", "ijkl-mnop", "tc://h/rapat?fp=x"]
    assert Texts(first).found["strong"] == ["Kantor <b>Satu</b> & Co"]
    assert Texts(first).found["h1"] == ["Rapat <i>"]
    assert {"b", "i"}.isdisjoint(Texts(page).elements)
    assert "2026-12-01, 09:00 WIB" in first
    assert f'<html lang="{language}">' in page


def test_a_server_without_a_page_has_letters_for_the_command_line() -> None:
    page = letters([AGENCIES[0]._replace(web_link="")], Meeting("", ""), "en")
    assert Texts(page).found["code"] == ["kantor-1", "abcd-efgh", "tc://h/rapat?fp=x&e2ee=off"]
    assert "<ol>" not in page
    assert Texts(page).found["h1"] == ["Invitation to a teleconference"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_letters_call_the_buttons_of_the_page_by_their_names(language: str) -> None:
    catalogue = ROOT / "tcclient" / "web" / "src" / "page" / "catalogues" / f"{language}.json"
    names = json.loads(catalogue.read_text(encoding="utf-8"))
    page = letters(AGENCIES, Meeting("", ""), language)
    assert set(re.findall("“(.*?)”", page)) == {
        names[f"{each}"] for each in ("lobby.test_sound", "lobby.join", "bar.settings")
    }


def test_an_invitation_is_one_event_with_its_times_in_utc() -> None:
    text = calendar(EVENT, datetime(2026, 11, 30, tzinfo=UTC), "0123")
    lines = text.split("\r\n")
    assert "\n" not in "".join(lines)
    assert lines[:2] == ["BEGIN:VCALENDAR", "VERSION:2.0"]
    assert lines[-2:] == ["END:VCALENDAR", ""]
    assert {
        "UID:0123",
        "DTSTAMP:20261130T000000Z",
        "DTSTART:20261201T020000Z",
        "DTEND:20261201T040000Z",
        "SUMMARY:Rapat\\; besar\\,\\nbaru",
        "LOCATION:https://h/r",
    } <= set(lines)


def test_long_lines_are_folded_and_no_character_is_cut() -> None:
    title = "Rapat é😀" * 40
    text = calendar(EVENT._replace(title=title), datetime(2026, 11, 30, tzinfo=UTC), "0123")
    assert max(len(line.encode()) for line in text.split("\r\n")) <= 75
    assert f"SUMMARY:{title}\r\n" in text.replace("\r\n ", "")


def imported(run: Run, tmp_path: Path) -> Path:
    """Have accounts made, and return the table of their passwords."""
    agencies, passwords = tmp_path / "agencies.csv", tmp_path / "passwords.csv"
    agencies.write_text('name,display\nkantor-1,"Kantor, Satu"\nkantor-2,Kantor Dua\n')
    options = ["--output", str(passwords), "--room", "Rapat", "--set", "server.public_host=conference.example"]
    assert run("account", "import", str(agencies), *options).status == 0
    return passwords


@pytest.mark.parametrize("saved", ["as it was", "by a spreadsheet"])
def test_letters_and_invitation_of_imported_accounts(run: Run, tmp_path: Path, saved: str) -> None:
    passwords = imported(run, tmp_path)
    secret = re.findall("[a-z0-9]{4}(?:-[a-z0-9]{4}){3}(?=,tc:)", passwords.read_text())
    if saved == "by a spreadsheet":
        text = passwords.read_text().replace('"Kantor, Satu"', "Kantor Satu").replace(",", ";")
        passwords.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    output, invitation = tmp_path / "letters.html", tmp_path / "rapat.ics"
    options = ["--begin", "2026-12-01T09:00+07:00", "--hours", "1.5", "--calendar", str(invitation), "--title", "Rapat"]
    result = run("letters", str(passwords), "--output", str(output), *options)
    assert (result.status, result.out, result.err) == (0, f"{output}: 2 letters\n", "")
    page = output.read_text()
    assert len(secret) == 2
    assert all(password in page for password in secret)
    assert "https://conference.example:7433/Rapat#fp=" in page
    assert output.stat().st_mode & 0o777 == 0o600
    event = invitation.read_text().replace("\n ", "")
    assert "DTSTART:20261201T020000Z" in event
    assert "DTEND:20261201T033000Z" in event
    assert "LOCATION:https://conference.example:7433/Rapat#fp=" in event
    assert not any(password in event for password in secret)


@pytest.mark.parametrize(
    ("table", "options", "reason"),
    [
        ("", [], "there is no agency in it"),
        ("name,password\na,b\n", [], "the column 'display name' is missing"),
        ("display name,user name,password,link,web link\nA,a,,tc://h,\n", [], "no password"),
        ("display name,user name,password,link,web link\nA\n", [], "no user name"),
        ("\udcff", [], "codec can't decode"),
        (None, ["--calendar", "x.ics"], "--calendar needs --begin"),
        (None, ["--begin", "soon"], "'soon' should be a time"),
        (None, ["--begin", "2026-12-01", "--hours", "0"], "'0' should be hours"),
        (None, ["--begin", "2026-12-01", "--hours", "nan"], "'nan' should be hours"),
        (None, ["--language", "nl"], "invalid choice: 'nl'"),
    ],
)
def test_what_makes_no_letter_is_one_line(
    run: Run, tmp_path: Path, table: str | None, options: list[str], reason: str
) -> None:
    passwords = tmp_path / "passwords.csv"
    text = "display name,user name,password,link,web link\nA,a,b,tc://h/r,\n" if table is None else table
    passwords.write_bytes(text.encode(errors="surrogateescape"))
    result = run("letters", str(passwords), "--output", str(tmp_path / "letters.html"), *options)
    assert (result.status, result.out) == (2, "")
    assert reason in result.err
    assert len(result.err.splitlines()) == 1
    assert not (tmp_path / "letters.html").exists()


def test_no_file_that_is_there_is_changed(run: Run, tmp_path: Path) -> None:
    passwords = imported(run, tmp_path)
    output = tmp_path / "letters.html"
    output.write_text("kept")
    result = run("letters", str(passwords), "--output", str(output))
    assert (result.status, output.read_text()) == (2, "kept")
    assert result.err.endswith("letters.html exists\n")
