"""Writing to readers that are slow, or have ended."""

import fcntl
import os
import threading
import time

import pytest

from tcclient.cli.terminal.backlog import Backlog
from tcclient.cli.terminal.outlet import Outlet

F_SETPIPE_SZ = 1031
PIPE = 4096
PATIENCE = 10.0


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    fcntl.fcntl(writing, F_SETPIPE_SZ, PIPE)
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            continue


def read_all(descriptor: int) -> list[str]:
    text = b""
    while data := os.read(descriptor, 1 << 16):
        text += data
    return text.decode().split("\n")


def test_lines_come_whole_and_in_order(pipe) -> None:
    reading, writing = pipe
    outlet = Outlet(writing, str)
    outlet.write("satu")
    outlet.write("dua \N{PARTY POPPER}")
    assert outlet.finish(PATIENCE) == 0
    outlet.write("tiga")
    os.close(writing)
    assert read_all(reading) == ["satu", "dua \N{PARTY POPPER}", ""]


def test_an_encoding_that_lacks_characters(pipe) -> None:
    reading, writing = pipe
    outlet = Outlet(writing, str, encoding="ascii")
    outlet.write("\N{PARTY POPPER}\ud800")
    assert outlet.finish(PATIENCE) == 0
    os.close(writing)
    assert read_all(reading) == ["\\U0001f389\\ud800", ""]


def test_nobody_waits_for_a_reader_that_stops_and_it_is_told_what_it_missed(pipe) -> None:
    reading, writing = pipe
    outlet = Outlet(writing, lambda lost: f"{lost} lost", backlog=Backlog(10 * PIPE))
    lines = [f"{number:04} " + "x" * 95 for number in range(2000)]
    began = time.monotonic()
    for line in lines:
        outlet.write(line)
    assert time.monotonic() - began < PATIENCE / 2
    result: list[str] = []
    reader = threading.Thread(target=lambda: result.extend(read_all(reading)))
    reader.start()
    assert outlet.finish(PATIENCE) == 0
    os.close(writing)
    reader.join()
    *got, end = result
    assert end == ""
    told, at = 0, 0
    for line in got:
        if line.endswith(" lost"):
            told += 1
            at += int(line.split()[0])
        else:
            assert line == lines[at]
            at += 1
    assert told
    assert at == len(lines)
    assert got[-1] == lines[-1]


def test_the_end_waits_no_longer_than_its_deadline(pipe) -> None:
    reading, writing = pipe
    before = set(threading.enumerate())
    outlet = Outlet(writing, str)
    for _ in range(100):
        outlet.write("x" * 200)
    (thread,) = set(threading.enumerate()) - before
    began = time.monotonic()
    assert outlet.finish(0.2) > 50
    assert time.monotonic() - began < PATIENCE / 2
    os.close(reading)  # ends the write that waits
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_reader_that_is_gone_is_told_once(pipe) -> None:
    reading, writing = pipe
    gone = threading.Event()
    outlet = Outlet(writing, str, gone=gone.set)
    os.close(reading)
    outlet.write("satu")
    assert gone.wait(PATIENCE)
    outlet.write("dua")
    assert outlet.finish(PATIENCE) == 0


def test_a_disk_that_is_full_costs_lines_and_nothing_else() -> None:
    gone = threading.Event()
    descriptor = os.open("/dev/full", os.O_WRONLY)
    outlet = Outlet(descriptor, str, gone=gone.set)
    outlet.write("satu")
    outlet.write("dua")
    assert outlet.finish(PATIENCE) == 2
    assert not gone.is_set()
    os.close(descriptor)
