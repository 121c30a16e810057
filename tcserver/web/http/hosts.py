"""The names of this server, which are checked since a page of another site can make a browser connect here. Pure.

Another site can make a name of its own lead to this machine (DNS rebinding). It cannot do so with an address, so every
address may stand in ``Host``. ``Origin`` is of the same host, or of a configured name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

LOCAL_NAMES = ("localhost",)
MAX_HOST = 260
"""Characters of a host with its port: a name in DNS has 253 (RFC 1035, section 2.3.4). Browsers send it in ASCII. To
bring as many others as a request may have into ASCII would take 60 ms."""


class HostNames:
    """Checks hosts and origins. ``names`` are host names or addresses; ``*.example`` stands for one label more."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(in_ascii(name) for name in (*LOCAL_NAMES, *names) if name)

    def has(self, host: str) -> bool:
        """Tell whether a request may name this host: an address, or one of the names."""
        return _is_address(host) or self._has_name(host)

    def allows_origin(self, origin: str, host: str) -> bool:
        """Tell whether a page of ``origin`` (``SCHEME://HOST[:PORT]``) may ask ``host`` of this server."""
        try:
            parts = urlsplit(origin)
            of_origin = host_of(parts.netloc)
        except ValueError:
            return False
        if parts.scheme not in ("http", "https") or of_origin is None:
            return False
        return of_origin == host or self._has_name(of_origin)

    def _has_name(self, host: str) -> bool:
        return host in self._names or f"*.{host.partition('.')[2]}" in self._names


def host_of(field: str) -> str | None:
    """Return the host of a ``HOST[:PORT]``, in lower case and without brackets; None if it is none."""
    if len(field) > MAX_HOST:
        return None
    try:
        parts = urlsplit(f"//{field}")
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return None
    if not parts.hostname or parts.username is not None or parts.path or parts.query or parts.fragment:
        return None
    return in_ascii(parts.hostname)


def in_ascii(name: str) -> str:
    """Return a name as browsers send it: in lower case, in ASCII, without a dot at its end."""
    name = name.lower().removesuffix(".")
    try:
        return name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        return name


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
