"""The cable between a server and its clients, and what stays of it: nothing."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from benchmarks.harness.network import LOOPBACK, ONE_MACHINE, VETH, network
from tests.support.media.namespaces import skip_without_namespaces

ROOT = Path(__file__).resolve().parents[2]
LOOKS = 10_000
"""Looks until the kernel has taken a cable away, which takes it some milliseconds."""
PROGRAM = """\
from benchmarks.harness.network import network
with network("veth") as between:
    print(between.device, flush=True)
    input()
"""


def devices() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def test_datagrams_pass_between_the_two_ends_and_nothing_stays():
    skip_without_namespaces()
    before = devices()
    with network(VETH) as between, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind((between.clients, 0))
        assert devices() == {"lo", between.device}
        with between.at_server():
            assert devices() == before | {between.device}
            server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with server:
            server.bind((between.server, 0))
            client.sendto(b"x", server.getsockname())
            server.settimeout(5)
            assert server.recvfrom(10) == (b"x", client.getsockname())
    assert any(devices() == before for _ in range(LOOKS))


def test_the_loopback_device_has_one_place():
    with network(LOOPBACK) as between, between.at_server():
        assert between == ONE_MACHINE


def test_a_cable_goes_with_a_benchmark_that_is_killed():
    skip_without_namespaces()
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        device = process.stdout.readline().strip()
        assert device in devices()
        os.kill(process.pid, signal.SIGKILL)
    assert any(device not in devices() for _ in range(LOOKS))
