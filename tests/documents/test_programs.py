"""The programs of the documents run against a real server."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import inspect
import io
import itertools
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import tcclient
from tcclient import events as client_events
from tcclient.capture import SPEECH
from tcclient.capture.reader import open_audio
from tcproto.link import Link, parse_link
from tests.documents.reader import GUIDE, OPERATING, README, ROOT, blocks, commands

PATIENCE = 60.0
"""Seconds that a step may take on a busy machine before it counts as failed."""


class Server(NamedTuple):
    link: Link
    """Without a room."""
    passwords: dict[str, str]


def environment(folder: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TCSERVER_")}
    return {
        **clean,
        "XDG_DATA_HOME": str(folder / "share"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that was made with the commands of the guide."""
    folder = tmp_path_factory.mktemp("guide")
    passwords: dict[str, str] = {}
    adding = [command for command in commands(GUIDE) if command.arguments[:2] == ["account", "add"]]
    (running,) = (command for command in commands(GUIDE) if command.arguments[0] == "run")
    for command in adding:
        made = subprocess.run(
            [sys.executable, "-m", command.program, *command.arguments],
            env=environment(folder),
            capture_output=True,
            text=True,
            check=True,
        )
        passwords |= {row["name"]: row["password"] for row in csv.DictReader(io.StringIO(made.stdout))}
    with subprocess.Popen(
        [sys.executable, "-m", running.program, *running.arguments, "--set", "server.port=0"],
        env=environment(folder) | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        link = next(parse_link(line.split()[-1]) for line in process.stdout if line.startswith("join link"))
        yield Server(link, passwords)
        process.terminate()


class Program:
    """A program of a document, running in the room ``lab``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.output = ""

    async def prints(self, text: str) -> None:
        """Wait until it has printed this regular expression."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while not re.search(text, self.output):
                line = await self.process.stdout.readline()
                assert line, f"it ended without {text!r}: {self.output}"
                self.output += line.decode()

    async def ends(self) -> str:
        """Wait for a good end, and return all that it printed."""
        async with asyncio.timeout(PATIENCE):
            rest, _ = await self.process.communicate()
        self.output += rest.decode()
        assert self.process.returncode == 0, self.output
        return self.output


@contextlib.asynccontextmanager
async def running(code: str, server: Server, tmp_path: Path, room: str) -> AsyncIterator[Program]:
    (tmp_path / "bot.py").write_text(code, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "bot.py", link_to(server, room)),
        cwd=tmp_path,
        env=environment(tmp_path) | {"BOT_PASSWORD": server.passwords["bot"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def link_to(server: Server, room: str) -> str:
    return str(replace(server.link, room=room))


def me(server: Server, tmp_path: Path, room: str) -> contextlib.AbstractAsyncContextManager[tcclient.Room]:
    """A participant of ours in the room, as the guide has it."""
    password = server.passwords["me"]
    return tcclient.connect(link_to(server, room), user="me", password=password, name="Me", data=tmp_path / "me")


async def next_of(events: AsyncIterator[client_events.Event], kind: type[client_events.Event]) -> client_events.Event:
    async with asyncio.timeout(PATIENCE):
        return await anext(event async for event in events if isinstance(event, kind))


def program(document: Path, part: str) -> str:
    (found,) = (block for block in blocks(document, "python") if part in block)
    return found


def test_the_greeter_of_the_readme_greets(server: Server, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(program(README, "Greeter"), server, tmp_path, "greeting") as bot:
            await bot.prints("in room greeting")
            async with me(server, tmp_path, "greeting") as room:
                events = room.events()
                await next_of(events, client_events.PathChanged)
                async with me(server, tmp_path / "another device", "greeting"):
                    chat = await next_of(events, client_events.ChatReceived)
                assert (chat.name, chat.text) == ("bot / Greeter", "Welcome, me / Me!")

    asyncio.run(scenario())


def test_the_guide_looks_around(server: Server, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with me(server, tmp_path, "look"), running(program(GUIDE, "Look"), server, tmp_path, "look") as bot:
            output = await bot.ends()
        assert "room look encrypted" in output
        assert "- me / Me chair" in output
        assert "- bot / Look speaker (this is me)" in output

    asyncio.run(scenario())


def test_the_guide_answers(server: Server, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            me(server, tmp_path, "answer") as room,
            running(program(GUIDE, "Answer"), server, tmp_path, "answer") as bot,
        ):
            events = room.events()
            await next_of(events, client_events.ParticipantJoined)
            async with me(server, tmp_path / "another device", "answer"):
                await bot.prints("me / Me came in")
            await room.chat("time?")
            assert re.fullmatch(r"\d\d:\d\d", (await next_of(events, client_events.ChatReceived)).text)
            await room.chat("bye")
            await bot.ends()

    asyncio.run(scenario())


async def loud_blocks(room: tcclient.Room, count: int) -> None:
    """Wait until so many blocks were loud. A busy machine misses some of them."""
    async with asyncio.timeout(PATIENCE):
        async for block in room.listen().blocks():
            count -= int(np.abs(block).max() > 1000)
            if count == 0:
                return


def chime(seconds: float) -> tcclient.AudioSource:
    wave = 6000 * np.sin(2 * np.pi * 440 * np.arange(int(48_000 * seconds)) / 48_000)
    return tcclient.AudioSource([wave.astype(np.int16)])


def test_the_guide_speaks(server: Server, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            me(server, tmp_path, "speak") as room,
            running(program(GUIDE, "Chime"), server, tmp_path, "speak") as bot,
        ):
            await loud_blocks(room, 10)
            assert "sent 51 packets" in await bot.ends()  # a second of 20 ms each, and the end of the talk

    asyncio.run(scenario())


def test_the_guide_hears(server: Server, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(program(GUIDE, "Ear"), server, tmp_path, "hear") as bot:
            await bot.prints("listening")
            async with me(server, tmp_path, "hear") as room:
                await room.publish(chime(5.0))
                await bot.prints("speaking: me / Me")
                await bot.prints(r"peak [5-7]\d{3}")  # the play-out is some packets behind
            output = await bot.ends()
        assert 5000 < max(map(int, re.findall(r"peak (\d+)", output))) < 8000

    asyncio.run(scenario())


def fluent_speech() -> tcclient.AudioSource:
    """Speech without end, with pauses of 0.3 s at most."""
    blocks, quiet = [], 0
    for block in open_audio(SPEECH):
        quiet = 0 if np.abs(block).max() > 1000 else quiet + 1
        if quiet <= 15:
            blocks.append(block)
    return tcclient.AudioSource(itertools.cycle(blocks))


def test_the_guide_says_it_back(server: Server, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(program(GUIDE, "Parrot"), server, tmp_path, "parrot") as bot:
            await bot.prints("listening")
            async with me(server, tmp_path, "parrot") as room:
                await room.publish(fluent_speech())
                await loud_blocks(room, 5)  # while we go on speaking
                await room.chat("bye")
                await bot.ends()

    asyncio.run(scenario())


def test_every_program_of_the_documents_is_run_here() -> None:
    source = inspect.getsource(sys.modules[__name__])
    for document, variable in ((README, "README"), (GUIDE, "GUIDE"), (OPERATING, "OPERATING")):
        for block in blocks(document, "python"):
            names = re.findall(r'name="(\w+)"', block)
            assert len(names) == 1
            assert f'program({variable}, "{names[0]}")' in source


def test_the_readme_shows_twenty_lines() -> None:
    assert len(program(README, "Greeter").splitlines()) <= 20
