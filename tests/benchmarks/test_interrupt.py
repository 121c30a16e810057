"""Processes that an interrupted benchmark leaves behind."""

import gc
import os
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from benchmarks.__main__ import INTERRUPTED
from benchmarks.harness.control_client import ControlClient
from benchmarks.harness.light_clients import Clients
from benchmarks.harness.server import Server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the fan-out benchmark needs Linux")
ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "benchmarks", "fanout", "--quick", "--receivers", "2", "--seconds", "30"]
LOOKS = 10_000
"""Looks until all processes have begun, or have ended, which takes the server some milliseconds."""


def session(leader: int) -> list[int]:
    """Return all processes of a session that have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split() if entry.name.isdigit() else []
        except OSError:
            continue
        if fields and int(fields[3]) == leader and fields[0] not in "ZX":
            found.append(int(entry.name))
    return found


@pytest.fixture(params=[("logging in", 1), ("audio, paced", 3)])
def benchmark(request, tmp_path):
    """A benchmark that has come so far, with so many processes: itself, the server, a receiver."""
    words, processes = request.param
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        COMMAND, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert any(words in line for line in process.stderr)
            assert any(len(session(process.pid)) >= processes for _ in range(LOOKS))
            yield process
        finally:
            for pid in session(process.pid):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_processes(benchmark, number):
    os.kill(benchmark.pid, number)
    told = benchmark.stderr.read().splitlines()
    assert [line for line in told if not line.startswith("fanout: ")] == ["benchmarks: interrupted"]
    assert benchmark.wait() == INTERRUPTED
    assert session(benchmark.pid) == []


def test_who_is_interrupted_while_logging_in_sees_no_connection_end(monkeypatch, caplog):
    """The interrupt hits a step of a login, as a signal can that asyncio does not see."""
    calls = count()
    data_received = ControlClient.data_received

    def interrupted(line, data):
        data_received(line, data)
        if next(calls) == 30:
            raise KeyboardInterrupt

    monkeypatch.setattr(ControlClient, "data_received", interrupted)
    with pytest.raises(KeyboardInterrupt), Server(["hall"]) as server, Clients(server) as clients:
        clients.join("hall", 20)
    gc.collect()
    assert caplog.records == []


def test_nothing_outlives_a_benchmark_that_is_killed(benchmark):
    benchmark.kill()
    assert benchmark.wait() == -signal.SIGKILL
    assert any(not session(benchmark.pid) for _ in range(LOOKS))
