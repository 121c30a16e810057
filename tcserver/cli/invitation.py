"""An invitation for calendars: one event of iCalendar (RFC 5545). Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

PRODUCT = "-//teleconference//tcserver//EN"
_MAX_OCTETS = 75
"""Octets of a line, without its end; further ones go on in the next line, which begins with a space."""


class Event(NamedTuple):
    """A meeting. Times know their zones. ``link`` leads into the room, and holds no password."""

    title: str
    begin: datetime
    end: datetime
    link: str


def calendar(event: Event, made: datetime, identifier: str) -> str:
    """Return a calendar with the event. ``identifier`` is its own in all the world: two are two events."""
    fields = {
        "UID": identifier,
        "DTSTAMP": _utc(made),
        "DTSTART": _utc(event.begin),
        "DTEND": _utc(event.end),
        "SUMMARY": _escaped(event.title),
        "LOCATION": _escaped(event.link),
        "DESCRIPTION": _escaped(event.link),
    }
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{PRODUCT}", "METHOD:PUBLISH", "BEGIN:VEVENT"]
    lines += [f"{name}:{value}" for name, value in fields.items()]
    return "".join(f"{_folded(line)}\r\n" for line in [*lines, "END:VEVENT", "END:VCALENDAR"])


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _escaped(text: str) -> str:
    """Return a text as RFC 5545, section 3.3.11, has it."""
    for character in "\\;,":
        text = text.replace(character, f"\\{character}")
    return "\\n".join(text.splitlines())


def _folded(line: str) -> str:
    """Break a line into pieces of at most ``_MAX_OCTETS``, and no character in two."""
    pieces, size = [""], 0
    for character in line:
        octets = len(character.encode())
        if size + octets > _MAX_OCTETS:
            pieces.append("")
            size = 1
        pieces[-1] += character
        size += octets
    return "\r\n ".join(pieces)
