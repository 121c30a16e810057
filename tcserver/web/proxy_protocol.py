"""The header of the PROXY protocol, version 2, by which a proxy tells whose connection it passes on. Pure.

https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt, section 2.2.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import NamedTuple

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
MAX_LENGTH = 536
"""Bytes behind the fixed part: two addresses of any family, and 320 bytes of what is not read here (section 2.2)."""
_FIXED = struct.Struct("!12sBBH")
_VERSION = 0x20
_LOCAL, _PROXY = 0, 1
_TCP4, _TCP6 = struct.Struct("!4s4sHH"), struct.Struct("!16s16sHH")
_FAMILIES = {0x11: _TCP4, 0x21: _TCP6}


class BadHeader(Exception):
    """The bytes are no header of this protocol."""


class ProxyHeader(NamedTuple):
    """What a header tells."""

    size: int
    """Bytes of the header. What follows is the client's."""
    client: tuple[str, int] | None
    """Address and port of the client; None where the proxy speaks for itself, or for a family without addresses."""


def parse(data: bytes) -> ProxyHeader | None:
    """Return the header at the beginning of ``data``, None while it is not complete. Raises ``BadHeader``."""
    if data[: len(SIGNATURE)] != SIGNATURE[: len(data)]:
        raise BadHeader
    if len(data) < _FIXED.size:
        return None
    _, version, family, length = _FIXED.unpack_from(data)
    command = version - _VERSION
    if command not in (_LOCAL, _PROXY) or length > MAX_LENGTH:
        raise BadHeader
    size = _FIXED.size + length
    if len(data) < size:
        return None
    layout = _FAMILIES.get(family)
    if command == _LOCAL or layout is None:
        return ProxyHeader(size, None)
    if length < layout.size:
        raise BadHeader
    source, _, port, _ = layout.unpack_from(data, _FIXED.size)
    return ProxyHeader(size, (str(ipaddress.ip_address(source)), port))
