"""A UDP socket as a lane, with one system call for each receiver. Works everywhere."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

from tcserver.media.forwarding.receivers import LaneReceivers
from tcserver.media.lanes.lane import Lane
from tcserver.media.udp.backlog import Backlog, Run
from tcserver.media.udp.marking import Marking


class Full(Exception):
    """The buffer of the socket is full; ``index`` is that of the first receiver that did not get the message."""

    def __init__(self, index: int) -> None:
        self.index = index
        super().__init__(index)


class PlainLane(Lane):
    """Sends with ``sendto``, single datagrams only.

    An error that concerns one destination costs that destination this datagram, and is counted by its name. Where the
    buffer of the socket is full (which is the server's own fault, not the receiver's), the rest waits in a ``Backlog``,
    and ``on_full`` is called with the lane: ``resume`` it when the socket is writable.
    """

    def __init__(self, sock: socket.socket, on_full: Callable[[PlainLane], None], trains: bool = False) -> None:
        super().__init__(trains)
        self.marking: Marking | None = None
        """What marks the datagrams; None: nothing does."""
        self._socket = sock
        self._on_full = on_full
        self._backlog = Backlog(self.counts.gave_way)
        self._full = False

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self._socket.fileno()

    @property
    def waiting(self) -> int:
        """Messages in the backlog, a train counted once."""
        return len(self._backlog)

    def send(self, payload: bytes, size: int, receivers: LaneReceivers, start: int, stop: int) -> None:
        """Send a payload now, or behind those that wait; as ``Lane.send``."""
        if self._full:
            self._backlog.put(Run(payload, size, receivers, start, stop))
            return
        try:
            self._send(payload, size, receivers, start, stop)
        except Full as full:
            self._backlog.put(Run(payload, size, receivers, full.index, stop))
            if not self._full:
                self._full = True
                self._on_full(self)

    def resume(self) -> bool:
        """Send what waits, as far as the buffer of the socket takes it; return whether nothing is left."""
        backlog = self._backlog
        while backlog:
            run = backlog.take()
            try:
                self._send(*run)
            except Full as full:
                backlog.put_back(run._replace(start=full.index))
                return False
        self._full = False
        return True

    def _send(self, payload: bytes, size: int, receivers: LaneReceivers, start: int, stop: int) -> None:
        """Send now; raises ``Full``."""
        if self.marking is not None:
            self.marking.mark(size)
        sendto = self._socket.sendto
        addresses = receivers.addresses
        for index in range(start, stop):
            _, host, port = addresses[index % len(addresses)]
            # A second try: an error may be a late one of an earlier datagram, and reading it clears it.
            for last in (False, True):
                try:
                    sendto(payload, (host, port))
                except BlockingIOError:
                    raise Full(index) from None
                except ConnectionRefusedError as error:
                    if last:
                        self._lose(error.errno or 0)
                    continue
                except OSError as error:
                    self._lose(error.errno or 0)
                else:
                    self.counts.sent += 1
                break

    def _lose(self, number: int, datagrams: int = 1) -> None:
        """Count datagrams that an error of this number cost one receiver."""
        self.counts.errors[errno.errorcode.get(number, str(number))] += datagrams
