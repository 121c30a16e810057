"""``tcserver letters``: what each agency gets before a meeting, and an invitation for calendars."""

from __future__ import annotations

import argparse
import csv
import io
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tcserver.cli.invitation import Event, calendar
from tcserver.cli.letter import LANGUAGES, Meeting, Recipient, letters
from tcserver.cli.parser import Commands, add_command, counted
from tcserver.config.configuration import Sources
from tcserver.records import StoreError
from tcserver.storage.private_files import write_private

MAX_BYTES = 4 * 1024 * 1024
"""Bytes of a table of passwords. A larger file is something else."""
COLUMNS = ("display name", "user name", "password", "link", "web link")


def add_commands(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "letters",
        _letters,
        "write a letter for each agency, with link and password, and an invitation for calendars",
        "tcserver letters passwords.csv --output letters.html",
        'tcserver letters passwords.csv --output letters.html --title "Rapat Kabupaten" --language id',
        "tcserver letters passwords.csv --output letters.html --begin 2026-12-01T09:00 --calendar rapat.ics",
        "",
        "passwords.csv is what `tcserver account import --output` has written; with --room there, the links lead into",
        "the room. Open letters.html in a browser and print it: each agency has a page, with its password. Only its",
        "owner can read the file. The calendar file has no password: send it to everybody.",
    )
    parser.add_argument("file", metavar="FILE.csv", help="the table of passwords and links")
    parser.add_argument("--output", metavar="FILE.html", required=True, help="a new file for the letters")
    parser.add_argument("--title", metavar="TEXT", default="", help="the name of the meeting")
    parser.add_argument("--language", choices=LANGUAGES, default="en", help="of the letters (default: en)")
    parser.add_argument(
        "--begin",
        metavar="TIME",
        type=_time,
        help="when it begins, such as 2026-12-01T09:00, in the zone of this machine",
    )
    parser.add_argument("--hours", metavar="H", type=_hours, default=2.0, help="how long it lasts (default: 2)")
    parser.add_argument("--calendar", metavar="FILE.ics", help="a new file with the invitation; needs --begin")


def _letters(arguments: argparse.Namespace, sources: Sources) -> int:
    recipients = read_recipients(Path(arguments.file))
    output, invitation = Path(arguments.output), Path(arguments.calendar) if arguments.calendar else None
    if invitation is not None and arguments.begin is None:
        raise StoreError("--calendar needs --begin")
    for path in filter(None, (output, invitation)):
        if path.exists():
            raise StoreError(f"{path} exists")
    when = "" if arguments.begin is None else arguments.begin.strftime("%Y-%m-%d, %H:%M %Z").strip()
    text = letters(recipients, Meeting(arguments.title, when), arguments.language)
    if invitation is not None:
        end = arguments.begin + timedelta(hours=arguments.hours)
        link = recipients[0].web_link or recipients[0].link
        event = Event(arguments.title or "Teleconference", arguments.begin, end, link)
        invitation.write_bytes(calendar(event, datetime.now(UTC), os.urandom(16).hex()).encode())
    write_private(output, text.encode())
    print(f"{output}: {counted(len(recipients), 'letter')}")
    return 0


def read_recipients(path: Path) -> list[Recipient]:
    """Return the agencies of a table of passwords, as it was written, or saved again by a spreadsheet.

    Raises ``StoreError`` with the reason for what is none.
    """
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise StoreError(f"{path}: the file has more than {MAX_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
        header = text.split("\n", 1)[0]
        delimiter = max(",;\t", key=header.count)
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise StoreError(f"{path}: {error}") from None
    if not rows:
        raise StoreError(f"{path}: there is no agency in it")
    if missing := [column for column in COLUMNS if column not in rows[0]]:
        raise StoreError(f"{path}: the column {missing[0]!r} is missing; `tcserver account import --output` writes it")
    found = [Recipient(*(row[column] or "" for column in COLUMNS)) for row in rows]
    if not all(one.user and one.password and one.link for one in found):
        raise StoreError(f"{path}: an agency has no user name, no password or no link")
    return found


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"{text!r} should be a time such as 2026-12-01T09:00") from None


def _hours(text: str) -> float:
    if not re.fullmatch(r"\d{1,3}(\.\d{1,2})?", text, re.ASCII) or not float(text):
        raise argparse.ArgumentTypeError(f"{text!r} should be hours, such as 1.5")
    return float(text)
