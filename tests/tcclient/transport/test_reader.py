"""When datagrams came, whenever they are read."""

import socket
import sys
import time
from collections.abc import Iterator

import pytest

from tcclient.transport.reader import MAX_BATCH, STEP, ArrivalClock, DatagramReader

linux = pytest.mark.skipif(sys.platform != "linux", reason="stamps (SO_TIMESTAMPNS) are Linux's")
BETWEEN = 1_700_000_000.0
"""The wall clock is so much ahead of the monotonic one."""


class Clocks:
    """A clock of arrivals that was made at 100 s, and the two clocks of its machine."""

    def __init__(self) -> None:
        self.between = BETWEEN
        self.arrivals = ArrivalClock(100.0 + BETWEEN, 100.0)

    def read(self, now: float, *stamps: float | None, interrupted: float = 0.0) -> list[float]:
        """Return when datagrams came that were stamped at these monotonic seconds, by the wall clock as it is now."""
        walls = [None if stamp is None else stamp + self.between for stamp in stamps]
        return self.arrivals.arrivals(walls, now - interrupted + self.between, now)


def test_what_is_read_late_came_when_it_was_stamped() -> None:
    clocks = Clocks()
    assert clocks.read(101.0, 100.2, 100.7, None) == pytest.approx([100.2, 100.7, 101.0])


def test_nothing_comes_before_the_socket_was_found_empty_nor_after_it_is_read() -> None:
    clocks = Clocks()
    assert clocks.read(101.0, 99.9, 101.1) == pytest.approx([100.0, 101.0])
    clocks.arrivals.found_empty(100.9)
    assert clocks.read(102.0, 100.8, 101.5) == pytest.approx([100.9, 101.5])


@pytest.mark.parametrize("step", [-3600.0, -0.3, -2 * STEP, 2 * STEP, 0.3, 3600.0])
def test_a_step_of_the_wall_clock_leaves_the_time_of_reading(step: float) -> None:
    clocks = Clocks()
    walls = [100.2 + clocks.between]
    clocks.between += step
    assert clocks.arrivals.arrivals(list(walls), 100.5 + clocks.between, 100.5) == [100.5]
    assert clocks.read(101.0, 100.8) == pytest.approx([100.8]), "with the next look all is as before"


def test_who_is_interrupted_between_the_clocks_takes_nothing_for_quicker_than_it_was() -> None:
    clocks = Clocks()
    assert clocks.read(100.5, 100.1, interrupted=0.3) == [100.5]
    assert clocks.read(100.7, 100.6) == [100.7], "a step back, as far as is known"
    assert clocks.read(100.9, 100.8) == pytest.approx([100.8])


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, DatagramReader]]:
    """A socket, and the reader of one that is connected to it."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near,
    ):
        far.bind(("127.0.0.1", 0))
        near.setblocking(False)
        reader = DatagramReader(near)
        near.connect(far.getsockname())
        far.connect(near.getsockname())
        yield far, reader


@linux
def test_the_kernel_tells_when_datagrams_came(ends: tuple[socket.socket, DatagramReader]) -> None:
    far, reader = ends
    time.sleep(0.1)  # a kernel begins to stamp a moment after it is told to
    assert reader.read() == ([], 0)
    spans = []
    for data in (b"first", b"second"):
        began = time.monotonic()
        far.send(data)
        spans.append((began - STEP, time.monotonic() + STEP))
        time.sleep(0.1)
    found, failures = reader.read()
    assert ([data for data, _ in found], failures) == ([b"first", b"second"], 0)
    for (_, at), (earliest, latest) in zip(found, spans, strict=True):
        assert at is not None
        assert earliest <= at <= latest


@linux
def test_what_is_left_for_the_next_look_came_before_this_one(ends: tuple[socket.socket, DatagramReader]) -> None:
    far, reader = ends
    time.sleep(0.1)
    for _ in range(MAX_BATCH + 1):
        far.send(b"x")
    sent = time.monotonic()
    time.sleep(0.05)
    assert len(reader.read()[0]) == MAX_BATCH
    [(_, at)], _ = reader.read()
    assert at is not None
    assert at <= sent + STEP


def test_elsewhere_nobody_tells(ends: tuple[socket.socket, DatagramReader], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "elsewhere")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
        near.setblocking(False)
        reader = DatagramReader(near)
        near.bind(("127.0.0.1", 0))
        ends[0].connect(near.getsockname())
        ends[0].send(b"x")
        assert reader.read() == ([(b"x", None)], 0)
