"""What can be measured without a server."""

import sys

import pytest

from benchmarks import workers
from benchmarks.ablation import ON_ASYNCIO, VARIANTS, WHOLE, parts, sealed_for_each, verdict
from benchmarks.load import Figure, Measurement
from benchmarks.seats import Clients, Server
from benchmarks.workers import Share


def figure(*costs):
    return Figure([Measurement(cost, 10.0, 1.0, 0.5, 0.2, 0.0) for cost in costs])


def test_a_seal_for_each_receiver_comes_on_top_but_for_the_one_there_is():
    costs = {"audio, flood": (100, 2.0), "video, 30/s": (1, 3.0)}
    audio, video = sealed_for_each(costs).rows
    assert audio[4] == pytest.approx(2.0 + 0.99 * audio[2])
    assert video[4] == pytest.approx(3.0)
    assert audio[5] > 1


@pytest.mark.parametrize(
    ("costs", "words"),
    [((2.0, 2.2), "within the spread"), ((2.2, 2.4), "dearer"), ((1.0, 1.8), "cheaper"), ((9.0,), "one run")],
)
def test_only_what_exceeds_the_spread_is_a_difference(costs, words):
    whole = figure(1.9, 2.1)
    assert verdict(figure(*costs), whole) == words
    (_, row) = parts({"busy rooms": {WHOLE: whole, "without GSO": figure(*costs)}}).rows
    assert words in row


def test_two_workers_are_held_against_one_with_half_the_load():
    found = {
        Share(0, 20): figure(1.9),
        Share(1, 20): figure(2.0),
        Share(2, 20): figure(2.4),
        Share(1, 10): figure(2.2),
    }
    bar = workers.bar(found)
    assert bar.measured == pytest.approx(2.4 / 2.2)
    assert bar.passed
    assert "waited 20%" in bar.note
    rows = {row[:2]: row[4:6] for row in workers.table(found).rows}
    assert rows[2, 20] == (pytest.approx(1.2), pytest.approx(2.4 / 2.2))
    assert rows[1, 10] == (1, 1)


def test_variants_have_names_of_their_own():
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)


@pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks' servers run on Linux")
def test_the_server_runs_on_the_loop_of_the_standard_library():
    with Server(["hall"], program=ON_ASYNCIO) as server, Clients(server) as clients:
        assert len(clients.join("hall", 2)) == 2
        clients.visit("hall", 1)
        clients.prove()
