"""Processes of a benchmark: forked, pinned, and what they use of the processor; Linux only."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from benchmarks.harness.procfs import descendants, resident
from benchmarks.harness.report import BenchmarkError, Missing

_CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
PROCESSORS = max(1, len(_CPUS))


END_LIMIT = 10.0
"""Seconds that a server has to end by itself."""
_PR_SET_PDEATHSIG = 1
"""Of ``sys/prctl.h``."""
_INTERRUPTS = frozenset((signal.SIGINT, signal.SIGTERM))


@contextmanager
def undisturbed() -> Iterator[None]:
    """Have interrupts wait while a process forks: raised in one of Python's hooks for that, they would be lost."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent(number: signal.Signals) -> Callable[[], None]:
    """Return a function for a child: the kernel then signals it when the parent ends, even by SIGKILL. Linux only."""
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def end() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
        prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it has gone meanwhile
            os._exit(1)

    return end


@contextmanager
def child(work: Callable[[], None]) -> Iterator[int]:
    """Run a function in a forked process, until the end; gives the process.

    Raises ``BenchmarkError`` at the end if the function has failed meanwhile: what it did not do makes figures wrong.
    """
    follow = end_with_parent(signal.SIGKILL)
    pid = 0
    try:
        with undisturbed():
            pid = os.fork()
            if not pid:
                _work(work, follow)
        yield pid
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            pid = 0
            if status:
                raise BenchmarkError("a process beside the measured one failed; its error is told above")
    finally:
        if pid:
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)


def _work(work: Callable[[], None], follow: Callable[[], None]) -> NoReturn:
    """Run a function in a process that has just been forked, and end it. What it raises is printed."""
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        follow()
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def end(process: subprocess.Popen[Any]) -> None:
    """Ask a process to end, and see to it that it does within ``END_LIMIT``."""
    process.terminate()
    try:
        process.wait(END_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def need_linux() -> None:
    """Make sure that there is what ``child`` and ``cpu_of`` need; raises ``BenchmarkError``."""
    if not Path("/proc/self/schedstat").exists() or not hasattr(os, "fork"):
        raise Missing("needs /proc with schedstat, which only Linux has")


def need_files(number: int) -> None:
    """Let this process and its children open so many files. Raises ``BenchmarkError``."""
    import resource  # Windows has none, but its command lists all benchmarks

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < number:
        raise Missing(f"needs {number:,} open files, and the limit is {hard:,}: ulimit -Hn, or fewer participants")


def pin(pid: int, cpu: int) -> None:
    """Give all threads of a process one processor: number 0 for the measured process, 1 for everything else.

    ``pid`` 0 is this thread alone.
    """
    if len(_CPUS) > 1:
        threads = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()] if pid else [0]
        for thread in threads:
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setaffinity(thread, {_CPUS[cpu]})


def pin_server(pid: int) -> None:
    """Give a server the first processor; of several workers each its own, as far as there are.

    With as many workers as processors the load generator shares one with a worker.
    """
    for number, each in enumerate(family(pid)):
        pin(each, max(0, number - 1) % PROCESSORS)


class Usage(NamedTuple):
    """What a server has used, with the processes that it started."""

    cpu: tuple[float, ...]
    """Seconds of processor of each process: the server, then its workers in order of their start."""
    waited: tuple[float, ...]
    """Seconds for which each could have run, had others not."""

    def since(self, start: Usage) -> Usage:
        """Return what was used from an earlier look on; raises ``BenchmarkError`` where processes have changed."""
        if len(start.cpu) != len(self.cpu):
            raise BenchmarkError("a process of the server has ended or begun meanwhile")
        return Usage(*(tuple(b - a for a, b in zip(*pair, strict=True)) for pair in zip(start, self, strict=True)))


def usage(pid: int) -> Usage:
    """Return what a process and all below it have used."""
    times = [cpu_of(each) for each in family(pid)]
    return Usage(tuple(cpu for cpu, _ in times), tuple(waited for _, waited in times))


def machine_time() -> float:
    """Return the seconds that all processors of the machine have been busy, the kernel's own work included."""
    user, nice, system, _, _, interrupts, soft, *_ = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(map(int, (user, nice, system, interrupts, soft))) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> int:
    """Return the resident bytes of a process and all below it. Shared bytes count for each process."""
    return sum(map(resident, family(pid)))


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    return [pid, *(process.pid for process in descendants(pid))]


def cpu_of(pid: int) -> tuple[float, float]:
    """Return the seconds of processor of all threads of a process, and those for which they waited for it."""
    tasks = [task.read_text().split() for task in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(task[0]) for task in tasks) / 1e9, sum(int(task[1]) for task in tasks) / 1e9
