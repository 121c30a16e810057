"""Join links: ``tc://HOST[:PORT]/ROOM[?fp=FINGERPRINT][&e2ee=off]``."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from tcproto.identity import format_fingerprint, parse_fingerprint

DEFAULT_PORT = 7433
"""TCP and UDP."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where to go, whom to trust there, and how the room is encrypted.

    ``fingerprint`` is the server's (20 bytes), or None where the link does not tell it.
    """

    host: str
    port: int = DEFAULT_PORT
    room: str = ""
    fingerprint: bytes | None = None
    e2ee: bool = True

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORT else f":{self.port}"
        query = []
        if self.fingerprint is not None:
            query.append(f"fp={format_fingerprint(self.fingerprint)}")
        if not self.e2ee:
            query.append("e2ee=off")
        return f"tc://{host}{port}/{quote(self.room, safe='')}{'?' if query else ''}{'&'.join(query)}"


def parse_link(text: str) -> Link:
    """Parse a join link; raises ``ValueError`` with what is wrong with it."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        raise ValueError(f"not a link: {error}") from None
    if parts.scheme != "tc":
        raise ValueError("a link begins with tc://")
    if not parts.hostname:
        raise ValueError("the link names no host")
    if parts.username is not None or parts.fragment:
        raise ValueError("a link has no user and no fragment")
    if port == 0:
        raise ValueError("port 0 is not a port")
    fingerprint: bytes | None = None
    e2ee = True
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key == "fp":
            fingerprint = parse_fingerprint(value)
        elif key == "e2ee":
            if value not in ("on", "off"):
                raise ValueError("e2ee is on or off")
            e2ee = value == "on"
        else:
            raise ValueError(f"unknown word in the link: {key}")
    return Link(parts.hostname, port or DEFAULT_PORT, unquote(parts.path.removeprefix("/")), fingerprint, e2ee)
