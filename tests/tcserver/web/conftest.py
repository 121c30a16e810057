"""Event loops for tests on sockets."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvloop

Run = Callable[[Callable[[], Awaitable[None]]], None]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a test on an event loop; nothing may fail unseen."""

    def runner(main: Callable[[], Awaitable[None]]) -> None:
        unseen = []

        async def guarded() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
            await main()

        with asyncio.Runner(loop_factory=request.param) as loop:
            loop.run(guarded())
        assert not unseen

    return runner
