"""``tcserver estimate``: what a meeting takes of the lines, and what its data costs."""

from __future__ import annotations

import argparse
import json
from math import inf
from typing import Any, NamedTuple

from tcserver.cli.parser import Commands, add_command, counted, print_table
from tcserver.config.configuration import Sources
from tcserver.records import StoreError

VOICE_DOWN_KBIT_S = 62.8
"""A voice of 25.2 kbit/s from the server, with all headers down to that of IPv4; see *How large* in OPERATING.md."""
VOICE_UP_KBIT_S = 60.4
"""The same to the server."""
PICTURE_KBIT_S = 630.0
"""Pictures of 640x360, 25 in a second, with all headers."""
_MEGABYTES_PER_KBIT_S_HOUR = 3600 / 8 / 1000
_MOST = 1000


class Meeting(NamedTuple):
    """How many take part, are heard and shown at a time, and have an open microphone; a picture in kbit/s."""

    participants: int
    voices: int
    cameras: int
    microphones: int
    picture: float


class Rates(NamedTuple):
    """Rates in kbit/s: of the server, of who only watches, and of who speaks and shows a camera."""

    server_sends: float
    server_receives: float
    watcher_receives: float
    speaker_receives: float
    speaker_sends: float


def rates(meeting: Meeting) -> Rates:
    """Return what a meeting takes. Each voice and each picture goes to everybody else; nobody gets the own ones."""
    people, voices, cameras, microphones, picture = meeting
    others = people - 1
    speaks, shows = min(voices, 1), min(cameras, 1)
    return Rates(
        others * (voices * VOICE_DOWN_KBIT_S + cameras * picture),
        microphones * VOICE_UP_KBIT_S + cameras * picture,
        voices * VOICE_DOWN_KBIT_S + cameras * picture,
        (voices - speaks) * VOICE_DOWN_KBIT_S + (cameras - shows) * picture,
        speaks * VOICE_UP_KBIT_S + shows * picture,
    )


def bearable(meeting: Meeting, line: float) -> int:
    """Return how many participants, with everything else as it is, a server with a line of ``line`` kbit/s bears."""
    each = rates(meeting._replace(participants=2)).server_sends
    return int(line / each) + 1 if each else _MOST


def add_commands(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "estimate",
        _estimate,
        "reckon what a meeting takes of the lines, and what its data costs",
        "tcserver estimate --participants 35 --voices 3 --cameras 4 --hours 2",
        "tcserver estimate --participants 35 --voices 3 --price 5000 --line 20",
        "",
        "Reckoned for good lines and UDP. Clients on thin lines take less; on lines that lose packets, sound takes up",
        "to twice as much. Pictures of 320x180 take about 120 kbit/s.",
    )
    whole: dict[str, Any] = {"metavar": "N", "type": _whole}
    parser.add_argument("--participants", **whole, default=35, help="people in the room (default: 35)")
    parser.add_argument("--voices", **whole, default=3, help="voices that are heard at a time (default: 3)")
    parser.add_argument("--cameras", **whole, default=0, help="pictures that are seen at a time (default: 0)")
    parser.add_argument("--microphones", **whole, help="open microphones (default: as --voices)")
    parser.add_argument(
        "--picture", metavar="KBIT/S", type=_amount, default=PICTURE_KBIT_S, help="of each picture (default: 630)"
    )
    parser.add_argument("--hours", metavar="H", type=_amount, default=1.0, help="length of the meeting (default: 1)")
    parser.add_argument("--price", metavar="MONEY", type=_amount, help="price of a gigabyte, in any currency")
    parser.add_argument("--line", metavar="MBIT/S", type=_amount, help="what the line of the server can send")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def _estimate(arguments: argparse.Namespace, sources: Sources) -> int:
    microphones = arguments.voices if arguments.microphones is None else arguments.microphones
    meeting = Meeting(arguments.participants, arguments.voices, arguments.cameras, microphones, arguments.picture)
    _check(meeting)
    bears = None if arguments.line is None else bearable(meeting, arguments.line * 1000)
    found = {name: _amounts(rate, arguments) for name, rate in rates(meeting)._asdict().items()}
    if arguments.json:
        print(json.dumps({**found, "line_bears": bears}))
        return 0
    header = ["", "rate", "an hour", "the meeting", *(["costs"] if arguments.price is not None else [])]
    print_table(header, [[name.replace("_", " "), *_cells(amounts)] for name, amounts in found.items()])
    if bears is not None:
        enough = "enough" if bears >= meeting.participants else "NOT enough"
        print(f"a line of {arguments.line:g} Mbit/s bears {counted(bears, 'participant')}: {enough}")
    return 0


def _check(meeting: Meeting) -> None:
    if meeting.participants < 2:
        raise StoreError("--participants: a meeting has at least 2")
    if max(meeting.voices, meeting.cameras, meeting.microphones) > meeting.participants:
        raise StoreError("there are not more voices, cameras or microphones than participants")
    if meeting.microphones < meeting.voices:
        raise StoreError("--microphones: each voice has one")


def _amounts(rate: float, arguments: argparse.Namespace) -> dict[str, float]:
    """Return a rate, the megabytes of an hour and of the meeting, and what they cost if there is a price."""
    hour = rate * _MEGABYTES_PER_KBIT_S_HOUR
    found = {"kbit_s": round(rate, 1), "mb_an_hour": round(hour, 1), "mb": round(hour * arguments.hours, 1)}
    return found if arguments.price is None else {**found, "costs": round(found["mb"] / 1000 * arguments.price, 2)}


def _cells(amounts: dict[str, float]) -> list[str]:
    rate, hour, meeting, *cost = amounts.values()
    shown = f"{rate / 1000:.1f} Mbit/s" if rate >= 1000 else f"{rate:.0f} kbit/s"
    return [shown, _size(hour), _size(meeting), *(f"{each:,.0f}" for each in cost)]


def _size(megabytes: float) -> str:
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > _MOST:
        raise argparse.ArgumentTypeError(f"{text!r} should be a whole number from 0 to {_MOST}")
    return int(text)


def _amount(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < inf:
        raise argparse.ArgumentTypeError(f"{text!r} should be a number from 0")
    return value
