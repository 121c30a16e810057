"""What becomes of voice and camera on a thin way up: how much of it is used, how long its queue is, how it sounds.

One speaks and films, and another listens on a good line, in virtual time: the real cores of server and clients, the
real encoders, which do what the session tells them, and a simulated line.
"""

from __future__ import annotations

import argparse
from statistics import mean
from typing import NamedTuple

import numpy as np

from benchmarks.commands.speech import NOTHING, add_sound_options, doubt, sounds
from benchmarks.harness.report import Bar, BenchmarkError, Cell, Report, Table
from benchmarks.harness.signal_comparison import Sound
from benchmarks.harness.virtual_publisher import Meeting, Phase, hold
from benchmarks.quality.speech import Pesq, required_pesq, score
from tests.support.simulation.network import Conditions

DELAY = 0.04
"""Seconds of each way."""
QUEUE = 0.5
"""Seconds that the queue holds."""
THIN = 256e3
WIDE, NARROW = 2.5e6, 0.6e6
"""Bits per second before and after the fall (RFC 8867, 5.1)."""
CAMERA, WIDE_CAMERA = 600_000, 1_800_000
"""Bits per second of the camera where there is room."""
BEGIN = 5.0
"""Seconds in which the rate is found, which count nowhere."""
FALL_AT, QUICK_FALL_AT = 12.0, 6.0
"""Seconds after which the line becomes narrow, or begins or ends to lose."""
LEARNT = 8.0
"""Seconds in which it is found out that it loses, or loses no more."""
LEAST_OF_PASSED = 85
MOST_QUEUE_P95 = 100
MOST_DOWN = 4.0
LEAST_MOS = 3.5
"""As for a voice alone where both ends lose a fifth."""
FALL = "2.5 to 0.6 Mbit/s"


class Row(NamedTuple):
    """A way up."""

    loss: float
    """Share that is lost."""
    before: float | None = None
    """Share that is lost before ``FALL_AT``; None: the same."""

    @property
    def start(self) -> float:
        """Seconds from which on the call counts."""
        return BEGIN if self.before is None else FALL_AT + LEARNT

    @property
    def phases(self) -> list[Phase]:
        """The way up."""
        if self.before is None:
            return [Phase(0.0, _thin(self.loss))]
        return [Phase(0.0, _thin(self.before)), Phase(FALL_AT, _thin(self.loss))]


def _thin(loss: float) -> Conditions:
    return Conditions(delay=DELAY, rate=THIN, queue=QUEUE, loss=loss)


QUICK_ROWS = {f"256 kbit/s, loss {loss}": Row(loss / 100) for loss in (0, 5, 10, 20)}
ROWS = {
    **QUICK_ROWS,
    **{f"256 kbit/s, loss 0, then {loss}": Row(loss / 100, 0.0) for loss in (5, 10, 20)},
    "256 kbit/s, loss 20, then 0": Row(0.0, 0.2),
}


class Result(NamedTuple):
    """One meeting."""

    mos: float
    meeting: Meeting
    used: float
    """Percent of the line, of what arrived."""
    queue: float
    """ms, median."""
    queue_p95: float
    down: float
    """Seconds from the fall until the queue is short again; 0 where the line does not fall."""
    learning: float
    """MOS of the voice in the ``LEARNT`` seconds after a change of the loss; 0 where there is none."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_sound_options(parser)
    parser.add_argument(
        "--rows", metavar="ROW", nargs="+", choices=(*ROWS, FALL), default=[*ROWS, FALL],
        help=f"lines to measure (default: all): {', '.join((*ROWS, FALL))}",
    )  # fmt: skip


def run(options: argparse.Namespace) -> Report:
    """Hold the meetings; raises ``BenchmarkError``."""
    pesq = required_pesq("uplink")
    seconds, seeds = (2 * QUICK_FALL_AT, 1) if options.quick else (options.seconds, options.seeds)
    said = sounds(options.audio, seconds)[: 1 if options.quick else None]
    fall_at = QUICK_FALL_AT if options.quick else FALL_AT
    names = [name for name in options.rows if name in (*QUICK_ROWS, FALL) or not options.quick]
    for name in names:
        needed = (fall_at if name == FALL else ROWS[name].start) + BEGIN
        if seconds < needed:
            raise BenchmarkError(f"--seconds: {name} needs {needed:g} s at least")
    results: dict[str, list[Result]] = {}
    for name in names:
        results[name] = []
        for sound in said:
            speech = np.resize(sound, round(seconds * 48_000))
            for seed in range(1, seeds + 1):
                if name == FALL:
                    result = rated_fall(pesq, fallen(speech, fall_at, seed), speech, seconds, fall_at)
                else:
                    result = rated(pesq, ROWS[name], thin(speech, ROWS[name], seed), speech, seconds)
                results[name].append(result)
    rows = [_row(name, found) for name, found in results.items()]
    columns = (
        *("line", "PESQ-WB of the mix", "while it changes", "used %", "queue ms, median", "p95", "s until settled"),
        *("mouth to ear ms, mean", "pictures", "left out", "keyframes", "longest packets ms"),
    )
    title = f"Voice and camera on a thin way up with a round trip of {2e3 * DELAY:g} ms"
    bars = _bars(results, doubt(pesq, said))
    figures = {"rows": [dict(zip(columns, row, strict=True)) for row in rows]}
    return Report([Table(title, columns, rows)], bars, figures=figures)


def thin(speech: Sound, row: Row, seed: int) -> Meeting:
    """Hold a meeting on a way up of 256 kbit/s."""
    return hold(speech, CAMERA, row.phases, seed)


def fallen(speech: Sound, fall_at: float, seed: int) -> Meeting:
    """Hold a meeting on a way up that falls from 2.5 to 0.6 Mbit/s."""
    lines = [Conditions(delay=DELAY, rate=rate, queue=QUEUE) for rate in (WIDE, NARROW)]
    return hold(speech, WIDE_CAMERA, [Phase(0.0, lines[0]), Phase(fall_at, lines[1])], seed)


def rated(pesq: Pesq, row: Row, meeting: Meeting, speech: Sound, seconds: float) -> Result:
    """Return what a meeting was like from ``row.start`` on; its voice from the first word on, if nothing changes."""
    changes = row.before is not None
    voice = _mos_between(pesq, meeting, speech, row.start if changes else 0.0, seconds)
    learning = _mos_between(pesq, meeting, speech, FALL_AT, row.start) if changes else 0.0
    return Result(voice, meeting, *_use(meeting, row.start, seconds, THIN), 0.0, learning)


def rated_fall(pesq: Pesq, meeting: Meeting, speech: Sound, seconds: float, fall_at: float) -> Result:
    """Return what a meeting was like on a line that falls: its voice, and all else from a while after the fall on."""
    voice = _mos_between(pesq, meeting, speech, 0.0, seconds)
    use = _use(meeting, fall_at + BEGIN / 2, seconds, NARROW)
    return Result(voice, meeting, *use, _settled(meeting, fall_at, seconds), 0.0)


def _mos_between(pesq: Pesq, meeting: Meeting, speech: Sound, start: float, end: float) -> float:
    cut = slice(round(start * 48_000), round(end * 48_000))
    return score(pesq, speech[cut], meeting.mix[cut]).mean if meeting.mix[cut].any() else NOTHING


def _use(meeting: Meeting, start: float, end: float, rate: float) -> tuple[float, float, float]:
    """Return percent of the line that were used, and the queue: median, 95th percentile, both in ms."""
    queues = 1e3 * np.array(meeting.queues(start, end))
    used = 100 * meeting.rate(start, end) / rate
    return used, float(np.median(queues)), float(np.percentile(queues, 95))


def _settled(meeting: Meeting, fall_at: float, seconds: float) -> float:
    """Return the seconds from the fall until the queue is as short as it may be, and stays so for a second."""
    late = [s.at for s in meeting.samples if fall_at <= s.at < seconds and 1e3 * s.queue > MOST_QUEUE_P95]
    end = fall_at
    for at in late:
        if at - end > 1.0:
            break
        end = at
    return end - fall_at


def _row(name: str, found: list[Result]) -> tuple[Cell, ...]:
    meetings = [result.meeting for result in found]
    return (
        name,
        mean(result.mos for result in found),
        mean(result.learning for result in found),
        mean(result.used for result in found),
        mean(result.queue for result in found),
        mean(result.queue_p95 for result in found),
        max(result.down for result in found),
        1e3 * mean(mean(meeting.mouth_to_ear) for meeting in meetings),
        sum(meeting.pictures for meeting in meetings),
        sum(meeting.held_back for meeting in meetings),
        sum(meeting.keyframes for meeting in meetings),
        max(sample.frame_ms for meeting in meetings for sample in meeting.samples),
    )


def _bars(results: dict[str, list[Result]], doubt: str) -> list[Bar]:
    bars: list[Bar] = []
    for name, found in results.items():
        if name == FALL:
            bars.append(Bar(f"{name}: until settled", max(result.down for result in found), "s", MOST_DOWN))
            queue = mean(result.queue_p95 for result in found)
            bars.append(Bar(f"{name}: queue, 95th percentile", queue, "ms", MOST_QUEUE_P95))
        else:
            least = LEAST_OF_PASSED * (1 - ROWS[name].loss)
            bars.append(Bar(f"{name}: used", mean(result.used for result in found), "%", least, least=True))
            bars.append(_mos(name, found, doubt))
    return bars


def _mos(name: str, found: list[Result], doubt: str) -> Bar:
    return Bar(f"{name}: PESQ-WB of the mix", mean(r.mos for r in found), "MOS", LEAST_MOS, least=True).unless(doubt)
