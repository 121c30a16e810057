"""A stall and a line that carries less: both make datagrams late, and pictures are given up for the second alone."""

import random
from collections.abc import Callable, Iterator
from itertools import count, takewhile
from typing import NamedTuple

import pytest

from tcclient.core.downlink.arrivals import IP_UDP
from tcproto.messages import Source
from tcproto.transit import TransitClock
from tests.tcclient.core.downlink.bench import Bench

CAMERA = 600_000
"""Bit/s."""
VOICE, FRAME = 160, 0.02
PICTURE, PACKET = 0.04, 1200
"""Seconds of a picture, and bytes of its packets."""
BEGINS, ENDS = 5.0, 9.0
"""Seconds from the first datagram to the stall, and to the end."""
SEEDS = range(12)
LENGTHS = (0.03, 0.05, 0.08, 0.11, 0.15)
RATES = (900_000, 1_500_000, 3_000_000, 100_000_000)
"""Bit/s of lines that carry a voice and the camera."""
Stall = tuple[float, float]
"""Its begin and its end."""


class Sent(NamedTuple):
    at: float
    size: int
    stream: int


def sent(rng: random.Random) -> list[Sent]:
    """Return the datagrams of a voice and a camera, whose pictures differ in size."""
    voice = (Sent(rng.uniform(0, FRAME) + n * FRAME, VOICE, 20) for n in count())
    return sorted([*takewhile(lambda each: each.at < ENDS, voice), *pictures(rng)])


def pictures(rng: random.Random) -> Iterator[Sent]:
    at = rng.uniform(0, PICTURE)
    while at < ENDS:
        size = round(CAMERA * PICTURE / 8 * rng.uniform(0.7, 1.3))
        parts = -(-size // PACKET)
        for part in range(parts):
            yield Sent(at + part * 1e-4, size // parts, 21)
        at += PICTURE


def gives_up(seed: int, rate: Callable[[float], float], stalls: list[Stall]) -> float | None:
    """Return when pictures are given up, on a line that carries ``rate`` bit/s and nothing in stalls; None: never."""
    bench, clock = Bench(), TransitClock()
    bench.publish(2, 20, Source.MICROPHONE)
    bench.publish(2, 21, Source.CAMERA)
    bench.dominant = 2
    subscription, start, now, free = bench.subscription, bench.now, bench.now, 0.0
    for at, size, stream in sent(random.Random(seed)):
        begins = max(free, next((end for begin, end in stalls if begin <= at < end), at))
        free = begins + (size + IP_UDP) * 8 / rate(begins)
        while (due := subscription.next_deadline) <= start + free:
            now = max(now, due)
            subscription.handle_timeout(now)
            if subscription.ladder.given_up:
                return now - start
        now = start + free
        subscription.arrivals.datagram(size, clock.transit(round(at * 1e6), free)[1], now)
        subscription.arrivals.packet((stream, 0), size)
    return None


def begin(seed: int) -> float:
    """Return when something happens: at any place of a picture and of a look at the line."""
    return BEGINS + random.Random(seed).random() * 0.2


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("rate", RATES)
def test_a_stall_costs_no_picture(rate: float, length: float) -> None:
    for seed in SEEDS:
        at = begin(seed)
        assert gives_up(seed, lambda _: rate, [(at, at + length)]) is None, seed


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("rate", RATES[1:])
def test_stalls_again_and_again_cost_no_picture(rate: float, length: float) -> None:
    for seed in SEEDS:
        stalls = [(at, at + length) for at in takewhile(ENDS.__gt__, count(begin(seed), 4 * length))]
        assert gives_up(seed, lambda _: rate, stalls) is None, seed


@pytest.mark.parametrize(("before", "after"), [(1e6, 250e3), (3e6, 300e3), (100e6, 250e3)])
def test_a_line_that_carries_a_quarter_is_found_at_once(before: float, after: float) -> None:
    took = []
    for seed in SEEDS:
        at = begin(seed)
        found = gives_up(seed, lambda now, at=at: before if now < at else after, [])
        assert found is not None
        took.append(found - at)
    assert max(took) < 0.2
    assert sum(took) / len(took) < 0.16
