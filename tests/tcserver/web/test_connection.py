"""Connections of browsers on real sockets: requests one after the other, and limits."""

import asyncio
import contextlib
import socket
import ssl
from http import HTTPStatus
from pathlib import Path

import pytest

from tcserver.web import connection
from tcserver.web.http.message import Arrival, Request, Response
from tcserver.web.tls import EMPTY_COST, RECORDS_AT_ONCE, SLICE
from tests.support.key_updates import key_updates
from tests.support.web_world import SCRIPT, WebWorld, client_context, ended, get, response, until
from tests.tcserver.web.conftest import Run

on_both = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])


@on_both
def test_requests_one_after_the_other(run: Run, tmp_path: Path, tls: bool) -> None:
    async def main() -> None:
        async with WebWorld(tmp_path, plain=True).serving() as world, world.connected(tls=tls) as (reader, writer):
            writer.write(
                get("/1") + get("/main-0123456789.js") + get("/none.js") + get("/2", method="HEAD") + get("/3")
            )
            assert (await response(reader))[::2] == (200, b"index")
            assert (await response(reader))[::2] == (200, SCRIPT)
            assert (await response(reader))[0] == 404
            status, headers, _ = await response(reader, has_body=False)
            assert (status, headers["Content-Length"]) == (200, "5")
            assert (await response(reader))[::2] == (200, b"index")
            assert world.service.counters.requests == {200: 4, 404: 1}
            assert world.service.connections == 1

    run(main)


def fetched(port: int, asked: bytes, *, tls: bool) -> bytes:
    """Send a request, and read until the end."""
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        if tls:
            sock = stack.enter_context(client_context().wrap_socket(sock))
        sock.sendall(asked)
        found = b""
        while data := sock.recv(65_536):
            found += data
        return found


@on_both
def test_the_last_answer_comes_whole_and_then_the_end(run: Run, tmp_path: Path, tls: bool) -> None:
    async def main() -> None:
        async with WebWorld(tmp_path, plain=True).serving() as world:
            for path, content in (("/", b"index"), ("/main-0123456789.js", SCRIPT)):
                asked = get(path, "Connection: close") + bytes(1000)
                # Not a client of the event loop: that of uvloop loses what comes in one piece with the end of TLS.
                found = await asyncio.to_thread(fetched, world.port, asked, tls=tls)
                assert found.partition(b"\r\n\r\n")[2] == content

    run(main)


def test_a_client_that_has_said_all_is_answered(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with WebWorld(tmp_path, plain=True).serving() as world, world.connected() as (reader, writer):
            writer.write(get("/1") + get("/main-0123456789.js") + get("/2"))
            writer.write_eof()
            assert (await response(reader))[2] == b"index"
            assert (await response(reader))[2] == SCRIPT
            assert (await response(reader))[2] == b"index"
            assert await ended(reader)
            await until(lambda: not world.service.connections)

    run(main)


@pytest.mark.parametrize(
    ("data", "status"),
    [(b"POST / HTTP/1.1\r\nHost: conference.example\r\nContent-Length: 900000\r\n\r\n" + bytes(900_000), 405),
     (b"GET /" + b"a" * 900_000, 431), (b"GET / HTTP/1.1\r\n\r\n", 400)],
    ids=["body", "long", "no host"],
)  # fmt: skip
@on_both
def test_bad_requests_are_told_so(run: Run, tmp_path: Path, tls: bool, data: bytes, status: int) -> None:
    async def main() -> None:
        async with WebWorld(tmp_path, plain=True).serving() as world, world.connected(tls=tls) as (reader, writer):
            writer.write(data)
            found, headers, _ = await response(reader)
            assert (found, headers["Connection"]) == (status, "close")
            assert await ended(reader)
            assert world.service.counters.requests == {status: 1}

    run(main)


class Broken:
    """A site with a mistake."""

    def answer(self, request: Request, arrival: Arrival) -> Response:
        raise RuntimeError("a mistake")


def test_an_error_of_ours_is_told_of_and_ends_nothing(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        world = WebWorld(tmp_path, plain=True)
        world.site = Broken()
        async with world.serving(), world.connected() as (reader, writer):
            for _ in range(2):
                writer.write(get("/"))
                assert (await response(reader))[0] == 500
            assert [type(error) for error in world.errors] == [RuntimeError] * 2
            world.expected_errors = world.errors

    run(main)


class Unsendable:
    """A site whose answer is none of HTTP."""

    def answer(self, request: Request, arrival: Arrival) -> Response:
        return Response(HTTPStatus.OK, (("no name", "x"),))


def test_an_answer_that_cannot_be_sent_ends_one_connection(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        world = WebWorld(tmp_path, plain=True)
        async with world.serving(), world.connected(tls=True) as (other, second):
            site, world.site = world.site, Unsendable()
            async with world.connected() as (reader, writer):
                writer.write(get("/"))
                assert await ended(reader)
            world.site = site
            second.write(get("/"))
            assert (await response(other))[0] == 200
            assert len(world.errors) == 1
            world.expected_errors = world.errors

    run(main)


@pytest.mark.parametrize("data", [b"", b"\x16", b"G", get("/")[:-1], get("/") + b"G"], ids=repr)
def test_who_does_not_go_on_is_not_waited_for(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    for limit in ("HANDSHAKE_LIMIT",) * (data == b"\x16") + ("REQUEST_LIMIT", "IDLE_LIMIT"):
        monkeypatch.setattr(connection, limit, 0.02)

    async def main() -> None:
        async with WebWorld(tmp_path, plain=True).serving() as world, world.connected() as (reader, writer):
            if not data:  # a handshake and nothing behind it
                async with world.connected(tls=True) as (behind, _):
                    assert await ended(behind)
                assert not world.service.counters.failed_handshakes
                return
            writer.write(data)
            if data.startswith(get("/")):
                await response(reader)
            assert await ended(reader)
            assert world.service.counters.failed_handshakes == ({"timeout": 1} if data == b"\x16" else {})
            await until(lambda: not world.service.connections)

    run(main)


def test_who_reads_nothing_holds_little_and_not_for_long(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "RESPONSE_LIMIT", 1.0)

    async def main() -> None:
        async with WebWorld(tmp_path, plain=True).serving() as world:
            loop = asyncio.get_running_loop()
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.setblocking(False)
                await loop.sock_connect(sock, ("127.0.0.1", world.port))
                # Many large files are asked for, and none is read.
                with contextlib.suppress(TimeoutError, OSError):
                    async with asyncio.timeout(0.3):
                        await loop.sock_sendall(sock, get("/main-0123456789.js") * 100_000)
                        raise AssertionError("the server reads without end")
                (member,) = world.service._crowd.all()
                assert isinstance(member, connection.WebConnection)
                assert member._transport.get_write_buffer_size() <= 2 * connection.PIECE_BYTES
                assert len(member._held) <= connection.MAX_HELD + 65_536
                await until(lambda: not world.service.connections)

    run(main)


def test_who_changes_its_key_all_the_time_instead_of_asking_is_cut_off(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        context = client_context()
        context.keylog_filename = str(tmp_path / "keys")
        async with WebWorld(tmp_path).serving() as world:
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
            while True:
                with contextlib.suppress(ssl.SSLWantReadError):
                    client.do_handshake()
                    break
                writer.write(outgoing.read())
                incoming.write(await reader.read(65_536))
            writer.write(outgoing.read() + key_updates(client, tmp_path / "keys", 4000, asks=True))
            answered = b""
            with contextlib.suppress(ConnectionError):  # it is cut off in the middle of what it sends
                while data := await reader.read(65_536):
                    answered += data
            assert len(answered) // 27 < RECORDS_AT_ONCE // EMPTY_COST + 2 * SLICE // 27, (
                "most of them are not answered"
            )
            await until(lambda: not world.service.connections)
            writer.close()

    run(main)


def test_clients_that_break_tls(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with WebWorld(tmp_path).serving() as world:
            async with world.connected() as (reader, writer):
                writer.write(b"\x16\x03\x01\x00\x05hello" + bytes(100))
                assert (await reader.read()).startswith(b"\x15"), "an alert"
            async with world.connected() as (_, writer):
                writer.write(b"\x16\x03\x01")
                await until(lambda: world.service.connections == 1)
            strict = client_context()
            strict.verify_mode = ssl.CERT_REQUIRED
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection("127.0.0.1", world.port, ssl=strict)
            failed = world.service.counters.failed_handshakes
            await until(lambda: failed["closed"] + failed["alert"] == 2)  # a client may leave before its alert does
            assert failed["closed"] >= 1
            assert failed["protocol"] == 1
            await until(lambda: not world.service.connections)
            assert world.service.counters.handshakes == 0

    run(main)


def test_tls_12_and_the_protocol_that_is_spoken(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        context = client_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["h2", "http/1.1"])
        async with WebWorld(tmp_path).serving() as world:
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port, ssl=context)
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
            writer.write(get("/"))
            assert (await response(reader))[0] == 200
            writer.close()
            await writer.wait_closed()

    run(main)
