"""A full conference: pages in a browser and native clients, and whether everybody hears and nothing is lost."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from benchmarks.harness.browser import LOUD, RATE, Person, Recorded, browser_cpu
from benchmarks.harness.hall import Hall, Place
from benchmarks.harness.participant_process import Came, Participant
from benchmarks.harness.procfs import descendants
from benchmarks.harness.report import Bar, Report, Table, progress
from tcproto.messages import Kind

_say = progress("page")

PAGES, NATIVES = 8, 27
QUICK_PAGES, QUICK_NATIVES = 3, 5
SEEING = 2
"""Pages that show pictures. The others save data: all participants share the processors of this machine."""
VOICE, CAMERA = "Talker", "Camera"
"""The native clients that talk and show pictures; the first page talks, too."""
AT_ONCE = 3
"""Native clients that begin at the same time."""
SETTLE = 5.0
"""Seconds from the last entry until everything runs evenly."""
QUIET = 2.0
"""Seconds from the latest packet of a talker after which nothing of him comes: he pauses for less."""
HEARD = 0.75
"""Share of the seconds in which a page has to play speech: one that talks hears only the other, who pauses."""


def hold(place: Place, hall: Hall) -> Report:
    """Eight browsers and 27 native clients: who hears, and what is lost."""
    with ExitStack() as stack:
        number_of_pages, number_of_natives = (QUICK_PAGES, QUICK_NATIVES) if place.quick else (PAGES, NATIVES)
        pages = [_page(place, stack, hall, number) for number in range(number_of_pages)]
        natives = _natives(place, stack, hall, number_of_natives, pages[0])
        _say(f"{len(pages)} pages and {len(natives)} native clients talk and listen")
        pages[0].rest(SETTLE)
        for page in pages:
            page.recorded("played")
        before, used, began = hall.gave_way(), _processors(), time.monotonic()
        pages[0].rest(place.seconds)
        wall = time.monotonic() - began
        shares = [100 * (now - then) / wall for now, then in zip(_processors(), used, strict=True)]
        played = [page.recorded("played") for page in pages]
        sound, pictures = (after - earlier for after, earlier in zip(hall.gave_way(), before, strict=True))
        for native in natives:
            native.close_input()
        came = [[Came(*row) for row in json.loads(native.line())] for native in natives]
    return _report(played, came, (sound, pictures), shares, place.seconds)


def _page(place: Place, stack: ExitStack, hall: Hall, number: int) -> Person:
    _say(f"page {number + 1} joins")
    page = place.person(stack, hall.link, f"Page {number + 1}", microphone=number == 0, camera=False)
    if number >= SEEING:
        page.save_data()
    return page


def _natives(place: Place, stack: ExitStack, hall: Hall, number: int, page: Person) -> list[Participant]:
    names = _names(number)
    natives: list[Participant] = []
    for first in range(0, number, AT_ONCE):
        some = names[first : first + AT_ONCE]
        _say(f"native clients {first + 1} to {first + len(some)} join")
        tasks = [
            replace(place.task(hall.link, name), name=name, voices=name == VOICE, pictures=name == CAMERA, seconds=0.0)
            for name in some
        ]
        begun = [Participant(task) for task in tasks]
        for native in begun:
            stack.callback(native.end)
        for native in begun:
            native.line()
            page.rest(0.0)
        natives += begun
    return natives


def _names(number: int) -> list[str]:
    """Return the names of so many native clients."""
    return [VOICE, CAMERA, *(f"Listener {n + 1}" for n in range(number - 2))]


def _processors() -> tuple[float, float, float]:
    """Return the seconds of processor that the server, the native clients and the browser have used."""
    below = descendants(os.getpid())
    server, natives = (
        sum(process.cpu for process in below if word in process.command)
        for word in ("tcserver", "benchmarks.harness.participant_process")
    )
    return server, natives, browser_cpu(os.getpid())


def heard(played: Recorded) -> float:
    """Return the share of the seconds in which a page played speech."""
    seconds = played.sound[: len(played.sound) // RATE * RATE].reshape(-1, RATE).astype(np.float64)
    loud = np.sqrt(np.mean(seconds**2, axis=1)) >= LOUD
    return float(np.mean(loud)) if len(loud) else 0.0


def hears_all(name: str, came: Sequence[Came]) -> bool:
    """Tell whether a native client has sound of each talker but itself until the end."""
    voices = {row.name for row in came if row.kind == Kind.AUDIO and row.age < QUIET}
    return voices >= {"Page 1", VOICE} - {name}


def _report(
    played: Sequence[Recorded],
    came: Sequence[Sequence[Came]],
    gave_way: tuple[float, float],
    shares: Sequence[float],
    seconds: float,
) -> Report:
    hearing = [hears_all(name, rows) for name, rows in zip(_names(len(came)), came, strict=True)]
    speech = [heard(recorded) for recorded in played]
    lost = {kind: sum(row.lost for rows in came for row in rows if row.kind == kind) for kind in Kind}
    packets = sum(row.packets for rows in came for row in rows)
    rows: list[tuple[str, float, str]] = [
        ("native clients that hear every talker", sum(hearing), f"of {len(came)}"),
        ("pages that play speech", sum(share >= HEARD for share in speech), f"of {len(played)}"),
        ("seconds with speech, on the page with the fewest", 100 * min(speech), "%"),
        ("packets that came to native clients", packets, ""),
        ("of sound lost on the way to them", lost[Kind.AUDIO], ""),
        ("of pictures lost on the way to them", lost[Kind.VIDEO], ""),
        ("datagrams of sound dropped for pages", gave_way[0], ""),
        ("datagrams of pictures dropped for pages, by the rules", gave_way[1], ""),
        *(
            (f"processor of {who}", share, "% of a core")
            for who, share in zip(("the server", "the native clients", "the browser"), shares, strict=True)
        ),
    ]
    title = f"{len(played)} pages, {SEEING} of which show pictures, and {len(came)} native clients for {seconds:g} s"
    all_that_hear = sum(hearing) + sum(share >= HEARD for share in speech)
    all_lost = sum(lost.values()) + gave_way[0]
    return Report(
        [Table(title, ("what", "measured", "unit"), rows)],
        [
            Bar("conference: all that hear", all_that_hear, "participants", len(played) + len(came), least=True),
            Bar("conference: packets lost, and sound dropped", all_lost, "packets", 0),
        ],
        figures={"speech": speech, "came": came, "shares": list(shares)},
    )
