"""The network does what its conditions say, and the same again from the same seed."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from tests.support.simulation.clock import Clock
from tests.support.simulation.network import LONGEST_JITTER, PARETO_SHAPE, Conditions, Pipe, Shape, Stream


def run(conditions: Conditions, count: int = 20_000, seed: int = 1, size: int = 100) -> list[tuple[int, float]]:
    clock = Clock(0.0)
    arrived: list[tuple[int, float]] = []
    pipe = Pipe(
        clock, random.Random(seed), lambda d: arrived.append((int.from_bytes(d[:4], "big"), clock.now)), conditions
    )
    for i in range(count):
        clock.at(i * 0.02, lambda i=i: pipe.send(i.to_bytes(4, "big").ljust(size, b"x")))  # type: ignore[misc]
    clock.run(count * 0.02 + 60)
    return arrived


def runs_of_loss(arrived: list[tuple[int, float]], count: int) -> list[int]:
    got = {i for i, _ in arrived}
    runs, run_length = [], 0
    for i in range(count):
        if i not in got:
            run_length += 1
        elif run_length:
            runs.append(run_length)
            run_length = 0
    return runs


def test_clean_path_delivers_all_in_order_at_once() -> None:
    assert run(Conditions(delay=0.05), 100) == [(i, pytest.approx(i * 0.02 + 0.05)) for i in range(100)]


@pytest.mark.parametrize(("loss", "burst"), [(0.1, 1), (0.1, 4), (0.3, 2)])
def test_loss_has_the_share_and_the_mean_run_that_were_asked(loss: float, burst: float) -> None:
    arrived = run(Conditions(loss=loss, burst=burst))
    assert len(arrived) == pytest.approx(20_000 * (1 - loss), rel=0.05)
    runs = runs_of_loss(arrived, 20_000)
    assert sum(runs) / len(runs) == pytest.approx(max(burst, 1 / (1 - loss)), rel=0.15)


def test_jitter_delays_but_keeps_the_order() -> None:
    arrived = run(Conditions(jitter=0.03), 2000)
    assert [i for i, _ in arrived] == list(range(2000))
    extra = [t - i * 0.02 for i, t in arrived]
    assert 0 <= min(extra) < 0.005
    assert 0.05 < max(extra) <= 0.0801


def extras(conditions: Conditions, count: int = 20_000) -> list[float]:
    """Return how much later than without jitter each datagram arrives, in the order in which they were sent."""
    return [at - i * 0.02 for i, at in sorted(run(conditions, count))]


def test_exponential_jitter_has_its_mean_and_lets_datagrams_overtake() -> None:
    arrived = run(Conditions(jitter=0.02, shape=Shape.EXPONENTIAL, ordered=False))
    assert [i for i, _ in arrived] != list(range(20_000))
    extra = [at - i * 0.02 for i, at in arrived]
    assert sum(extra) / len(extra) == pytest.approx(0.02, rel=0.05)
    assert sum(e > 0.06 for e in extra) / len(extra) == pytest.approx(2.718**-3, rel=0.1)


def test_pareto_jitter_has_a_heavy_tail_with_an_end() -> None:
    extra = extras(Conditions(jitter=0.008, shape=Shape.PARETO, ordered=False))
    share = sum(e > 0.1 for e in extra) / len(extra)
    assert share == pytest.approx((1 + 0.1 / 0.008) ** -PARETO_SHAPE, rel=0.2)
    assert max(extra) <= LONGEST_JITTER + 1e-9


def test_in_a_stall_nothing_passes_and_then_everything_at_once() -> None:
    arrived = run(Conditions(stall=0.2))
    assert [i for i, _ in arrived] == list(range(20_000))
    late = [at - i * 0.02 for i, at in arrived]
    assert 0.15 < max(late) <= 0.25
    stalls = sum(now > 0.0 and before == pytest.approx(0.0, abs=1e-9) for before, now in pairwise(late))
    assert stalls == pytest.approx(400 / 4, rel=0.3)


def test_outages_have_the_length_and_the_share_that_were_asked() -> None:
    runs = runs_of_loss(run(Conditions(loss=0.1, outage=0.06)), 20_000)
    assert sum(runs) / 20_000 == pytest.approx(0.1, rel=0.1)
    assert sum(runs) / len(runs) == pytest.approx(3.3, abs=0.3), "three datagrams, and some right after each other"


def test_bytes_on_the_wire_are_counted_with_headers() -> None:
    clock = Clock()
    pipe = Pipe(clock, random.Random(1), lambda data: None, Conditions(loss=0.5))
    for _ in range(10):
        pipe.send(bytes(100))
    assert pipe.bytes == 10 * 128


def test_reordered_datagrams_are_overtaken() -> None:
    order = [i for i, _ in run(Conditions(reorder=0.05), 2000)]
    assert sorted(order) == list(range(2000))
    assert order != sorted(order)


def test_duplicates_arrive_twice() -> None:
    assert len(run(Conditions(duplicate=0.1), 2000)) == pytest.approx(2200, rel=0.05)


def test_rate_queues_and_then_drops() -> None:
    arrived = run(Conditions(rate=25_600, queue=0.2), 2000)  # half of what is sent
    assert len(arrived) == pytest.approx(1000, rel=0.05)
    assert max(t - i * 0.02 for i, t in arrived) == pytest.approx(0.24, abs=0.02)


def test_blocked_path_delivers_nothing() -> None:
    assert run(Conditions(blocked=True), 10) == []


def test_same_seed_same_fate() -> None:
    conditions = Conditions(jitter=0.02, loss=0.1, burst=2, reorder=0.05, duplicate=0.01)
    assert run(conditions, 500, seed=7) == run(conditions, 500, seed=7)
    assert run(conditions, 500, seed=7) != run(conditions, 500, seed=8)


def test_stream_keeps_bytes_in_order() -> None:
    clock = Clock()
    got: list[bytes] = []
    stream = Stream(clock, got.append, 0.1)
    stream.send(b"a")
    stream.send(b"b")
    clock.run(0.05)
    assert got == []
    clock.run(0.1)
    assert got == [b"a", b"b"]
