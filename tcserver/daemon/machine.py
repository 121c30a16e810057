"""What a machine has that a server needs: files, buffers, system calls, a right clock, ports, a way to it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tcserver.config.sections import Configuration
from tcserver.daemon.addresses import all_addresses, outward_address, reachable_address
from tcserver.daemon.self_probe import NoSign, Sign, probe_server
from tcserver.media.udp.native import load
from tcserver.media.udp.offload import can_receive_trains, can_send_trains
from tcserver.monitoring.clock import is_synchronised
from tcserver.storage.data_directory import DataDirectory

FURTHER_FILES = 64
"""Files of a server besides its connections: database, log, sockets of a few addresses."""
FILES_OF_WORKER = 16
"""Files of a media worker: three for each address, two more, and some room."""
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
"""What reaches a server that listens on all addresses, from its own machine."""


class Finding(NamedTuple):
    """What was found about a subject. ``stops``: a server would not start or could not be reached as it is set up."""

    subject: str
    text: str
    stops: bool = False


def look_at_machine(configuration: Configuration, directory: DataDirectory) -> Iterator[Finding]:
    """Yield what is found without a network. Nothing is changed. Raises ``StoreError`` for a key that is of no use."""
    yield _data(directory)
    yield _files(configuration)
    yield _buffers(configuration.media.socket_buffer_bytes)
    sends = "gso" if can_send_trains() else "sendmmsg" if _has("sendmmsg") else "sendto"
    receives = "gro" if can_receive_trains() else "recvmmsg" if _has("recvmmsg") else "recvfrom"
    yield Finding("system calls", f"the fastest that work: {sends} to send, {receives} to receive")
    yield Finding(
        "clock",
        {
            True: "kept right",
            False: "nothing keeps it right: times of texts and certificates may be wrong; set up NTP",
            None: "not known whether something keeps it right",
        }[is_synchronised()],
    )


def look_at_network(configuration: Configuration, directory: DataDirectory) -> Iterator[Finding]:
    """Yield what is found about the ports and the way to a running server, by the address that people use."""
    server, web = configuration.server, configuration.web
    if not server.port:
        yield Finding("ports", "any free one (server.port = 0): nothing to test")
        return
    further = [f"{port}/tcp" for port in (web.port, web.redirect_port) if web.enabled and port]
    wanted = ", ".join([f"{server.port}/tcp", f"{server.port}/udp", *further])
    hosts = server.addresses or all_addresses()
    own = directory.identity().fingerprint if directory.has_identity() else None
    here = _asked(_ANY.get(hosts[0], hosts[0]), server.port)
    if isinstance(here, Sign) and here.fingerprint == own:
        yield Finding("ports", f"{_told(here, server.port)}; a firewall has to let in {wanted}", here.udp is None)
        yield _from_outside(configuration, own)
        return
    try:
        _bind(hosts, server.port)
    except OSError as error:
        yield Finding("ports", f"{server.port} cannot be used: {error.strerror or error}", True)
        return
    yield Finding("ports", f"free; a firewall has to let in {wanted}")
    yield Finding("way to it", "not tested: the server does not run")


def _from_outside(configuration: Configuration, own: bytes) -> Finding:
    server = configuration.server
    host = server.public_host or reachable_address(server.addresses, outward_address)
    if host is None:
        return Finding("way to it", "no address that others can reach was found: set server.public_host")
    found = _asked(host, server.port)
    if isinstance(found, Sign) and found.fingerprint != own:
        return Finding("way to it", f"{host}: another server answers there", True)
    if isinstance(found, Sign) and found.udp is not None:
        return Finding("way to it", f"{host}: {_told(found, server.port)}")
    told = found if isinstance(found, str) else _told(found, server.port)
    return Finding(
        "way to it", f"{host}: {told}. Not all routers let a machine reach itself: try tcclient probe outside"
    )


def _told(sign: Sign, port: int) -> str:
    udp = "does not answer" if sign.udp is None else f"answers in {sign.udp * 1000:.1f} ms"
    return f"{port}/tcp answers in {sign.tcp * 1000:.1f} ms, {port}/udp {udp}"


def _asked(host: str, port: int) -> Sign | str:
    """Return how a server answers, or why none does."""
    try:
        return asyncio.run(probe_server(host, port))
    except NoSign as error:
        return str(error)


def _data(directory: DataDirectory) -> Finding:
    path = directory.path
    if not path.exists():
        parent = next(folder for folder in path.absolute().parents if folder.exists())
        writable = os.access(parent, os.W_OK | os.X_OK, effective_ids=True)
        text = "will be made at the first start" if writable else f"cannot be made: {parent} is not this user's"
        return Finding("data directory", f"{path} {text}", not writable)
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        return Finding("data directory", f"{path} is not this user's", True)
    if directory.has_identity() or directory.exists():
        directory.identity()
    return Finding("data directory", f"{path} can be used")


def _files(configuration: Configuration) -> Finding:
    if sys.platform == "win32":
        return Finding("open files", "not limited here")
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    login, web, workers = configuration.login, configuration.web, configuration.server.workers
    needed = login.max_sessions + login.max_half_open + FURTHER_FILES + FILES_OF_WORKER * workers
    needed += web.max_connections if web.enabled else 0
    if most == resource.RLIM_INFINITY or most >= needed:
        return Finding("open files", f"enough for all that the settings allow ({needed})")
    return Finding("open files", f"{most} at most, and the settings allow {needed}: raise LimitNOFILE (ulimit -Hn)")


def _buffers(wanted: int) -> Finding:
    given = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for name, option in (("rmem_max", socket.SO_RCVBUF), ("wmem_max", socket.SO_SNDBUF)):
            probe.setsockopt(socket.SOL_SOCKET, option, wanted)
            # Linux takes half of it for its own records, and tells of twice what was asked for: socket(7).
            given[name] = probe.getsockopt(socket.SOL_SOCKET, option) // (2 if sys.platform == "linux" else 1)
    small = [f"net.core.{name}={wanted}" for name, size in given.items() if size < wanted]
    if not small:
        return Finding("socket buffers", f"{wanted} bytes, as wanted")
    least = min(given.values())
    return Finding("socket buffers", f"{least} bytes, {wanted} wanted; for large meetings: sysctl -w {' '.join(small)}")


def _has(call: str) -> bool:
    try:
        load(call)
    except OSError:
        return False
    return True


def _bind(hosts: Sequence[str], port: int) -> None:
    """Bind TCP and UDP, and let go again. Raises ``OSError``."""
    for host in hosts:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as probe:
                if kind == socket.SOCK_STREAM:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if ":" in host:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((host, port))
