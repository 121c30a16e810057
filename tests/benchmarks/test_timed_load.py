"""Times of arrival, schedules, and the figures that a server reports of itself."""

import random
import socket
import sys

import pytest

from benchmarks.harness import kernel_timestamps, scrape
from benchmarks.harness.light_clients import Clients
from benchmarks.harness.load import SETTLE, packet
from benchmarks.harness.processes import PROCESSORS
from benchmarks.harness.report import BenchmarkError
from benchmarks.harness.server import Server
from benchmarks.harness.timed_load import Outcome, Part, by_chance, carry_out, evenly, order, quantile, remark
from tcproto.messages import Source
from tcserver.conference.room.sealer import ROTATION_DELAY

TEXT = """\
# HELP lag_seconds How late.
lag_seconds_bucket{le="0.001"} 3.0
lag_seconds_bucket{le="+Inf"} 4.0
lag_seconds_sum 1.5
gc_bucket{generation="0",le="0.1"} 1.0
gc_bucket{generation="0",le="+Inf"} 1.0
gc_bucket{generation="1",le="0.1"} 2.0
gc_bucket{generation="1",le="+Inf"} 5.0
sent_total{worker="0"} 7.0
sent_total{worker="1"} 1e3
"""
INFINITE = float("inf")


@pytest.mark.skipif(sys.platform != "linux", reason="times of arrival need Linux")
def test_the_kernel_tells_when_a_datagram_arrived():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        kernel_timestamps.note_times(sock)
        for data in (b"one", b"two"):
            sock.sendto(data, sock.getsockname())
        first, second = kernel_timestamps.take(7, sock)
        assert (first.socket, first.data, second.data) == (7, b"one", b"two")
        assert 0 < first.at <= second.at
        assert list(kernel_timestamps.take(7, sock)) == []
        assert list(kernel_timestamps.unpack(kernel_timestamps.pack(first) + kernel_timestamps.pack(second))) == [
            first,
            second,
        ]


def test_an_even_schedule_has_its_rate():
    assert evenly(4, 1.0) == [0, 0.25, 0.5, 0.75]
    assert evenly(4, 0.5, 0.5) == [0.125, 0.375]


def test_a_schedule_by_chance_has_its_rate_and_ends():
    times = by_chance(1000, 10.0, random.Random(1))
    assert times == sorted(times)
    assert times[-1] < 10
    assert 9_500 < len(times) < 10_500


@pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks' servers run on Linux")
@pytest.mark.parametrize("learns", [False, True])
def test_latency_is_measured_under_new_keys_of_the_room_by_who_takes_them(all_processors, learns):
    with Server(["hall"], {"rooms.loudest": 0}) as server, Clients(server) as clients:
        talker = clients.arrive("hall", 1, 0.01, [Source.MICROPHONE])[0].seat
        listeners = [entry.seat for entry in clients.arrive("hall", 2, 0.01, learns=learns)]
        clients.rest(SETTLE)  # the server knows what everybody wants
        order(talker, packet("audio", talker, 1), listeners, server.address)
        clients.visit("hall", 1)  # the room has another key soon
        times = evenly(50, ROTATION_DELAY + 1.0)
        part = Part(talker, [packet("audio", talker, 1) for _ in times], 1, times)
        outcome = carry_out(server, [part], [talker, *listeners], listeners, lambda: clients.rest(SETTLE))
    for latencies in outcome.latencies:
        assert (len(latencies) == len(times)) is learns


def test_quantiles_are_values():
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([3.0, 1.0, 2.0], 0.999) == 3.0
    with pytest.raises(BenchmarkError, match="nothing arrived"):
        quantile([], 0.5)


@pytest.mark.parametrize(
    ("waited", "late", "processes", "words"),
    [
        (0, 0, 1, ""),
        (0.2, 0, 1, "the machine was busy otherwise"),
        (0, 0.2, 1, "the load came late"),
        (0.2, 0, PROCESSORS + 1, "the load shares the workers' processors: one waited 20% of the time"),
        (0, 0, PROCESSORS + 1, ""),
    ],
)
def test_a_disturbed_figure_says_so(waited, late, processes, words):
    assert remark(Outcome(1, 1.0, 1.0, 0.5, (0.5,) * processes, waited, late, [])) == words


def test_metrics_are_summed_over_labels():
    assert scrape.total(TEXT, "sent_total") == 1007
    assert scrape.total(TEXT, "lag_seconds_sum") == 1.5
    assert scrape.total(TEXT, "other") == 0
    assert scrape.by_label(TEXT, "gc_bucket", "le") == {"0.1": 3, "+Inf": 6}
    assert scrape.by_label(TEXT, "lag_seconds_sum", "le") == {}
    assert scrape.buckets(TEXT, "gc") == {0.1: 3, INFINITE: 6}


def test_histograms_have_changes_and_bounds():
    lag = scrape.buckets(TEXT, "lag_seconds")
    assert scrape.change({0.001: 1.0, INFINITE: 1.0}, lag) == {0.001: 2, INFINITE: 3}
    assert scrape.at_most(lag, 0.75) == 0.001
    assert scrape.at_most(lag, 0.99) is None
    assert scrape.at_most(scrape.change(lag, lag), 0.5) is None


def test_the_lag_is_that_of_the_workers_where_there_are_any():
    def told(process: str, early: int, late: int) -> str:
        name = f'{scrape.LOOP_LAG}_bucket{{process="{process}",le='
        return f'{name}"0.01"}} {early}.0\n{name}"+Inf"}} {late}.0\n'

    alone = f"# HELP {scrape.LOOP_LAG} Late.\n" + told("main", 1, 5)
    assert scrape.loop_lag(alone) == {0.01: 1, INFINITE: 5}
    assert scrape.loop_lag(alone + told("worker 0", 7, 8) + told("worker 1", 10, 11)) == {0.01: 17, INFINITE: 19}
    assert scrape.loop_lag("") == {}
