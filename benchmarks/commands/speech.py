"""How speech sounds after a bad line: lost datagrams, outages, both ends bad, and what repair costs in bytes.

One talks and one listens, on lines with a round trip of 80 ms, in virtual time: the real cores of server and clients,
the real encoder, jitter buffer, decoder and recording, and a simulated line. What the listener heard and recorded is
compared with what was said.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import numpy as np

from benchmarks.harness.conversation import RECORDINGS
from benchmarks.harness.options import positive, positive_whole
from benchmarks.harness.report import Bar, BenchmarkError, Cell, Report, Table
from benchmarks.harness.signal_comparison import Sound
from benchmarks.harness.virtual_call import Call, Line, call, speech
from benchmarks.parts import bystander
from benchmarks.quality.speech import Pesq, direct_sound, required_pesq, score
from tcclient.capture import SPEECH
from tcclient.errors import MediaError
from tests.support.simulation.network import LAN, Conditions

WAN = Conditions(delay=0.04)
"""80 ms of round trip."""
SECONDS, QUICK_SECONDS = 30.0, 5.0
NOTHING = 1.0
"""MOS of a sound in which PESQ finds no speech: the least of its scale."""
PLAIN, REPAIRED = "loss 0", "loss 20"
MAX_COST = 1.6
"""Bytes on the listener's line at 20 % loss, of those without loss."""
MAX_UPLINK = 96.0
"""kbit/s of a voice on the wire where both ends lose a fifth."""
MIN_RECORDING = 4.1
"""MOS of the recording at 20 % loss: a recorder can wait for what is sent again."""


class Row(NamedTuple):
    """A kind of line, and the MOS that speech has to reach on it."""

    least: float
    talker: Line
    listener: Line
    frame_ms: int = 20
    bitrate: int = 25_200


def _down(down: Conditions) -> tuple[Line, Line]:
    """Return the lines of talker and listener where only the listener's line down has faults."""
    return Line(LAN, LAN), Line(WAN, down)


def _both(each: Conditions) -> tuple[Line, Line]:
    return Line(each, each), Line(each, each)


ROWS = {
    PLAIN: Row(4.2, *_down(WAN)),
    "loss 10": Row(4.1, *_down(replace(WAN, loss=0.1))),
    REPAIRED: Row(3.8, *_down(replace(WAN, loss=0.2))),
    "loss 30": Row(3.0, *_down(replace(WAN, loss=0.3))),
    "40 ms, loss 0": Row(4.1, *_down(WAN), 40, 24_000),
    "40 ms, loss 10": Row(3.9, *_down(replace(WAN, loss=0.1)), 40, 24_000),
    "40 ms, loss 20": Row(3.6, *_down(replace(WAN, loss=0.2)), 40, 24_000),
    "40 ms, loss 30": Row(3.0, *_down(replace(WAN, loss=0.3)), 40, 24_000),
    "outages of 60 ms, 10": Row(4.0, *_down(replace(WAN, loss=0.1, outage=0.06))),
    "bursts of 60 ms, 10": Row(3.2, *_down(replace(WAN, loss=0.1, burst=3))),
    "both ends 20": Row(3.5, *_both(replace(WAN, loss=0.2))),
}
"""By name: loss in %, of the listener's line down unless it says otherwise."""
BOTH_ENDS = "both ends 20"
BYSTANDER = "bystander 20"
"""What the line costs another receiver, whose own line is good."""


class Result(NamedTuple):
    """One call, rated."""

    call: Call
    mix: float
    """MOS."""
    recording: float


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_sound_options(parser)
    parser.add_argument(
        "--rows", metavar="ROW", nargs="+", choices=(*ROWS, BYSTANDER), default=[*ROWS, BYSTANDER],
        help=f"lines to measure (default: all): {', '.join((*ROWS, BYSTANDER))}",
    )  # fmt: skip


def add_sound_options(parser: argparse.ArgumentParser, seconds: float = SECONDS) -> None:
    """Add the options that say what is said, and how often."""
    parser.add_argument(
        "--audio", metavar="FILE", type=Path, nargs="+",
        help="speech (default: recordings beside the checkout or, where there are none, the shipped synthetic voice)",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", metavar="S", type=positive, default=seconds, help="at most of each file (default: %(default)s)"
    )
    parser.add_argument(
        "--seeds", metavar="N", type=positive_whole, default=1, help="calls for each line (default: %(default)s)"
    )


def run(options: argparse.Namespace) -> Report:
    """Hold the calls; raises ``BenchmarkError``."""
    pesq = required_pesq("speech")
    seeds, seconds = (1, QUICK_SECONDS) if options.quick else (options.seeds, options.seconds)
    said = sounds(options.audio, seconds)[: 1 if options.quick else None]
    results = {
        name: [rated(pesq, ROWS[name], sound, seed) for sound in said for seed in range(1, seeds + 1)]
        for name in options.rows
        if name in ROWS
    }
    columns = (
        *("line", "PESQ-WB of the mix", "of the recording", "mouth to ear ms, mean", "p95", "concealed or missing %"),
        *("kbit/s up", "kbit/s down", "frames not sent"),
    )
    rows = [_row(name, found) for name, found in results.items()]
    title = f"Speech over a line with a round trip of 80 ms, {len(said) * seeds} calls each"
    tables, bars = [Table(title, columns, rows)], _bars(results, doubt(pesq, said))
    if BYSTANDER in options.rows:
        table, costs = bystander.compare(replace(WAN, loss=0.2), seconds, seed=1)
        tables.append(table)
        bars += costs
    return Report(
        tables,
        bars,
        figures={"rows": [dict(zip(columns, row, strict=True)) for row in rows]},
    )


def sounds(paths: Sequence[Path] | None, seconds: float) -> list[Sound]:
    """Return what is said: so many seconds of each file, at most; raises ``BenchmarkError``."""
    try:
        return [speech(path, seconds) for path in paths or sorted(RECORDINGS.glob("speech*.wav")) or [SPEECH]]
    except MediaError as error:
        raise BenchmarkError(f"--audio {error}") from None


def doubt(pesq: Pesq, said: Sequence[Sound], least: float = ROWS[PLAIN].least) -> str:
    """Return why the bars say nothing here: a voice that no codec at the rate leaves as good as ``least``."""
    alone = mean(score(pesq, sound, direct_sound(sound, ROWS[PLAIN].bitrate)).mean for sound in said)
    return f"libopus alone has {alone:.2f} with this voice" if alone < least else ""


def rated(pesq: Pesq, row: Row, source: Sound, seed: int) -> Result:
    """Let somebody say this over a line, and rate what is heard."""
    held = call(source, row.frame_ms, row.bitrate, row.talker, row.listener, seed)
    mix = score(pesq, source, held.mix).mean if held.mix.any() else NOTHING
    recording = NOTHING if held.recording is None else score(pesq, source, held.recording).mean
    return Result(held, mix, recording)


def _row(name: str, results: Sequence[Result]) -> tuple[Cell, ...]:
    calls = [result.call for result in results]
    delays = 1e3 * np.concatenate([each.mouth_to_ear for each in calls])
    return (
        name,
        mean(result.mix for result in results),
        mean(result.recording for result in results),
        float(np.mean(delays)),
        float(np.percentile(delays, 95)),
        100 * mean(each.invented for each in calls),
        mean(each.up_kbit for each in calls),
        mean(each.down_kbit for each in calls),
        sum(each.unsent for each in calls),
    )


def _bars(results: dict[str, list[Result]], doubt: str) -> list[Bar]:
    """Return the bars. With a doubt about the voice, those of sound are not measured."""
    bars = [
        Bar(f"PESQ-WB of the mix, {name}", mean(result.mix for result in found), "MOS", ROWS[name].least, least=True)
        for name, found in results.items()
    ]
    bars = [bar.unless(doubt) for bar in bars]
    if repaired := results.get(REPAIRED):
        recording = mean(result.recording for result in repaired)
        bar = Bar(f"PESQ-WB of the recording, {REPAIRED}", recording, "MOS", MIN_RECORDING, least=True)
        bars.append(bar.unless(doubt))
        if plain := results.get(PLAIN):
            cost = mean(r.call.down_kbit for r in repaired) / mean(r.call.down_kbit for r in plain)
            bars.append(Bar(f"bytes down, {REPAIRED}, of those without loss", cost, "times", MAX_COST))
    if both := results.get(BOTH_ENDS):
        uplink = mean(result.call.up_kbit for result in both)
        bars.append(Bar(f"rate on the talker's line up, {BOTH_ENDS}", uplink, "kbit/s", MAX_UPLINK))
        bars.append(Bar(f"frames not sent, {BOTH_ENDS}", sum(result.call.unsent for result in both), "", 0))
    return bars
