"""Whether a loss is one by chance."""

from __future__ import annotations

import pytest

from tcclient.core.rate.arrivals import LOSS_SPAN
from tcclient.core.rate.loss_trial import AS_MUCH, LEAST_PACKETS, LESS, MOST_LOST, REFUTED_FOR, LossTrial

BOUND = 30e3
CAME = 200e3
LOST = 0.1
PACKETS = 100


class Trial(LossTrial):
    """A trial that is told every 0.1 s."""

    now = 0.0

    def run(
        self, seconds: float, loss: float = LOST, came: float = CAME, packets: int = PACKETS, waits: bool = False
    ) -> bool:
        """Return whether the link was found to lose by chance."""
        found = False
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            found |= self.watch(self.now, waits, max(0.0, loss - 0.05), loss, packets, came)
        return found


def began(loss: float = LOST) -> Trial:
    trial = Trial(BOUND)
    assert not trial.run(1.0, loss)
    assert trial.least == LESS * CAME
    assert trial.most == float("inf")
    return trial


def test_what_is_lost_of_half_as_well_is_lost_by_chance() -> None:
    trial = began()
    assert not trial.run(LOSS_SPAN, came=LESS * CAME)
    assert trial.run(0.1, came=LESS * CAME)
    assert trial.came == CAME
    assert trial.least == 0


def test_what_is_not_lost_of_half_was_not_lost_by_chance() -> None:
    trial = began()
    assert not trial.run(LOSS_SPAN + 0.1, loss=0.9 * AS_MUCH * LOST, came=LESS * CAME)
    assert trial.least == 0
    trial.run(REFUTED_FOR - 1)
    assert trial.least == 0, "the answer is known"
    trial.run(1.1)
    assert trial.least


def test_where_the_loss_lasts_less_is_sent_in_any_case() -> None:
    trial = began()
    assert not trial.run(60.0)
    assert trial.most == LESS * CAME


def test_a_loss_that_ends_ends_it() -> None:
    trial = began()
    trial.run(LOSS_SPAN + 0.2, loss=0.0)
    assert trial.least == 0
    assert trial.most == float("inf")


@pytest.mark.parametrize("what", ["a queue", "more is lost than half"])
def test_it_ends_where_the_rate_has_to_fall(what: str) -> None:
    trial = began()
    if what == "a queue":
        assert not trial.run(5.0, waits=True)
    else:
        assert not trial.run(5.0, loss=MOST_LOST + 0.01)
    assert trial.least == 0


def test_few_packets_tell_nothing() -> None:
    trial = began()
    assert not trial.run(10.0, came=LESS * CAME, packets=LEAST_PACKETS - 1)
    assert trial.run(0.1, came=LESS * CAME)


def test_without_a_loss_there_is_none() -> None:
    trial = Trial(BOUND)
    assert not trial.run(10.0, loss=0.0)
    assert trial.least == 0


def test_less_than_the_bound_is_never_sent() -> None:
    trial = Trial(BOUND)
    trial.run(1.0, came=1.5 * BOUND)
    assert trial.least == BOUND
