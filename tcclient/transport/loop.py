"""The event loop of the command line (uvloop where it exists), its signals, and the end of its threads."""

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
"""Signals of Ctrl-C, a service manager, and a closed terminal. Not every platform has them all."""


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end. A signal cancels it, so that it can clean up, and raises ``KeyboardInterrupt``."""
    try:
        if sys.platform == "win32":
            return asyncio.run(_interruptible(main))
        import uvloop

        return uvloop.run(_interruptible(main))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _interruptible(main: Coroutine[Any, Any, Result]) -> Result:
    """Let signals cancel the coroutine. An exception out of a signal handler could get lost in a callback."""
    task = asyncio.current_task()
    assert task is not None
    for name in INTERRUPTING:
        with contextlib.suppress(AttributeError, NotImplementedError):  # Windows lacks some signals, and handlers
            number = getattr(signal, name)
            if name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores it
                asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await main


async def shut_down(pool: ThreadPoolExecutor) -> None:
    """Wait for the jobs and the threads of a pool to end, while the loop goes on.

    The executor of the loop is no help: its threads stay until the loop ends.
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
