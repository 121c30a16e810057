"""The sockets of one media plane on the addresses of the server: several for each, where datagrams can be steered."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from tcserver.media.plane.stats import SocketState
from tcserver.media.udp.binding import bind
from tcserver.media.udp.steering import share_port, steer

SO_MEMINFO = 55
"""Socket option of Linux, for which the socket module has no name. The places below are from ``linux/sock_diag.h``."""
_MEMINFO = struct.Struct("@9I")
_RMEM_ALLOC, _WMEM_ALLOC, _DROPS = 0, 2, 8


@dataclass
class SocketGroup:
    """Sockets by address, in one order. Each list but the first is empty where datagrams cannot be steered."""

    receiving: list[socket.socket] = field(default_factory=list)
    coalesced: list[socket.socket] = field(default_factory=list)
    """These receive what comes from suppressed seats."""
    sending: list[socket.socket] = field(default_factory=list)
    """These only send, and nobody waits on them: the kernel would look for whom to wake after each datagram sent."""

    def bind_others(self, addresses: Sequence[tuple[str, int]], buffer_bytes: int) -> None:
        """Bind the other sockets, after the receiving ones; raises ``OSError``, with none of the others left open."""
        for sock in self.receiving:
            # Not earlier: an address that somebody else uses has to be an error when the receiving ones are bound.
            share_port(sock)
        try:
            self.coalesced = bind(addresses, buffer_bytes, share_port)
            self.sending = bind(addresses, buffer_bytes, share_port)
            for sock in self.receiving:
                steer([sock])
        except OSError:
            for sock in (*self.coalesced, *self.sending):
                sock.close()
            self.coalesced, self.sending = [], []
            raise

    def close(self) -> None:
        """Close all; may be called again."""
        for sockets in (self.receiving, self.coalesced, self.sending):
            for sock in sockets:
                sock.close()
            sockets.clear()


def socket_state(sock: socket.socket) -> SocketState:
    """Return what the kernel keeps of a socket; raises ``OSError`` where it does not tell."""
    memory = _MEMINFO.unpack(sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMINFO.size))
    return SocketState(memory[_RMEM_ALLOC], memory[_WMEM_ALLOC], memory[_DROPS])
