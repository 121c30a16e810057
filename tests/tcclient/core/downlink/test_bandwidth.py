"""What probes show of a line."""

import pytest

from tcclient.core.downlink.arrivals import IP_UDP
from tcclient.core.downlink.bandwidth import AGREEING, DATAGRAMS, INTERVAL, LIFETIME, LOST, SPAN, BandwidthProbes
from tcproto.datagram import MAX_DATAGRAM, ItemType
from tcproto.path import MIN_PROBE_SIZE, ProbeItem, ProbeRequest, parse_probe_request


class Bench:
    """Probes on a line of a rate, beside other datagrams."""

    def __init__(self) -> None:
        self.probes = BandwidthProbes()
        self.now = 100.0
        self.total = 5000

    def ask(self, capacity: float = 250_000) -> ProbeRequest:
        item = self.probes.request(capacity, self.now)
        assert item is not None
        assert item.type == ItemType.BANDWIDTH_PROBE
        return parse_probe_request(item.value)

    def come(self, request: ProbeRequest, bitrate: float, *, lost: int = -1, other: int = 0) -> None:
        for index in range(request.datagrams):
            if index != lost:
                self.total += request.size + IP_UDP
                self.probes.arrived(ProbeItem(request.number, index).pack(), self.total, self.now)
            self.total += other
            self.now += (request.size + IP_UDP + other) * 8 / bitrate

    def probe(self, bitrate: float, **options: int) -> None:
        self.come(self.ask(), bitrate, **options)
        self.now += INTERVAL


def test_a_probe_takes_the_line_for_a_moment():
    bench = Bench()
    number, count, size = bench.ask(250_000)
    assert count * (size + IP_UDP) * 8 / 250_000 == pytest.approx(SPAN, rel=0.1)
    assert count == DATAGRAMS
    bench.now += INTERVAL
    assert bench.ask(1000).size == MIN_PROBE_SIZE
    bench.now += INTERVAL
    assert bench.ask(1e9) == (number + 2, DATAGRAMS, MAX_DATAGRAM)


def test_probes_are_not_asked_for_too_soon():
    bench = Bench()
    bench.ask()
    bench.now += INTERVAL - 0.01
    assert bench.probes.request(250_000, bench.now) is None


@pytest.mark.parametrize("options", [{}, {"lost": DATAGRAMS - 1}, {"other": 100}])
def test_the_rate_of_the_line_is_found(options):
    bench = Bench()
    bench.probe(300_000, **options)
    assert bench.probes.rate(bench.now) is None, "one probe proves little"
    bench.probe(300_000, **options)
    assert bench.probes.rate(bench.now) == pytest.approx(300_000, rel=0.1)


def test_the_lowest_rate_of_the_last_probes_counts():
    bench = Bench()
    for rate in (100_000, *[400_000] * (AGREEING - 1), 1_000_000):
        bench.probe(rate)
    assert bench.probes.rate(bench.now) == pytest.approx(400_000, rel=0.1)


def test_what_came_long_ago_or_too_little_tells_nothing():
    bench = Bench()
    for _ in range(AGREEING):
        bench.probe(300_000)
    bench.now += LIFETIME
    assert bench.probes.rate(bench.now) is None
    for _ in range(AGREEING):
        number, _, size = bench.ask()
        bench.come(ProbeRequest(number, 2, size), 300_000)
        bench.now += INTERVAL
    assert bench.probes.rate(bench.now) is None


def test_datagrams_of_an_earlier_probe_do_not_count():
    bench = Bench()
    late = bench.ask()
    bench.now += INTERVAL
    bench.ask()
    bench.come(late, 300_000)
    bench.now += INTERVAL
    bench.probe(300_000)
    assert bench.probes.rate(bench.now) is None


def test_a_malformed_datagram_is_an_error_of_values():
    with pytest.raises(ValueError, match="length"):
        BandwidthProbes().arrived(b"12", 0, 1.0)


def test_datagrams_that_come_at_once_prove_no_endless_rate():
    bench = Bench()
    for _ in range(AGREEING):
        bench.probe(1e12)
    assert bench.probes.rate(bench.now) < 1e8


def test_the_bound_is_that_of_the_best_probe_without_the_jitter():
    bench = Bench()
    assert not bench.probes.is_answered
    bench.probe(300_000)
    assert bench.probes.is_answered
    assert bench.probes.bound(0.0, bench.now) is None, "one probe proves little"
    bench.probe(200_000)
    assert bench.probes.bound(0.0, bench.now) == pytest.approx(300_000, rel=0.05)
    assert bench.probes.bound(0.02, bench.now + LIFETIME) is None
    jittered = bench.probes.bound(0.02, bench.now)
    assert jittered is not None
    assert jittered > 600_000, "a wide line with jitter is none that is thin"


def test_a_probe_counts_alone_when_the_next_one_is_lost():
    bench = Bench()
    bench.probe(128_000)
    bench.ask()
    assert bench.probes.bound(0.02, bench.now + LOST - 0.01) is None
    assert bench.probes.bound(0.02, bench.now + LOST) == pytest.approx(128_000, rel=0.05)
    assert bench.probes.bound(0.02, bench.now + LIFETIME) is None


def test_where_probes_agree_there_is_no_jitter():
    """What looks like jitter is then a queue, or datagrams of several sizes."""
    bench = Bench()
    bench.probe(256_000)
    bench.probe(230_000)
    assert bench.probes.bound(0.02, bench.now) == pytest.approx(256_000, rel=0.05)
