"""Processes of a benchmark: forked, pinned, and what they use of the processor; Linux only."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@contextmanager
def child(work: Callable[[], None]) -> Iterator[int]:
    """Run a function in a forked process, until the end; gives the process."""
    pid = os.fork()
    if not pid:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            work()
        finally:
            os._exit(1)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def pin(pid: int, cpu: int) -> None:
    """What is measured has the first processor, with all its threads, everything else the second.

    Process 0 is this one, of which it is this thread.
    """
    if len(_CPUS) > 1:
        threads = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()] if pid else [0]
        for thread in threads:
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setaffinity(thread, {_CPUS[cpu]})


def cpu_of(pid: int) -> tuple[float, float]:
    """Return the seconds of processor of all threads of a process, and those for which they waited for it."""
    tasks = [task.read_text().split() for task in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(task[0]) for task in tasks) / 1e9, sum(int(task[1]) for task in tasks) / 1e9
