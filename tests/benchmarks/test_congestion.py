"""What ``benchmarks congestion`` says, and the link on which it measures."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from benchmarks.commands.congestion import CONTROLLERS, Make, Shared, shared
from benchmarks.harness.bottleneck import QUEUE, Flow, Link, Packet, run_link


class Constant:
    """A sender that does not listen."""

    def __init__(self, bitrate: float, window: float = float("inf")) -> None:
        self.bitrate, self.window = bitrate, window
        self.reports: list[Sequence[Packet]] = []

    def report(self, now: float, packets: Sequence[Packet]) -> None:
        self.reports.append(packets)


def test_a_link_lets_through_what_it_carries_and_holds_what_its_queue_holds() -> None:
    flow = Flow(Constant(400e3))
    run_link(Link([(0, 1e6), (5, 200e3)]), [flow], 10)
    assert flow.rate(1, 5) == pytest.approx(400e3, rel=0.01)
    assert flow.rate(7, 10) == pytest.approx(200e3, rel=0.03)
    assert max(wait for at, wait, _ in flow.waits if at < 5) == 0
    assert max(wait for _, wait, passes in flow.waits if passes) <= QUEUE


def test_loss_jitter_and_stalls_are_as_told() -> None:
    flow = Flow(Constant(400e3))
    run_link(Link([(0, 1e6)], loss=0.1, jitter=0.015), [flow], 60)
    lost = sum(not passes for *_, passes in flow.waits) / len(flow.waits)
    assert lost == pytest.approx(0.1, abs=0.02)
    control = Constant(400e3)
    run_link(Link([(0, 1e6)], stall=0.2), [Flow(control)], 20)
    delays = [packet.arrived - packet.sent for report in control.reports for packet in report if packet.arrived]
    assert min(delays) < 0.06
    assert 0.24 < max(delays) < 0.27


def test_a_policer_drops_and_delays_nothing() -> None:
    flow = Flow(Constant(800e3))
    run_link(Link([(0, 400e3)], burst=10e3), [flow], 20)
    assert flow.rate(5, 20) == pytest.approx(400e3, rel=0.02)
    assert max(wait for _, wait, _ in flow.waits) == 0


def test_a_tcp_flow_alone_fills_the_link() -> None:
    flow = Flow(None)
    run_link(Link([(0, 1e6)]), [flow], 30)
    assert flow.rate(5, 30) > 0.95e6
    assert max(wait for _, wait, _ in flow.waits) > 0.25


@pytest.mark.parametrize("make", CONTROLLERS.values(), ids=CONTROLLERS)
def test_each_control_takes_a_good_part_of_a_plain_link_and_gives_way(make: Make) -> None:
    control = make(300e3, 1e6)
    flow = Flow(control)
    run_link(Link([(0, 500e3), (20, 150e3)]), [flow], 40)
    assert flow.rate(10, 20) > 300e3
    assert control.bitrate < 200e3


def test_the_window_of_a_control_holds_back_what_it_sends() -> None:
    flow = Flow(Constant(400e3, window=2000))
    run_link(Link([(0, 1e6)]), [flow], 10)
    assert flow.rate(1, 10) < 200e3


def test_fairness_and_shares() -> None:
    assert Shared((1.0, 1.0, 1.0), 100, 0).fairness == pytest.approx(1)
    assert Shared((1.0, 0.0), 100, 0).fairness == pytest.approx(0.5)
    both = shared(lambda start, most: Constant(start), Link([(0, 1e6)]), 10, 5, 1, starts=(0, 1), delays=(0.01, 0.1))
    assert both.rates == pytest.approx((150e3, 150e3), rel=0.05)
    assert both.used == pytest.approx(30, rel=0.05)
    assert both.lost == 0
