"""Queues between the room and whoever reads: bounded, and the oldest goes first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class StreamQueue(Generic[Item]):
    """An async iterator that a producer feeds without waiting; a reader that is too slow misses the oldest items."""

    def __init__(self, limit: int) -> None:
        self.dropped = 0
        """Items that the reader was too slow for."""
        self._items: deque[Item] = deque()
        self._limit = limit
        self._ended = False
        self._wake: asyncio.Future[None] | None = None

    def put(self, item: Item) -> None:
        """Add an item; the oldest goes if there is no room."""
        if self._ended:
            return
        if len(self._items) >= self._limit:
            self._items.popleft()
            self.dropped += 1
        self._items.append(item)
        self._notify()

    def end(self) -> None:
        """Let the iteration end after what is queued."""
        self._ended = True
        self._notify()

    def __aiter__(self) -> StreamQueue[Item]:
        return self

    async def __anext__(self) -> Item:
        while not self._items:
            if self._ended:
                raise StopAsyncIteration
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        return self._items.popleft()

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class Broadcast(Generic[Item]):
    """Gives each item to all readers; each has a queue of its own. The first also gets what came before it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._early: StreamQueue[Item] | None = StreamQueue(limit)
        """What came before the first reader."""
        self._queues = [self._early]
        self._last: Item | None = None

    def put(self, item: Item) -> None:
        """Add an item for all readers; the oldest goes where a reader has no room."""
        for queue in self._queues:
            queue.put(item)

    def end(self, last: Item | None = None) -> None:
        """Let all iterations end, with ``last`` as the last item; further readers get that alone."""
        if last is not None:
            self._last = last
            self.put(last)
        for queue in self._queues:
            queue.end()

    async def read(self) -> AsyncIterator[Item]:
        """Iterate over the items until the end."""
        queue, self._early = self._early or StreamQueue(self._limit), None
        if queue not in self._queues:
            self._queues.append(queue)
            if self._last is not None:
                queue.put(self._last)
                queue.end()
        try:
            async for item in queue:
                yield item
        finally:
            self._queues.remove(queue)
