"""Addresses of this machine: those to listen on, the one for clients, and their names in errors."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import ipaddress
import os
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_ELSEWHERE = {socket.AF_INET: ("192.0.2.1", 9), socket.AF_INET6: ("2001:db8::1", 9)}
"""Addresses of other networks (RFC 5737, RFC 3849). To connect a UDP socket to one sends nothing."""
_GET_INTERFACE_ADDRESS = 0x8915
"""SIOCGIFADDR of Linux."""
_INTERFACE_REQUEST = struct.Struct("16s 4x 4s 232x")
"""``struct ifreq``: the name, family and port, the IPv4 address."""


def all_addresses() -> tuple[str, ...]:
    """Return the addresses that stand for all addresses of this machine, without IPv6 where the kernel has none."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return ("0.0.0.0",)  # noqa: S104 - a server for everybody, by default
    return ("0.0.0.0", "::")  # noqa: S104


def reachable_address(addresses: Sequence[str], outward: Callable[[int], str | None]) -> str | None:
    """Return the address that participants should use for a server that listens on ``addresses``.

    It is the first that other machines can reach. For an address that stands for a whole family, or for no address at
    all, ``outward`` is asked (with ``AF_INET`` or ``AF_INET6``). A loopback or link-local address is returned only
    where there is no other. None means that no address was found.
    """
    listed = [ipaddress.ip_address(address) for address in addresses]
    named = [address for address in listed if not _unmapped(address).is_unspecified]
    for address in named:
        if _is_of_a_network(address):
            return str(address)
    every = [address.version for address in listed if address not in named] if listed else [4, 6]
    for version in sorted(every):
        if found := outward(socket.AF_INET if version == 4 else socket.AF_INET6):
            return found
    return str(named[0]) if named else None


def outward_address(family: int) -> str | None:
    """Return the address of a family that packets to other networks leave from, else one of any interface, or None."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(_ELSEWHERE[socket.AddressFamily(family)])
        address = str(probe.getsockname()[0])
        if _is_of_a_network(ipaddress.ip_address(address)):
            return address
    with contextlib.suppress(OSError):
        found = _interface_addresses() if family == socket.AF_INET else _interface_addresses_6()
        return next((str(address) for address in found if _is_of_a_network(address)), None)
    return None


def interface_addresses() -> list[str]:
    """Return the IPv4 addresses of the interfaces, as far as they can be found."""
    with contextlib.suppress(OSError):
        return [str(address) for address in _interface_addresses()]
    return []


def _interface_addresses() -> Iterator[Address]:
    """Yield the IPv4 addresses of the interfaces of a Linux machine, which may have no route to other networks."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):
                request = _INTERFACE_REQUEST.pack(name.encode(), bytes(4))
                answer = fcntl.ioctl(sock, _GET_INTERFACE_ADDRESS, request)
                yield ipaddress.IPv4Address(_INTERFACE_REQUEST.unpack(answer)[1])


def _interface_addresses_6() -> Iterator[Address]:
    with open("/proc/net/if_inet6", encoding="ascii") as table:
        for line in table:
            yield ipaddress.IPv6Address(bytes.fromhex(line.split()[0]))


def _is_of_a_network(address: Address) -> bool:
    address = _unmapped(address)
    return not (address.is_loopback or address.is_link_local or address.is_unspecified)


def _unmapped(address: Address) -> Address:
    """Return the IPv4 address in an IPv6 one of the form ``::ffff:192.0.2.1``, else the address itself."""
    return getattr(address, "ipv4_mapped", None) or address


@contextlib.contextmanager
def named_in_errors(setting: str, transport: str, host: str, port: int) -> Iterator[None]:
    """Name the address in each ``OSError`` about it. For a port in use, name the setting and the transport."""
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
