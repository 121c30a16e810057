"""Who makes room for a new connection."""

import contextlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tcserver.web.crowd import Crowd
from tests.support.web_world import WebWorld, ended, get, response
from tests.tcserver.web.conftest import Run


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
            connection = crowd.all()[number % len(crowd)]
            crowd.touch(connection) if what == "touch" else crowd.remove(connection)
        assert len(crowd) <= 4
        for name in "abc":
            assert sum(network_of[connection] == name for connection in crowd.all()) <= 2


def test_the_one_that_is_idle_for_the_longest_makes_room(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        world = WebWorld(tmp_path, plain=True, most=3)
        async with world.serving(), contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(world.connected()) for _ in range(3)]
            for number in (1, 0, 2):
                reader, writer = clients[number]
                writer.write(get("/"))
                assert (await response(reader))[0] == 200
            reader, writer = await stack.enter_async_context(world.connected())
            writer.write(get("/"))
            assert (await response(reader))[0] == 200
            assert await ended(clients[1][0])
            assert (world.service.connections, world.service.counters.crowded) == (3, 1)

    run(main)
