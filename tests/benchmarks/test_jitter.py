"""What ``benchmarks jitter`` says of the jitter buffer alone."""

import pytest

from benchmarks.commands.jitter import DELAY, KINDS, PUNCTUAL, RFC_8867, play
from tests.support.simulation.network import Conditions


def test_who_comes_punctually_waits_for_a_tick_and_is_never_late():
    played = play(KINDS[PUNCTUAL].conditions, 20)
    assert (played.late, played.invented) == (0, 0)
    assert 5 < played.delay < 30


def test_the_jitter_of_rfc_8867_is_covered_and_no_more():
    played = play(KINDS[RFC_8867].conditions, 40)
    assert played.late < 0.1
    assert 30 < played.delay < 45


def test_more_jitter_costs_more_delay_and_what_is_lost_is_invented():
    little, much = (play(Conditions(delay=DELAY, jitter=jitter), 20) for jitter in (0.01, 0.04))
    assert little.delay < much.delay - 20
    lossy = play(Conditions(delay=DELAY, loss=0.1), 20)
    assert lossy.invented == pytest.approx(10, abs=3)
