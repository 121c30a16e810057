"""What is answered to which request."""

from http import HTTPStatus
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcserver.web.http.hosts import HostNames
from tcserver.web.http.message import Arrival, OpenStream, Request, Response, is_loopback
from tcserver.web.http.page import Page
from tcserver.web.http.site import HSTS, LOST, SECURITY_FIELDS, Documents, Redirect, Site, is_room

HOSTS = HostNames(["conference.example"])
ARRIVAL = Arrival("192.0.2.1", 7433, encrypted=True)


def request(
    target: str, *headers: tuple[bytes, bytes], method: str = "GET", host: bytes = b"conference.example:7433"
) -> Request:
    return Request(method, target, [(b"host", host), *headers])


def site(page: Page | None = None, *, trusted: bool = True) -> Site:
    return Site(page, lambda: HOSTS, b'{"fingerprint":"x"}', lambda: trusted)


@pytest.fixture
def page(tmp_path: Path) -> Page:
    (tmp_path / "index.html").write_text("index")
    (tmp_path / "main-0123456789.js").write_text("script")
    return Page(tmp_path)


def answer(asked: Site | Redirect | Documents, request: Request, arrival: Arrival = ARRIVAL) -> Response:
    found = asked.answer(request, arrival)
    assert isinstance(found, Response)
    return found


@pytest.mark.parametrize(
    ("target", "status", "body"),
    [
        ("/", 200, b"index"),
        ("/rapat", 200, b"index"),
        ("/Rapat%20Pagi?x=/y", 200, b"index"),
        ("/main-0123456789.js", 200, b"script"),
        ("/main-0123456789.js?x", 200, b"script"),
        ("/rapat/", 200, b"index"),
        ("/main-9876543210.js", 404, LOST.encode()),
        ("/sources.txt", 404, LOST.encode()),
        ("/config.json/", 404, LOST.encode()),
        ("/a/b", 404, LOST.encode()),
        ("/rapat//", 404, LOST.encode()),
        ("/../main-0123456789.js", 404, LOST.encode()),
        ("//main-0123456789.js", 404, LOST.encode()),
        ("http://conference.example/", 400, b"Bad Request\n"),
        ("*", 400, b"Bad Request\n"),
        ("/config.json", 200, b'{"fingerprint":"x"}'),
    ],
)
def test_paths(page: Page, target: str, status: int, body: bytes) -> None:
    found = answer(site(page), request(target))
    assert (found.status, found.body) == (status, body)


def test_metrics_are_a_room_like_others(page: Page) -> None:
    assert answer(site(page), request("/metrics")).body == b"index"


def test_the_stream_path() -> None:
    assert isinstance(site().answer(request("/tc"), ARRIVAL), OpenStream)
    assert answer(site(), request("/tc", method="HEAD")).status == HTTPStatus.METHOD_NOT_ALLOWED


def test_without_a_page_browsers_are_told_so() -> None:
    found = answer(site(None), request("/rapat"))
    assert found.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert b"npm registry" in found.body
    assert answer(site(None), request("/config.json")).status == HTTPStatus.OK


@pytest.mark.parametrize("target", ["/", "/tc", "/config.json", "/none.js"])
def test_names_and_pages_of_others_are_refused(page: Page, target: str) -> None:
    for headers, host in (
        ((), b"evil.example"),
        (((b"origin", b"https://evil.example"),), b"conference.example"),
        (((b"origin", b"null"),), b"conference.example"),
        (((b"origin", b"https://conference.example"),) * 2, b"conference.example"),
    ):
        assert answer(site(page), request(target, *headers, host=host)).status == HTTPStatus.FORBIDDEN
    assert answer(site(page), Request("GET", target, [])).status == HTTPStatus.BAD_REQUEST


def test_the_own_page_may_ask() -> None:
    own = request("/tc", (b"origin", b"https://conference.example:7433"))
    assert isinstance(site().answer(own, ARRIVAL), OpenStream)


@pytest.mark.parametrize("target", ["/", "/none.js", "/config.json", "/tc", "*"])
def test_each_answer_has_the_headers_for_safety(page: Page, target: str) -> None:
    for found in (
        answer(site(page), request(target, method="HEAD")),
        answer(site(page), request(target, host=b"evil.example")),
        answer(site(None), request(target, method="HEAD")),
    ):
        assert set(SECURITY_FIELDS) <= set(found.fields)
    policy = dict(SECURITY_FIELDS)["Content-Security-Policy"]
    assert "script-src 'self' 'wasm-unsafe-eval';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy


def test_browsers_remember_https_only_with_a_certificate_that_they_know() -> None:
    assert HSTS in answer(site(trusted=True), request("/")).fields
    assert HSTS not in answer(site(trusted=False), request("/")).fields
    assert HSTS not in answer(site(trusted=True), request("/"), ARRIVAL._replace(encrypted=False)).fields


@pytest.mark.parametrize(
    ("host", "target", "port", "location"),
    [
        (b"conference.example", "/rapat?x=1", 443, "https://conference.example/rapat?x=1"),
        (b"conference.example:7433", "/a%20b", 7433, "https://conference.example:7433/a%20b"),
        (b"[::1]:80", "/", 7433, "https://[::1]:7433/"),
        (b"conference.example", '/"<>', 443, "https://conference.example/%22%3C%3E"),
    ],
)
def test_redirect(host: bytes, target: str, port: int, location: str) -> None:
    found = answer(Redirect(lambda: HOSTS, lambda arrived: port), request(target, host=host))
    assert found.status == HTTPStatus.PERMANENT_REDIRECT
    assert dict(found.fields)["Location"] == location


def test_the_redirect_leads_nowhere_else() -> None:
    redirect = Redirect(lambda: HOSTS, lambda arrived: arrived)
    assert answer(redirect, request("/", host=b"evil.example")).status == HTTPStatus.FORBIDDEN
    assert dict(answer(redirect, request("//evil.example/")).fields)["Location"].startswith(
        "https://conference.example:"
    )


def test_documents_are_made_when_they_are_asked_for() -> None:
    numbers = iter(range(9))
    documents = Documents({"/metrics": lambda: ("text/x", str(next(numbers)).encode())})
    for number in (b"0", b"1"):
        found = answer(documents, request("/metrics?x", host=b"any.example"))
        assert (found.body, dict(found.fields)["Cache-Control"]) == (number, "no-store")
    assert answer(documents, request("/")).status == HTTPStatus.NOT_FOUND


@given(st.text())
def test_any_target_and_host_is_answered(text: str) -> None:
    for asked in (site(), Redirect(lambda: HOSTS, lambda arrived: arrived)):
        asked.answer(request(text), ARRIVAL)
        asked.answer(Request("GET", "/", [(b"host", text.encode()), (b"origin", text.encode())]), ARRIVAL)


@pytest.mark.parametrize(
    ("path", "room"),
    [
        ("/", True),
        ("/a.b", True),
        ("/a/", True),
        ("/a/b", False),
        ("/a.js", False),
        ("/a.js/", False),
        ("/x.map", False),
    ],
)
def test_which_paths_are_rooms(path: str, room: bool) -> None:
    assert is_room(path) is room


def test_loopback() -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert not is_loopback("192.0.2.1")
    assert not is_loopback("")
