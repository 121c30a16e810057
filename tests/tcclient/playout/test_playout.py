"""What is heard when the path of the packets becomes longer or shorter for good, through the whole play-out."""

from functools import cache

import numpy as np
import pytest

from tcclient.audio.opus import OpusEncoder
from tcclient.audio.tone import sine
from tcclient.playout.playout import Playout
from tests.support.packets import sound_packet

TICK = 0.02
START = 3.0
"""Seconds before the first step: more than the play-out needs to settle."""
TAIL = 13.0
"""Seconds after the last step: more than the time for which the play-out remembers the old path."""
QUIET = 300
"""Amplitude below which a block of a tone of 3,277 counts as silence."""
GRACE = 0.3
"""Seconds of silence beyond the time in which no packet came."""


@cache
def tone(frame_ms):
    """Frames of a tone that never pauses, for 60 s."""
    encoder = OpusEncoder(frame_ms=frame_ms)
    size = encoder.frame_samples
    pcm = sine(300, 48_000)
    frames = [encoder.encode(pcm[start : start + size]) for start in range(0, len(pcm) - size + 1, size)]
    return frames * 60


def silences(arrivals, *, frame_ms=20, sequence=0, timestamp=0, flags=None):
    """Play frames that arrive at these seconds (nan: never); return (beginning, seconds) of each silence.

    ``flags`` are further fields of the arrival by frame. Frames that are not in order come in the order of arrival.
    """
    playout, frames, quiet = Playout(), tone(frame_ms), []
    order = [int(index) for index in np.argsort(arrivals, kind="stable") if not np.isnan(arrivals[index])]
    began = False
    for tick in range(int(np.nanmin(arrivals) / TICK), int(np.nanmax(arrivals) / TICK)):
        now, came = tick * TICK, []
        while order and arrivals[order[0]] <= now:
            index = order.pop(0)
            came.append(
                (
                    "ada",
                    sound_packet(
                        (sequence + index) % 2**32,
                        (timestamp + index * frame_ms * 48) % 2**32,
                        frames[index],
                        float(arrivals[index]),
                        **(flags or {}).get(index, {}),
                    ),
                )
            )
        loud = np.abs(playout.tick(now, came).pcm).max() > QUIET
        began = began or loud
        if began and not loud:
            if quiet and quiet[-1][0] + quiet[-1][1] > now - TICK / 2:
                quiet[-1] = (quiet[-1][0], quiet[-1][1] + TICK)
            else:
                quiet.append((now, TICK))
    return quiet


def way(steps, *, frame_ms=20, jitter=0.004, seed=1):
    """Return arrivals of frames whose path changes by ``steps``: (seconds of the send time, seconds longer)."""
    end = (steps[-1][0] if steps else START) + TAIL
    sent = np.arange(int(end * 1000 / frame_ms)) * frame_ms / 1000
    transit = np.full(len(sent), 2.1)  # so long that it can become shorter
    for at, by in steps:
        transit[sent >= at] += by
    return sent + transit + np.random.default_rng(seed).uniform(0, jitter, len(sent))


def longest(quiet):
    return max((seconds for _, seconds in quiet), default=0.0)


@pytest.mark.no_cover  # it is long
@pytest.mark.parametrize("frame_ms", [20, 40, 60])
@pytest.mark.parametrize("step", [0.2, 0.35, 0.45, 0.65, 0.8, 0.95, 1.0, 1.05, 1.5, 2.0])
def test_a_longer_way_is_silent_for_the_step_and_little_more(step, frame_ms):
    quiet = silences(way([(START, step)], frame_ms=frame_ms), frame_ms=frame_ms)
    assert longest(quiet) <= step + GRACE
    assert sum(seconds for _, seconds in quiet) <= step + GRACE, "and never again"


@pytest.mark.parametrize("step", [0.2, 0.65, 0.95, 1.5])
@pytest.mark.parametrize("frame_ms", [20, 60])
def test_so_it_is_with_loss(step, frame_ms):
    arrivals = way([(START, step)], frame_ms=frame_ms)
    arrivals[np.random.default_rng(5).random(len(arrivals)) < 0.1] = np.nan
    assert longest(silences(arrivals, frame_ms=frame_ms)) <= step + GRACE


@pytest.mark.parametrize("step", [0.2, 0.65, 0.95, 1.5])
def test_so_it_is_with_jitter(step):
    arrivals = np.maximum.accumulate(way([(START, step)], jitter=0.08))
    assert longest(silences(arrivals)) <= step + GRACE


@pytest.mark.parametrize(
    ("sequence", "timestamp"), [(2**32 - 150, 7), (7, 2**32 - 48_000 * 3), (2**32 - 155, 2**32 - 9)]
)
@pytest.mark.parametrize("step", [0.65, 0.95, 1.5])
def test_so_it_is_where_numbers_wrap(step, sequence, timestamp):
    assert longest(silences(way([(START, step)]), sequence=sequence, timestamp=timestamp)) <= step + GRACE


@pytest.mark.no_cover  # it is long
@pytest.mark.parametrize("each", [0.2, 0.45, 0.65, 0.95, 1.5])
@pytest.mark.parametrize("apart", [0.3, 1.0, 4.0])
def test_steps_that_follow_each_other(each, apart):
    """Also before the path of the step before is forgotten."""
    steps = [(START + number * (each + apart), each) for number in range(4)]
    assert longest(silences(way(steps))) <= each + GRACE


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("step", [0.2, 0.65, 0.95, 1.5, 2.0])
def test_a_shorter_way_is_heard_without_a_pause(step, in_order):
    """Packets sent after the step come together with earlier ones (a queue that emptied), or overtake them."""
    arrivals = way([(START, -step)])
    if in_order:
        arrivals = np.maximum.accumulate(arrivals)
    assert longest(silences(arrivals)) <= GRACE


@pytest.mark.parametrize("seed", range(6))
def test_any_steps_up_and_down(seed):
    """Return the silence after each step."""
    random = np.random.default_rng(seed)
    level, at, steps = 0.0, START, []
    for _ in range(8):
        target = float(random.choice([0.0, 0.2, 0.5, 0.8, 1.1, 1.6, 2.0]))
        steps.append((at, target - level))
        level, at = target, at + float(random.uniform(2.5, 6))
    # The last frame before a step comes by the old path: there the silence of this step begins.
    begins = [sent + 2.1 + sum(by for earlier, by in steps if earlier < sent) for sent, _ in steps]
    for began, seconds in silences(np.maximum.accumulate(way(steps))):
        nearest = min(range(len(steps)), key=lambda index: abs(begins[index] - began))
        assert seconds <= max(steps[nearest][1], 0.0) + GRACE


@pytest.mark.parametrize("step", [0.2, 0.65, 0.95, 1.5])
def test_a_step_in_a_pause_costs_nothing_of_what_is_said_after_it(step):
    """Three seconds of speech, three of comfort packets while the path becomes longer, and speech again."""
    arrivals = way([(4.5, step)])
    flags = {}
    for index in range(150, 300):
        flags[index] = {"comfort": True}
        if index == 150:
            flags[index] = {"end_of_talk": True, "comfort": True}
        elif (index - 150) % 20:
            arrivals[index] = np.nan
    quiet = silences(arrivals, flags=flags)
    resumed = arrivals[300]
    assert max(began + seconds for began, seconds in quiet if began < resumed) <= resumed + GRACE
    assert longest([entry for entry in quiet if entry[0] > resumed]) == 0
