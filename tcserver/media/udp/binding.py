"""UDP sockets for the local addresses of a server."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Sequence

_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _OMIT = 10, 23, 5
"""Constants of Linux that the socket module does not have."""


def bind(
    addresses: Sequence[tuple[str, int]],
    buffer_bytes: int,
    prepare: Callable[[socket.socket], None] = lambda sock: None,
) -> list[socket.socket]:
    """Return a non-blocking socket for each (numeric host, port); raises ``OSError``, with nothing left open.

    One for an IPv6 address takes IPv4 too (as mapped addresses) unless there is one for IPv4 on the same port.
    ``buffer_bytes`` are asked of the kernel for each direction; ``prepare`` is called with each before it is bound.
    """
    sockets: list[socket.socket] = []
    try:
        for host, port in addresses:
            both = any(other == port and ":" not in name for name, other in addresses)
            sockets.append(_bind(host, port, both, buffer_bytes, prepare))
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _bind(
    host: str, port: int, only_ipv6: bool, buffer_bytes: int, prepare: Callable[[socket.socket], None]
) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST | socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_ipv6)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, buffer_bytes)
        if sys.platform == "linux":
            # Routers may cut what is too long for a way. The default of Linux forbids it, and waits for a message that
            # many networks drop. Nor does the kernel look for the MTU of each way, which is a part of its work.
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _OMIT)
            sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _OMIT)
        prepare(sock)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
