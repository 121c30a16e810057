"""A request and a response of HTTP, and where a request came in."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple, TypeAlias

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Names in lower case, and values."""


class Request(NamedTuple):
    """A request without a body."""

    method: str
    target: str
    """Path and query, as the client has sent them."""
    headers: Headers

    def header(self, name: bytes) -> str | None:
        """Return the value of a header, by its name in lower case; None where it is missing or comes twice."""
        values = [value for key, value in self.headers if key == name]
        return values[0].decode("latin-1") if len(values) == 1 else None

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


class Response(NamedTuple):
    """An answer. For ``HEAD`` the body is left out when it is sent."""

    status: HTTPStatus
    fields: tuple[tuple[str, str], ...] = ()
    """Headers besides ``Content-Length``."""
    body: bytes = b""


class Arrival(NamedTuple):
    """Where and how a request came in."""

    local: str
    """Numeric address of this machine that the client has connected to."""
    port: int
    """TCP port of this machine."""
    encrypted: bool
    """Whether it came through TLS of this server."""


@dataclass(frozen=True, slots=True)
class OpenStream:
    """In place of a response: the request asks for the stream path, and may have it."""


def plain_text(status: HTTPStatus, text: str = "", *fields: tuple[str, str]) -> Response:
    """Return a short text; by default the phrase of the status."""
    body = f"{text or status.phrase}\n".encode()
    return Response(status, (("Content-Type", "text/plain; charset=utf-8"), *fields), body)


def is_loopback(address: str) -> bool:
    """Tell whether a numeric address is one that only this machine reaches."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:  # no address: a socket of another family
        return False
