"""What is set of a socket before it is bound."""

import socket
import sys
from pathlib import Path

import pytest

from tcserver.media.udp.binding import bind

IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, OMIT = 10, 23, 5
ipv6 = pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this kernel has no IPv6")


@pytest.mark.skipif(sys.platform != "linux", reason="the option is that of Linux")
@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=ipv6)])
def test_routers_may_cut_what_leaves(host: str) -> None:
    (sock,) = bind([(host, 0)], 65_536)
    with sock:
        assert sock.getsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER) == OMIT
        if sock.family == socket.AF_INET6:
            assert sock.getsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER) == OMIT
