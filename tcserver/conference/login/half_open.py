"""Connections that have not logged in: who has to go when there is no room for one more."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

KNOWN_NETWORKS = 4096
"""Networks remembered for a login from them: more than any town has; the one that is longest ago is forgotten."""
RESERVE = 16
"""Connections of a network with an earlier login that do not count when the largest network is looked for."""


class Step(IntEnum):
    """How far a connection is on its way to a login; bytes that complete nothing are no step."""

    CONNECTED = 0
    """The handshake is not done."""
    GREETED = 1
    """The handshake is done; no account was named."""
    NAMED = 2
    """An account was named: the client derives its key."""


PATIENCE: Mapping[Step, float] = MappingProxyType({Step.CONNECTED: 2.0, Step.GREETED: 2.0, Step.NAMED: 5.0})
"""Seconds for the next step, after which a connection goes before those that are in time: two round trips over a bad
line; Argon2id on a slow machine."""
SHARES: Mapping[Step, float] = MappingProxyType({Step.CONNECTED: 0.25, Step.GREETED: 0.25, Step.NAMED: 0.5})
"""Part of the places that is left to each step where all are in time: so those who come have the time to take their
first step, and those who take it cannot be driven out by others who only come."""


class _Network:
    """Connections of one network, by step, those first that have been at it longest."""

    __slots__ = ("names", "steps")

    def __init__(self) -> None:
        self.steps: tuple[dict[int, None], ...] = tuple({} for _ in Step)
        self.names: dict[str, dict[int, None]] = {}
        """Those that have named an account, by its name."""

    def __len__(self) -> int:
        return sum(map(len, self.steps))

    def least(self, step: Step) -> int:
        """The connection that goes first of those at a step: of an account that many name, the oldest."""
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
    """The connections that have not logged in, by network; which of them goes is decided without the newcomer."""

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}
        self._networks: dict[str, _Network] = {}
        self._steps: tuple[dict[int, None], ...] = tuple({} for _ in Step)
        self._known: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._entries)

    def of(self, network: str) -> int:
        """How many a network has."""
        found = self._networks.get(network)
        return len(found) if found is not None else 0

    def add(self, connection: int, network: str, now: float) -> None:
        """Take in a new connection."""
        self._entries[connection] = _Entry(network, now)
        self._networks.setdefault(network, _Network()).steps[Step.CONNECTED][connection] = None
        self._steps[Step.CONNECTED][connection] = None

    def advance(self, connection: int, step: Step, now: float, name: str = "") -> None:
        """Note that a connection has taken a step, with the account's ``name`` if it is that; not twice the same."""
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
        """Forget a connection, which has logged in or is gone."""
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
        """Return the connection that has to go before one more of ``network`` comes; None while there is room.

        It is the one with the least progress: first who is late for the next step, else at the first step that more
        are at than its share; where all networks are looked at, of the network with most of them.
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
    """Return the network that an address is counted by.

    An IPv4 address, also one mapped into IPv6, is its own; of IPv6 it is the /64, which is what a household gets.
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
    """The first step that more than its share of the connections are at; the shares make a whole, so there is one.

    Where each has its share exactly, the first step that any are at.
    """
    total = sum(map(len, steps))
    taken = [step for step in Step if steps[step]]
    return next((step for step in taken if len(steps[step]) > SHARES[step] * total), taken[0])
