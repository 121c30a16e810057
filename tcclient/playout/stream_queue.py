"""Queues between the room and its readers: bounded, and the oldest item is dropped first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class StreamQueue(Generic[Item]):
    """An async iterator that a producer feeds without waiting. A slow reader misses the oldest items."""

    def __init__(self, limit: int) -> None:
        self.dropped = 0
        """Items that were dropped because the reader was slow."""
        self._items: deque[Item] = deque()
        self._limit = limit
        self._ended = False
        self._wake: asyncio.Future[None] | None = None

    def put(self, item: Item) -> None:
        """Add an item. If there is no room, the oldest is dropped."""
        if self._ended:
            return
        if len(self._items) >= self._limit:
            self._items.popleft()
            self.dropped += 1
        self._items.append(item)
        self._notify()

    def end(self) -> None:
        """End the iteration after what is queued."""
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
    """Gives each item to all readers. Each has a queue of its own, and the first also gets the items before it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._early: StreamQueue[Item] | None = StreamQueue(limit)
        """Items that came before the first reader."""
        self._queues = [self._early]
        self._last: Item | None = None

    def put(self, item: Item) -> None:
        """Add an item for all readers. If a reader has no room, its oldest is dropped."""
        for queue in self._queues:
            queue.put(item)

    def end(self, last: Item | None = None) -> None:
        """End all iterations, with ``last`` as the last item. Further readers get that item alone."""
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
