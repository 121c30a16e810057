"""How much memory sessions, rooms and streams take in the server, and what remains after participants have left."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.harness import scrape
from benchmarks.harness.light_clients import Clients
from benchmarks.harness.options import positive_whole
from benchmarks.harness.procfs import resident
from benchmarks.harness.report import Bar, Cell, Plot, Report, Table, progress
from benchmarks.harness.server import Server
from tcproto.messages import Source

_say = progress("memory")

ROOM = 35
"""Participants of a full room."""
PUBLICATIONS = (Source.MICROPHONE, Source.CAMERA, Source.SCREEN)
STAY = 2
"""Participants that are there from the beginning, while others come and go."""
STEPS = 20
"""Looks at the memory while participants come and go."""
REST = 1.0
"""Seconds after which the server has done what there is to do."""
LIMIT_KIB = 60.0
"""Of a seated participant with three published streams."""


class Sizes(NamedTuple):
    """Bytes of resident memory of one of each."""

    session: float
    """Logged in, without a seat."""
    seat: float
    """Session and seat, in a room of 35."""
    stream: float
    room: float
    """With one seat in it, without the session."""

    @property
    def participant(self) -> float:
        """Session and seat with three streams."""
        return self.seat + len(PUBLICATIONS) * self.stream


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--cycles", metavar="N", type=positive_whole, help="how many come and go (default: 10000)")
    parser.add_argument(
        "--repeats", metavar="R", type=positive_whole,
        help="measurements of each size, of which the median counts (default: 3); they come and go once",
    )  # fmt: skip


def run(options: argparse.Namespace) -> Report:
    """Measure; raises ``BenchmarkError``."""
    rooms = 1 if options.quick else 15
    cycles = options.cycles or (60 if options.quick else 10_000)
    participants = rooms * ROOM
    grown = [
        {
            "sessions": _growth("sessions", [], participants),
            "seats": _growth("seats", [ROOM] * rooms),
            "streams": _growth("streams", [ROOM] * rooms, publications=PUBLICATIONS),
            "rooms": _growth("rooms", [1] * participants),
        }
        for _ in range(options.repeats or (1 if options.quick else 3))
    ]
    course, left = _come_and_go(cycles)
    return _report(participants, grown, course, left)


def solve(grown: dict[str, int], participants: int) -> Sizes:
    """Return sizes from the bytes by which each server grew for so many participants."""
    return Sizes(
        grown["sessions"] / participants,
        grown["seats"] / participants,
        (grown["streams"] - grown["seats"]) / participants / len(PUBLICATIONS),
        (grown["rooms"] - grown["sessions"]) / participants,
    )


def _growth(what: str, participants: list[int], sessions: int = 0, publications: tuple[Source, ...] = ()) -> int:
    """Return the bytes by which a new server grows when so many sit in each room, or are just logged in."""
    _say(f"{sum(participants) or sessions} participants: {what}")
    with Server(["first", *(f"room-{n}" for n in range(len(participants)))]) as server, Clients(server) as clients:
        clients.join("first", 2, PUBLICATIONS)  # what is made once is not theirs
        clients.rest(REST)
        before = resident(server.process.pid)
        clients.log_in(sessions)
        for n, number in enumerate(participants):
            clients.join(f"room-{n}", number, publications)
        clients.rest(REST)
        return resident(server.process.pid) - before


def _come_and_go(cycles: int) -> tuple[list[tuple[int, int]], dict[str, float]]:
    """Return the resident bytes after so many cycles, in steps, and what the server still holds in the end."""
    port = scrape.free_port()
    course = []
    with Server(["hall"], {"http.port": port}) as server, Clients(server) as clients:
        clients.join("hall", STAY, PUBLICATIONS)
        done = 0
        for step in range(1, STEPS + 1):
            clients.visit("hall", cycles * step // STEPS - done)
            done = cycles * step // STEPS
            course.append((done, resident(server.process.pid)))
            _say(f"{done} of {cycles} came and went: {course[-1][1] / 2**20:.1f} MiB")
        clients.rest(REST)
        text = scrape.fetch(port)
        return course, {name: scrape.total(text, f"tcserver_{name}") for name in ("connections", "sessions", "seats")}


def slope(course: list[tuple[int, int]]) -> float:
    """Return the bytes by which each cycle grows the process in the second half."""
    (start, before), (stop, after) = course[len(course) // 2 - 1], course[-1]
    return (after - before) / (stop - start)


def size_row(what: str, sizes: Sequence[float]) -> tuple[str, float, str, str]:
    """Return the median of what was measured a few times, in KiB, and the range."""
    found = [size / 1024 for size in sizes]
    return what, statistics.median(found), "KiB", f"{min(found):.1f} to {max(found):.1f}"


def _report(
    participants: int, grown: list[dict[str, int]], course: list[tuple[int, int]], left: dict[str, float]
) -> Report:
    sizes = [solve(each, participants) for each in grown]
    participant = size_row("participant with three streams", [each.participant for each in sizes])
    rows: list[tuple[Cell, ...]] = [
        size_row("session, without a seat", [each.session for each in sizes]),
        size_row(f"session with a seat, in a room of {ROOM}", [each.seat for each in sizes]),
        size_row("published stream", [each.stream for each in sizes]),
        size_row("room with one seat, without the session", [each.room for each in sizes]),
        participant,
        ("server after the first twentieth of the cycles", course[0][1] / 2**20, "MiB", ""),
        (f"after {course[-1][0]:,} who came and went", course[-1][1] / 2**20, "MiB", ""),
        ("each of the second half grew it by", slope(course), "bytes", ""),
        *((f"{name} in the end, of the {STAY} who stayed", number, "", "") for name, number in left.items()),
    ]
    grown_by = [(n, (resident_bytes - course[0][1]) / 2**20) for n, resident_bytes in course]
    title = f"Resident memory of the server; differences over {participants} participants"
    note = f"runs: {participant[-1]}"
    return Report(
        [Table(title, ("what", "measured", "unit", "of the runs"), rows)],
        [
            Bar("participant with three streams, without rings", participant[1], "KiB", LIMIT_KIB, note=note),
            Bar("sessions left by those who came and went", left["sessions"] - STAY, "", 0),
        ],
        [Plot("Come and go", "joins and leaves", "MiB more than after the first", {"server": grown_by})],
        {"growth_bytes": grown, "sizes_bytes": [each._asdict() for each in sizes], "course": course, "left": left},
    )
