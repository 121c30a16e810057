"""What Linux knows of running processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness.report import Missing

_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class Process(NamedTuple):
    """A process, at one moment."""

    pid: int
    parent: int
    command: tuple[str, ...]
    cpu: float
    """Seconds of a processor, in user and kernel mode."""
    memory: int
    """Resident bytes."""


def descendants(pid: int) -> list[Process]:
    """Return all processes below one; raises ``BenchmarkError`` where there is no ``/proc``."""
    if not Path("/proc/self/stat").exists():
        raise Missing("needs /proc, which only Linux has")
    found = [process for entry in Path("/proc").iterdir() if entry.name.isdigit() and (process := _read(entry))]
    family, below = {pid}, []
    for process in sorted(found):  # a parent may have the higher number only after the numbers have wrapped
        if process.parent in family:
            family.add(process.pid)
            below.append(process)
    return below


def resident(pid: int) -> int:
    """Return the resident bytes of a process; raises ``BenchmarkError`` where there is no ``/proc``."""
    try:
        words = Path(f"/proc/{pid}/smaps_rollup").read_text().partition("Rss:")[2].split()
    except OSError:
        raise Missing("needs /proc with smaps_rollup, which only Linux has") from None
    return int(words[0]) * 1024


def _read(entry: Path) -> Process | None:
    try:
        stat = (entry / "stat").read_text()
        command = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # from the third field of proc(5) on
    cpu = (int(fields[11]) + int(fields[12])) / _TICK
    return Process(int(entry.name), int(fields[1]), tuple(command), cpu, int(fields[21]) * os.sysconf("SC_PAGESIZE"))
