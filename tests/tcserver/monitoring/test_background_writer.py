"""A writer never waits for its reader."""

import os
import threading
import time
from collections.abc import Iterator

import pytest

from tcserver.monitoring.background_writer import MAX_WAITING_BYTES, BackgroundWriter


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Descriptors to read and to write; closed at the end, which lets a thread go that waits for a reader."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            assert end == ends[0], "a test may close the reader's end"


def test_lines_come_out_in_order(pipe: tuple[int, int]) -> None:
    writer = BackgroundWriter(pipe[1])
    lines = [f"line {number} \N{SNOWMAN}\n" for number in range(200)]
    for line in lines:
        assert writer.write(line) == len(line)
    writer.flush()
    assert writer.drain(10)
    assert os.read(pipe[0], 65536).decode() == "".join(lines)
    assert (writer.dropped, writer.take_dropped()) == (0, 0)


def test_a_reader_that_stops_costs_the_newest_lines_and_nobody_waits(pipe: tuple[int, int]) -> None:
    writer = BackgroundWriter(pipe[1])
    line = "x" * 1023 + "\n"
    start = time.monotonic()
    written = 2 * MAX_WAITING_BYTES // len(line)
    for _ in range(written):
        writer.write(line)
    assert time.monotonic() - start < 5
    assert writer.dropped > 0
    assert writer.take_dropped() == 0, "there is no room yet to tell it"
    assert not writer.drain(0.01)
    os.set_blocking(pipe[0], False)
    received = 0
    while not writer.drain(0.01):
        received += len(_read(pipe[0]))
    assert writer.take_dropped() == writer.dropped
    assert writer.take_dropped() == 0
    while data := _read(pipe[0]):
        received += len(data)
    assert received == (written - writer.dropped) * len(line)
    writer.write("after\n")
    assert writer.drain(10)
    assert _read(pipe[0]) == b"after\n"


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return b""


def test_a_reader_that_is_gone_is_no_error(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    writer = BackgroundWriter(pipe[1])
    for _ in range(3):
        writer.write("line\n")
        assert writer.drain(10)
    assert writer.dropped == writer.take_dropped() == 3


def test_a_descriptor_that_others_made_non_blocking_is_waited_for(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    writer = BackgroundWriter(pipe[1])
    for _ in range(200):
        writer.write("x" * 1024)
    received = 0
    while received < 200 * 1024:
        received += len(os.read(pipe[0], 65536))
    assert writer.drain(10)
    assert writer.dropped == 0


def test_where_nobody_can_read_nothing_is_written_and_no_thread_is_made() -> None:
    before = threading.active_count()
    writer = BackgroundWriter(-1)
    assert writer.write("line") == 4
    assert writer.drain(0)
    assert writer.dropped == 0
    assert threading.active_count() == before
