import numpy as np
import pytest

from tcclient.audio.delay import (
    FEW_LATE,
    FEW_OVERTAKEN,
    FRAME,
    MAX_TARGET,
    MIN_TARGET,
    NEAR_REPAIRS,
    OFTEN_OVERTAKEN,
    PATIENT_PACKETS,
    REPAIR_PACKETS,
    START_PACKETS,
    START_TARGET,
    UNHURRIED,
    DelayEstimator,
)


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
    assert follow([0.0] * 110).target == MIN_TARGET


def test_it_begins_with_the_delay_of_a_repair_and_keeps_it_while_packets_are_repaired():
    estimator = DelayEstimator(0.14)
    assert estimator.target == 0.14
    follow([0.0] * (START_PACKETS - 1), estimator)
    assert estimator.target == 0.14
    for packet in range(2):
        estimator.update(7.1, 2.0 + 0.02 * packet, in_order=False, repaired=True)
    follow([0.0] * (REPAIR_PACKETS - 1), estimator, start=2.04)
    assert estimator.target == 0.14
    follow([0.0] * PATIENT_PACKETS, estimator, start=12.0)
    assert estimator.target == MIN_TARGET


@pytest.mark.parametrize(("apart", "keeps"), [(NEAR_REPAIRS - 1, True), (NEAR_REPAIRS, False)])
def test_only_repairs_near_each_other_keep_the_delay_of_the_start(apart, keeps):
    estimator = follow([0.0] * 4 * START_PACKETS, DelayEstimator(0.14))
    for repair in range(2):
        estimator.update(7.1, 8.0 + 0.02 * repair * apart, in_order=False, repaired=True)
        if not repair:
            assert estimator.target < 0.14, "one alone may have been overtaken"
            follow([0.0] * (apart - 1), estimator, start=8.02)
    assert (estimator.target == 0.14) is keeps


@pytest.mark.parametrize(("share", "keeps"), [(0.0, True), (OFTEN_OVERTAKEN / 2, True), (2 * OFTEN_OVERTAKEN, False)])
def test_where_much_is_overtaken_a_repair_tells_of_no_loss(share, keeps):
    """Two that are late by a request and its answer, one after the other, before and after the delay of the start."""
    estimator = DelayEstimator(0.14)
    for packet in range(400):
        repaired = packet in (60, 62, 300, 302)
        overtaken = not repaired and packet * share % 1 >= 1 - share
        estimator.update(
            7.1 * repaired or 7.0, 0.02 * packet, in_order=not repaired and not overtaken, repaired=repaired
        )
    assert (estimator.target == 0.14) is keeps


def test_a_long_delay_of_the_start_falls_to_a_bearable_one_in_the_first_pauses():
    estimator = follow([0.0] * (START_PACKETS + 1), DelayEstimator(0.2))
    gains = [estimator.choose(delay, 0.02).gain for delay in (0.19, 0.09)]
    assert gains[0] - gains[1] == pytest.approx(0.1), "all of it counts above"
    assert gains[1] == pytest.approx((UNHURRIED - 0.01) * 0.08 + 0.01, abs=0.005), "and little below"


def test_a_delay_of_the_start_that_is_not_needed_is_left_without_hurry():
    estimator = follow([0.0] * (START_PACKETS + PATIENT_PACKETS // 2), DelayEstimator(0.14))
    assert estimator.target == MIN_TARGET
    steps, gain = estimator.choose(0.14, 0.02)
    assert steps == -6
    assert 0.002 <= gain < 0.1, "in a pause, and by no change that may be heard"
    assert estimator.choose(0.03, 0.02).gain < 0.002, "too little to change anything"
    follow([0.0] * PATIENT_PACKETS, estimator, start=32.0)
    assert estimator.choose(0.03, 0.02).gain > 0.01


@pytest.mark.parametrize("frame", [0.01, 0.02, 0.04, 0.06])
def test_what_is_missed_later_needs_more_delay_at_the_start(frame):
    longer = max(0.0, frame - FRAME)
    estimator = DelayEstimator(0.14, frame)
    assert estimator.target == pytest.approx(0.14 + longer)
    follow([0.0] * START_PACKETS, estimator)
    least = UNHURRIED + longer
    above, at = (estimator.choose(least + delay, 0.02).gain for delay in (0.02, 0.0))
    assert above - at == pytest.approx(0.02, abs=2e-3), "what is above that is cut out in the first pauses"
    assert at < 0.01, "and little below"


def test_where_nothing_is_lost_long_packets_begin_as_others_do():
    assert DelayEstimator(START_TARGET, 0.06).target == START_TARGET


def test_target_has_a_ceiling():
    assert follow([0.0] * 20 + [0.9]).target == MAX_TARGET
    assert follow(([0.0] + [0.39] * 20) * 20).target == pytest.approx(0.39, abs=0.001)


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
    assert (estimator.base, estimator.target) == (7.0, pytest.approx(step, abs=0.001))
    follow([step] * 430, estimator, start=12.0)
    assert (estimator.base, estimator.target) == (7.0 + step, MIN_TARGET)


def test_one_late_interval_among_prompt_ones_is_a_stall_and_no_new_way():
    """A packet that was sent later and is not late shows that the path is as it was."""
    delays = np.zeros(300)
    delays[100:145] = np.linspace(0.9, 0.02, 45)
    assert follow(delays).base == 7.0


def test_few_packets_are_late_of_exponential_jitter():
    estimator = follow(np.random.default_rng(1).exponential(0.020, 5_000))
    assert estimator.target == pytest.approx(0.020 * np.log(1 / FEW_LATE), abs=0.012)


def test_more_packets_may_be_late_where_many_are_overtaken():
    jitter = np.random.default_rng(1).exponential(0.020, 5_000)
    estimator, newest = DelayEstimator(), -1
    for number in np.argsort(0.02 * np.arange(5_000) + jitter):
        estimator.update(7 + jitter[number], 0.02 * number + jitter[number], in_order=bool(number > newest))
        newest = max(newest, number)
    assert estimator.target == pytest.approx(0.020 * np.log(1 / FEW_OVERTAKEN), abs=0.008)
    assert estimator.target < follow(jitter).target - 0.005


def test_rare_lateness_is_not_paid_for():
    delays = np.zeros(3_000)
    delays[::300] = 0.090
    assert follow(delays).target == MIN_TARGET


def test_one_late_packet_at_the_beginning_is_no_large_share():
    assert follow([0.0, 0.0, 0.0, 0.09] + [0.0] * 100).target <= START_TARGET


def test_a_repaired_packet_at_the_beginning_tells_of_more():
    estimator = follow([0.0] * 8)
    estimator.update(7.1, 0.16, in_order=False, repaired=True)
    assert estimator.target == pytest.approx(0.1, abs=0.001)
    follow([0.0] * 100, estimator, 0.16)
    assert estimator.target == pytest.approx(0.1, abs=0.001)
    estimator.update(7.1, 2.2, in_order=False, repaired=True)
    assert estimator.target == pytest.approx(0.1, abs=0.001), "nothing is left to be forgotten"


def test_a_stall_that_is_alone_is_followed_at_once_and_forgotten():
    estimator = follow([0.0] * 1_000)
    follow(np.linspace(0.25, 0.01, 13), estimator, 20.0)
    assert estimator.target == pytest.approx(0.25)
    follow([0.0] * 150, estimator, 20.26)
    assert estimator.target == pytest.approx(0.25)
    follow([0.0] * 250, estimator, 23.26)
    assert estimator.target == pytest.approx(0.125, abs=0.02)
    follow([0.0] * 1_000, estimator, 28.26)
    assert estimator.target == MIN_TARGET


def test_stalls_that_come_again_count_as_jitter():
    estimator = DelayEstimator()
    for stall in range(10):
        follow(np.concatenate((np.zeros(187), np.linspace(0.25, 0.01, 13))), estimator, 4.0 * stall)
    follow([0.0] * 400, estimator, 40.0)
    assert 0.15 < estimator.target < 0.25


def test_lateness_of_packets_that_were_overtaken_is_no_stall():
    estimator = follow([0.0] * 1_000)
    estimator.update(7.25, 20.0, in_order=False)
    assert estimator.target == MIN_TARGET


def test_an_outage_longer_than_any_delay_does_not_count_as_jitter():
    estimator = follow([0.0] * 500)
    for outage in (10.0, 14.0):
        follow(np.linspace(0.9, 0.02, 45), estimator, outage)
        follow([0.0] * 155, estimator, outage + 0.9)
    assert estimator.target == MIN_TARGET, "the second came soon, and still no delay covers it"


def test_a_choice_is_among_whole_steps():
    estimator = follow(np.tile([0.0, 0.030], 500))
    for delay, steps in ((0.035, 0), (0.015, 1), (0.055, -1), (0.029, 1), (0.0301, 0), (0.49, -23)):
        choice = estimator.choose(delay, 0.020)
        assert choice.steps == steps, delay
        assert (choice.gain > 0) is (steps != 0)
    assert estimator.choose(0.49, 0.020).gain > estimator.choose(0.39, 0.020).gain > 0.3


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
