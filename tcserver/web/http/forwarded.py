"""The ``Forwarded`` header (RFC 7239), by which a trusted reverse proxy tells for whom it asks. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

_PAIR = re.compile(r'\s*([!#$%&\'*+.^_`|~\w-]+)=("(?:[^"\\]|\\.)*"|[^\s;,"]*)\s*(;|,|$)')


def client_of(header: str, is_trusted: Callable[[str], bool]) -> str | None:
    """Return the address of the client: the last one in the header that is no trusted proxy's.

    The client itself may have written what stands before. None for a header that is not well-formed or in which that
    node is no address.
    """
    hops = _nodes(header)
    if hops is None:
        return None
    for node in reversed(hops):
        address = _address(node)
        if address is None:
            return None
        if not is_trusted(address):
            return address
    return _address(hops[0]) if hops else None


def _nodes(header: str) -> list[str] | None:
    """Return the ``for`` of each hop; None for a header that is not well-formed."""
    nodes, node, at = [], "", 0
    while at < len(header):
        match = _PAIR.match(header, at)
        if match is None:
            return None
        name, value, end = match.groups()
        if name.lower() == "for":
            node = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
        if end != ";":
            nodes.append(node)
            node = ""
        at = match.end()
    return nodes


def _address(node: str) -> str | None:
    """Return the address of ``192.0.2.1``, ``192.0.2.1:4711``, ``[2001:db8::1]`` or ``[2001:db8::1]:4711``."""
    if node.startswith("["):
        text, _, port = node[1:].partition("]")
    else:
        text, colon, port = node.partition(":")
        port = colon + port
    if port and not re.fullmatch(r":\d{1,5}", port):
        return None
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
