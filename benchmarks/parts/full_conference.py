"""A full conference: pages in a browser and native clients, and whether everybody hears and nothing is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

from benchmarks.harness.browser import LOUD, PHONE, WINDOW, Person, browser_cpu
from benchmarks.harness.hall import Hall, Place
from benchmarks.harness.participant_process import Attended, Came, Participant, Task
from benchmarks.harness.procfs import descendants
from benchmarks.harness.report import Bar, Report, Table, progress
from tcclient.core.downlink.cause import Cause
from tcproto.messages import Kind

_say = progress("page")

PAGES, NATIVES = 8, 27
QUICK_PAGES, QUICK_NATIVES = 3, 5
SEEING = 1
"""Pages that show pictures. The others are as large as a phone and save data: all share the processors of a machine."""
VOICE, CAMERA = "Talker", "Camera"
"""The native clients that talk and show pictures."""
TALKERS = {"Page 1", VOICE}
PLAYING = 3
"""Native clients that see the pictures and play out what they hear, each in a process of its own: one that shares it
plays late while the others have the interpreter."""
TOGETHER = 11
"""Native clients in one process that open and count each packet of sound: a machine with 27 processes does little but
switch between them."""
INTERVAL = 0.02
"""Seconds between two of their looks at the network."""
SETTLE = 20.0
"""Seconds from the last entry until everything runs evenly. To enter is work for everybody, and what a client gives up
for a line that seems slow meanwhile, it asks for again within some seconds."""
QUIET = 2.0
"""Seconds from the latest packet of a talker after which nothing of him comes: he pauses for less."""
HEARD = 0.75
"""Share of the seconds in which a participant has to play speech: one that talks hears only the other, who pauses."""
STEADY = 12
"""Packets of a voice in each second, on average, from which on it is there all the time. There are 50, or 25 of 40 ms
each where the way up seems slow."""


class Page(NamedTuple):
    """What a page had of the others."""

    speech: float
    """Share of the seconds in which it played speech."""
    packets: list[int]
    """Packets of each voice that were decoded."""


class Measured(NamedTuple):
    """What a conference came to, from when everything ran evenly."""

    pages: list[Page]
    natives: list[tuple[Task, Attended]]
    processes: int
    lost_before: int
    """Packets that had been lost on the way to native clients before."""
    gave_way: tuple[float, float]
    """Datagrams of sound and of pictures that the server has dropped in front of slow lines."""
    shares: list[float]
    """Percent of a core that the server, the native clients and the browser took."""


def hold(place: Place, hall: Hall) -> Report:
    """Eight browsers and 27 native clients: who hears, and what is lost."""
    with ExitStack() as stack:
        number_of_pages, number_of_natives = (QUICK_PAGES, QUICK_NATIVES) if place.quick else (PAGES, NATIVES)
        pages = [_page(place, stack, hall, number) for number in range(number_of_pages)]
        natives = _natives(place, stack, hall, number_of_natives, pages[0])
        _say("all are there")
        pages[0].rest(SETTLE)
        for page in pages:
            page.loudness()
            page.voices()
        before, gave_way, used, began = _attended(natives), hall.gave_way(), _processors(), time.monotonic()
        pages[0].rest(place.seconds)
        wall = time.monotonic() - began
        shares = [100 * (now - then) / wall for now, then in zip(_processors(), used, strict=True)]
        came = [since(*both) for both in zip(_attended(natives), before, strict=True)]
        sound, pictures = (after - earlier for after, earlier in zip(hall.gave_way(), gave_way, strict=True))
        found = [Page(speech_in(page.loudness(), place.seconds), page.voices()) for page in pages]
    tasks = [task for native in natives for task in native.tasks]
    lost_before = sum(row.lost for attended in before for row in attended.tracks)
    return _report(
        Measured(found, list(zip(tasks, came, strict=True)), len(natives), lost_before, (sound, pictures), shares),
        place.seconds,
    )


def _page(place: Place, stack: ExitStack, hall: Hall, number: int) -> Person:
    _say(f"page {number + 1} joins")
    size = WINDOW if number < SEEING else PHONE
    page = place.person(stack, hall.link, f"Page {number + 1}", microphone=number == 0, camera=False, size=size)
    if number >= SEEING:
        page.save_data()
    page.start_counting()
    return page


def _natives(place: Place, stack: ExitStack, hall: Hall, number: int, page: Person) -> list[Participant]:
    natives: list[Participant] = []
    for tasks in _groups(replace(place.task(hall.link, ""), seconds=0.0), number):
        _say(f"{tasks[0].name} joins" + f" with {len(tasks) - 1} more in its process" * (len(tasks) > 1))
        native = Participant(*(replace(task, data=str(place.folder / task.name)) for task in tasks))
        stack.callback(native.end)
        natives.append(native)
        native.line()
        page.rest(0.0)
    return natives


def _groups(blank: Task, number: int) -> list[list[Task]]:
    """Return the tasks of so many native clients, by process."""
    names = [f"Listener {n + 1}" for n in range(number - 2)]
    playing = [replace(blank, name=name, hear=True) for name in names[:PLAYING]]
    counting = [replace(blank, name=name, only_sound=True, interval=INTERVAL) for name in names[PLAYING:]]
    return [
        [replace(blank, name=VOICE, voices=1, only_sound=True)],
        [replace(blank, name=CAMERA, pictures=1, only_sound=True)],
        *([task] for task in playing),
        *(counting[at : at + TOGETHER] for at in range(0, len(counting), TOGETHER)),
    ]


def _attended(natives: Sequence[Participant]) -> list[Attended]:
    return [attended for native in natives for attended in native.attended()]


def _processors() -> tuple[float, float, float]:
    """Return the seconds of processor that the server, the native clients and the browser have used."""
    below = descendants(os.getpid())
    server, natives = (
        sum(process.cpu for process in below if word in process.command)
        for word in ("tcserver", "benchmarks.harness.participant_process")
    )
    return server, natives, browser_cpu(os.getpid())


def speech_in(played: Sequence[float], seconds: float) -> float:
    """Return the share of the seconds of a measurement in which speech was played; ``played`` is the RMS of each.

    What was not played, because the processor was busy, is no speech.
    """
    return min(1.0, sum(rms >= LOUD for rms in played) / seconds)


def since(now: Attended, before: Attended) -> Attended:
    """Return what came and was lost between two moments."""
    earlier = {(row.name, row.kind): row for row in before.tracks}
    nothing = Came("", "", 0, 0, 0.0, None)
    return now._replace(
        tracks=[
            row._replace(packets=row.packets - then.packets, lost=row.lost - then.lost)
            for row in now.tracks
            for then in (earlier.get((row.name, row.kind), nothing),)
        ]
    )


def hears_all(name: str, attended: Attended, seconds: float, *, plays: bool) -> bool:
    """Tell whether a native client has sound of each talker but itself all the time, and plays it if it ``plays``."""
    voices = {
        row.name
        for row in attended.tracks
        if row.kind == Kind.AUDIO and row.age < QUIET and row.packets >= STEADY * seconds
    }
    return voices >= TALKERS - {name} and (not plays or speech_in(attended.played, seconds) >= HEARD)


def page_hears_all(name: str, speech: float, packets: Sequence[int], seconds: float) -> bool:
    """Tell whether a page decodes the sound of each talker but itself all the time, and plays speech."""
    voices = sum(count >= STEADY * seconds for count in packets)
    return voices >= len(TALKERS - {name}) and speech >= HEARD


def _report(measured: Measured, seconds: float) -> Report:
    natives, pages = measured.natives, measured.pages
    native_hears = [hears_all(task.name, attended, seconds, plays=task.hear) for task, attended in natives]
    page_hears = [page_hears_all(f"Page {number + 1}", *page, seconds) for number, page in enumerate(pages)]
    tracks = [row for _, attended in natives for row in attended.tracks]
    lost = {kind: sum(row.lost for row in tracks if row.kind == kind) for kind in Kind}
    sound, pictures = measured.gave_way
    fullest = {who: max((row.packets for row in tracks if row.name == who), default=1) for who in TALKERS}
    fewest = min(row.packets / fullest[row.name] for row in tracks if row.kind == Kind.AUDIO)
    playing = [speech_in(attended.played, seconds) for task, attended in natives if task.hear]
    rows: list[tuple[str, float, str]] = [
        ("native clients that hear every talker", sum(native_hears), f"of {len(natives)}"),
        ("pages that hear every talker", sum(page_hears), f"of {len(pages)}"),
        ("seconds with speech, on the page with the fewest", 100 * min(page.speech for page in pages), "%"),
        (f"the same, of {len(playing)} native clients that play out", 100 * min(playing), "%"),
        ("packets of a talker at the native client with the fewest, of the most", 100 * fewest, "%"),
        ("native clients that get pictures", sum(not task.only_sound for task, _ in natives), ""),
        ("packets that came to native clients", sum(row.packets for row in tracks), ""),
        ("of sound lost on the way to them", lost[Kind.AUDIO], ""),
        ("of pictures lost on the way to them", lost[Kind.VIDEO], ""),
        ("lost before, while everybody came in", measured.lost_before, ""),
        (
            "voices and pictures that they gave up for a slow line",
            sum(row.limit == Cause.BANDWIDTH for row in tracks),
            "",
        ),
        ("datagrams of sound dropped for pages", sound, ""),
        ("datagrams of pictures dropped for pages, by the rules", pictures, ""),
        *(
            (f"processor of {who}", share, "% of a core")
            for who, share in zip(("the server", "the native clients", "the browser"), measured.shares, strict=True)
        ),
    ]
    title = (
        f"{len(pages)} pages, {SEEING} of which show pictures, and {len(natives)} native clients"
        f" in {measured.processes} processes for {seconds:g} s"
    )
    return Report(
        [Table(title, ("what", "measured", "unit"), rows)],
        [
            Bar(
                "conference: all that hear",
                sum(native_hears) + sum(page_hears),
                "participants",
                len(pages) + len(natives),
                least=True,
            ),
            Bar("conference: packets lost, and sound dropped", sum(lost.values()) + sound, "packets", 0),
        ],
        figures={
            "pages": pages,
            "natives": [(task.name, attended) for task, attended in natives],
            "shares": list(measured.shares),
        },
    )
