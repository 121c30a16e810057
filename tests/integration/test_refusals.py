"""Refusals to a client: each is an error of its own type, with a stable code and one line of text."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from tcclient.errors import (
    ClientError,
    ConnectError,
    JoinRefused,
    LoginRefused,
    RoomClosed,
    UntrustedServer,
    WrongServer,
)
from tcclient.trust.identity import KnownServers
from tcproto.errors import ErrorCode
from tcproto.link import Link
from tests.support.processes.world import PASSWORD, Run, World, until

pytestmark = pytest.mark.usefixtures("measured")
OTHER = bytes(range(20))


async def refused(kind: type[ClientError], client: Any) -> ClientError:
    with pytest.raises(kind) as caught:
        async with client:
            pass
    text = str(caught.value)
    assert text
    assert "\n" not in text
    return caught.value


def test_wrong_password_unknown_name_and_disabled_account_are_one_answer(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server:
            answers = set()
            for user, password in (("kantor-1", "wrong password"), ("nobody", PASSWORD), ("off", PASSWORD)):
                error = await refused(LoginRefused, world.client(server.room("Hall"), user, password=password))
                answers.add((str(error), error.code, error.action, error.retry_after_ms))
            assert answers == {("the username or the password is wrong", ErrorCode.BAD_CREDENTIALS, error.action, 0)}

    run(main)


@pytest.mark.parametrize(
    ("room", "more", "code"),
    [
        ("Nook", {}, ErrorCode.ROOM_FULL),
        ("Open", {}, ErrorCode.MODE_MISMATCH),
        ("Nowhere", {}, ErrorCode.NO_SUCH_ROOM),
    ],
)
def test_rooms(run: Run, world: World, room: str, more: dict[str, Any], code: ErrorCode) -> None:
    async def main() -> None:
        async with world.serving(rooms__temporary="false") as server, world.client(server.room("Nook")):
            error = await refused(JoinRefused, world.client(server.room(room), "kantor-2", **more))
            assert error.code is code

    run(main)


def test_a_mode_that_is_not_wanted_is_refused_here(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server:
            link = server.room("Open", e2ee=False)
            error = await refused(JoinRefused, world.client(link))
            assert error.code is ErrorCode.MODE_MISMATCH
            link = server.room("Hall", e2ee=False)
            error = await refused(JoinRefused, world.client(link, require_e2ee=False))
            assert error.code is ErrorCode.MODE_MISMATCH
            assert "the link says that it is off" in str(error)

    run(main)


def test_sessions_and_names(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving(login__max_sessions=2) as server:
            link = server.room("Hall")
            error = await refused(LoginRefused, world.client(link, name="Administrator"))
            assert error.code is ErrorCode.BAD_NAME
            async with world.client(link, "single", "One") as first:
                error = await refused(LoginRefused, world.client(link, "single", "Two"))
                assert error.code is ErrorCode.TOO_MANY_SESSIONS
                async with world.client(link, "kantor-1"):
                    error = await refused(LoginRefused, world.client(link, "kantor-2"))
                    assert error.code is ErrorCode.SERVER_FULL
                async with world.client(link, "single", "One"):
                    await until(lambda: first.closed is not None)
                    assert first.closed.code is ErrorCode.REPLACED

    run(main)


def test_keys_of_servers(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server:
            link = server.room("Hall")
            unnamed = server.room("Hall", fingerprint=None)
            error = await refused(WrongServer, world.client(server.room("Hall", fingerprint=OTHER)))
            assert error.fingerprint == link.fingerprint
            assert "the link" in str(error)
            error = await refused(UntrustedServer, world.client(unnamed))
            assert error.fingerprint == link.fingerprint

            async def answer(fingerprint: bytes, says: bool) -> bool:
                assert fingerprint == link.fingerprint
                return says

            await refused(UntrustedServer, world.client(unnamed, trust=lambda found: answer(found, False)))
            async with world.client(unnamed, trust=lambda found: answer(found, True)):
                pass
            async with world.client(unnamed):
                pass
            directory = world.place / "kantor-1 Sri"
            known = KnownServers(directory)
            known.forget(link.host, link.port)
            known.pin(link.host, link.port, OTHER)
            error = await refused(WrongServer, world.client(unnamed))
            assert "known_servers" in str(error)
            assert f"tcclient forget {link.address}" in str(error)

    run(main)


def test_a_link_without_a_room(run: Run, world: World) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="no room"):
            async with world.client(Link("127.0.0.1")):
                pass

    run(main)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_no_server(run: Run, world: World, host: str) -> None:
    async def main() -> None:
        port = free_port()
        error = await refused(ConnectError, world.client(Link(host, port, "Hall", OTHER)))
        assert str(error).startswith(f"{host}:{port}: ")
        if host != "127.0.0.1":
            await asyncio.get_running_loop().shutdown_default_executor()

    run(main)


@pytest.mark.parametrize("says", [b"", b"\x00\x05hello", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\x40" + bytes(64)])
def test_what_is_no_server_of_ours(run: Run, world: World, says: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        await reader.read(10)
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            error = await refused(RoomClosed, world.client(Link("127.0.0.1", port, "Hall", OTHER)))
            assert error.code in (None, ErrorCode.BAD_HANDSHAKE, ErrorCode.BAD_FRAME)

    run(main)


def test_every_error_is_a_client_error() -> None:
    def tree(kind: type) -> Callable[[], set[type]]:
        return {kind}.union(*map(tree, kind.__subclasses__()))

    assert tree(ClientError) >= {ConnectError, WrongServer, UntrustedServer, LoginRefused, JoinRefused, RoomClosed}
