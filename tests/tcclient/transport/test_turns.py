"""Whether the event loop comes late, as it is seen from its own turns."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from tcclient.transport.turns import AFTER, BEAT, LATE, QUIET, Turns

BUSY = BEAT + LATE + 0.01


@pytest.fixture(params=[asyncio.SelectorEventLoop, uvloop.new_event_loop])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[Turns], Coroutine[Any, Any, None]]], None]:
    def run_main(main: Callable[[Turns], Coroutine[Any, Any, None]]) -> None:
        async def guarded() -> None:
            turns = Turns(asyncio.get_running_loop())
            assert not turns.are_late(time.monotonic()), "nothing was expected before"
            await asyncio.wait_for(main(turns), 20)
            turns.close()
            turns.close()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(guarded())

    return run_main


async def until_in_time(turns: Turns) -> None:
    while turns.are_late(time.monotonic()):  # noqa: ASYNC110 - the whole test has a limit
        await asyncio.sleep(AFTER)


def test_what_comes_in_a_late_turn_is_known_to_be_late(run: Any) -> None:
    async def main(turns: Turns) -> None:
        await until_in_time(turns)
        time.sleep(BUSY)  # noqa: ASYNC251 - the loop is busy
        assert turns.are_late(time.monotonic())
        await until_in_time(turns)

    run(main)


def test_what_comes_right_after_a_late_turn_is_late_too(run: Any) -> None:
    async def main(turns: Turns) -> None:
        await until_in_time(turns)
        time.sleep(BUSY)  # noqa: ASYNC251 - the loop is busy
        turn = time.monotonic()
        await asyncio.sleep(0.001)  # the timer comes before the next datagram
        now = time.monotonic()
        assert turns.are_late(now) or now > turn + AFTER
        await until_in_time(turns)

    run(main)


def test_pauses_of_the_talk_are_no_end_and_after_a_long_one_nothing_is_expected(run: Any) -> None:
    async def main(turns: Turns) -> None:
        await until_in_time(turns)
        await asyncio.sleep(QUIET / 2)
        time.sleep(BUSY)  # noqa: ASYNC251 - the loop is busy
        assert turns.are_late(time.monotonic())
        await asyncio.sleep(QUIET + 5 * BEAT)
        time.sleep(AFTER + BUSY)  # noqa: ASYNC251 - the loop is busy
        assert not turns.are_late(time.monotonic())

    run(main)
