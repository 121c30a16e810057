"""A full conference: people at the page, and native clients in processes of their own, on one server.

Some of both talk. Who hears whom, and what got lost?
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness.browser import Person
from benchmarks.harness.processes import Usage, usage
from benchmarks.harness.report import Bar, BenchmarkError, Table
from tcclient.capture import SPEECH
from tcclient.demo.plan import Part

NATIVES, PAGES = 27, 8
NATIVE_TALKERS, PAGE_TALKERS = 3, 2
AT_ONCE = 3
"""Native clients that start at a time: each derives its key from the password, with all of a processor."""
HEARD = 5
"""Packets per second from which on a voice counts as heard: a tenth of those of somebody who talks all the time."""

SERVER_LOAD = 30.0
"""Bar: percent of a core, for 35 participants and five voices."""


class Native:
    """A native client, as the demonstration of ``tcclient`` runs it."""

    def __init__(self, part: Part) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tcclient.demo.participant"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.tell(json.dumps(part.as_json()))

    def tell(self, line: str) -> None:
        """Give a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def wait(self, event: str) -> dict[str, Any]:
        """Return what it says with this event; raises ``BenchmarkError`` where it ends without."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said: dict[str, Any] = json.loads(line)
            if said["event"] == event:
                return said
            if said["event"] == "error":
                raise BenchmarkError(f"a native client failed: {said['text']}")
        raise BenchmarkError(f"a native client ended without {event}")

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


class Heard(NamedTuple):
    """What one participant got of the voices of others."""

    expected: int
    """Voices of others."""
    voices: int
    """Of them heard."""
    lost: int
    """Packets; 0 at a page, which does not tell."""
    fewest: float
    """Packets per second of the voice of which fewest came."""


class Held(NamedTuple):
    """What became of a conference."""

    natives: list[Heard]
    pages: list[Heard]
    used: Usage
    """By the server, while there were voices."""
    wall: float
    """Seconds of that."""


def hold(parts: Sequence[Part], persons: Sequence[Person], server: int, seconds: float) -> Held:
    """Hold a conference. The persons are in it, and say nothing yet; ``server`` is the process of the server."""
    with ExitStack() as stack:
        natives: list[Native] = []
        for at in range(0, len(parts), AT_ONCE):
            some = [Native(part) for part in parts[at : at + AT_ONCE]]
            for native in some:
                stack.callback(native.end)
            for native in some:
                native.wait("seated")
            natives += some
        for person in persons:
            person.start_counting()
        for person in persons[:PAGE_TALKERS]:
            person.press("Unmute")
        for native in natives:
            native.tell("start")
        before, began = usage(server), time.monotonic()
        persons[0].rest(seconds)
        used, wall = usage(server).since(before), time.monotonic() - began
        for native in natives:
            native.tell("stop")
        at_pages = [_at_page(person, n < PAGE_TALKERS, seconds) for n, person in enumerate(persons)]
        reports = [native.wait("report") for native in natives]
    return Held([_at_native(report, seconds) for report in reports], at_pages, used, wall)


def parts_of(link: str, user: str, password: str, folder: Path, seconds: float) -> list[Part]:
    """Return what each native client does. Talkers go on for ``seconds``; nobody plays out, everybody records."""
    return [
        Part(
            link, user, password, f"Native {n + 1}", str(folder / f"native-{n}"), str(folder / f"heard-{n}"), seconds,
            audio=str(SPEECH) if n < NATIVE_TALKERS else "", loop=True, decode=False,
        )
        for n in range(NATIVES)
    ]  # fmt: skip


def _at_page(person: Person, talks: bool, seconds: float) -> Heard:
    return heard(person.voices(), 0, talks, seconds)


def _at_native(report: dict[str, Any], seconds: float) -> Heard:
    streams = [stream for stream in report["received"] if stream["kind"] == "audio"]
    lost = sum(stream["lost"] for stream in streams)
    return heard([stream["packets"] for stream in streams], lost, bool(report["sent"]), seconds)


def heard(packets: Sequence[int], lost: int, talks: bool, seconds: float) -> Heard:
    """Return what a participant got that received so many packets of each voice."""
    rates = [count / seconds for count in packets if count >= HEARD * seconds]
    return Heard(NATIVE_TALKERS + PAGE_TALKERS - talks, len(rates), lost, min(rates, default=0.0))


def account_for(held: Held) -> tuple[Table, list[Bar]]:
    """Return what became of the conference, and its bars."""
    rows = [
        (
            name, len(those), sum(each.expected for each in those), sum(each.voices for each in those),
            min(each.fewest for each in those), sum(each.lost for each in those),
        )
        for name, those in (("native clients", held.natives), ("pages", held.pages))
    ]  # fmt: skip
    everybody = [*held.natives, *held.pages]
    columns = ("participants", "number", "voices to hear", "heard", "fewest packets /s of one", "packets lost")
    return Table("A full conference", columns, rows), [
        Bar("conference: who miss a voice", sum(each.voices < each.expected for each in everybody), "participants", 0),
        Bar("conference: lost at native clients", sum(each.lost for each in held.natives), "packets", 0),
        Bar("conference: server", 100 * sum(held.used.cpu) / held.wall, "% of a core", SERVER_LOAD),
    ]
