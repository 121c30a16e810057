"""Files of the page, plain and compressed."""

import gzip
from pathlib import Path

import pytest

from tcserver.web.http.message import Request
from tcserver.web.http.page import Page, takes_gzip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A page as the build makes it."""
    (tmp_path / "index.html").write_text("<p>index")
    (tmp_path / "main-0123456789.js").write_text("script")
    (tmp_path / "main-0123456789.js.gz").write_bytes(gzip.compress(b"script"))
    (tmp_path / "sources.sha256").write_text("stamp")
    (tmp_path / "sounds").mkdir()
    (tmp_path / "sounds" / "bell.ogg").write_bytes(b"bell")
    return tmp_path


def asking(accepted: str | None) -> Request:
    return Request("GET", "/", [] if accepted is None else [(b"accept-encoding", accepted.encode())])


def test_files_that_browsers_get(folder: Path) -> None:
    page = Page(folder)
    assert set(page.assets) == {"/main-0123456789.js", "/sounds/bell.ogg"}


def test_a_name_with_a_hash_is_kept_for_ever(folder: Path) -> None:
    page = Page(folder)
    script, bell = page.assets["/main-0123456789.js"], page.assets["/sounds/bell.ogg"]
    assert dict(script.response(asking(None)).fields)["Cache-Control"] == "public, max-age=31536000, immutable"
    assert dict(bell.response(asking(None)).fields)["Cache-Control"] == "no-cache"
    assert dict(page.index.response(asking(None)).fields)["Cache-Control"] == "no-cache"


def test_the_compressed_file_goes_to_who_takes_it(folder: Path) -> None:
    script = Page(folder).assets["/main-0123456789.js"]
    plain, compressed = script.response(asking(None)), script.response(asking("gzip, br"))
    assert plain.body == b"script"
    assert gzip.decompress(compressed.body) == b"script"
    assert ("Content-Encoding", "gzip") in compressed.fields
    assert ("Vary", "Accept-Encoding") in plain.fields
    assert ("Vary", "Accept-Encoding") in compressed.fields
    assert ("Content-Type", "text/javascript; charset=utf-8") in compressed.fields


def test_a_file_without_a_compressed_one_is_always_plain(folder: Path) -> None:
    bell = Page(folder).assets["/sounds/bell.ogg"].response(asking("gzip"))
    assert bell.body == b"bell"
    assert not {"Content-Encoding", "Vary"} & dict(bell.fields).keys()


def test_no_page(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Page(tmp_path / "none")


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ("gzip", True),
        ("deflate, GZIP ; q=0.5 , br", True),
        ("gzip;q=1.0", True),
        ("gzip;q=0", False),
        ("gzip;q=0.0", False),
        ("x-gzip", False),
        ("*", False),
        ("", False),
    ],
)
def test_accepting_gzip(accepted: str, takes: bool) -> None:
    assert takes_gzip(accepted) is takes
