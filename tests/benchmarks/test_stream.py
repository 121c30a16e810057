"""Participants on streams: the slow line, and what is noted of packets."""

from __future__ import annotations

import socket
import sys
import threading
import time

import pytest

from benchmarks.__main__ import main
from benchmarks.commands.stream import Received, p95
from benchmarks.harness.slow_line import slow_line
from benchmarks.parts.stream_floor import floor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="benchmarks need Linux")


def test_a_line_is_as_slow_as_it_says(all_processors: None) -> None:
    def serve() -> None:
        near, _ = server.accept()
        with near:
            assert near.recv(10) == b"go"
            near.sendall(bytes(40_000))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        with slow_line(server.getsockname()[:2], 160_000) as address, socket.create_connection(address) as client:
            client.sendall(b"go")
            began, got = time.monotonic(), 0
            while got < 40_000:
                got += len(client.recv(65_536))
            took = time.monotonic() - began
        thread.join()
    assert took > 40_000 / (160_000 / 8) - 0.2


def test_p95_in_milliseconds() -> None:
    assert p95([n / 1000 for n in range(100)]) == 95
    assert p95([]) == float("inf")
    assert Received([0.1], 0, 1, 2).video_lost == 2


@pytest.mark.parametrize("tls", [False, True])
def test_the_kernel_alone_needs_time_for_each_write(tls: bool, all_processors: None) -> None:
    assert 0 < floor(streams=3, size=1000, interval=0.01, seconds=0.05, rest=0.01, tls=tls) < 0.01


def test_too_few_participants(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stream", "--participants", "9"]) == 2
    assert "--participants 9: more than 9" in capsys.readouterr().err
