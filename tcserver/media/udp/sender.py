"""Senders: bring transmissions to the sockets. What they share; `sendto` and `sendmmsg` do the system calls."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from tcserver.media.forwarding.receivers import ReceiverSet, Transmission
from tcserver.media.udp.backlog import Backlog, Weight


class Run(NamedTuple):
    """A message for the receivers from slot ``start`` to before ``stop``, which all use the same socket.

    If all receivers of the set do, slots go round: of n, slot n is slot 0. So one run leaves out a slot in the middle.
    """

    payload: bytes
    """A datagram, or those of a train in a row."""
    size: int
    """Bytes of each datagram but the last."""
    receivers: ReceiverSet
    start: int
    stop: int

    @property
    def segments(self) -> int:
        """Datagrams that each receiver gets."""
        return -(-len(self.payload) // self.size) if self.payload else 1


class Blocked(Exception):
    """The socket's own send buffer is full; ``slot`` is the first receiver that did not get the message."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        super().__init__(slot)


class Sender(ABC):
    """Sends datagrams to sets of receivers, through one of several sockets for each receiver.

    An error that concerns one destination costs that destination this datagram and is counted by its name. Where a
    socket's buffer is full (which is the server's own fault, not the receiver's), the rest waits in a `Backlog`.
    """

    def __init__(self) -> None:
        self.sent = 0
        """Datagrams that the kernel took, counted once for each receiver."""
        self.errors: Counter[str] = Counter()
        """Datagrams lost, by the name of the error."""
        self.gave_way: Counter[Weight] = Counter()
        """Datagrams lost since they waited when too many did."""
        self.refused_trains = 0
        """Trains that had to be taken apart for a receiver, on whose way the kernel does not cut."""
        self.has_backlogs = False
        """Whether there ever was a socket to `resume`."""
        self._backlog: dict[int, Backlog] = {}

    def send(self, transmissions: Sequence[Transmission]) -> None:
        """Send each datagram to each receiver but the one that is left out."""
        for datagram, receivers, skip in transmissions:
            for start, stop in runs(receivers, (skip,)):
                self.dispatch(Run(datagram, len(datagram), receivers, start, stop))

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
            run = backlog.take()
            try:
                self.send_run(local, run)
            except Blocked as blocked:
                backlog.put_back(run._replace(start=blocked.slot))
                return

    def dispatch(self, run: Run) -> None:
        """Send a run now, or behind those that wait for its socket."""
        addresses = run.receivers.addresses
        local = addresses[run.start % len(addresses)].local
        backlog = self._backlog.get(local)
        if backlog:
            backlog.put(run)
            return
        try:
            self.send_run(local, run)
        except Blocked as blocked:
            self.postpone(local, run._replace(start=blocked.slot))

    def postpone(self, local: int, run: Run) -> None:
        """Let a run wait until its socket is writable."""
        backlog = self._backlog.get(local)
        if backlog is None:
            backlog = self._backlog[local] = Backlog(self.gave_way)
            self.has_backlogs = True
        backlog.put(run)

    @abstractmethod
    def send_run(self, local: int, run: Run) -> None:
        """Send through a socket; raises ``Blocked``."""

    def lose(self, number: int, datagrams: int = 1) -> None:
        """Count datagrams that an error of this number cost one receiver."""
        self.errors[errno.errorcode.get(number, str(number))] += datagrams


def runs(receivers: ReceiverSet, skips: Sequence[int]) -> list[tuple[int, int]]:
    """Return the slots to send to, as (start, stop) of slots that stand together and use the same socket; see `Run`.

    ``skips`` are slots that are left out, in ascending order; -1 is none.
    """
    if len(receivers.groups) == 1:
        return _runs_around(len(receivers.addresses), skips)
    found = []
    for start, stop in receivers.groups:
        first = start
        for skip in skips:
            if first <= skip < stop:
                if first < skip:
                    found.append((first, skip))
                first = skip + 1
        if first < stop:
            found.append((first, stop))
    return found


def _runs_around(count: int, skips: Sequence[int]) -> list[tuple[int, int]]:
    left_out = [skip for skip in skips if skip >= 0]
    if not left_out:
        return [(0, count)]
    ends = (*left_out[1:], left_out[0] + count)
    return [(skip + 1, end) for skip, end in zip(left_out, ends, strict=True) if skip + 1 < end]
