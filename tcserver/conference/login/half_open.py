"""Connections that have not logged in, and which of them is closed when there is no room for one more."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

KNOWN_NETWORKS = 4096
"""Networks with a login that are remembered, more than any town has. The oldest is forgotten first."""
RESERVE = 16
"""Connections that a network with an earlier login has free when the largest network is looked for."""


class Step(IntEnum):
    """How far a connection is on its way to a login. Bytes that complete no message are no step."""

    CONNECTED = 0
    """The handshake is not done."""
    GREETED = 1
    """The handshake is done. No account was named."""
    NAMED = 2
    """An account was named. The client derives its key."""


PATIENCE: Mapping[Step, float] = MappingProxyType({Step.CONNECTED: 2.0, Step.GREETED: 2.0, Step.NAMED: 5.0})
"""Seconds for the next step. A connection that takes longer is closed before those that are in time.

Two seconds are two round trips over a bad line, five are Argon2id on a slow machine.
"""
SHARES: Mapping[Step, float] = MappingProxyType({Step.CONNECTED: 0.25, Step.GREETED: 0.25, Step.NAMED: 0.5})
"""Part of the places for each step, where all connections are in time. New connections have the time for their first
step. Connections that have taken it cannot be pushed out by connections that never do."""


class _Network:
    """The connections of one network by step, the oldest first."""

    __slots__ = ("names", "steps")

    def __init__(self) -> None:
        self.steps: tuple[dict[int, None], ...] = tuple({} for _ in Step)
        self.names: dict[str, dict[int, None]] = {}
        """Connections that have named an account, by its name."""

    def __len__(self) -> int:
        return sum(map(len, self.steps))

    def least(self, step: Step) -> int:
        """Return the connection at a step that is closed first: the oldest one of the account that most have named."""
        if step is Step.NAMED:
            largest: dict[int, None] = max(self.names.values(), key=len)
            return next(iter(largest))
        return next(iter(self.steps[step]))


class _Entry:
    __slots__ = ("name", "network", "since", "step")

    def __init__(self, network: str, since: float) -> None:
        self.network = network
        self.since = since
        self.step = Step.CONNECTED
        self.name = ""


class HalfOpen:
    """The connections that have not logged in, by network.

    Which of them is closed does not depend on the new connection.
    """

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}
        self._networks: dict[str, _Network] = {}
        self._steps: tuple[dict[int, None], ...] = tuple({} for _ in Step)
        self._known: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        """Number of connections that have not logged in."""
        return len(self._entries)

    def of(self, network: str) -> int:
        """Return the number of connections of a network."""
        found = self._networks.get(network)
        return len(found) if found is not None else 0

    def add(self, connection: int, network: str, now: float) -> None:
        """Add a connection."""
        self._entries[connection] = _Entry(network, now)
        self._networks.setdefault(network, _Network()).steps[Step.CONNECTED][connection] = None
        self._steps[Step.CONNECTED][connection] = None

    def advance(self, connection: int, step: Step, now: float, name: str = "") -> None:
        """Note a step of a connection, the third with the ``name`` of the account. The same step again is ignored."""
        entry = self._entries.get(connection)
        if entry is None or entry.step >= step:
            return
        network = self._networks[entry.network]
        for steps in (network.steps, self._steps):
            del steps[entry.step][connection]
            steps[step][connection] = None
        entry.step, entry.since, entry.name = step, now, name
        if step is Step.NAMED:
            network.names.setdefault(name, {})[connection] = None

    def remove(self, connection: int) -> None:
        """Forget a connection that has logged in or has ended."""
        entry = self._entries.pop(connection)
        network = self._networks[entry.network]
        del network.steps[entry.step][connection]
        del self._steps[entry.step][connection]
        if entry.step is Step.NAMED:
            group = network.names[entry.name]
            del group[connection]
            if not group:
                del network.names[entry.name]
        if not network:
            del self._networks[entry.network]

    def know(self, network: str) -> None:
        """Remember that an account has logged in from a network."""
        self._known[network] = None
        self._known.move_to_end(network)
        if len(self._known) > KNOWN_NETWORKS:
            self._known.popitem(last=False)

    def is_crowded(self, network: str, most: int, most_of_network: int) -> bool:
        """Tell whether half of all places, or of those of a network, are taken."""
        return 2 * len(self) >= most or 2 * self.of(network) >= most_of_network

    def leaver(self, network: str, most: int, most_of_network: int, now: float) -> int | None:
        """Return the connection to close before one more of ``network`` is added; None while there is room.

        A connection that is late for its next step goes first, the one with the least progress. If none is late, one
        goes from the first step that has more than its share. If the whole server is full, it is one of the network
        with the most connections at this step.
        """
        here = self._networks.get(network)
        if here is not None and len(here) >= most_of_network:
            late = self._late(here.steps, now)
            return late if late is not None else here.least(_crowded_step(here.steps))
        if len(self) < most:
            return None
        late = self._late(self._steps, now)
        if late is not None:
            return late
        step = _crowded_step(self._steps)
        largest = max(
            (found for found in self._networks if self._networks[found].steps[step]),
            key=lambda found: len(self._networks[found].steps[step]) - RESERVE * (found in self._known),
        )
        return self._networks[largest].least(step)

    def _late(self, steps: tuple[dict[int, None], ...], now: float) -> int | None:
        for step, connections in zip(Step, steps, strict=True):
            oldest = next(iter(connections), None)
            if oldest is not None and now - self._entries[oldest].since >= PATIENCE[step]:
                return oldest
        return None


def network_of(address: str) -> str:
    """Return the network that limits count an address by.

    An IPv4 address, also one mapped into IPv6, counts by itself. An IPv6 address counts by its /64, which is what a
    household gets.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), 64), strict=False))


def _crowded_step(steps: tuple[dict[int, None], ...]) -> Step:
    """Return the first step that has more than its share of the connections.

    If each step has exactly its share, it is the first step that has any.
    """
    total = sum(map(len, steps))
    taken = [step for step in Step if steps[step]]
    return next((step for step in taken if len(steps[step]) > SHARES[step] * total), taken[0])
