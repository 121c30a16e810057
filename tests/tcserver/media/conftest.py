"""Sockets of the loopback interface, closed in the end."""

import socket
from collections.abc import Callable, Iterator

import pytest

from tests.support.media.loopback import NO_IPV6

Bind = Callable[..., socket.socket]


@pytest.fixture
def bind() -> Iterator[Bind]:
    """Return a function that binds a non-blocking socket; all are closed in the end."""
    sockets = []

    def bind(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        sockets.append(sock)
        sock.setblocking(False)
        if ":" in host:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            sock.bind((host, port))
        except OSError as error:
            if error.errno not in NO_IPV6:
                raise
            pytest.skip("no IPv6 here")
        return sock

    yield bind
    for sock in sockets:
        sock.close()
