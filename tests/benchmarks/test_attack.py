"""Attacks beside a call: one is carried out, and its report is checked."""

import sys
from argparse import ArgumentParser

import pytest

from benchmarks.commands import attack
from benchmarks.commands.attack import LISTENERS, LOGINS, QUICK, TALKERS, Trial
from benchmarks.harness.attackers import ATTACKS
from benchmarks.harness.report import BenchmarkError
from benchmarks.harness.timed_load import Outcome


def options(*arguments: str) -> object:
    parser = ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    attack.add_options(parser)
    return parser.parse_args(arguments)


def test_a_call_that_loses_or_waits_or_keeps_others_out_fails_its_bars() -> None:
    def bars(delivered: float, latency: float, logins: int, arrived: int = 100) -> list[bool | None]:
        outcome = Outcome(100, delivered, 1.0, 0.1, (0.1,), 0.0, 0.0, [[0.001], [latency] * arrived])
        report = attack.report_on([Trial("pings", outcome, [0.1] * logins)])
        return [bar.passed for bar in report.bars]

    assert bars(1.0, 0.04, LOGINS) == [True, True, True]
    assert bars(0.99, 0.04, LOGINS) == [False, True, True]
    assert bars(0.996, 0.06, LOGINS) == [True, False, True]
    assert bars(1.0, 0.04, LOGINS - 1) == [True, True, False]
    assert bars(0.4, 0.04, LOGINS, arrived=0) == [False, False, True]


def test_a_run_that_the_paths_of_listeners_would_not_outlast_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="at most 10"):
        attack.run(options("--seconds", "10.5"))


def test_the_short_run_is_of_attacks_that_there_are() -> None:
    assert set(QUICK) <= set(ATTACKS)


@pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks' servers run on Linux")
@pytest.mark.parametrize("name", ["empty items", "WebSockets", "WebSockets of other pages", "endless headers"])
def test_an_attack_is_carried_out_beside_a_call(all_processors: None, name: str) -> None:
    found = attack.trial(name, 1.0)
    assert found.outcome.sent == TALKERS * 50
    assert found.lost <= 5
    assert all(len(latencies) >= 90 for latencies in found.outcome.latencies), "a talker does not get its own"
    assert len(found.logins) == LOGINS
    assert TALKERS + LISTENERS == 15
