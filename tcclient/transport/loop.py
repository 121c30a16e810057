"""The event loop of the command line (uvloop where there is one), what interrupts it, and the end of its threads."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")
INTERRUPTING = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C, a service manager, a terminal that is closed; not every platform has them all."""


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end; signals cancel it, so that it can clean up, and raise ``KeyboardInterrupt`` then."""
    try:
        if sys.platform == "win32":
            return asyncio.run(_interruptible(main))
        import uvloop

        return uvloop.run(_interruptible(main))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _interruptible(main: Coroutine[Any, Any, Result]) -> Result:
    """Cancel by signal: an exception that a handler raises comes anywhere, and gets lost in callbacks."""
    task = asyncio.current_task()
    assert task is not None
    for name in INTERRUPTING:
        with contextlib.suppress(AttributeError, NotImplementedError):  # Windows lacks some signals, and handlers
            asyncio.get_running_loop().add_signal_handler(getattr(signal, name), task.cancel)
    return await main


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
