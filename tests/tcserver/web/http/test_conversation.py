"""Requests and responses of a connection, whole, byte by byte, and wrong."""

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcserver.web.http.conversation import MAX_HEAD, MAX_LINES, BadRequest, Conversation
from tcserver.web.http.message import Request, Response

PAGE = Response(HTTPStatus.OK, (("Content-Type", "text/x-page"),), b"content")


def first(data: bytes) -> Request | None:
    conversation = Conversation()
    conversation.receive_data(data)
    return conversation.next_request()


def test_a_request_has_its_path_and_its_headers() -> None:
    request = first(b"GET /a%20b?c=d HTTP/1.1\r\nHost: x\r\nAccept: y\r\nAccept: z\r\n\r\n")
    assert request is not None
    assert (request.method, request.target, request.path) == ("GET", "/a%20b?c=d", "/a%20b")
    assert request.header(b"host") == "x"
    assert request.header(b"accept") is None, "it comes twice"
    assert request.header(b"cookie") is None


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n", 405),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET / HTTP/2\r\nHost: x\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\x00\r\n\r\n", 400),
        (b"GET /" + b"a" * MAX_HEAD, 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"a" * MAX_HEAD, 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a:\r\n" * (MAX_LINES - 2) + b"\r\n", 431),
        (b"GET / HTTP/1.1\nHost: x\n" + b"a:\n" * (MAX_LINES - 2) + b"\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\na: b\r\n" + b" c\r\n" * MAX_LINES, 431),
    ],
)
def test_what_is_wrong_ends_the_connection(data: bytes, status: int) -> None:
    conversation = Conversation()
    conversation.receive_data(data)
    with pytest.raises(BadRequest) as caught:
        conversation.next_request()
    assert caught.value.status == status
    assert (caught.value.fields == (("Allow", "GET, HEAD"),)) == (status == 405)
    head, body = conversation.respond(PAGE, last=True)
    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/x-page\r\nContent-Length: 7\r\n")
    assert b"Connection: close" in head
    assert body == b"content"
    assert conversation.is_over


def test_requests_follow_each_other() -> None:
    conversation = Conversation()
    conversation.receive_data(
        b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: x\r\n\r\nGET /3 HTTP/1.0\r\n\r\n"
    )
    seen = []
    while not conversation.is_over:
        request = conversation.next_request()
        assert request is not None
        head, body = conversation.respond(PAGE)
        seen.append((request.path, head.partition(b"\r\n")[0], b"Content-Length: 7" in head, body))
    assert seen == [
        ("/1", b"HTTP/1.1 200 OK", True, b"content"),
        ("/2", b"HTTP/1.1 200 OK", True, b""),
        ("/3", b"HTTP/1.1 200 OK", True, b"content"),
    ]


def test_each_of_many_requests_may_have_all_lines_that_one_may_have() -> None:
    conversation = Conversation()
    full = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a:\r\n" * (MAX_LINES - 3) + b"\r\n"
    conversation.receive_data(full * 20 + full.replace(b"a:\r\n", b"a:\r\na:\r\n"))
    for _ in range(20):
        assert conversation.next_request() is not None
        conversation.respond(PAGE)
    with pytest.raises(BadRequest):
        conversation.next_request()


def test_what_follows_an_upgrade_is_kept() -> None:
    conversation = Conversation()
    conversation.receive_data(
        b"GET /tc HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x82\x80abcd"
    )
    assert conversation.next_request() is not None
    assert conversation.rest == b"\x82\x80abcd"


def test_an_upgrade_that_is_not_served_is_a_request_like_others() -> None:
    conversation = Conversation()
    upgrade = b"GET /1 HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    conversation.receive_data(upgrade + b"GET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert conversation.next_request() is not None
    conversation.respond(PAGE)
    following = conversation.next_request()
    assert following is not None
    assert following.path == "/2"


@given(st.lists(st.integers(1, 9)))
def test_a_request_may_come_in_any_parts(sizes: list[int]) -> None:
    data = b"GET /room HTTP/1.1\r\nHost: x\r\n\r\n"
    conversation = Conversation()
    at = 0
    for size in (*sizes, len(data)):
        part = data[at : at + size]
        at += len(part)
        if not part:
            break
        conversation.receive_data(part)
        request = conversation.next_request()
        assert (request is not None) == (at == len(data))


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_request_or_a_bad_one(data: bytes, after_a_line: bool) -> None:
    conversation = Conversation()
    conversation.receive_data(b"GET / HTTP/1.1\r\n" * after_a_line + (data or b"\r"))
    try:
        conversation.next_request()
    except BadRequest:
        conversation.respond(PAGE, last=True)
