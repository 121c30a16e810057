"""What the page is like for those who use it, in a real browser: Chromium without a GPU, with devices from files.

Each part has a server of its own. Whoever hears and sees in it is the page or the native client.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

import tcserver
from benchmarks.harness.browser import RATE, Person, browser_cpu, chromium, delays
from benchmarks.harness.hall import PASSWORD, Hall, Place
from benchmarks.harness.options import positive
from benchmarks.harness.participant_process import RATE as PICTURE_RATE
from benchmarks.harness.participant_process import Participant
from benchmarks.harness.processes import PROCESSORS, end, need_linux
from benchmarks.harness.report import Bar, BenchmarkError, Missing, Report, Table
from benchmarks.harness.server import ACCOUNT
from benchmarks.harness.signal_comparison import Sound
from benchmarks.harness.slow_line import Throttle, slow_line
from benchmarks.parts.full_conference import hold
from benchmarks.quality import speech
from tcclient.capture import SPEECH
from tcproto.link import Link

INDEX = Path(tcserver.__file__).parent / "web" / "page" / "index.html"
JOINS = 5
TILES = 6
SETTLE = 3.0
"""Seconds from the entry until everything runs evenly: jitter buffers, rates, the first keyframes."""
JOIN_TIME, PESQ, PICTURES, GAP, DELAY, LOAD = 1.0, 3.8, 20.0, 120.0, 150.0, 60.0
"""Bars: seconds, MOS, pictures per second, ms, ms, percent of a core."""
SLOW, SLOW_CAMERAS = 300_000, 2
"""Bits per second of a slow line, and the cameras of 600 kbit/s in front of it."""
UNSUBSCRIBED = 10.0
"""Seconds in which a page has to unsubscribe what does not fit its line."""
SLOW_DELAY, SLOW_DROPS = 500.0, 2.0
"""Bars: ms, datagrams of pictures per second that are dropped after that: more is tried from time to time."""
QUICK_SECONDS, SECONDS = 4.0, 20.0
QUICK = ("down",)
"""What a short run shows."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--only", metavar="PART", action="append", choices=[*PARTS], help=f"not all of them: {', '.join(PARTS)}"
    )
    parser.add_argument("--seconds", metavar="S", type=positive, help="length of each measurement")


def run(options: argparse.Namespace) -> Report:
    """Measure; raises ``BenchmarkError``."""
    need_linux()
    if not INDEX.exists():
        raise Missing("the page is not built: npm ci && node build.mjs ../../tcserver/web/page, in tcclient/web")
    doubt = "the machine was busy otherwise" if os.getloadavg()[0] > PROCESSORS else ""
    names = options.only or (QUICK if options.quick else PARTS)
    seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    with tempfile.TemporaryDirectory(prefix="tcbench-") as folder:
        sound = speech.source_sound(SPEECH, None)
        with chromium(Path(folder), sound) as browser:
            place = Place(browser, Path(folder), seconds, options.quick)
            reports = []
            for name in names:
                print(f"page: {name}", file=sys.stderr, flush=True)
                with place.hall() as hall:
                    reports.append(PARTS[name](place, hall))
    return Report(
        [table for report in reports for table in report.tables],
        [bar.unless(doubt) for report in reports for bar in report.bars],
        figures={name: dict(report.figures) for name, report in zip(names, reports, strict=True)},
    )


def _join(place: Place, hall: Hall) -> Report:
    """How long after the click is a person in the meeting?"""
    took = []
    for number in range(2 if place.quick else JOINS):
        person = Person(place.browser)
        person.open(hall.link, ACCOUNT, PASSWORD, f"Person {number}")
        took.append(person.join())
        person.close()
    return Report(
        [
            Table(
                "Joining",
                ("joins", "least s", "median s", "most s"),
                [(len(took), min(took), statistics.median(took), max(took))],
            )
        ],
        [Bar("join after the click, median", statistics.median(took), "s", JOIN_TIME)],
        figures={"took": took},
    )


def _up(place: Place, hall: Hall) -> Report:
    """Sound and pictures of the page, as ``tcclient join --record`` has them."""
    records = place.folder / "records"
    with ExitStack() as stack:
        person = place.person(stack, hall.link, "Siti")
        options = ("--listen", "--record", str(records), "--seconds", str(place.seconds + SETTLE))
        with native_client(hall.link, place.folder / "recorder", *options) as recorder:
            while recorder.poll() is None:
                person.rest(0.2)
    source = speech.source_sound(SPEECH, None)
    heard = speech.recorded_sound(_only(records, "*.ogg"))
    score = _score(source, heard[RATE:])
    times = _picture_times(_only(records, "*.mkv"))
    times = [at for at in times if at >= times[0] + 1]
    gaps = [1000 * (b - a) for a, b in pairwise(times)]
    rate = len(gaps) / (times[-1] - times[0])
    row = (*_both(score), rate, max(gaps))
    return Report(
        [
            Table(
                "From the page to a recording", ("PESQ-WB mean", "least window", "pictures /s", "largest gap ms"), [row]
            )
        ],
        [
            _pesq_bar("page to recording", score),
            Bar("page to recording: pictures", rate, "/s", PICTURES, least=True),
            Bar("page to recording: largest gap", max(gaps), "ms", GAP),
        ],
        figures={"pesq": None if score is None else asdict(score), "gaps": gaps},
    )


def _down(place: Place, hall: Hall) -> Report:
    """Sound and pictures of a native client on the page."""
    with ExitStack() as stack:
        person = place.person(stack, hall.link, "Siti", microphone=False, camera=False)
        person.start_counting()
        talker = Participant(replace(place.task(hall.link, "talker"), voices=1, pictures=1))
        stack.callback(talker.end)
        talker.line()
        person.rest(SETTLE + 2)
        person.pictures(1 / PICTURE_RATE)
        person.recorded("played")
        person.rest(place.seconds)
        played, pictures = person.recorded("played"), person.pictures(1 / PICTURE_RATE)
    score = _score(speech.source_sound(SPEECH, None), played.sound)
    row = (*_both(score), *asdict(pictures).values())
    columns = ("PESQ-WB mean", "least window", "pictures received", "missing", "decoded", "drawn")
    return Report(
        [Table("From a native client to the page", columns, [row])],
        [
            _pesq_bar("native client to page", score),
            Bar(
                "native client to page: pictures not decoded",
                undecoded(pictures.received, pictures.missing, pictures.decoded),
                "pictures",
                0,
            ),
        ],
        figures={"pesq": None if score is None else asdict(score), "pictures": asdict(pictures)},
    )


def _delay(place: Place, hall: Hall) -> Report:
    """Mouth to ear from one page to another."""
    with ExitStack() as stack:
        speaker = place.person(stack, hall.link, "Siti", camera=False)
        listener = place.person(stack, hall.link, "Budi", microphone=False, camera=False)
        listener.rest(SETTLE)
        listener.recorded("played")
        listener.rest(place.seconds)
        ear, mouth = listener.recorded("played"), speaker.recorded("captured")
    found = 1000 * delays(mouth, ear)
    if not len(found):
        raise BenchmarkError("what a page captured was not heard on the other")
    p95 = float(np.quantile(found, 0.95))
    row = (len(found), float(np.median(found)), p95, float(found.max()))
    return Report(
        [Table("Mouth to ear, from page to page", ("windows", "median ms", "p95 ms", "most ms"), [row])],
        [Bar("mouth to ear, page to page, p95", p95, "ms", DELAY)],
        figures={"delays": found.tolist()},
    )


def _tiles(place: Place, hall: Hall) -> Report:
    """What six cameras cost a browser that shows them."""
    with ExitStack() as stack:
        person = place.person(stack, hall.link, "Siti", microphone=False, camera=False)
        person.start_counting()
        tasks = [replace(place.task(hall.link, f"sender-{number}"), pictures=1) for number in range(TILES)]
        senders = [Participant(task) for task in tasks]
        for sender in senders:
            stack.callback(sender.end)
        for sender in senders:
            sender.line()
        person.rest(2 * SETTLE)
        person.pictures(1 / PICTURE_RATE)
        cpu, began = browser_cpu(os.getpid()), time.monotonic()
        person.rest(place.seconds)
        wall = time.monotonic() - began
        used = (browser_cpu(os.getpid()) - cpu) / wall
        pictures = person.pictures(1 / PICTURE_RATE)
    dropped = pictures.received - min(pictures.decoded, pictures.drawn)
    row = (TILES, pictures.received / wall, pictures.decoded / wall, pictures.drawn / wall, 100 * used)
    columns = ("tiles", "received /s", "decoded /s", "drawn /s", "browser, % of a core")
    return Report(
        [Table("Tiles of 640x360", columns, [row])],
        [
            Bar(f"{TILES} tiles: processor of the browser", 100 * used, "% of a core", LOAD),
            Bar(f"{TILES} tiles: pictures dropped in the page", max(0, dropped), "pictures", TILES),
        ],
        figures={"cpu": used, "pictures": asdict(pictures)},
    )


def _slow(place: Place, hall: Hall) -> Report:
    """What becomes of the sound and the pictures on the page when its line gets too slow for them."""
    throttle = Throttle()
    with slow_line(hall.address, SLOW, throttle) as (_, port), ExitStack() as stack:
        speaker = place.person(stack, hall.link, "Siti", camera=False)
        listener = place.person(stack, replace(hall.link, port=port), "Budi", microphone=False, camera=False)
        # What a decoder gets that is there before is not counted.
        speaker.start_counting()
        senders = [Participant(replace(place.task(hall.link, f"sender-{n}"), pictures=1)) for n in range(SLOW_CAMERAS)]
        for sender in senders:
            stack.callback(sender.end)
        for sender in senders:
            sender.line()
        listener.rest(2 * SETTLE)
        speaker.pictures(1 / PICTURE_RATE)
        listener.recorded("played")
        began = time.monotonic()
        throttle.turn_on()
        before = hall.gave_way()
        listener.rest(UNSUBSCRIBED)
        settled = hall.gave_way()
        listener.rest(place.seconds)
        after = hall.gave_way()
        ear, mouth = listener.recorded("played"), speaker.recorded("captured")
        beside = speaker.pictures(1 / PICTURE_RATE).received / (time.monotonic() - began)
    found = 1000 * delays(mouth, ear)
    if not len(found):
        raise BenchmarkError("what a page captured was not heard on the slow line")
    p95 = float(np.quantile(found, 0.95))
    sound, first, later = after[0] - before[0], settled[1] - before[1], after[1] - settled[1]
    row = (p95, sound, first, later, beside)
    columns = ("sound p95 ms", "sound dropped", "pictures dropped at first", "later", "received /s beside it")
    return Report(
        [Table(f"A line of {SLOW // 1000} kbit/s from one moment to the next", columns, [row])],
        [
            Bar("slow line: mouth to ear, p95", p95, "ms", SLOW_DELAY),
            Bar("slow line: datagrams of sound dropped", sound, "datagrams", 0),
            Bar(
                f"slow line: pictures dropped after {UNSUBSCRIBED:.0f} s",
                later / place.seconds,
                "datagrams/s",
                SLOW_DROPS,
            ),
            Bar("beside a slow line: pictures received", beside, "/s", SLOW_CAMERAS * PICTURES, least=True),
        ],
        figures={"delays": found.tolist(), "before": before, "settled": settled, "after": after},
    )


PARTS: Mapping[str, Callable[[Place, Hall], Report]] = {
    "join": _join,
    "up": _up,
    "down": _down,
    "delay": _delay,
    "tiles": _tiles,
    "slow": _slow,
    "conference": hold,
}
"""By name, with what they show in their docstrings."""


@contextmanager
def native_client(link: Link, data: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``tcclient join``."""
    command = [sys.executable, "-m", "tcclient", "join", str(link), "--user", ACCOUNT, "--name", "Native"]
    log = data.with_suffix(".log").open("w")
    process = subprocess.Popen(
        [*command, "--password-stdin", "--data", str(data), *options],
        stdin=subprocess.PIPE, stdout=log, stderr=log, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    try:
        process.stdin.write(f"{PASSWORD}\n")
        process.stdin.flush()
        yield process
    finally:
        end(process)
        process.stdin.close()
        log.close()


def undecoded(received: int, missing: int, decoded: int) -> int:
    """Return how many pictures did not become visible; one or two are in the decoder at either end."""
    return max(0, missing + max(0, received - decoded - 2))


def _score(source: Sound, heard: Sound) -> speech.Score | None:
    """Compare what was heard with speech that is repeated without end; None where PESQ is not installed."""
    pesq = speech.load_pesq()
    return None if pesq is None else speech.score(pesq, np.resize(source, len(source) + len(heard)), heard)


def _both(score: speech.Score | None) -> tuple[float | None, float | None]:
    return (None, None) if score is None else (score.mean, score.least)


def _pesq_bar(what: str, score: speech.Score | None) -> Bar:
    note = speech.MISSING_PESQ if score is None else f"least window {score.least:.2f}"
    return Bar(f"{what}: PESQ-WB", _both(score)[0], "MOS", PESQ, least=True, note=note)


def _picture_times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(p.pts * p.time_base) for p in container.demux(video=0) if p.size and p.pts is not None]


def _only(folder: Path, pattern: str) -> Path:
    found: Sequence[Path] = sorted(folder.rglob(pattern), key=lambda path: path.stat().st_size)
    if not found:
        raise BenchmarkError(f"the native client has recorded no {pattern}")
    return found[-1]
