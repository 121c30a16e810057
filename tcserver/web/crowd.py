"""The open connections of the web, and which of them makes room for a new one. Pure."""

from __future__ import annotations

from typing import Generic, TypeVar

C = TypeVar("C")


class Crowd(Generic[C]):
    """Connections, by the network that each comes from.

    Beyond ``most_of_network`` connections of a network, one of that network makes room. Beyond ``most`` in all, one of
    the network that has the most does. It is the one that has been idle for the longest.
    """

    def __init__(self, most: int, most_of_network: int) -> None:
        self.most = most
        self.most_of_network = most_of_network
        self._networks: dict[str, dict[C, None]] = {}
        """The connections of each network, the one that has been idle for the longest first."""
        self._network_of: dict[C, str] = {}

    def __len__(self) -> int:
        return len(self._network_of)

    def __contains__(self, connection: C) -> bool:
        return connection in self._network_of

    def all(self) -> list[C]:
        """Return the connections."""
        return list(self._network_of)

    def add(self, connection: C, network: str) -> C | None:
        """Add a connection. Return the one that is to be closed for it, which is forgotten here."""
        leaver = self._leaver(network)
        if leaver is not None:
            self.remove(leaver)
        self._networks.setdefault(network, {})[connection] = None
        self._network_of[connection] = network
        return leaver

    def touch(self, connection: C) -> None:
        """Note that a connection is in use."""
        network = self._network_of.get(connection)
        if network is not None:
            del self._networks[network][connection]
            self._networks[network][connection] = None

    def remove(self, connection: C) -> None:
        """Forget a connection. It may have been forgotten before."""
        network = self._network_of.pop(connection, None)
        if network is not None:
            del self._networks[network][connection]
            if not self._networks[network]:
                del self._networks[network]

    def _leaver(self, network: str) -> C | None:
        if len(self._networks.get(network, ())) >= self.most_of_network:
            return next(iter(self._networks[network]))
        if len(self._network_of) >= self.most:
            largest = max(self._networks, key=lambda name: len(self._networks[name]))
            return next(iter(self._networks[largest]))
        return None
