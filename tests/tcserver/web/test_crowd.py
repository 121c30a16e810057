"""Who makes room for a new connection."""

from hypothesis import given
from hypothesis import strategies as st

from tcserver.web.crowd import Crowd


def test_a_network_makes_room_from_its_own() -> None:
    crowd: Crowd[str] = Crowd(10, 2)
    assert [crowd.add(name, "a") for name in ("a1", "a2")] == [None, None]
    assert crowd.add("b1", "b") is None
    crowd.touch("a1")
    assert crowd.add("a3", "a") == "a2", "it has been idle for longer than the one that was touched"
    assert crowd.all() == ["a1", "b1", "a3"]


def test_the_largest_network_makes_room_when_there_are_too_many() -> None:
    crowd: Crowd[str] = Crowd(3, 3)
    for name in ("a1", "a2", "b1"):
        crowd.add(name, name[0])
    assert crowd.add("c1", "c") == "a1"
    assert len(crowd) == 3
    assert "a1" not in crowd


def test_who_is_gone_counts_no_more() -> None:
    crowd: Crowd[str] = Crowd(2, 1)
    crowd.add("a1", "a")
    crowd.remove("a1")
    crowd.remove("a1")
    crowd.touch("a1")
    assert crowd.add("a2", "a") is None
    assert len(crowd) == 1


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc"), st.sampled_from(("add", "touch", "remove")))))
def test_the_limits_hold_whatever_happens(steps: list[tuple[int, str, str]]) -> None:
    crowd: Crowd[tuple[int, int]] = Crowd(4, 2)
    network_of: dict[tuple[int, int], str] = {}
    for count, (number, network, what) in enumerate(steps):
        if what == "add":
            leaver = crowd.add((count, number), network)
            network_of[count, number] = network
            if leaver is not None:
                assert leaver not in crowd
                assert network_of[leaver] == network or len(crowd) == 4
        elif crowd.all():
            member = crowd.all()[number % len(crowd)]
            crowd.touch(member) if what == "touch" else crowd.remove(member)
        assert len(crowd) <= 4
        for name in "abc":
            assert sum(network_of[member] == name for member in crowd.all()) <= 2
