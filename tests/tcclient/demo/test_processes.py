"""Processes of a demonstration that fail: the messages to the user, and no process is left."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tcclient.demo import conductor, processes
from tcclient.demo.plan import Part, Plan
from tcclient.demo.processes import DemoError, Participant, make_accounts, run_server
from tcproto.link import Link
from tests.support.processes.world import children, until


def part(place: Path) -> Part:
    """The part of a participant where there is no server."""
    link = Link("127.0.0.1", 1, "demo", bytes(20))
    return Part(str(link), "agency01", "secret", "Participant 1", str(place / "data"), str(place / "record"), 1.0)


async def participant(place: Path, act: Callable[[Participant], Awaitable[None]]) -> None:
    started = await Participant.start(part(place), place / "agency01.log")
    try:
        await act(started)
    finally:
        await started.stop()


@pytest.fixture(autouse=True)
def _nothing_is_left() -> object:
    yield
    assert children(os.getpid()) == []


def test_accounts_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "server").touch()
    with pytest.raises(DemoError, match=r"^the account command failed: tcserver: .*/server"):
        asyncio.run(make_accounts(tmp_path, 2))


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "server").touch()

    async def main() -> None:
        async with run_server(tmp_path, tmp_path / "server.log", 1):
            raise AssertionError

    with pytest.raises(DemoError, match=r"^the server did not start: tcserver: .*/server"):
        asyncio.run(main())


def test_a_server_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "START_LIMIT", 0.01)  # 20 s otherwise

    async def main() -> None:
        async with run_server(tmp_path, tmp_path / "server.log", 1):
            raise AssertionError

    with pytest.raises(DemoError, match=r"^the server did not start within 0 s, see .*server\.log"):
        asyncio.run(main())


def test_a_server_that_ends_before_the_demonstration_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with run_server(tmp_path, tmp_path / "server.log", 1):
            (server,) = children(os.getpid())
            os.kill(server, signal.SIGKILL)
            await until(lambda: not Path(f"/proc/{server}").exists())
            await asyncio.sleep(0.1)  # the thread that waited for it tells the loop

    with pytest.raises(DemoError, match=r"^the server ended early, see .*server\.log"):
        asyncio.run(main())


def test_a_participant_that_fails_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r"^Participant 1 \(agency01\): 127\.0\.0\.1:1: Connection refused"):
        asyncio.run(participant(tmp_path, lambda started: started.reach("seated")))


def test_a_participant_that_ends_without_a_word_is_named(tmp_path: Path) -> None:
    async def act(started: Participant) -> None:
        await started.stop()
        await started.tell("start")
        await started.reach("seated")

    with pytest.raises(DemoError, match=r"^Participant 1 \(agency01\): ended without a word"):
        asyncio.run(participant(tmp_path, act))


def test_a_process_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "STOP_LIMIT", 0.1)  # 5 s otherwise

    async def act(started: Participant) -> None:
        (process,) = children(os.getpid())
        os.kill(process, signal.SIGSTOP)

    asyncio.run(participant(tmp_path, act))


def test_participants_that_are_not_seated_in_time_end_the_demonstration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(conductor, "JOIN_LIMIT", 0.01)  # 60 s otherwise
    file = tmp_path / "unread.wav"
    plan = Plan(2, 1, 0, file, file, 1.0, False, tmp_path / "out")
    with pytest.raises(DemoError, match=r"^not everybody reached 'seated' within 0 s"):
        asyncio.run(conductor.conduct(plan))
    assert capsys.readouterr().err.splitlines() == [
        "Making 2 accounts",
        "Starting the server",
        "Seating 2 participants",
    ]
