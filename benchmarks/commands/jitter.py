"""How speech sounds where datagrams come unevenly, and how much delay that costs.

One talks and one listens, as in ``speech``; nothing is lost. The line down holds datagrams up in four ways. Then the
jitter buffer alone plays minutes of packets over the same lines.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from random import Random
from statistics import mean
from typing import NamedTuple

import numpy as np

from benchmarks.commands.speech import QUICK_SECONDS, Result, Row, add_sound_options, doubt, rated, sounds
from benchmarks.harness.report import Bar, Cell, Report, Table
from benchmarks.harness.virtual_call import TICK, Line
from benchmarks.quality.speech import Pesq, required_pesq
from tcclient.audio.frame import FrameKind
from tcclient.audio.jitter import JitterBuffer
from tcclient.core.media.packet import AudioPacket, MediaPacket
from tcproto.packet import AUDIO_CLOCK, AudioHeader
from tests.support.simulation.clock import Clock
from tests.support.simulation.network import LAN, Conditions, Pipe, Shape

DELAY = 0.04
"""Seconds of each way of the line, without jitter."""
FRAME = 0.02
PHASES = 4
"""Where the ticks of the play-out fall between the packets is chance: so many cases, evenly apart."""
AFTER_ARRIVALS = 1e-6
"""Seconds: what arrives in the moment of a tick is there."""
QUIET_FROM = 0.8 * AUDIO_CLOCK
"""Samples of each second after which the sound is quiet, as between words: there its length is free."""
SECONDS, QUICK_BUFFER_SECONDS = 300.0, 20.0


class Jitter(NamedTuple):
    """A kind of line; MOS to reach, and the delay in ms that it may cost on average."""

    conditions: Conditions
    least: float | None = None
    most_delay: float | None = None


PUNCTUAL, RFC_8867 = "none", "|N(0, 15 ms)|, at most 30 ms"
KINDS = {
    PUNCTUAL: Jitter(Conditions(delay=DELAY)),
    RFC_8867: Jitter(Conditions(delay=DELAY, jitter=0.015, ordered=False)),
    "exponential, mean 20 ms": Jitter(
        Conditions(delay=DELAY, jitter=0.02, shape=Shape.EXPONENTIAL, ordered=False), 3.8, 110
    ),
    "stalls of 150 to 250 ms": Jitter(
        Conditions(delay=DELAY, jitter=0.003, shape=Shape.EXPONENTIAL, stall=0.2), 3.6, 200
    ),
    "Pareto 1.8, scale 8 ms": Jitter(
        Conditions(delay=DELAY, jitter=0.008, shape=Shape.PARETO, ordered=False), 3.7, 170
    ),
}
"""RFC 8867, section 3.2, has the second."""
MOST_BUFFER_DELAY = 40.0
"""ms, on average, with the jitter of RFC 8867."""
MOST_LATE = 0.1
"""% of packets."""


class Played(NamedTuple):
    """What the jitter buffer alone made of minutes of packets."""

    delay: float
    """ms, mean: from the least possible play-out of a packet to its play-out."""
    p95: float
    late: float
    """% of packets."""
    invented: float
    """% of the time."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_sound_options(parser)


def run(options: argparse.Namespace) -> Report:
    """Measure; raises ``BenchmarkError``."""
    pesq = required_pesq("jitter")
    seeds, seconds = (1, QUICK_SECONDS) if options.quick else (options.seeds, options.seconds)
    said = sounds(options.audio, seconds)[: 1 if options.quick else None]
    speech = {
        name: [rated(pesq, _row(kind), sound, seed) for sound in said for seed in range(1, seeds + 1)]
        for name, kind in KINDS.items()
    }
    alone = {
        name: play(kind.conditions, QUICK_BUFFER_SECONDS if options.quick else SECONDS) for name, kind in KINDS.items()
    }
    return Report(
        [_speech_table(speech), _buffer_table(alone)],
        _bars(pesq, said, speech, alone[RFC_8867]),
        figures={
            "speech": {name: [result.mix for result in found] for name, found in speech.items()},
            "buffer": {name: played._asdict() for name, played in alone.items()},
        },
    )


def play(conditions: Conditions, seconds: float, seed: int = 1) -> Played:
    """Let the jitter buffer play packets of 20 ms that come over a line; the mean over all phases of its ticks."""
    found = [_play(conditions, seconds, seed, phase * TICK / PHASES) for phase in range(PHASES)]
    return Played(*(mean(values) for values in zip(*found, strict=True)))


def _play(conditions: Conditions, seconds: float, seed: int, phase: float) -> Played:
    clock, buffer, count = Clock(), JitterBuffer(), round(seconds / FRAME)
    start = clock.now
    arrived = [0.0] * count

    def arrive(data: bytes) -> None:
        number = int.from_bytes(data, "big")
        arrived[number] = clock.now
        header = AudioHeader(1, 1, 0, number, number * 960)
        packet: AudioPacket = MediaPacket(1, 1, header, data, clock.now, 0, 0)
        buffer.put(packet, 960)

    pipe = Pipe(clock, Random(seed), arrive, conditions)
    delays: list[float] = []
    filled = 0

    def tick() -> None:
        nonlocal filled
        while filled < 960:
            frame = buffer.get(clock.now, filled)
            if frame.kind is FrameKind.PACKET:
                delays.append(frame.delay)
            filled = 960 if frame.kind is FrameKind.SILENCE else filled + frame.duration
            if frame.audible or (frame.timestamp is not None and frame.timestamp % AUDIO_CLOCK >= QUIET_FROM):
                filled += frame.adjust
        filled -= 960

    for number in range(count):
        clock.at(start + number * FRAME, lambda number=number: pipe.send(number.to_bytes(4, "big")))  # type: ignore[misc]
        clock.at(start + DELAY + number * FRAME + phase + AFTER_ARRIVALS, tick)
    clock.run(seconds)
    statistics = buffer.statistics
    milliseconds = 1e3 * np.array(delays)
    invented = 100 * (statistics.concealed_ms + statistics.lost_ms) / (1e3 * seconds)
    late = 100 * statistics.late / statistics.received
    return Played(float(milliseconds.mean()), float(np.percentile(milliseconds, 95)), late, invented)


def _row(kind: Jitter) -> Row:
    return Row(kind.least or 0.0, Line(LAN, LAN), Line(Conditions(delay=DELAY), kind.conditions))


def _added(results: Sequence[Result]) -> float:
    """Return the ms, on average, that samples wait beside their way over the lines and their frame."""
    way = LAN.delay + DELAY + FRAME
    return 1e3 * (float(np.mean(np.concatenate([result.call.mouth_to_ear for result in results]))) - way)


def _speech_table(speech: dict[str, list[Result]]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            mean(result.mix for result in found),
            _added(found),
            1e3 * mean(result.call.invented * result.call.seconds for result in found),
        )
        for name, found in speech.items()
    ]
    columns = ("jitter", "PESQ-WB of the mix", "delay of the play-out ms, mean", "invented ms in a call")
    return Table(f"Speech over lines with jitter, {len(speech[PUNCTUAL])} calls each", columns, rows)


def _buffer_table(alone: dict[str, Played]) -> Table:
    rows = [(name, *played) for name, played in alone.items()]
    return Table("The jitter buffer alone", ("jitter", "delay ms, mean", "p95", "late %", "invented %"), rows)


def _bars(pesq: Pesq, said: Sequence[np.ndarray], speech: dict[str, list[Result]], alone: Played) -> list[Bar]:
    why = doubt(pesq, said)
    bars = []
    for name, kind in KINDS.items():
        if kind.least is not None and kind.most_delay is not None:
            mix = mean(result.mix for result in speech[name])
            bars.append(Bar(f"PESQ-WB, {name}", mix, "MOS", kind.least, least=True).unless(why))
            bars.append(Bar(f"delay, {name}", _added(speech[name]), "ms", kind.most_delay))
    bars.append(Bar(f"delay of the buffer, {RFC_8867}", alone.delay, "ms", MOST_BUFFER_DELAY))
    bars.append(Bar(f"late packets, {RFC_8867}", alone.late, "%", MOST_LATE))
    return bars
