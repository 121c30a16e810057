"""Two network namespaces with a virtual cable between them, where a test may change routes and devices at will."""

import ctypes
import errno
import fcntl
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

import pytest

from tcserver.media.bpf.fan_out import FanOut

SERVER, CLIENTS = "10.97.0.1", "10.97.0.2"
SERVER6, CLIENTS6 = "fd97::1", "fd97::2"
FAR = "10.98.0.1"
"""An address behind the clients' end of the cable."""
CABLE = "tcbpf0"
"""The server's end of the cable."""
_CLONE_NEWNET = 0x40000000
_SIOCETHTOOL = 0x8946
_SET_TX_CHECKSUMS = 0x17
_PROG_QUERY, _TCX_EGRESS, _BPF = 16, 47, 321
_libc = ctypes.CDLL(None, use_errno=True)


@cache
def why_not() -> str:
    """Return why programs cannot be loaded here; empty: they can."""
    try:
        FanOut.open().close()
    except OSError as error:
        return f"no BPF program can be loaded here: {error.strerror}"
    return ""


@cache
def why_no_namespaces() -> str:
    """Return why no namespaces can be made here; empty: they can."""
    if why_not():
        return why_not()
    if shutil.which("ip") is None:
        return "there is no command ip here"
    try:
        made = subprocess.run(["ip", "netns", "add", _name("try")], capture_output=True, text=True)
        if made.returncode == 0:
            cable = ["link", "add", CABLE, "type", "veth", "peer", "name", "tcbpf1"]
            made = subprocess.run(["ip", "-n", _name("try"), *cable], capture_output=True, text=True)
        return "" if made.returncode == 0 else f"no namespaces with a cable here: {made.stderr.strip()}"
    finally:
        subprocess.run(["ip", "netns", "delete", _name("try")], capture_output=True)


def skip_without_bpf() -> None:
    if why_not():
        pytest.skip(why_not())


def skip_without_namespaces() -> None:
    if why_no_namespaces():
        pytest.skip(why_no_namespaces())


def _name(side: str) -> str:
    return f"tcbpf-{os.getpid()}-{side}"


class Namespaces:
    """The namespace of a server and that of its clients. Each has an address of IPv4 and of IPv6 on the cable."""

    def __init__(self) -> None:
        for side in ("server", "clients"):
            self.ip("netns", "add", _name(side))
        self.server("link", "add", CABLE, "type", "veth", "peer", "name", CABLE, "netns", _name("clients"))
        for side, host, host6 in ((self.server, SERVER, SERVER6), (self.clients, CLIENTS, CLIENTS6)):
            side("link", "set", "lo", "up")
            side("address", "add", f"{host}/24", "dev", CABLE)
            side("address", "add", f"{host6}/64", "dev", CABLE, "nodad")
            side("link", "set", CABLE, "up")
        self.clients("address", "add", f"{FAR}/32", "dev", "lo")

    def close(self) -> None:
        for side in ("server", "clients"):
            subprocess.run(["ip", "netns", "delete", _name(side)], capture_output=True)

    def ip(self, *words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    def server(self, *words: str) -> None:
        self.ip("-n", _name("server"), *words)

    def queue(self, *words: str) -> None:
        """Change the queue of the server's end of the cable."""
        command = ["tc", "-n", _name("server"), "qdisc", words[0], "dev", CABLE, "root", *words[1:]]
        subprocess.run(command, check=True, capture_output=True)

    def clients(self, *words: str) -> None:
        self.ip("-n", _name("clients"), *words)

    @contextmanager
    def inside(self, side: str) -> Iterator[None]:
        """Let this thread be in a namespace; its sockets stay there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{_name(side)}", os.O_RDONLY)
        try:
            assert not _libc.setns(there, _CLONE_NEWNET)
            yield
        finally:
            assert not _libc.setns(home, _CLONE_NEWNET)
            os.close(there)
            os.close(home)


@pytest.fixture(scope="module")
def cable() -> Iterator[Namespaces]:
    skip_without_namespaces()
    made = Namespaces()
    try:
        yield made
    finally:
        made.close()


def switch_checksums(device: str, on: bool) -> None:
    """Let a device compute the checksums of what it sends, or not; raises ``OSError`` if it does not let itself."""
    value = ctypes.create_string_buffer(struct.pack("@II", _SET_TX_CHECKSUMS, on), 8)
    request = struct.pack("@16sP", device.encode(), ctypes.addressof(value))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SIOCETHTOOL, request)


def programs_at(device: str) -> int:
    """Return how many programs are at the egress of a device."""
    attributes = struct.pack("@IIIIQI", socket.if_nametoindex(device), _TCX_EGRESS, 0, 0, 0, 0)
    query = ctypes.create_string_buffer(attributes, 64)
    result = _libc.syscall(_BPF, _PROG_QUERY, query, 64)
    if result < 0 and ctypes.get_errno() != errno.ENOSPC:  # there is no room for the list, which is not wanted
        raise OSError(ctypes.get_errno(), "BPF_PROG_QUERY")
    return struct.unpack_from("@I", query, 24)[0]


@contextmanager
def without_checksums(device: str) -> Iterator[None]:
    switch_checksums(device, False)
    try:
        yield
    finally:
        with suppress(OSError):
            switch_checksums(device, True)
