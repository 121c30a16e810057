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

    @property
    def address(self) -> str:
        """``HOST:PORT``, as people write it."""
        return f"{self._host}:{self.port}"

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        port = "" if self.port == DEFAULT_PORT else f":{self.port}"
        query = []
        if self.fingerprint is not None:
            query.append(f"fp={format_fingerprint(self.fingerprint)}")
        if not self.e2ee:
            query.append("e2ee=off")
        return f"tc://{self._host}{port}/{quote(self.room, safe='')}{'?' if query else ''}{'&'.join(query)}"


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
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    words = dict(pairs)
    if len(words) != len(pairs):
        raise ValueError("a word occurs twice in the link")
    fingerprint = parse_fingerprint(words.pop("fp")) if "fp" in words else None
    mode = words.pop("e2ee", "on")
    if mode not in ("on", "off"):
        raise ValueError("e2ee is on or off")
    if words:
        raise ValueError(f"unknown word in the link: {min(words)!r}")
    try:
        room = unquote(parts.path.removeprefix("/"), errors="strict")
    except UnicodeDecodeError:
        raise ValueError("the link's room is not UTF-8") from None
    return Link(parts.hostname, port or DEFAULT_PORT, room, fingerprint, mode == "on")
