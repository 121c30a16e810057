"""The media planes of a server in virtual time: as many as it has workers, wired as those are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tcserver.media import MediaPlane
from tcserver.media.interface import Address, Command, Event
from tcserver.media.udp.steering import WORKER_OFFSET
from tcserver.media.workers.router import Router

RELAY = 1
"""The lane to the other planes."""


class Planes:
    """Brings commands and datagrams to their planes. Messages between planes arrive at once."""

    def __init__(self, count: int, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._relays = [Address(RELAY, "127.0.0.1", 9000 + worker) for worker in range(count)] if count > 1 else []
        self._router = Router()
        self.all = [self._make(worker) for worker in range(count)]

    def replace(self, worker: int) -> None:
        """Put a plane that knows nothing in place of another."""
        self.all[worker] = self._make(worker)

    def apply(self, command: Command, now: float) -> None:
        """Give a command to all planes that need it."""
        for worker in self._router.workers(command):
            self.all[worker].apply(command, now)

    def receive(self, data: bytes, address: Address, now: float) -> None:
        """Give a datagram to the plane that the kernel would choose."""
        worker = data[WORKER_OFFSET] % len(self.all) if len(data) > WORKER_OFFSET else 0
        self.all[worker].receive([(data, address)], now)

    def poll(self, now: float) -> None:
        """Let all planes do what is due."""
        for plane in self.all:
            plane.poll(now)

    def next_deadline(self) -> float | None:
        """Return when ``poll`` is due."""
        return min((due for plane in self.all if (due := plane.next_deadline()) is not None), default=None)

    def outgoing(self, now: float) -> Iterator[tuple[Address, bytes]]:
        """Yield what is sent to clients. Raises what failed in a plane."""
        busy = True
        while busy:
            busy = False
            for worker, plane in enumerate(self.all):
                for datagram, receivers, skip in plane.take_transmissions():
                    busy = True
                    for at, address in enumerate(receivers.addresses):
                        if address.lane == RELAY:
                            target = self.all[self._relays.index(address)]
                            target.receive_relayed([(datagram, self._relays[worker])], now)
                        elif at != skip:
                            yield address, datagram
        for plane in self.all:
            if (failed := plane.faults.take()) is not None:
                raise failed[1]

    def take_events(self) -> list[Event]:
        """Return the events of all planes."""
        return [event for plane in self.all for event in plane.take_events()]

    def _make(self, worker: int) -> MediaPlane:
        return MediaPlane(self._random_bytes, worker=worker, peers=self._relays)
