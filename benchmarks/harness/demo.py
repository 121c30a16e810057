"""Runs ``tcclient demo``, as a user does, and looks at its processes meanwhile."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.harness.procfs import Process, descendants
from benchmarks.harness.report import BenchmarkError

LOOK_INTERVAL = 0.25
"""Seconds between looks at the processes."""
_PORT = re.compile(r"\bport=(\d+)")


def run_demo(out: Path, *options: str, look: Callable[[list[Process]], None] | None = None) -> dict[str, Any]:
    """Run a demonstration and return its JSON; ``look`` is called with all of its processes a few times a second.

    An incomplete demonstration is a result. Raises ``BenchmarkError`` if it ends without a result.
    """
    command = [sys.executable, "-m", "tcclient.cli.main", "demo", "--json", "--out", str(out), *options]
    out.mkdir(parents=True, exist_ok=True)
    with (out / "demo.json").open("wb") as result, (out / "demo.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=result, stderr=log)
        try:
            while process.poll() is None:
                if look is not None:
                    look(descendants(process.pid))
                time.sleep(LOOK_INTERVAL)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    try:
        account: dict[str, Any] = json.loads((out / "demo.json").read_bytes())
    except ValueError:
        words = (out / "demo.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise BenchmarkError(f"the demonstration failed: {words[-1] if words else 'it says nothing'}") from None
    return account


def server_of(processes: list[Process]) -> Process | None:
    """Return the process of the server."""
    return next((p for p in processes if "tcserver" in p.command and "run" in p.command), None)


def participants_of(processes: list[Process]) -> list[Process]:
    """Return the processes of the participants."""
    return [p for p in processes if "tcclient.demo.participant" in p.command]


def port_of(out: Path) -> int | None:
    """Return the server's port, as its log says; None before it does."""
    log = out / "server.log"
    found = _PORT.search(log.read_text(encoding="utf-8", errors="replace")) if log.exists() else None
    return int(found[1]) if found else None
