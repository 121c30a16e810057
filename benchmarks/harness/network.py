"""The network between a server and its clients: the loopback device, or a virtual cable into a namespace."""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from benchmarks.harness.processes import undisturbed
from benchmarks.harness.report import Missing

LOOPBACK, VETH = "loopback", "veth"
_CLONE_NEWNET = 0x40000000
"""Of ``linux/sched.h``."""
_OWN = "/proc/thread-self/ns/net"


class Network(NamedTuple):
    """Addresses of the server and of its clients. Whatever is done is done among the clients, if not ``at_server``."""

    server: str
    clients: str
    device: str = "lo"
    """The clients' end, by which everything arrives."""
    home: int = -1
    """Descriptor of the namespace of the server; -1: there is only one."""
    away: int = -1
    """Descriptor of that of the clients."""

    @contextmanager
    def at_server(self) -> Iterator[None]:
        """Let this thread be where the server is: sockets and processes that are made here stay there."""
        if self.home < 0:
            yield
            return
        _enter(self.home)
        try:
            yield
        finally:
            _enter(self.away)


ONE_MACHINE = Network("127.0.0.1", "127.0.0.1")


@contextmanager
def network(name: str) -> Iterator[Network]:
    """Give the network of this name; only in the main thread. Raises ``Missing`` where it cannot be made.

    The namespace of the clients has no name, so it goes with the processes in it, and the cable goes with it: also
    where the benchmark is killed.
    """
    if name == LOOPBACK:
        yield ONE_MACHINE
        return
    if shutil.which("ip") is None:
        raise Missing(f"--over {VETH}: there is no command ip here (iproute2)")
    home = os.open(_OWN, os.O_RDONLY)
    try:
        if _libc().unshare(_CLONE_NEWNET):
            raise Missing(f"--over {VETH}: no network namespace: {os.strerror(ctypes.get_errno())}")
        away = os.open(_OWN, os.O_RDONLY)
        try:
            yield _lay_cable(home, away)
        finally:
            _enter(home)
            os.close(away)
    finally:
        os.close(home)


def _lay_cable(home: int, away: int) -> Network:
    # Of the network that is kept for benchmarks (RFC 2544), a part for each process.
    number = os.getpid() % 0x8000
    server, clients = (f"198.{18 + number // 0x4000}.{number // 64 % 256}.{number % 64 * 4 + end}" for end in (1, 2))
    device = f"tcbench{os.getpid()}"
    _ip(home, "link", "add", device, "type", "veth", "peer", "name", device, "netns", str(os.getpid()))
    for place, host in ((home, server), (away, clients)):
        _ip(place, "address", "add", f"{host}/30", "dev", device)
        _ip(place, "link", "set", device, "up")
    _ip(away, "link", "set", "lo", "up")
    return Network(server, clients, device, home, away)


def add_over(parser: argparse.ArgumentParser) -> None:
    """Add the option for the network."""
    parser.add_argument(
        "--over", metavar="NAME", choices=(LOOPBACK, VETH), default=LOOPBACK,
        help=f"network between server and clients: {LOOPBACK} (default), or {VETH}, a virtual cable into a namespace; "
        "skipped where the rights for that are missing",
    )  # fmt: skip


def _ip(place: int, *words: str) -> None:
    with undisturbed():
        made = subprocess.run(["ip", *words], capture_output=True, text=True, preexec_fn=_entering(place), check=False)
    if made.returncode:
        raise Missing(f"--over {VETH}: ip {' '.join(words)}: {made.stderr.strip()}")


def _entering(place: int) -> Callable[[], None]:
    return lambda: _enter(place)


def _enter(place: int) -> None:
    if _libc().setns(place, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
