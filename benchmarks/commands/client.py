"""What one client costs that hears and sees others: a real one, which opens, orders, decodes and mixes everything."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness.options import positive, positive_whole
from benchmarks.harness.participant_process import HEIGHT, RATE, WIDTH, Participant, Task
from benchmarks.harness.report import Bar, BenchmarkError, Plot, Report, Table, progress
from tcclient.demo.processes import DemoError, make_accounts, run_server

_say = progress("client")

MEETINGS = ((1, 0), (3, 0), (5, 0), (0, 1), (0, 4), (0, 9), (3, 4))
QUICK_MEETINGS = ((1, 0), (5, 0), (0, 4))
"""Voices and pictures."""
MOST = 5
"""Publications of one sender."""
SENDERS = 2
BLOCK_RATE = 50
"""Blocks of the mix per second."""
ENOUGH = 0.95
"""Share of blocks and pictures that has to arrive. With less, the figure is one of a smaller load."""


class Meeting(NamedTuple):
    """What a receiver of so many reported, a few times."""

    voices: int
    pictures: int
    results: list[dict[str, Any]]

    def median(self, name: str) -> float | None:
        """Return the median of a figure."""
        values = [result[name] for result in self.results if result[name] is not None]
        return statistics.median(values) if values else None


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--seconds", metavar="S", type=positive, help="length of each measurement")
    parser.add_argument(
        "--repeats", metavar="R", type=positive_whole, help="measurements of each, of which the median counts"
    )


def run(options: argparse.Namespace) -> Report:
    """Measure; raises ``BenchmarkError``."""
    seconds = options.seconds or (3.0 if options.quick else 10.0)
    repeats = options.repeats or (1 if options.quick else 3)
    try:
        meetings = asyncio.run(_hold(QUICK_MEETINGS if options.quick else MEETINGS, seconds, repeats))
    except DemoError as error:
        raise BenchmarkError(str(error)) from None
    return _report(meetings, seconds)


async def _hold(wanted: Sequence[tuple[int, int]], seconds: float, repeats: int) -> list[Meeting]:
    with tempfile.TemporaryDirectory(prefix="tcbench-") as folder:
        data = Path(folder)
        passwords = await make_accounts(data, SENDERS + 1)
        async with run_server(data, data / "server.log", 0) as server:
            meetings = []
            for n, (voices, pictures) in enumerate(wanted):
                _say(f"{voices} voices, {pictures} pictures")
                there, _, query = server.link.partition("?")
                room = f"{there.rstrip('/')}/meeting-{n}?{query}"
                tasks = [
                    Task(room, user, password, str(data / user), hear=voices > 0, see=pictures > 0, seconds=seconds)
                    for user, password in passwords.items()
                ]
                meetings.append(await asyncio.to_thread(_meet, tasks, voices, pictures, repeats))
            return meetings


def _meet(tasks: list[Task], voices: int, pictures: int, repeats: int) -> Meeting:
    receiver, *senders = tasks
    with ExitStack() as stack:
        for task, (some_voices, some_pictures) in zip(senders, shares(voices, pictures), strict=False):
            sender = Participant(Task(**{**vars(task), "voices": some_voices, "pictures": some_pictures}))
            stack.callback(sender.end)
            sender.line()
        results = []
        for _ in range(repeats):
            participant = Participant(receiver)
            stack.callback(participant.end)
            results.append(json.loads(participant.line()))
            participant.end()
        return Meeting(voices, pictures, results)


def shares(voices: int, pictures: int) -> list[tuple[int, int]]:
    """Return the voices and pictures of each sender, at most ``MOST`` together."""
    found = []
    while voices or pictures:
        some = min(voices, MOST)
        others = min(pictures, MOST - some)
        found.append((some, others))
        voices, pictures = voices - some, pictures - others
    return found


def _report(meetings: list[Meeting], seconds: float) -> Report:
    rows = []
    for meeting in meetings:
        cpu, blocks, pictures = (meeting.median(name) or 0.0 for name in ("cpu", "blocks", "pictures"))
        rows.append(
            (
                meeting.voices, meeting.pictures, 100 * cpu, blocks / seconds, pictures / seconds,
                _ms(meeting.median("first_sound")), _ms(meeting.median("first_picture")),
                sum(result["lost"] for result in meeting.results), remark(meeting, seconds),
            )
        )  # fmt: skip
    columns = (
        "voices", "pictures", "core %", "mixed blocks /s", "decoded pictures /s", "first sound ms", "first picture ms",
        "lost packets", "remark",
    )  # fmt: skip
    lines = {
        "voices": [(m.voices, 100 * (m.median("cpu") or 0)) for m in meetings if not m.pictures],
        "pictures": [(m.pictures, 100 * (m.median("cpu") or 0)) for m in meetings if not m.voices],
    }
    title = f"One client that hears and sees, pictures of {WIDTH}x{HEIGHT}, {RATE}/s, VP8"
    lost = sum(result["lost"] for meeting in meetings for result in meeting.results)
    return Report(
        [Table(title, columns, rows)],
        [Bar("packets lost", lost, "packets", 0)],
        [Plot("One client", "voices or pictures", "% of a core", lines)],
        {"meetings": [meeting._asdict() for meeting in meetings]},
    )


def remark(meeting: Meeting, seconds: float) -> str:
    """Return what makes the figures of a meeting worthless; empty where nothing does."""
    heard = (meeting.median("blocks") or 0) >= ENOUGH * BLOCK_RATE * seconds or not meeting.voices
    seen = (meeting.median("pictures") or 0) >= ENOUGH * RATE * seconds * meeting.pictures
    return "" if heard and seen else "not all was decoded: the machine was too slow"


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds
