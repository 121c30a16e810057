"""What leaves is marked by its size, so that a network may serve sound first."""

import socket
import sys

import pytest

from tcproto.datagram import DSCP_CONTROL, DSCP_LARGE, DSCP_SMALL, LARGE
from tcserver.media.forwarding.receivers import ReceiverSet, Transmission
from tcserver.media.interface import Address
from tcserver.media.lanes.sender import Sender
from tcserver.media.udp.marking import Marking, mark
from tcserver.media.udp.sendmmsg import make_lanes

linux = pytest.mark.skipif(sys.platform != "linux", reason="IP_RECVTOS and sendmmsg are those of Linux")


@linux
@pytest.mark.parametrize("receivers", [1, 3])
@pytest.mark.parametrize("name", ["sendto", "auto"])
def test_small_datagrams_are_sound_and_large_ones_pictures(name: str, receivers: int) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there,
    ):
        there.bind(("127.0.0.1", 0))
        there.settimeout(5)
        there.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        (lane,) = make_lanes(name, [here], pytest.fail)  # type: ignore[arg-type]
        lane.marking = Marking(here)
        address = Address(0, *there.getsockname())
        everybody = ReceiverSet((number, address) for number in range(receivers))
        for size in (100, LARGE + 1, 1200, LARGE):
            Sender([lane]).send([Transmission(bytes(size), everybody)])
            for _ in range(receivers):
                data, control, _, _ = there.recvmsg(2048, 64)
                expected = DSCP_LARGE if size > LARGE else DSCP_SMALL
                assert (len(data), control[0][2][0] >> 2) == (size, expected)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_socket_of_either_family_is_marked(family: socket.AddressFamily) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        mark(sock, DSCP_CONTROL)
        assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == DSCP_CONTROL << 2
        if family == socket.AF_INET6:
            assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS) == DSCP_CONTROL << 2


def test_a_kernel_that_refuses_changes_nothing() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        marking = Marking(sock)
    marking.mark(100)
