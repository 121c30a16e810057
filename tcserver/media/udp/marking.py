"""The service class (DSCP) of the datagrams that leave by a socket, by which a network may serve sound first."""

from __future__ import annotations

import contextlib
import socket

from tcproto.datagram import DSCP_LARGE, DSCP_SMALL, LARGE


class Marking:
    """Marks what is sent next: small datagrams as sound, large ones as pictures.

    A network that does not know the classes ignores them. A kernel that does not set them costs nothing.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._marked = -1

    def mark(self, size: int) -> None:
        """Set the class for datagrams of ``size`` bytes, unless it is set."""
        dscp = DSCP_LARGE if size > LARGE else DSCP_SMALL
        if dscp != self._marked:
            self._marked = dscp
            mark(self._socket, dscp)


def mark(sock: socket.socket, dscp: int) -> None:
    """Set the class of all that a socket sends; an IPv6 socket may send to IPv4 addresses too."""
    with contextlib.suppress(OSError):
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)
