"""Kinds of texts that only settings have: a line, host names, IP addresses, networks; and all values as TOML."""

from __future__ import annotations

import ipaddress
import json
import re
from abc import abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from tcserver.records.kinds import Kind, NotAllowed

MAX_ADDRESSES = 16
"""Addresses to listen on: one socket each."""
MAX_TEXT_CHARACTERS = 4096
"""Characters of a text; a path may have as many."""

_HOST_NAME = re.compile(r"[\w.-]+")


@dataclass(frozen=True)
class Line(Kind):
    """A line of printable text."""

    allowed = "text in quotes"

    def checked(self, value: Any) -> str:
        """Return a text that can be printed, of at most ``MAX_TEXT_CHARACTERS``."""
        if not isinstance(value, str) or len(value) > MAX_TEXT_CHARACTERS or not value.isprintable():
            raise NotAllowed(self.allowed, value)
        return value


@dataclass(frozen=True)
class Host(Line):
    """A host name or an IP address, or nothing."""

    allowed = "a host name or an IP address, in quotes and without a port"

    def checked(self, value: Any) -> str:
        """Return a text that a link may have as its host."""
        host = super().checked(value)
        if host and not _is_host(host):
            raise NotAllowed(self.allowed, value)
        return host


@dataclass(frozen=True)
class Address(Line):
    """An IP address."""

    allowed = "an IP address"

    def checked(self, value: Any) -> str:
        """Return a text that is an address."""
        address = super().checked(value)
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise NotAllowed(self.allowed, value) from None
        return address


@dataclass(frozen=True)
class Texts(Kind):
    """Different texts of one kind, or none. Commas stand between them in a text."""

    def checked(self, value: Any) -> tuple[str, ...]:
        """Return a tuple of few different texts."""
        if not isinstance(value, tuple) or len(value) > MAX_ADDRESSES:
            raise NotAllowed(self.allowed, value)
        try:
            different = {self.meaning(text) for text in value}
        except (NotAllowed, ValueError):
            raise NotAllowed(self.allowed, value) from None
        if len(different) < len(value):
            raise NotAllowed(self.allowed, value)
        return value

    @abstractmethod
    def meaning(self, text: Any) -> Hashable:
        """Return what two texts that mean the same have in common. Raises ``NotAllowed`` or ``ValueError``."""

    def from_text(self, text: str) -> tuple[str, ...]:
        """Split the text at its commas."""
        return self.checked(tuple(part.strip() for part in text.split(",") if part.strip()))

    def from_document(self, value: object) -> tuple[str, ...]:
        """Take a list."""
        return self.checked(tuple(value) if isinstance(value, list) else value)


@dataclass(frozen=True)
class Addresses(Texts):
    """IP addresses."""

    allowed = f"a list of at most {MAX_ADDRESSES} different IP addresses"

    def meaning(self, text: Any) -> Hashable:
        """Return the address."""
        return ipaddress.ip_address(Address().checked(text))


@dataclass(frozen=True)
class Hosts(Texts):
    """Host names."""

    allowed = f"a list of at most {MAX_ADDRESSES} different host names, without ports"

    def meaning(self, text: Any) -> Hashable:
        """Return the name in lower case."""
        name = Host().checked(text).lower()
        if not name:
            raise NotAllowed(self.allowed, text)
        return name


@dataclass(frozen=True)
class Networks(Texts):
    """IP addresses and networks."""

    allowed = f"a list of at most {MAX_ADDRESSES} different IP addresses or networks such as 192.0.2.0/24"

    def meaning(self, text: Any) -> Hashable:
        """Return the network; an address is one of one address."""
        return ipaddress.ip_network(Line().checked(text))


def toml(value: object) -> str:
    """Return a value, which may be anything of a TOML file, as TOML, in one line."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{toml(str(key))} = {toml(item)}' for key, item in value.items())}}}"
    if not isinstance(value, str | bool):
        return str(value)  # numbers and times
    # The strings of JSON are basic strings of TOML for all printable text.
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)


def _is_host(text: str) -> bool:
    """Whether a link may have this host: a name, which need not be ASCII, or an IP address."""
    try:
        if _HOST_NAME.fullmatch(text):
            text.encode("idna")
        else:
            ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
