"""What a meeting is on a line that is too thin for it: voices, pictures, and how long datagrams wait.

Three talk and one films, or one does both, in virtual time: the real cores of server and clients, the real encoder,
jitter buffer and decoder, and a simulated line that drops what it cannot hold. Each voice is compared with what was
said. The first voice begins and is louder than the others, and so it is the dominant one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import mean
from typing import NamedTuple

import numpy as np

from benchmarks.commands.speech import add_sound_options, doubt, sounds
from benchmarks.harness.crowd import fitting, hold_crowd
from benchmarks.harness.report import Bar, Cell, Report, Table
from benchmarks.harness.signal_comparison import Sound
from benchmarks.harness.virtual_meeting import Change, Heard, Listener, Talker, hold
from benchmarks.quality.speech import Pesq, required_pesq, score
from tcproto.packet import AUDIO_CLOCK
from tests.support.simulation.film import FRAME
from tests.support.simulation.network import Conditions

SECONDS, QUICK_SECONDS = 24.0, 7.0
STARTED = 5.0
"""Seconds after the first word that do not count: then the line has to be found too thin."""
HEARD = 0.5
"""Share of the time in which a voice comes that counts as heard; others were given up."""
NOTHING = 1.0
"""MOS of a sound in which PESQ finds no speech: the least of its scale."""
THIN = Conditions(delay=0.04, queue=1.0)
"""A line with a round trip of 80 ms, whose queue holds a second."""
CAMERA, LARGE = 1_200, 2_400
"""As ``Camera`` counts: pictures of 1,500 and 3,000 bytes, so 300 and 600 kbit/s without headers."""
QUIETER = 0.5
"""Amplitude of all voices but the first."""
HEAD_START = 2.0
"""Seconds for which the first voice is alone. Whoever speaks first is the dominant speaker for a while, even if others
are louder."""
FALL, RISE, END = 10.0, 30.0, 45.0
"""Seconds in which the line carries a quarter of what it does before and after."""
BACK = 0.8
"""Share of the pictures of each second that have to be shown again."""


class Row(NamedTuple):
    """A meeting, and what it has to be."""

    talkers: int
    camera: int
    """Bytes of a picture; 0: none."""
    listener: Listener
    seconds: float | None = None
    """None: as many as the options say."""


class Result(NamedTuple):
    """One meeting, rated."""

    voices: tuple[float, ...]
    """MOS of each voice that came, the dominant one first, from ``STARTED`` on."""
    concealed: float
    """% of the worst voice, from ``STARTED`` on."""
    queue: float
    """ms, 95th percentile from ``STARTED`` on."""
    most_queue: float
    """ms."""
    pictures: float
    """Pictures per second, from ``STARTED`` on."""
    fallen: float = 0.0
    """% of the worst voice that was concealed while the line carried a quarter."""
    back: float = 0.0
    """Seconds from the rise of the line until pictures came as before; infinite if they never did."""


class InCrowd(NamedTuple):
    """What one of a large meeting gets."""

    rate: float
    loss: float
    dominant: float
    """MOS of the dominant voice, from ``STARTED`` on."""
    behind: float
    """Seconds until each camera is shown in the layer that fits; infinite if never."""
    fitting: tuple[int, ...]
    """These layers; -1: none."""
    steps: int
    """How often something else was asked for."""


def _thin(rate: float, loss: float = 0.0) -> Listener:
    return Listener(replace(THIN, rate=rate, loss=loss))


WIDE = replace(THIN, rate=1e6)
CAMERA_ROW, PLAIN, LOSSY = "256 kbit/s", "128 kbit/s", "128 kbit/s, loss 20"
QUARTER = "a quarter for 20 s"
ROWS = {
    CAMERA_ROW: Row(3, CAMERA, _thin(256e3)),
    PLAIN: Row(3, 0, _thin(128e3)),
    LOSSY: Row(3, 0, _thin(128e3, 0.2)),
    QUARTER: Row(1, LARGE, Listener(WIDE, (Change(FALL, replace(WIDE, rate=250e3)), Change(RISE, WIDE))), END),
}
"""By name."""
QUICK_ROWS = (CAMERA_ROW, PLAIN)
CROWD = "35 people"
"""The row of a large meeting, which is held once for each seed."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_sound_options(parser, SECONDS)
    parser.add_argument(
        "--rows", metavar="ROW", nargs="+", choices=[*ROWS, CROWD], default=[*ROWS, CROWD],
        help=f"meetings to hold (default: all): {', '.join([*ROWS, CROWD])}",
    )  # fmt: skip


def run(options: argparse.Namespace) -> Report:
    """Hold the meetings; raises ``BenchmarkError``."""
    pesq = required_pesq("rural")
    seeds, seconds = (1, QUICK_SECONDS) if options.quick else (options.seeds, options.seconds)
    names = [name for name in options.rows if name in QUICK_ROWS or not options.quick]
    said = sounds(options.audio, seconds)
    meetings = range(1, seeds + 1)
    found = {
        name: [rated(pesq, ROWS[name], said, seconds, seed) for seed in meetings] for name in names if name in ROWS
    }
    crowd = [each for seed in meetings for each in rated_crowd(pesq, said, seconds, seed)] if CROWD in names else []
    return Report(
        [_table(found, seeds), *([_crowd_table(crowd)] if crowd else [])],
        _bars(found, crowd, doubt(pesq, said, 4.2)),
        figures={
            "rows": {name: [each._asdict() for each in results] for name, results in found.items()},
            "crowd": [each._asdict() for each in crowd],
        },
    )


def voices(said: Sequence[Sound], count: int, seconds: float) -> list[Sound]:
    """Return what each says: the recordings in turns, each from another place on, without end. The first begins."""
    found = []
    for number in range(count):
        sound = said[number % len(said)]
        sound = np.roll(sound, -(number // len(said)) * len(sound) // 2)
        sound = np.resize(sound, round(seconds * AUDIO_CLOCK))
        if number:
            sound = (sound * QUIETER).astype(np.int16)
            sound[: round(HEAD_START * AUDIO_CLOCK)] = 0
        found.append(sound)
    return found


def rated(pesq: Pesq, row: Row, said: Sequence[Sound], seconds: float, seed: int) -> Result:
    """Hold a meeting, and rate what the listener gets."""
    seconds = row.seconds or seconds
    spoken = voices(said, row.talkers, seconds)
    talkers = [Talker(sound, 0 if number else row.camera) for number, sound in enumerate(spoken)]
    (heard,) = hold(talkers, [row.listener], seconds, seed)
    numbers = [number for number in range(row.talkers) if not number or heard.share(number, STARTED) >= HEARD]
    result = Result(
        tuple(mos(pesq, spoken[number], heard.voice(number, STARTED)) for number in numbers),
        100 * max(heard.concealed(number, STARTED) for number in numbers),
        1e3 * heard.queue_p95(STARTED),
        1e3 * max(wait for _, wait in heard.queue),
        heard.frame_rate(0, STARTED, seconds) if row.camera else 0.0,
    )
    if not row.listener.changes:
        return result
    fallen = 100 * max(heard.concealed(number, FALL, RISE) for number in numbers)
    return result._replace(fallen=fallen, back=back(heard))


def rated_crowd(pesq: Pesq, said: Sequence[Sound], seconds: float, seed: int) -> list[InCrowd]:
    """Hold a large meeting, and rate what each of those gets who only listen."""
    spoken = voices(said, 3, seconds)
    return [
        InCrowd(
            seat.line.rate,
            seat.line.loss,
            mos(pesq, spoken[0], seat.heard.voice(0, STARTED)),
            seat.behind(seconds),
            tuple(-1 if layer is None else layer for layer in fitting(seat.line)),
            len(seat.heard.steps),
        )
        for seat in hold_crowd(spoken, seconds, seed)
    ]


def mos(pesq: Pesq, said: Sound, heard: Sound) -> float:
    """Return how good a voice is."""
    return score(pesq, said, heard).mean if heard.any() else NOTHING


def back(heard: Heard) -> float:
    """Return how soon after the rise pictures come as before, and go on until the end."""
    least = BACK / FRAME
    lacking = [at for at in range(round(RISE), round(END)) if heard.frame_rate(0, at, at + 1) < least]
    since = lacking[-1] + 1 if lacking else round(RISE)
    return since - RISE if since < END else float("inf")


def _table(found: dict[str, list[Result]], seeds: int) -> Table:
    columns = (
        *("line", "PESQ-WB of the dominant voice", "voices", "of the worst", "concealed %", "queue ms, p95", "most"),
        *("pictures/s", "concealed % at a quarter", "s until pictures are back"),
    )
    rows: list[tuple[Cell, ...]] = []
    for name, results in found.items():
        has_fallen = name == QUARTER

        def average(value: Callable[[Result], float], results: Sequence[Result] = results) -> float:
            return mean(value(result) for result in results)

        rows.append(
            (
                name,
                average(lambda result: result.voices[0]),
                average(lambda result: len(result.voices)),
                average(lambda result: min(result.voices)),
                average(lambda result: result.concealed),
                average(lambda result: result.queue),
                average(lambda result: result.most_queue),
                average(lambda result: result.pictures),
                average(lambda result: result.fallen) if has_fallen else None,
                average(lambda result: result.back) if has_fallen else None,
            )
        )
    return Table(f"Meetings on thin lines, {seeds} each; means from {STARTED:g} s on", columns, rows)


def _crowd_table(crowd: Sequence[InCrowd]) -> Table:
    columns = (
        "line, kbit/s",
        "PESQ-WB of the dominant voice",
        "of the worst",
        "s until pictures are as they fit",
        "latest",
    )
    rows: list[tuple[Cell, ...]] = []
    for rate in sorted({each.rate for each in crowd}):
        alike = [each for each in crowd if each.rate == rate]
        heard, behind = [each.dominant for each in alike], [each.behind for each in alike]
        rows.append((round(rate / 1000), mean(heard), min(heard), mean(behind), max(behind)))
    return Table(f"{CROWD}, three talk and four film, losses of 0 to 20 %", columns, rows)


def _bars(found: dict[str, list[Result]], crowd: Sequence[InCrowd], doubt: str) -> list[Bar]:
    """Return the bars, each for the worst meeting. With a doubt about the voice, those of sound are not measured."""
    bars = []
    if results := found.get(CAMERA_ROW):
        worst = min(min(result.voices) for result in results)
        bars += [
            Bar(f"PESQ-WB of the worst voice, {CAMERA_ROW}", worst, "MOS", 3.8, least=True).unless(doubt),
            Bar(f"concealed, {CAMERA_ROW}", max(result.concealed for result in results), "%", 1.0),
            Bar(f"queue p95, {CAMERA_ROW}", max(result.queue for result in results), "ms", 150),
        ]
    for name, least in ((PLAIN, 3.6), (LOSSY, 3.3)):
        if results := found.get(name):
            dominant = min(result.voices[0] for result in results)
            bars.append(Bar(f"PESQ-WB of the dominant voice, {name}", dominant, "MOS", least, least=True).unless(doubt))
    if results := found.get(QUARTER):
        fallen, back = max(result.fallen for result in results), max(result.back for result in results)
        bars.append(Bar(f"concealed, {QUARTER}", fallen, "%", 2.0))
        bars.append(Bar(f"pictures back at {BACK:.0%} after the line is, {QUARTER}", back, "s", 10.0))
    if crowd:
        worst, behind = min(each.dominant for each in crowd), max(each.behind for each in crowd)
        bars.append(Bar(f"PESQ-WB of the dominant voice, {CROWD}", worst, "MOS", 3.0, least=True).unless(doubt))
        bars.append(Bar(f"pictures of the highest layer that fits, {CROWD}", behind, "s", 10.0))
    return bars
