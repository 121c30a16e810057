"""Loudest-N with real speech: clipped speech, switches, and the cost of a datagram that is kept back."""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.harness.conversation import (
    FRAME,
    FRAME_SECONDS,
    RECORDINGS,
    Samples,
    Voice,
    Word,
    microphone,
    recording,
    shifted,
    voices,
    words,
)
from benchmarks.harness.open_microphones import OpenMicrophones
from benchmarks.harness.report import Bar, BenchmarkError, Report, Table
from tcclient.capture import SPEECH
from tcclient.errors import MediaError

PARTICIPANTS = 35
LIMIT = 3
NOISE = -60.0
"""dBov of the noise that each open microphone hears."""
PAUSE = 0.1
"""Seconds, at least, between two turns of one participant."""
MAX_TURN = 60
"""Frames of a turn: one phrase of 1.2 s, so that turns change often."""
CLIP_BAR_MS = 20
COST_BAR_US = 12.0
ECHO = 0.5
"""Seconds after a turn in which it may still count as speech: hangover of the detector, expiry of the place."""
MEETINGS = {
    "one after the other": (0.9, PARTICIPANTS),
    "two on average": (1.9, LIMIT),
    "three, never more": (3.0, LIMIT),
    "three on average": (3.0, PARTICIPANTS),
    "a crowd of six": (6.0, PARTICIPANTS),
}
"""How many talk at a time, on average and at most."""
EASY = ("one after the other", "two on average", "three, never more")
"""Meetings in which nobody need be clipped."""


class Turn(NamedTuple):
    """A word or phrase, at its place in somebody's microphone."""

    participant: int
    word: Word


class Outcome(NamedTuple):
    """What became of a meeting."""

    room: OpenMicrophones
    turns: list[Turn]
    seconds: float

    @property
    def clips(self) -> list[int]:
        """Return the ms missing from the beginning of each turn."""
        return [self.room.clipped_ms(participant, word) for participant, word in self.turns]

    @property
    def waits(self) -> list[float]:
        """Return the ms from the first syllable of each turn to its leaving the server, for turns that were heard."""
        heard = self.room.heard
        return [
            heard[participant][word.start][0] * 1000
            for participant, word in self.turns
            if word.start in heard[participant]
        ]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--seed", type=int, default=1, help="who says what when (default: %(default)s)")
    parser.add_argument("--speech", type=Path, help="recording to speak with (default: those that are there)")


def run(options: argparse.Namespace) -> Report:
    """Hold the meetings; raises ``BenchmarkError``."""
    try:
        phrases = _phrases([options.speech] if options.speech else [])
    except MediaError as error:
        raise BenchmarkError(f"--speech {error}") from None
    if not phrases:
        raise BenchmarkError(f"--speech {options.speech}: no speech in it")
    seconds = 12.0 if options.quick else 60.0
    rng = random.Random(options.seed)
    outcomes = {name: hold(phrases, *at_a_time, seconds, rng) for name, at_a_time in MEETINGS.items()}
    rows = [_row(name, outcome) for name, outcome in outcomes.items()]
    columns: tuple[str, ...] = (
        "meeting",
        "turns",
        f"clipped > {CLIP_BAR_MS} ms",
        "worst clip ms",
        "to be heard ms, p50",
        "p95",
    )
    columns += ("switches/min", "of talkers/min", "datagrams out, % of a full mesh")
    frames = 200 if options.quick else 2000
    costs = {
        what: [cost * 1e6 for cost in OpenMicrophones(PARTICIPANTS, LIMIT).costs(frames, voice)]
        for what, voice in (("noise", Voice(60, False)), ("voice", Voice(30, True)))
    }
    cost = Table(
        f"CPU of the plane for a datagram that is not forwarded, {PARTICIPANTS - LIMIT} at a time, without the socket",
        ("all others send", "µs, least", "µs, p50", "µs, p95"),
        [(what, min(all_), median(all_), _quantile(all_, 0.95)) for what, all_ in costs.items()],
    )
    worst = max(clip for name in EASY for clip in outcomes[name].clips)
    bars = (
        Bar("beginning of a turn clipped, never more than three at a time", float(worst), "ms", CLIP_BAR_MS),
        Bar("CPU for a datagram that is not forwarded, p50, noise", median(costs["noise"]), "µs", COST_BAR_US),
        Bar("CPU for a datagram that is not forwarded, p50, voice", median(costs["voice"]), "µs", COST_BAR_US),
    )
    title = f"{PARTICIPANTS} open microphones, the loudest {LIMIT} of them forwarded, {seconds:.0f} s each"
    figures = {
        name: {"clips_ms": o.clips, "waits_ms": o.waits, "switches": o.room.switches} for name, o in outcomes.items()
    }
    return Report([Table(title, columns, rows), cost], bars, figures=figures)


def hold(phrases: list[Samples], at_a_time: float, at_most: int, seconds: float, rng: random.Random) -> Outcome:
    """Hold a meeting in which so many talk at a time, on average and at most.

    The last of ``PARTICIPANTS`` only listens.
    """
    parts: dict[int, list[tuple[float, Samples]]] = defaultdict(list)
    turns: list[Turn] = []
    free_at = [0.5] * (PARTICIPANTS - 1)
    start = 0.5
    while True:
        phrase = rng.choice(phrases)
        frames = len(phrase) // FRAME
        while sum(free + ECHO > start for free in free_at if free > 0.5) >= at_most:
            start += FRAME_SECONDS
        participant = rng.choice([n for n, free in enumerate(free_at) if free <= start])
        begin = round(start / FRAME_SECONDS)
        if begin + frames > seconds / FRAME_SECONDS:
            break
        parts[participant].append((start, phrase))
        turns.append(Turn(participant, shifted(words(phrase), begin)[0]))
        free_at[participant] = start + frames * FRAME_SECONDS + PAUSE
        start += frames * FRAME_SECONDS / at_a_time * rng.uniform(0.8, 1.2)
    quiet = voices(microphone(seconds, [], NOISE, rng))
    microphones: dict[int, list[Voice]] = {}
    for participant in range(PARTICIPANTS - 1):
        gain = rng.uniform(-8.0, 0.0)
        heard = parts.get(participant)
        microphones[participant] = voices(microphone(seconds, heard, NOISE, rng, gain)) if heard else quiet
    room = OpenMicrophones(PARTICIPANTS, LIMIT)
    room.run(microphones)
    return Outcome(room, turns, seconds)


def _phrases(paths: list[Path]) -> list[Samples]:
    """Return phrases of all recordings, of at most ``MAX_TURN`` frames."""
    paths = paths or [SPEECH, *(path for path in sorted(RECORDINGS.glob("speech*.wav")))]
    found = []
    for path in paths:
        speech = recording(path)
        for start, stop in words(speech):
            stop = min(stop, start + MAX_TURN)
            part = speech[start * FRAME : stop * FRAME]
            if words(part):
                found.append(part)
    return found


def _row(name: str, outcome: Outcome) -> tuple[str | int | float | None, ...]:
    room, clips, waits, seconds = outcome.room, outcome.clips, outcome.waits, outcome.seconds
    return (
        name,
        len(clips),
        sum(clip > CLIP_BAR_MS for clip in clips),
        max(clips),
        median(waits),
        _quantile(waits, 0.95),
        len(room.switches) * 60 / seconds,
        len(room.interruptions) * 60 / seconds,
        100 * room.sent / ((PARTICIPANTS - 1) ** 2 * seconds / FRAME_SECONDS),
    )


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]
