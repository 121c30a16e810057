"""Which connection makes room for a newcomer."""

import pytest

from tcserver.conference.login.half_open import KNOWN_NETWORKS, PATIENCE, RESERVE, HalfOpen, Step, network_of
from tests.support.memory import kept, largest_table


def filled(*steps: Step, network: str = "a", now: float = 0.0) -> HalfOpen:
    """Connections 0, 1, 2… of one network, each at a step, each with an account of its own."""
    half_open = HalfOpen()
    for number, step in enumerate(steps):
        half_open.add(number, network, now)
        half_open.advance(number, step, now, f"account {number}")
    return half_open


def test_there_is_room_until_the_limit() -> None:
    half_open = filled(Step.CONNECTED, Step.NAMED)
    assert half_open.leaver("a", 3, 3, 100.0) is None
    assert half_open.leaver("b", 3, 1, 100.0) is None
    assert half_open.leaver("a", 3, 2, 0.0) == 0
    assert half_open.leaver("b", 2, 5, 0.0) == 0


@pytest.mark.parametrize("step", Step)
def test_who_is_late_goes_first_the_earliest_step_before_all(step: Step) -> None:
    half_open = filled(step, step, Step.NAMED, Step.NAMED)
    late = PATIENCE[step]
    half_open.add(9, "a", late)
    assert half_open.leaver("a", 100, 5, late) == 0
    half_open.remove(0)
    assert half_open.leaver("a", 100, 4, late) == 1


def test_steps_have_their_shares_where_all_are_in_time() -> None:
    # A quarter has just come, and has time. Of the connections that wait for their key, the oldest is closed.
    half_open = filled(*[Step.NAMED] * 6, Step.CONNECTED, Step.CONNECTED)
    assert half_open.leaver("a", 100, 8, 1.0) == 0
    half_open.add(8, "a", 1.0)
    assert half_open.leaver("a", 100, 9, 1.0) == 6, "more than a quarter has only come"
    exact = filled(Step.CONNECTED, Step.GREETED, Step.NAMED, Step.NAMED)
    assert exact.leaver("a", 100, 4, 1.0) == 0


def test_bytes_and_names_again_are_no_progress() -> None:
    half_open = filled(Step.NAMED, Step.NAMED)
    half_open.advance(0, Step.NAMED, 9.0, "other")
    half_open.advance(0, Step.GREETED, 9.0)
    assert half_open.leaver("a", 100, 2, PATIENCE[Step.NAMED]) == 0


def test_an_account_that_many_name_makes_room_first() -> None:
    half_open = filled(Step.NAMED)
    for number in (1, 2):
        half_open.add(number, "a", 0.0)
        half_open.advance(number, Step.NAMED, 0.0, "guessed")
    assert half_open.leaver("a", 100, 3, 1.0) == 1


def test_the_largest_network_makes_room_less_what_an_earlier_login_reserves() -> None:
    half_open = HalfOpen()
    for number in range(RESERVE + 3):
        half_open.add(number, "office", 0.0)
    for number in range(100, 104):
        half_open.add(number, "elsewhere", 0.0)
    assert half_open.leaver("new", len(half_open), 1000, 1.0) == 0
    half_open.know("office")
    assert half_open.leaver("new", len(half_open), 1000, 1.0) == 100


def test_the_networks_that_are_remembered_are_bounded() -> None:
    half_open = HalfOpen()
    for number in range(KNOWN_NETWORKS + 5):
        half_open.know(str(number))
        half_open.know("0")
    assert largest_table(half_open) == KNOWN_NETWORKS
    assert "0" in kept(half_open, str)


def test_nothing_is_left_of_those_who_go() -> None:
    half_open = filled(*Step)
    for number in range(len(Step)):
        half_open.remove(number)
    assert len(half_open) == half_open.of("a") == 0
    assert not {"a", "b"} & set(kept(half_open, str))
    half_open.advance(0, Step.NAMED, 1.0)  # gone already


def test_a_place_is_scarce_from_one_half_on() -> None:
    half_open = filled(Step.GREETED, Step.NAMED)
    assert half_open.is_crowded("a", 100, 4)
    assert half_open.is_crowded("b", 4, 100)
    assert not half_open.is_crowded("b", 5, 4)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_addresses_are_counted_by_their_network(address: str, network: str) -> None:
    assert network_of(address) == network
