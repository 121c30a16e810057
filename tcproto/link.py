"""Join links: ``tc://HOST[:PORT]/ROOM[?fp=FINGERPRINT][&e2ee=off]``, and web links, which a browser opens.

A web link is ``https://HOST[:PORT]/ROOM[#fp=FINGERPRINT][&e2ee=off]``. Browsers do not send what stands behind ``#``.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from tcproto.identity import format_fingerprint, parse_fingerprint
from tcproto.names import shows

DEFAULT_PORT = 7433
"""Port of a server for TCP and UDP, where a link names none."""
DEFAULT_WEB_PORT = 443
"""Port of https (RFC 9110, section 4.2.2), which a web link need not name."""
MAX_HOST_CHARACTERS = 253
"""The most characters of a host name in DNS (RFC 1035, section 2.3.4, without the last dot)."""

_ZONE = re.compile(r"[A-Za-z0-9._~-]+")


@dataclass(frozen=True, slots=True)
class Link:
    """A join link: the server and its fingerprint, the room, and whether the room is end-to-end encrypted.

    ``fingerprint`` has 20 bytes, or is None where the link has none. Raises ``ValueError`` for a ``host`` that is
    neither a host name nor an IP address.
    """

    host: str
    port: int = DEFAULT_PORT
    room: str = ""
    fingerprint: bytes | None = None
    e2ee: bool = True

    def __post_init__(self) -> None:
        _check_host(self.host)

    @property
    def address(self) -> str:
        """``HOST:PORT``, the form that people write."""
        return f"{self._host}:{self.port}"

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        port = "" if self.port == DEFAULT_PORT else f":{self.port}"
        return f"tc://{self._host}{port}/{quote(self.room, safe='')}{self._words('?')}"

    def on_the_web(self, port: int) -> str:
        """Return the web link of the same room, for a server whose page is on a TCP port."""
        shown = "" if port == DEFAULT_WEB_PORT else f":{port}"
        return f"https://{self._host}{shown}/{quote(self.room, safe='')}{self._words('#')}"

    def _words(self, mark: str) -> str:
        """Return what stands behind the room, with a mark in front where there is anything."""
        words = []
        if self.fingerprint is not None:
            words.append(f"fp={format_fingerprint(self.fingerprint)}")
        if not self.e2ee:
            words.append("e2ee=off")
        return mark + "&".join(words) if words else ""


def parse_link(text: str) -> Link:
    """Parse a join link. Raises ``ValueError`` that says what is wrong with it."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        raise ValueError(f"not a link: {error}") from None
    if parts.scheme in ("https", "http"):
        raise ValueError("that is a web link, for a browser; a join link begins with tc://")
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
    return Link(_bare(parts.hostname), port or DEFAULT_PORT, room, fingerprint, mode == "on")


def parse_server(text: str) -> Link:
    """Parse the name of a server: a join link, or ``HOST[:PORT]`` without a scheme.

    Raises ``ValueError`` that says what is wrong with it.
    """
    text = text.strip()
    if "://" in text:
        return parse_link(text)
    try:
        return Link(str(ipaddress.IPv6Address(text)))
    except ipaddress.AddressValueError:
        return parse_link(f"tc://{text}")


def _bare(host: str) -> str:
    """Return the host without the escape that RFC 6874 asks for before the zone of an IPv6 address."""
    return host.replace("%25", "%", 1) if ":" in host else host


def _check_host(host: str) -> None:
    """Raise ``ValueError`` for a host that cannot be looked up, or that would break a line in which it is written."""
    if ":" in host:
        _check_address(host)
        return
    labels = host.removesuffix(".").split(".")
    if len(host) > MAX_HOST_CHARACTERS or not all(_is_label(label) for label in labels):
        raise ValueError(f"{host[:MAX_HOST_CHARACTERS]!r} is no host name: it has letters, digits, dots and hyphens")
    try:
        host.encode("idna")
    except UnicodeError:
        raise ValueError(f"{host!r} is no host name that can be looked up") from None


def _is_label(text: str) -> bool:
    return (
        bool(text) and shows(text) and all(c.isalnum() or c in "-_" or unicodedata.category(c)[0] == "M" for c in text)
    )


def _check_address(host: str) -> None:
    address, percent, zone = host.partition("%")
    try:
        ipaddress.IPv6Address(address)
    except ipaddress.AddressValueError:
        raise ValueError(f"{host!r} is no IPv6 address") from None
    if percent and not _ZONE.fullmatch(zone):
        raise ValueError(f"{host!r} names no zone of an IPv6 address")
