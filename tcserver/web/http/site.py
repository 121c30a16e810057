"""The site: the answer to each request. Pure."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote

from tcserver.web.http.hosts import HostNames, host_of
from tcserver.web.http.message import Arrival, OpenStream, Request, Response, plain_text
from tcserver.web.http.page import TYPES, Page

STREAM_PATH = "/tc"
CONFIG_PATH = "/config.json"
MISSING = "The web page is not part of this installation: {how}. Other clients can join."
HOW_TO_BUILD = "install the server where the npm registry can be reached, or with a wheel that has the page"
"""How an operator gets the page, in the answer to browsers and at the start of the server."""
LOST = """\
<!doctype html>
<html lang="id">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>404</title>
</head>
<body>
<p>Halaman ini tidak ada. Alamat rapat hanya berisi nama ruang, misalnya /rapat. <a href="/">Masuk ke rapat</a></p>
<p lang="en">There is no such page. The address of a meeting has nothing but the name of the room, such as /rapat.
<a href="/">Join a meeting</a></p>
</body>
</html>
"""
"""What a person gets who has mistyped an address."""
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; font-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Everything comes from here, and nothing frames the page. libsodium is WebAssembly."""
PERMISSIONS = (
    "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self), autoplay=(self), "
    "fullscreen=(self), picture-in-picture=(self), screen-wake-lock=(self), "
    "geolocation=(), payment=(), usb=(), serial=(), hid=(), midi=()"
)
"""What a meeting needs, and nothing else."""
SECURITY_FIELDS: tuple[tuple[str, str], ...] = (
    ("Content-Security-Policy", CONTENT_POLICY),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Permissions-Policy", PERMISSIONS),
)
"""Headers of each answer of the site."""
HSTS = ("Strict-Transport-Security", "max-age=2592000")
"""A month. It is not sent with a self-signed certificate, which a browser then would not let anybody accept."""


class Routes(Protocol):
    """Answers requests."""

    def answer(self, request: Request, arrival: Arrival) -> Response | OpenStream:
        """Return the response, or that the stream path is asked for. What it raises is an error of the server."""


class Site:
    """The page, what it has to know of the server, and the stream path.

    ``page`` is None where it was not built. ``hosts`` returns the names that the server has now, ``config`` the content
    of ``/config.json``. ``is_trusted_certificate`` tells whether browsers know who has signed the certificate.
    """

    def __init__(
        self,
        page: Page | None,
        hosts: Callable[[], HostNames],
        config: bytes,
        is_trusted_certificate: Callable[[], bool],
    ) -> None:
        self._page = page
        self._hosts = hosts
        self._config = config
        self._is_trusted_certificate = is_trusted_certificate

    def answer(self, request: Request, arrival: Arrival) -> Response | OpenStream:
        """Check ``Host`` and ``Origin``, and return what the path names."""
        found = refusal(request, self._hosts()) or self._at(request)
        if isinstance(found, OpenStream):
            return found
        hsts = (HSTS,) if arrival.encrypted and self._is_trusted_certificate() else ()
        return found._replace(fields=(*found.fields, *SECURITY_FIELDS, *hsts))

    def _at(self, request: Request) -> Response | OpenStream:
        path = request.path
        if path == STREAM_PATH:
            if request.method != "GET":
                return plain_text(HTTPStatus.METHOD_NOT_ALLOWED, "", ("Allow", "GET"))
            return OpenStream()
        if path == CONFIG_PATH:
            fields = (("Content-Type", TYPES[".json"]), ("Cache-Control", "no-store"))
            return Response(HTTPStatus.OK, fields, self._config)
        if self._page is None:
            return plain_text(HTTPStatus.SERVICE_UNAVAILABLE, MISSING.format(how=HOW_TO_BUILD))
        if asset := self._page.assets.get(path):
            return asset.response(request)
        if is_room(path):
            return self._page.index.response(request)
        return Response(HTTPStatus.NOT_FOUND, (("Content-Type", TYPES[".html"]),), LOST.encode())


class Redirect:
    """Sends browsers without encryption to ``https``. ``port`` returns the port for those that know another one."""

    def __init__(self, hosts: Callable[[], HostNames], port: Callable[[int], int]) -> None:
        self._hosts = hosts
        self._port = port

    def answer(self, request: Request, arrival: Arrival) -> Response:
        """Return the redirect to the same path. A host of others is refused: nobody is sent elsewhere from here."""
        if refused := refusal(request, self._hosts()):
            return refused
        host = host_of(request.header(b"host") or "")
        port = self._port(arrival.port)
        authority = f"[{host}]" if ":" in (host or "") else host
        target = quote(request.target, safe="/?&=%:@!$'()*+,;~-._")
        location = f"https://{authority}{'' if port == 443 else f':{port}'}{target}"
        return plain_text(HTTPStatus.PERMANENT_REDIRECT, "", ("Location", location))


class Documents:
    """Few documents by their paths, for a monitoring system: no names are checked, for it may use any."""

    def __init__(self, documents: dict[str, Callable[[], tuple[str, bytes]]]) -> None:
        self._documents = documents

    def answer(self, request: Request, arrival: Arrival) -> Response:
        """Return the document: its media type and its content are made now."""
        make = self._documents.get(request.path)
        if make is None:
            return plain_text(HTTPStatus.NOT_FOUND)
        kind, body = make()
        return Response(HTTPStatus.OK, (("Content-Type", kind), ("Cache-Control", "no-store")), body)


def refusal(request: Request, hosts: HostNames) -> Response | None:
    """Return the answer to a request that is not for this server, or that a page of somebody else makes; else None."""
    if not request.target.startswith("/"):
        return plain_text(HTTPStatus.BAD_REQUEST)
    host = host_of(request.header(b"host") or "")
    if host is None:
        return plain_text(HTTPStatus.BAD_REQUEST)
    if not hosts.has(host):
        return plain_text(HTTPStatus.FORBIDDEN, "this server has another name; its operator can add one in web.hosts")
    if any(name == b"origin" for name, _ in request.headers):
        origin = request.header(b"origin")
        if origin is None or not hosts.allows_origin(origin, host):
            return plain_text(HTTPStatus.FORBIDDEN, "a page of another site may not ask this server")
    return None


def is_room(path: str) -> bool:
    """Tell whether a path is ``/``, ``/ROOM`` or ``/ROOM/``: one part that is no file of a page."""
    name = path.removeprefix("/").removesuffix("/")
    return "/" not in name and not name.endswith((*TYPES, ".map", ".gz"))
