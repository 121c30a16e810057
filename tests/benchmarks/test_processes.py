"""Processor time and memory of a family of processes."""

import os
import signal
import subprocess
import sys

import pytest

from benchmarks.harness.processes import Usage, child, family, memory, need_files, pin_server, usage
from benchmarks.harness.report import BenchmarkError

resource = pytest.importorskip("resource", reason="Windows has no limit of open files")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has")
PARENT = """
import subprocess, sys
child = "import sys; sum(range(3_000_000)); print(flush=True); sys.stdin.read()"
with subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
    print(process.stdout.readline().decode().strip(), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def parent():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process.pid
        process.communicate()


def test_a_process_counts_with_those_below_it(parent):
    assert len(family(parent)) == 2
    found = usage(parent)
    assert all(cpu > 0 for cpu in found.cpu)
    assert memory(parent) > 2 << 20
    pin_server(parent)
    assert [len(os.sched_getaffinity(pid)) for pid in family(parent)] == [1, 1]


def test_usage_is_a_difference_of_the_same_processes():
    start = Usage((1.0, 2.0), (0.0, 0.5))
    assert Usage((1.5, 4.0), (0.25, 0.5)).since(start) == Usage((0.5, 2.0), (0.25, 0.0))
    with pytest.raises(BenchmarkError, match="has ended or begun"):
        Usage((1.5,), (0.25,)).since(start)


def wait_for_the_end(pid: int) -> None:
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def fail() -> None:
    raise OSError("no such luck")


def test_what_fails_beside_a_measurement_is_told(capfd):
    with pytest.raises(BenchmarkError, match="beside the measured one failed"), child(fail) as pid:
        wait_for_the_end(pid)
    assert "OSError: no such luck" in capfd.readouterr().err


def test_what_ends_beside_a_measurement_need_not_be_ended(capfd):
    with child(lambda: None) as pid:
        wait_for_the_end(pid)
    with child(signal.pause):
        pass
    assert capfd.readouterr().err == ""


def test_too_few_open_files_are_one_clear_error():
    need_files(8)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == hard
    if hard != resource.RLIM_INFINITY:
        with pytest.raises(BenchmarkError, match="open files, and the limit is"):
            need_files(hard + 1)
