"""Senders: bring transmissions to the sockets. What they share; `sendto` and `sendmmsg` do the system calls."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tcserver.media.receivers import ReceiverSet, Transmission

MAX_BACKLOG = 256
"""Runs of receivers that wait for room in a socket's buffer; the oldest gives way, for media are late soon."""


class _Run(NamedTuple):
    datagram: bytes
    receivers: ReceiverSet
    start: int
    stop: int


class Blocked(Exception):
    """The socket's own send buffer is full; ``slot`` is the first receiver that did not get the datagram."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        super().__init__(slot)


class Sender(ABC):
    """Sends datagrams to sets of receivers, through one of several sockets for each receiver.

    An error that concerns one destination costs that destination this datagram and is counted by its name. Where a
    socket's buffer is full (which is the server's own fault, not the receiver's), the rest waits in a bounded backlog.
    """

    def __init__(self) -> None:
        self.sent = 0
        """Datagrams that the kernel took, counted once for each receiver."""
        self.errors: Counter[str] = Counter()
        """Datagrams lost, by the name of the error; ``EAGAIN``: those that gave way in the backlog."""
        self._backlog: dict[int, deque[_Run]] = {}

    def send(self, transmissions: Iterable[Transmission]) -> None:
        """Send each datagram to each receiver but the one that is left out."""
        for datagrams, receivers, skip in transmissions:
            for start, stop in _runs(receivers, skip):
                for datagram in datagrams:
                    self._send(_Run(datagram, receivers, start, stop))

    @property
    def waiting(self) -> int:
        """Runs in the backlogs."""
        return sum(map(len, self._backlog.values()))

    def blocked(self) -> list[int]:
        """Return the sockets (by index) that have a backlog: `resume` them when they are writable."""
        return [local for local, backlog in self._backlog.items() if backlog]

    def resume(self, local: int) -> None:
        """Send what waits for a socket, as far as its buffer takes it."""
        backlog = self._backlog[local]
        while backlog:
            datagram, receivers, start, stop = backlog[0]
            try:
                self.send_run(local, datagram, receivers, start, stop)
            except Blocked as blocked:
                backlog[0] = _Run(datagram, receivers, blocked.slot, stop)
                return
            backlog.popleft()

    @abstractmethod
    def send_run(self, local: int, datagram: bytes, receivers: ReceiverSet, start: int, stop: int) -> None:
        """Send to the receivers from slot ``start`` to before ``stop``, all of one socket; raises ``Blocked``."""

    def lose(self, number: int) -> None:
        """Count a datagram that an error of this number cost one receiver."""
        self.errors[errno.errorcode.get(number, str(number))] += 1

    def _send(self, run: _Run) -> None:
        local = run.receivers.addresses[run.start].local
        backlog = self._backlog.get(local)
        if backlog:
            self._wait(backlog, run)
            return
        try:
            self.send_run(local, *run)
        except Blocked as blocked:
            waiting = self._backlog.setdefault(local, deque())
            self._wait(waiting, run._replace(start=blocked.slot))

    def _wait(self, backlog: deque[_Run], run: _Run) -> None:
        if len(backlog) == MAX_BACKLOG:
            oldest = backlog.popleft()
            self.errors["EAGAIN"] += oldest.stop - oldest.start
        backlog.append(run)


def _runs(receivers: ReceiverSet, skip: int) -> Sequence[tuple[int, int]]:
    """Return the slots to send to, as (start, stop) of slots that stand together and use the same socket."""
    runs = []
    for start, stop in receivers.groups:
        if start <= skip < stop:
            runs += [(start, skip), (skip + 1, stop)]
        else:
            runs.append((start, stop))
    return [(start, stop) for start, stop in runs if start < stop]
