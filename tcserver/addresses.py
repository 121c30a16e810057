"""Addresses of this machine: those to listen on, the one to be reached at, and how errors name them."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator

_ELSEWHERE = ("192.0.2.1", 9)
"""An address of another network (RFC 5737); connecting a UDP socket to it sends nothing."""


def all_addresses() -> tuple[str, ...]:
    """Return the addresses that mean all of this machine's; a kernel may be without IPv6."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return ("0.0.0.0",)  # noqa: S104 - a server for everybody, by default
    return ("0.0.0.0", "::")  # noqa: S104


def outward_address() -> str:
    """Return the address that other networks are reached from; that of this machine alone where none is."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(_ELSEWHERE)
        host: str = probe.getsockname()[0]
        return host
    return "127.0.0.1"


@contextlib.contextmanager
def named_in_errors(setting: str, transport: str, host: str, port: int) -> Iterator[None]:
    """Name the address in each ``OSError`` about it; of a port in use, the setting that names it and the transport."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        taken = error.errno == errno.EADDRINUSE
        where = f"{setting}: {transport} port {port}" if taken else f"address {host}, port {port}"
        # Errors of the resolver have numbers of their own, and texts.
        reason = os.strerror(error.errno) if error.errno > 0 else error.strerror or "no such address"
        raise OSError(error.errno, reason.lower(), where) from error
