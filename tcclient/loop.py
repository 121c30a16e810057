"""The event loop of the command line (uvloop where there is one), and the end of its threads."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end."""
    if sys.platform == "win32":
        return asyncio.run(main)
    import uvloop

    return uvloop.run(main)


async def shut_down(pool: ThreadPoolExecutor) -> None:
    """Wait for what a pool still does, and for its threads to end, without stopping the loop.

    The loop's own executor would do, but its threads stay until the loop ends.
    """
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def wait() -> None:
        pool.shutdown()
        loop.call_soon_threadsafe(done.set)

    thread = threading.Thread(target=wait, name="shutdown")
    thread.start()
    try:
        await done.wait()
    finally:
        thread.join()
