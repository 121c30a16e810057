"""Reverse proxies that are believed when they tell for whom they ask. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TypeAlias

from tcserver.conference.login.half_open import network_of
from tcserver.web.http.forwarded import client_of
from tcserver.web.http.message import Request

Client: TypeAlias = tuple[str, int]
"""Numeric host and port."""


class TrustedProxies:
    """The proxies in ``networks``: addresses, or networks such as ``192.0.2.0/24``."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = [ipaddress.ip_network(network, strict=False) for network in networks]

    def has(self, address: str) -> bool:
        """Tell whether an address is a proxy's."""
        if not self._networks:
            return False
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(parsed in network for network in self._networks)

    def network_of(self, client: Client) -> str:
        """Return the network that limits count a connection by. Each connection of a proxy counts by itself."""
        host, port = client
        return f"{host} {port}" if self.has(host) else network_of(host)

    def client_of(self, request: Request, client: Client) -> Client:
        """Return the client of a request: the one that a trusted proxy names, else the other end of the connection."""
        if not self.has(client[0]):
            return client
        forwarded = b",".join(value for name, value in request.headers if name == b"forwarded").decode("latin-1")
        found = client_of(forwarded, self.has)
        return client if found is None else (found, 0)
