"""What can be measured without a server."""

import sys

import pytest

from benchmarks.commands.ablation import ALL_HEARD, MESHES, ON_ASYNCIO, VARIANTS, WHOLE, charts, medians, parts, verdict
from benchmarks.harness.light_clients import Clients
from benchmarks.harness.load import Figure, Measurement
from benchmarks.harness.server import Server
from benchmarks.harness.timed_load import Outcome
from benchmarks.parts import adaptation, workers
from benchmarks.parts.adaptation import AUDIO_RATE, LAYERS, LOSS, PICTURE_PACKETS, PICTURE_RATE, TALKERS, TWICE
from benchmarks.parts.instrumentation import Measuring
from benchmarks.parts.sealing import bindings, sealed, table
from benchmarks.parts.workers import Share


def figure(*costs):
    return Figure([Measurement(cost, 10.0, 1.0, 0.5, 0.2, 0.0) for cost in costs])


def test_a_seal_for_each_receiver_comes_on_top_but_for_the_one_there_is():
    costs = {"audio, flood": (100, 2.0), "video, 30/s": (1, 3.0)}
    audio, video = sealed(costs)
    assert audio.for_each == pytest.approx(2.0 + 0.99 * audio.one)
    assert audio.cost == ("audio, flood, a seal for each receiver", audio.for_each, "us")
    assert video.for_each == pytest.approx(3.0)
    (row, _) = table([audio, video]).rows
    assert row == ("audio, flood", 100, audio.one, 2.0, audio.for_each, audio.for_each / 2.0)
    assert audio.for_each > 2.0


def test_both_ways_to_a_box_are_measured():
    for _, size, binding, public, ratio in bindings().rows:
        assert size > 0
        assert 0 < binding < 1000
        assert ratio == pytest.approx(public / binding)


def test_instruments_are_held_against_forwarding():
    # 3,000 datagrams/s of 0.5 us and 1 ms/s of an idle process, of half a core.
    busy = Measurement(5.0, 3000 * 34, 1.0, 0.5, 0.0, 0.0)
    assert Measuring(0.5, 2.0, 3.0).share(busy, 34) == pytest.approx(0.3 + 0.2)
    assert Measuring(0.5, 3.0, 2.0).share(busy, 34) == pytest.approx(0.3)  # a difference within the noise is none


@pytest.mark.parametrize(
    ("costs", "words"),
    [((2.0, 2.2), "within the spread"), ((2.2, 2.4), "dearer"), ((1.0, 1.8), "cheaper"), ((9.0,), "one run")],
)
def test_only_what_exceeds_the_spread_is_a_difference(costs, words):
    whole = figure(1.9, 2.1)
    assert verdict(figure(*costs), whole) == words
    (_, row) = parts({"busy rooms": {WHOLE: whole, "without GSO": figure(*costs)}}, 100).rows
    assert words in row


def test_the_cost_of_each_variant_under_each_load_is_compared_and_drawn():
    found = {
        load: {WHOLE: figure(2.0, 1.0, 9.0), "without GSO": figure(4.0)} for load in ("audio, flood", "busy rooms")
    }
    assert medians(found) == [
        ("audio, flood, as it comes", 2.0, "us"),
        ("audio, flood, without GSO", 4.0, "us"),
        ("busy rooms, as it comes", 2.0, "us"),
        ("busy rooms, without GSO", 4.0, "us"),
    ]
    assert [(chart.title, chart.runs) for chart in charts(found)] == [
        (load, {WHOLE: [2.0, 1.0, 9.0], "without GSO": [4.0]}) for load in found
    ]


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
    assert workers.costs(found)[1:3] == [
        ("20 busy rooms, 1 worker", 2.0, "us"),
        ("20 busy rooms, 2 workers", 2.4, "us"),
    ]
    assert workers.chart(found).runs["20 busy rooms, no workers"] == [1.9]
    rows = {row[:2]: row[4:6] for row in workers.table(found).rows}
    assert rows[2, 20] == (pytest.approx(1.2), pytest.approx(2.4 / 2.2))
    assert rows[1, 10] == (1, 1)


def test_variants_have_names_of_their_own():
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)
    assert len({variant.name for variant in MESHES}) == len(MESHES)


@pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks' servers run on Linux")
@pytest.mark.parametrize("program", [ON_ASYNCIO, ALL_HEARD])
def test_the_server_runs_without_its_loop_or_receive_coalescing(program):
    with Server(["hall"], program=program) as server, Clients(server) as clients:
        assert len(clients.join("hall", 2)) == 2
        clients.visit("hall", 1)
        clients.prove()


@pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks' servers run on Linux")
def test_receivers_who_adapt_get_one_layer_each_and_what_they_ask_for_again():
    receivers = 18
    plain, chosen, whole = (stage.outcome for stage in adaptation.measure(receivers, 1.0, 1, lambda text: None))
    others, sound = receivers + TALKERS - 1, TALKERS * AUDIO_RATE
    pictures = PICTURE_RATE * PICTURE_PACKETS
    assert plain.sent == sound + pictures
    assert plain.arrived == plain.sent * others
    assert chosen.sent == whole.sent == sound + LAYERS * pictures
    # The two other talkers have chosen nothing, and get the lowest layer.
    assert chosen.arrived == (sound + pictures) * others
    bad = receivers // 3
    asked = bad * (LOSS * pictures + TWICE * sound)
    again = whole.arrived - chosen.arrived - receivers  # and a pong for each
    assert 0.6 * asked < again < 1.4 * asked


def test_the_whole_is_held_against_the_plain():
    outcome = Outcome(100, 1.0, 1.0, 0.1, (0.1,), 0.0, 0.0, [], 1000)
    stages = [adaptation.Stage(name, each, (each,), outcome) for name, each in (("plain", 2.0), ("all", 2.5))]
    assert adaptation.bar(stages).measured == pytest.approx(1.25)
    assert adaptation.bar([*stages, stages[1]._replace(outcome=outcome._replace(late=0.2))]).measured is None
    assert [row[3] for row in adaptation.table(stages, 10).rows] == [1.0, 1.25]
    assert stages[1].cost == ("receivers who adapt, all", 2.5, "us")
