"""Connecting where no server says a word. Other cases are in ``tests/integration``."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from tcclient import connector
from tcclient.errors import ConnectError, LinkContradictsPin, RoomClosed, WrongValue
from tcclient.transport.retry import Retry
from tcclient.trust.identity import KnownServers
from tcproto.control import ControlConnection
from tcproto.errors import Action, ErrorCode
from tcproto.identity import format_fingerprint
from tests.support.scripted_client import STATIC
from tests.support.scripted_server import FINGERPRINT

PINNED, OTHER = bytes(20), bytes(range(20))


async def enter(link: str, folder: Path, **more: Any) -> None:
    async with connector.connect(link, user="dinkes", password="secret", name="Sri", data=folder, **more):
        raise AssertionError("there is no server")


@pytest.mark.parametrize(
    ("link", "text"),
    [
        ("tc://host", "the link names no room"),
        ("tc://host/", "the link names no room"),
        ("http://host/room", "tc://"),
        ("tc://host/room?fp=x", "fingerprint"),
    ],
)
def test_a_link_that_leads_nowhere_is_a_wrong_value(link: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(WrongValue, match=text):
        asyncio.run(enter(link, tmp_path))
    assert not list(tmp_path.iterdir()), "nothing was made"


def test_a_path_that_there_is_not_is_a_wrong_value(tmp_path: Path) -> None:
    with pytest.raises(WrongValue, match="the path is auto, udp, stream, not 'tcp'"):
        asyncio.run(enter("tc://127.0.0.1:1/room", tmp_path, path="tcp"))


def test_a_link_against_what_is_known_asks_no_server(tmp_path: Path) -> None:
    KnownServers(tmp_path).pin("127.0.0.1", 1, PINNED)
    with pytest.raises(LinkContradictsPin) as trap:
        asyncio.run(enter(f"tc://127.0.0.1:1/room?fp={format_fingerprint(OTHER)}", tmp_path))
    assert (trap.value.pinned, trap.value.fingerprint) == (PINNED, OTHER)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_without_a_server_it_fails_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        with pytest.raises(ConnectError, match=r"^127.0.0.1:\d+: "):
            await enter(f"tc://127.0.0.1:{closed_port()}/room", tmp_path)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(test())


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "ANSWER_LIMIT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        link = f"tc://127.0.0.1:{silent.getsockname()[1]}/room"
        with pytest.raises(ConnectError, match=r"not answered within 0.05 s") as late:
            asyncio.run(enter(link, tmp_path))
    assert late.value.action is Action.RECONNECT


def test_a_server_that_closes_right_behind_its_key_is_heard(tmp_path: Path) -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        control = ControlConnection.server(STATIC)
        control.receive_data(await reader.read(4096))
        control.next_event()
        control.close(ErrorCode.SERVER_FULL, "no", 1500)
        writer.write(control.data_to_send())
        writer.close()

    async def test() -> None:
        async with await asyncio.start_server(close, "127.0.0.1", 0) as server:
            where = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with pytest.raises(RoomClosed) as full:
                await enter(f"tc://{where}/room?fp={format_fingerprint(FINGERPRINT)}", tmp_path, path="udp")
        assert (full.value.code, full.value.retry_after_ms) == (ErrorCode.SERVER_FULL, 1500)

    asyncio.run(test())


def test_a_known_server_that_is_away_is_tried_again_until_the_caller_gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = closed_port()
    KnownServers(tmp_path).pin("127.0.0.1", port, PINNED)
    monkeypatch.setattr("tcclient.transport.retry.FIRST_WAIT", 0.01)
    tried: list[Retry] = []

    async def test() -> None:
        task = asyncio.current_task()
        assert task is not None

        def trying_again(retry: Retry) -> None:
            tried.append(retry)
            if len(tried) == 2:
                task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await enter(f"tc://127.0.0.1:{port}/room", tmp_path, retry=trying_again)

    asyncio.run(test())
    assert [retry.attempt for retry in tried] == [2, 3]
    assert all(isinstance(retry.error, ConnectError) for retry in tried)
    assert tried[0].wait < tried[1].wait
