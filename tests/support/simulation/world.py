"""The world: clients in their surroundings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from tcclient.core import PathState
from tests.support.simulation.client import Client
from tests.support.simulation.network import LAN, Conditions
from tests.support.simulation.surroundings import Surroundings

STEP = 0.01
"""Seconds between checks of a condition."""


class World(Surroundings):
    """A conference in virtual time, the same again from the same seed; ``settings`` are the server's."""

    def __init__(self, seed: int, **settings: Any) -> None:
        super().__init__(seed, **settings)
        self.clients: list[Client] = []

    def client(self, name: str, conditions: Conditions = LAN, *, host: str = "", **options: Any) -> Client:
        """Let a client come: it connects, logs in, enters the room and publishes a microphone.

        Clients with the same ``host`` are behind one NAT; ``options`` are those of ``Client``.
        """
        address = self.new_address(host or f"10.0.0.{len(self.clients) + 1}")
        client = Client(self, name, address=address, conditions=conditions, **options)
        self.clients.append(client)
        return client.connect()

    def room(self, *names: str, conditions: Conditions = LAN, **options: Any) -> list[Client]:
        """Let several clients come. They can hear each other when this returns."""
        clients = [self.client(name, conditions, **options) for name in names]
        self.until(lambda: self.ready(*clients))
        return clients

    def ready(self, *clients: Client) -> bool:
        """Return whether each client is in, has UDP and, with a microphone, could speak."""
        return all(
            client.in_room
            and client.udp is PathState.OK
            and (not client.has_microphone or client.session.seat.publications.can_send(client.microphone))
            for client in clients
        )

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.run(seconds)

    def until(self, condition: Callable[[], bool], limit: float = 10.0) -> float:
        """Let time pass until a condition holds. Return the seconds that it took. Fails after ``limit`` seconds."""
        start = self.now
        while not condition():
            assert self.now < start + limit, f"not within {limit} s"
            self.run(STEP)
        return self.now - start

    def client_drops(self) -> Counter[str]:
        """Return what clients dropped, by reason."""
        total: Counter[str] = Counter()
        for client in self.clients:
            total.update({str(reason): number for reason, number in client.session.drops.items()})
        return total
