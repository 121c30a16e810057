"""The database in a thread of its own, so that the event loop never waits for a disk."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from tcserver.storage.database import Database

Result = TypeVar("Result")
MAX_WAITING = 10_000
"""Jobs that may wait. More of them mean that the disk hangs, and are refused."""
BUSY_LIMIT_MS = 1000
"""Milliseconds that a job waits for the lock of another process: people wait for the answer."""
CLOSE_LIMIT = 1.5
"""Seconds that ``StoreThread.close`` waits for the jobs, and again for the last of them. Later ones are cancelled."""


class StoreThread:
    """Runs jobs on an open database, one after the other, in order.

    ``crashed`` gets the exception of a callback that raised.
    """

    def __init__(self, path: Path, crashed: Callable[[BaseException], None]) -> None:
        self._path = path
        self._crashed = crashed
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._database: Database | None = None
        self._waiting: set[asyncio.Future[Any]] = set()

    async def open(self) -> None:
        """Open the database. Raises ``StoreError``."""
        self._database = await self._submit(lambda: Database(self._path, BUSY_LIMIT_MS))

    async def run(self, job: Callable[[Database], Result]) -> Result:
        """Return the result of a job."""
        database = self._database
        assert database is not None
        return await self._submit(lambda: job(database))

    def start(
        self, job: Callable[[Database], Result], done: Callable[[Result | None, BaseException | None], None]
    ) -> None:
        """Run a job and hand its result, or its error, to ``done`` on the event loop."""
        database = self._database
        assert database is not None
        if len(self._waiting) >= MAX_WAITING:
            done(None, OSError("the disk does not keep up"))
            return
        future = self._submit(lambda: job(database))
        self._waiting.add(future)
        future.add_done_callback(lambda finished: self._finish(finished, done))

    async def close(self) -> None:
        """Finish the jobs and close the database. Jobs that wait too long for another process are cancelled."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_LIMIT):
                while self._waiting:
                    await asyncio.wait(self._waiting)
        for future in list(self._waiting):
            future.cancel()
        if self._database is not None:
            await asyncio.wait((self._submit(self._database.close),), timeout=CLOSE_LIMIT)
        self._pool.shutdown(wait=False)

    def _submit(self, job: Callable[[], Result]) -> asyncio.Future[Result]:
        return asyncio.get_running_loop().run_in_executor(self._pool, job)

    def _finish(self, future: asyncio.Future[Any], done: Callable[[Any, BaseException | None], None]) -> None:
        self._waiting.discard(future)
        error = OSError("the server ends") if future.cancelled() else future.exception()
        try:
            done(None if error else future.result(), error)
        except Exception as crash:
            self._crashed(crash)
