"""One setting: what its value may be, how it is read from a file, the environment or a flag, and how it is shown."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass

MAX_ADDRESSES = 16
"""Addresses to listen on: one socket each."""
MAX_TEXT_CHARACTERS = 4096
"""Characters of a text; a path may have as many."""

_HOST_NAME = re.compile(r"[\w.-]+")

Value = str | int | float | bool | tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """What is known about one key besides its default, whose type says what it is."""

    help: str
    low: float = 0
    high: float = 0
    """Range of a number, both ends included; every number has one."""
    choices: tuple[str, ...] = ()
    address: bool = False
    """Whether it is an IP address, or several."""
    host: bool = False
    """Whether it is a host name or an IP address, or empty."""
    live: bool = False
    """Whether a reload applies it to the running server."""

    def read_text(self, text: str, default: Value) -> Value:
        """Return the value that a text of the environment or a flag means; raises ``ValueError``."""
        return self._checked(_from_text(text, default))

    def read_toml(self, value: object, default: Value) -> Value:
        """Return a value of the file; raises ``ValueError``."""
        return self._checked(_from_toml(value, default))

    def allowed(self, default: Value) -> str:
        """Return what it should be, in words."""
        if self.address:
            several = isinstance(default, tuple)
            return f"a list of at most {MAX_ADDRESSES} different IP addresses" if several else "an IP address"
        if self.host:
            return "a host name or an IP address, in quotes and without a port"
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if isinstance(default, bool):
            return "true or false"
        if isinstance(default, str):
            return "text in quotes"
        kind = "a whole number" if isinstance(default, int) else "a number"
        return f"{kind} from {_number(self.low)} to {_number(self.high)}"

    def _checked(self, value: Value) -> Value:
        if isinstance(value, int | float) and not isinstance(value, bool) and not self.low <= value <= self.high:
            raise ValueError
        if self.choices and value not in self.choices:
            raise ValueError
        if isinstance(value, str) and (len(value) > MAX_TEXT_CHARACTERS or not value.isprintable()):
            raise ValueError
        if self.address:
            addresses = value if isinstance(value, tuple) else (str(value),)
            if len(addresses) > MAX_ADDRESSES:
                raise ValueError
            if len({ipaddress.ip_address(address) for address in addresses}) < len(addresses):
                raise ValueError
        if self.host and value and not _is_host(str(value)):
            raise ValueError
        return value


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


def _from_text(text: str, default: Value) -> Value:
    if isinstance(default, bool):
        if text not in ("true", "false"):
            raise ValueError
        return text == "true"
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return type(default)(text)


def _from_toml(value: object, default: Value) -> Value:
    if isinstance(default, tuple) and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if not isinstance(value, bool | int | float | str) or type(value) is not type(default):
        raise ValueError
    return value


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


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)
