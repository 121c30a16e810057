"""The built page: the files that browsers get, with the headers of each. Read once, at the start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from tcserver.web.http.message import Request, Response

PAGE_FOLDER = Path(__file__).parent.parent / "page"
"""Where the build puts the page."""
INDEX = "index.html"
TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".ogg": "audio/ogg",
    ".txt": "text/plain; charset=utf-8",
}
"""Media types by the end of a file's name. Other files are not served."""
_HASHED = re.compile(r"[-.][0-9A-Za-z]{8,}\.\w+$")
"""Names that change with the content."""
_FOR_EVER = "public, max-age=31536000, immutable"
_GZIP = re.compile(r"\s*gzip\s*(?:;\s*q=(0(?:\.\d*)?|1(?:\.0*)?)\s*)?", re.IGNORECASE)


class Asset:
    """A file of the page."""

    def __init__(self, path: Path) -> None:
        compressed = path.with_name(f"{path.name}.gz")
        cache = _FOR_EVER if _HASHED.search(path.name) else "no-cache"
        fields = (("Content-Type", TYPES[path.suffix]), ("Cache-Control", cache))
        self._plain = Response(HTTPStatus.OK, fields, path.read_bytes())
        self._gzip: Response | None = None
        if compressed.is_file():
            vary = ("Vary", "Accept-Encoding")
            self._plain = self._plain._replace(fields=(*fields, vary))
            self._gzip = Response(HTTPStatus.OK, (*fields, vary, ("Content-Encoding", "gzip")), compressed.read_bytes())

    def response(self, request: Request) -> Response:
        """Return the file, compressed if the client takes it so."""
        if self._gzip is not None and takes_gzip(request.header(b"accept-encoding") or ""):
            return self._gzip
        return self._plain


class Page:
    """All files of the page, by their paths. Raises ``FileNotFoundError`` if the page was not built."""

    def __init__(self, folder: Path = PAGE_FOLDER) -> None:
        self.index = Asset(folder / INDEX)
        self.assets: Mapping[str, Asset] = {
            f"/{path.relative_to(folder).as_posix()}": Asset(path)
            for path in folder.rglob("*")
            if path.suffix in TYPES and path.is_file() and path != folder / INDEX
        }


def takes_gzip(accepted: str) -> bool:
    """Tell whether an ``Accept-Encoding`` header names gzip, with a weight that is not 0."""
    found = [match for part in accepted.split(",") if (match := _GZIP.fullmatch(part))]
    return bool(found) and all(match[1] is None or float(match[1]) > 0 for match in found)
