"""What a receiver on a bad line costs another: measured in virtual time."""

from dataclasses import replace

import pytest

from benchmarks.parts.bystander import KEYFRAME, PICTURE, compare, hold
from tests.support.simulation.film import FRAME
from tests.support.simulation.network import LAN


def test_what_the_one_on_the_good_line_gets_is_counted():
    cost = hold(LAN, 0.5, 1)
    assert (cost.pictures, cost.keyframes, cost.repeated) == (pytest.approx(0.5 / FRAME, abs=1), 0, 0)
    assert 8 * PICTURE / FRAME / 1000 < cost.kbit < 8 * KEYFRAME / FRAME / 1000


def test_a_bad_line_of_another_is_repaired_and_compared():
    table, bars = compare(replace(LAN, loss=0.2), 0.5, 1)
    assert [row[-1] == 0 for row in table.rows] == [True, False]
    assert [bar.limit for bar in bars] == [1.02, 2.0]
    assert all(bar.passed for bar in bars)
