"""The two netlink sockets of a process: one to ask for routes, one on which the kernel tells of changes."""

from __future__ import annotations

import errno
import socket

from tcserver.media.bpf import netlink
from tcserver.media.bpf.netlink import Message, Route
from tcserver.media.bpf.network import Change, Network

_BUFFER = 1 << 16
_PATIENCE = 1.0
"""Seconds for an answer. The kernel gives it before the question returns."""
EVENT_BYTES = 1 << 20
"""Buffer for changes that wait. When it was too small, everything is asked for again."""


class Watch:
    """Knows the network of this process's namespace, and asks the kernel for routes."""

    def __init__(self, event_bytes: int = EVENT_BYTES) -> None:
        """Ask for all there is; raises ``OSError``. ``event_bytes`` are asked for changes that wait."""
        self.network = Network()
        self._sequence = 0
        """Number of the last question."""
        self._loopback = socket.if_nametoindex("lo")
        self._questions = _socket(0)
        try:
            self._events = _socket(netlink.GROUPS)
        except OSError:
            self._questions.close()
            raise
        self._questions.settimeout(_PATIENCE)
        self._events.setblocking(False)
        try:
            self._events.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, event_bytes)
            self._take_all()
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the sockets; may be called again."""
        self._questions.close()
        self._events.close()

    def fileno(self) -> int:
        """Return the descriptor that can be read when something has changed."""
        return self._events.fileno()

    def take_changes(self) -> Change:
        """Take note of what has changed; return how much that is."""
        change = Change.NOTHING
        while True:
            try:
                data = self._events.recv(_BUFFER)
            except BlockingIOError:
                return change
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.network.clear()  # the kernel had more to tell than the buffer takes
                self._take_all()
                change = Change.NETWORK
            else:
                change = max(change, self.network.take(netlink.split(data)))

    def route(self, destination: bytes, port: int, source: bytes, source_port: int) -> Route | None:
        """Return the route of a datagram; None: there is none. Addresses as ``netlink.ask_route`` has them."""
        sequence = self._next_sequence()
        try:
            self._questions.send(netlink.ask_route(sequence, destination, port, source, source_port))
            while True:
                for kind, answered, body in netlink.split(self._questions.recv(_BUFFER)):
                    if answered == sequence:
                        return netlink.parse_route(body) if kind == netlink.ROUTE else None
        except OSError:
            return None

    def dropped(self) -> int:
        """Return the packets that had no room in a queue of a device since that was made; raises ``OSError``.

        Those that the loopback device could not deliver count, too.
        """
        loopback = netlink.ask_link(self._next_sequence(), self._loopback)
        links = (message for message in self._ask(loopback) if message.kind == netlink.LINK)
        dropped = sum(netlink.parse_link(link.body).dropped for link in links)
        queues = (message for message in self._ask_all(netlink.ASK_QUEUES) if message.kind == netlink.QUEUE)
        return dropped + sum(netlink.parse_dropped(queue.body) for queue in queues)

    def _take_all(self) -> None:
        for kind in (netlink.ASK_LINKS, netlink.ASK_NEIGHBOURS):
            self.network.take(self._ask_all(kind))

    def _ask_all(self, kind: int) -> list[Message]:
        return self._ask(netlink.ask_all(kind, self._next_sequence()))

    def _ask(self, question: bytes) -> list[Message]:
        """Ask the last question."""
        self._questions.send(question)
        answers: list[Message] = []
        while not any(message.kind in (netlink.DONE, netlink.ERROR) for message in answers):
            received = netlink.split(self._questions.recv(_BUFFER))
            answers += (message for message in received if message.sequence == self._sequence)
        return answers

    def _next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence


def _socket(groups: int) -> socket.socket:
    if not hasattr(socket, "AF_NETLINK"):
        raise OSError("only Linux has netlink")
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    try:
        sock.bind((0, groups))
    except OSError:
        sock.close()
        raise
    return sock
