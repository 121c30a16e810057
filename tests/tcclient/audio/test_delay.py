import numpy as np
import pytest

from tcclient.audio.delay import MAX_TARGET, MIN_TARGET, START_TARGET, DelayEstimator


def follow(relative_delays, estimator=None, start=0.0, transit=7.0):
    """Feed packets of 20 ms whose transit is this much above the least."""
    estimator = estimator or DelayEstimator()
    for step, relative in enumerate(relative_delays):
        estimator.update(transit + relative, start + 0.02 * step)
    return estimator


def test_nothing_is_known_at_first():
    estimator = DelayEstimator()
    assert (estimator.base, estimator.target) == (None, START_TARGET)


def test_target_falls_to_the_floor_without_jitter_and_within_seconds():
    assert follow([0.0]).target == START_TARGET
    assert follow([0.0] * 150).target == MIN_TARGET


def test_target_has_a_ceiling():
    assert follow(([0.0] + [0.9] * 20) * 20).target == MAX_TARGET


@pytest.mark.parametrize("step", [MAX_TARGET + 0.05, 0.7, 0.99])
def test_a_way_that_is_longer_than_any_delay_is_the_new_way_within_a_second(step):
    jitter = np.random.default_rng(2).exponential(0.02, 1_000)
    before = follow(jitter)
    usual = before.target
    follow(step + jitter[:51], before, start=20.0)
    assert before.base == pytest.approx(7.0 + step, abs=0.005)
    assert before.target == pytest.approx(usual, abs=0.011), "what is known about the jitter stays"


@pytest.mark.parametrize("step", [0.1, 0.2, MAX_TARGET - 0.01])
def test_a_way_that_became_longer_is_no_jitter_once_the_shorter_one_is_forgotten(step):
    estimator = follow([0.0] * 500)
    follow([step] * 100, estimator, start=10.0)
    assert (estimator.base, estimator.target) == (7.0, pytest.approx(step + 0.005, abs=0.006))
    follow([step] * 430, estimator, start=12.0)
    assert (estimator.base, estimator.target) == (7.0 + step, MIN_TARGET)


def test_one_late_interval_among_prompt_ones_is_a_stall_and_no_new_way():
    """A packet that was sent later and is not late shows that the path is as it was."""
    delays = np.zeros(300)
    delays[100:145] = np.linspace(0.9, 0.02, 45)
    assert follow(delays).base == 7.0


def test_target_is_the_cost_minimum_of_exponential_jitter():
    # 1 = 2 / 0.03 * exp(-D / 0.03) at the minimum.
    estimator = follow(np.random.default_rng(1).exponential(0.030, 5_000))
    assert estimator.target == pytest.approx(0.030 * np.log(2 / 0.030), abs=0.035)


def test_rare_lateness_is_not_paid_for():
    delays = np.zeros(3_000)
    delays[::300] = 0.090
    assert follow(delays).target == MIN_TARGET


def test_stall_is_followed_at_once_and_forgotten():
    estimator = follow([0.0] * 1_000)
    estimator.update(7.25, 20.0)
    assert estimator.target == pytest.approx(0.25)
    follow([0.0] * 250, estimator, 20.02)
    assert estimator.target == pytest.approx(0.125, abs=0.01)
    follow([0.0] * 1_000, estimator, 25.02)
    assert estimator.target == MIN_TARGET


def test_base_follows_a_shorter_path_at_once_and_a_longer_one_in_ten_seconds():
    estimator = follow([0.0] * 100)
    follow([-0.05], estimator, 2.0)
    assert estimator.base == pytest.approx(6.95)
    follow([0.05] * 490, estimator, 2.02)
    assert estimator.base == pytest.approx(6.95)
    follow([0.05] * 60, estimator, 11.82)
    assert estimator.base == pytest.approx(7.05)


def test_forgetting_clocks_keeps_the_jitter():
    estimator = follow(np.tile([0.0, 0.060], 300))
    before = estimator.target
    estimator.forget_transit()
    assert estimator.base is None
    follow(np.tile([0.0, 0.060], 3), estimator, 12.0, transit=-500.0)
    assert estimator.target == pytest.approx(before, abs=0.006)
