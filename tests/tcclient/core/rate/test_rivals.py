"""Other flows in the same queue."""

from __future__ import annotations

from tcclient.core.rate.rivals import FREE_FOR, STANDING, Rivals

STEP = 0.1


def watched(rivals: Rivals, waits: list[float], rate: float = 100e3, sent: float | None = None) -> float:
    """Let the waits of some steps be seen; return the rate at the end, of which each step takes a tenth.

    What was sent is the rate, unless told.
    """
    for number, wait in enumerate(waits):
        rate = 0.9 * rivals.watch(STEP * number, wait, rate, rate if sent is None else sent)
    return rate / 0.9


def saw(seconds: float, low: float = 0.1, high: float = 0.3) -> list[float]:
    """Return the waits beside a TCP flow, which lets the queue grow for two seconds and then halves."""
    return [low + (high - low) * (number % 20) / 20 for number in range(round(seconds / STEP))]


def test_a_queue_that_stands_though_we_give_way_is_that_of_another() -> None:
    rivals = Rivals()
    rate = watched(rivals, saw(STANDING + 2 * STEP))
    assert rivals.are_there
    assert rate > 80e3  # what was given up meanwhile is taken back


def test_a_queue_of_ours_is_none_of_another() -> None:
    for waits, sent in (
        ([0.3 - 0.01 * number for number in range(28)] * 2, 90e3),  # drains, and comes back
        (saw(10), 130e3),  # more than was allowed
        ([0.03] * 100, None),
        ([0.06, 0.07, 0.3, 0.28, 0.26] * 20, None),  # the link becomes slower again and again
    ):
        rivals = Rivals()
        watched(rivals, waits, sent=sent)
        assert not rivals.are_there
        assert not rivals.is_longer


def test_where_what_comes_stays_the_same_it_is_all_that_the_link_carries() -> None:
    rivals = Rivals()
    for number, wait in enumerate(saw(10)):
        rivals.watch(STEP * number, wait, 100e3, 95e3)
    assert not rivals.are_there


def test_a_wait_that_never_varies_is_a_longer_way() -> None:
    rivals = Rivals()
    longer = []
    for number in range(round(STANDING / STEP) + 2):
        rivals.watch(STEP * number, 0.08 + 0.001 * (number % 2), 100e3, 90e3)
        longer.append(rivals.is_longer)
    assert longer.count(True) == 1
    assert not rivals.are_there


def test_beside_others_the_rate_grows_until_something_is_lost() -> None:
    rivals = Rivals()
    watched(rivals, saw(4))
    grown = rivals.share(10.0, 0.25, 100e3, STEP, 0.1, lost=False)
    assert 101e3 < grown < 120e3
    assert rivals.share(10.1, 0.25, grown, STEP, 0.1, lost=True) < 0.71 * grown
    assert rivals.share(10.2, 0.25, 70e3, STEP, 0.1, lost=True) > 70e3, "once in a round trip"


def test_a_queue_that_falls_tells_of_a_loss_of_the_other() -> None:
    rivals = Rivals()
    watched(rivals, saw(4))
    rivals.share(10.0, 0.3, 100e3, STEP, 0.1, lost=False)
    assert rivals.share(10.1, 0.15, 100e3, STEP, 0.1, lost=False) < 71e3


def test_the_others_are_gone_when_the_queue_is_empty_for_a_while() -> None:
    rivals = Rivals()
    watched(rivals, saw(4))
    rivals.watch(10.0, 0.01, 100e3, 90e3)
    rivals.watch(12.0, 0.1, 100e3, 90e3)
    rivals.watch(13.0, 0.01, 100e3, 90e3)
    rivals.watch(13.0 + FREE_FOR - STEP, 0.01, 100e3, 90e3)
    assert rivals.are_there
    rivals.watch(13.0 + FREE_FOR, 0.01, 100e3, 90e3)
    assert not rivals.are_there
