"""Queues that never make the room wait for a reader."""

import asyncio
from typing import Any

from tcclient.playout.stream_queue import Broadcast, StreamQueue


async def rest(stream: Any) -> list[Any]:
    return [item async for item in stream]


def test_a_slow_reader_misses_the_oldest_and_the_loss_is_counted() -> None:
    async def test() -> None:
        queue: StreamQueue[int] = StreamQueue(3)
        for number in range(5):
            queue.put(number)
        queue.end()
        queue.put(99)
        assert queue.dropped == 2
        assert await rest(queue) == [2, 3, 4]

    asyncio.run(test())


def test_a_reader_that_waits_gets_what_comes_and_then_the_end() -> None:
    async def test() -> None:
        queue: StreamQueue[int] = StreamQueue(3)
        waiting = asyncio.ensure_future(rest(queue))
        await asyncio.sleep(0)
        queue.put(1)
        await asyncio.sleep(0)
        assert not waiting.done()
        queue.end()
        assert await waiting == [1]

    asyncio.run(test())


def test_the_first_reader_gets_what_came_before_it_and_the_second_what_comes_after() -> None:
    async def test() -> None:
        history: Broadcast[str] = Broadcast(10)
        history.put("early")
        first = asyncio.ensure_future(rest(history.read()))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(rest(history.read()))
        await asyncio.sleep(0)
        history.put("late")
        history.end("last")
        assert await first == ["early", "late", "last"]
        assert await second == ["late", "last"]

    asyncio.run(test())


def test_a_reader_after_the_end_gets_the_last_item_alone() -> None:
    async def test() -> None:
        history: Broadcast[str] = Broadcast(10)
        history.put("early")
        history.end("last")
        assert await rest(history.read()) == ["early", "last"]
        assert await rest(history.read()) == ["last"]

    asyncio.run(test())


def test_what_nobody_reads_is_bounded() -> None:
    async def test() -> None:
        history: Broadcast[int] = Broadcast(3)
        for number in range(5):
            history.put(number)
        history.end()
        assert await rest(history.read()) == [2, 3, 4]

    asyncio.run(test())


def test_a_reader_that_stops_is_forgotten() -> None:
    async def test() -> None:
        history: Broadcast[int] = Broadcast(3)
        history.put(1)
        reader = history.read()
        assert await anext(reader) == 1
        await reader.aclose()  # type: ignore[attr-defined]
        history.put(2)
        history.end(3)
        assert await rest(history.read()) == [3]

    asyncio.run(test())
