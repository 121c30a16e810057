"""What comes by streams: whether it is taken at once or before the next flush."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tcserver.media.lanes.stream import FLUSH_INTERVAL, LONGEST_FLUSH_INTERVAL
from tcserver.media.streams.streams import Streamed, Streams
from tests.support.media.stream_ends import End


class World:
    """Streams with one end, to which goes at once what comes."""

    def __init__(self, interval: float, *, gathers: bool = True) -> None:
        self.streams = Streams()
        self.streams.lane.interval = interval
        self.end = End()
        self.number = self.streams.open(self.end)
        self.streams.connect(self._carry, gathers=gathers)
        self.carried: list[bytes] = []
        self.calls = 0

    def _carry(self, streamed: Streamed) -> None:
        self.calls += 1
        for number, datagrams in streamed:
            self.carried += datagrams
            for datagram in datagrams:
                self.streams.lane.deliver(datagram, len(datagram), (number,), "source")

    def handler(self, datagram: bytes) -> Callable[[], None]:
        return lambda: self.streams.receive(self.number, [datagram])

    async def written(self) -> list[bytes]:
        async with asyncio.timeout(5):
            while not self.end.writes:  # noqa: ASYNC110 - there is nothing to wait on
                await asyncio.sleep(0.001)
        return self.end.take()


@pytest.mark.parametrize(
    ("interval", "gathers"), [(FLUSH_INTERVAL, True), (LONGEST_FLUSH_INTERVAL, False)], ids=["few streams", "workers"]
)
def test_where_nothing_waits_for_long_what_comes_is_taken_at_once(interval: float, gathers: bool) -> None:
    async def main() -> None:
        world = World(interval, gathers=gathers)
        world.streams.soon(world.handler(b"a"))
        assert world.carried == [b"a"]
        assert await world.written() == [b"a"]

    asyncio.run(main())


def test_where_it_would_wait_what_comes_is_taken_before_the_next_flush() -> None:
    async def main() -> None:
        world = World(LONGEST_FLUSH_INTERVAL)
        first, second = world.handler(b"a"), world.handler(b"b")
        for handler in (first, second, first):
            world.streams.soon(handler)
        assert world.carried == []
        assert await world.written() == [b"a", b"b"], "each once, and in the same flush"
        assert world.calls == 1, "all together"
        assert world.streams.lane.waiting == 0
        world.streams.lane.interval = LONGEST_FLUSH_INTERVAL
        world.streams.soon(second)
        assert await world.written() == [b"b"], "and the next time again"

    asyncio.run(main())


def test_nothing_is_taken_after_the_end() -> None:
    async def main() -> None:
        world = World(LONGEST_FLUSH_INTERVAL)
        world.streams.soon(world.handler(b"a"))
        world.streams.stop()
        await asyncio.sleep(2 * LONGEST_FLUSH_INTERVAL)
        assert world.carried == []

    asyncio.run(main())
