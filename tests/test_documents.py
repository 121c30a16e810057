"""The documents: their programs run against a real server, their commands exist, and their links and figures hold."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import inspect
import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import tcclient
from tcclient import cli as client_cli
from tcclient import errors as client_errors
from tcclient import events as client_events
from tcproto.datagram import RELAY_TIME_SIZE, Item, ItemType, Kind, pack_header, pack_items, seal
from tcproto.document import replaced
from tcproto.errors import ErrorCode
from tcproto.link import Link, parse_link
from tcproto.packet import AUDIO_PADDING_STEP, AudioHeader, seal_packet
from tcserver import cli as server_cli
from tests import settings_table

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
GUIDE = ROOT / "tcclient" / "GUIDE.md"
OPERATING = ROOT / "tcserver" / "OPERATING.md"
PROTOCOL = ROOT / "tcproto" / "PROTOCOL.md"
DOCUMENTS = (README, GUIDE, OPERATING)
PARSERS = {"tcserver": server_cli._parser(), "tcclient": client_cli._parser()}
OTHER_FLAGS = {"--system", "--home-dir", "--now"}
"""Options of other programs that the documents name."""
PATIENCE = 20.0
"""Seconds that a step may take on a busy machine before it counts as failed."""


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(document), re.MULTILINE | re.DOTALL)


class Command(NamedTuple):
    program: str
    arguments: list[str]
    output: str | None
    """The file that it is directed to."""


def commands(document: Path) -> list[Command]:
    """The commands of ours in the shell blocks of a document, in order."""
    found = []
    for line in "".join(blocks(document, "sh")).splitlines():
        for part in line.split(" && "):
            words = [word for word in shlex.split(part) if not re.match("[A-Z_]+=", word)]
            program = Path(words[0]).name if words else ""
            if program in PARSERS:
                output = words[words.index(">") + 1] if ">" in words else None
                found.append(Command(program, words[1 : words.index(">") if output else None], output))
    return found


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser's commands, those of groups included."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield parser
    for group in groups:
        for command in group.choices.values():
            yield from leaves(command)


ALL_COMMANDS = {leaf.prog: leaf for parser in PARSERS.values() for leaf in leaves(parser)}


# The programs of the documents


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
        """Wait until it has printed this."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while text not in self.output:
                line = await self.process.stdout.readline()
                assert line, f"it ended without {text!r}: {self.output}"
                self.output += line.decode()

    async def ends(self) -> str:
        """Wait for a good end; return all that it printed."""
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
    """Ourselves in the room, as the guide has it."""
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
    """Wait until so many blocks were loud; a busy machine misses some of those that there were."""
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
            output = await bot.ends()
        assert 5000 < max(map(int, re.findall(r"peak (\d+)", output))) < 8000

    asyncio.run(scenario())


def test_the_guide_says_it_back(server: Server, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(program(GUIDE, "Parrot"), server, tmp_path, "parrot") as bot:
            await bot.prints("listening")
            async with me(server, tmp_path, "parrot") as room:
                (publication,) = await room.publish(chime(0.6))
                await publication.wait()
                await loud_blocks(room, 5)
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


# The commands of the documents


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_is_one(document: Path) -> None:
    for command in commands(document):
        PARSERS[command.program].parse_args(command.arguments)


def test_the_operators_commands_work_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    (table,) = blocks(OPERATING, "csv")
    Path("agencies.csv").write_text(table, encoding="utf-8")
    assert server_cli.main(["account", "add", "first", "--generate"]) == 0  # as if the server had been started once
    for command in commands(OPERATING):
        if command.program != "tcserver":
            continue
        data = tmp_path / "restored"
        moved = [str(data) if word == "/srv/conference" else word for word in command.arguments]
        if moved != command.arguments:
            data.mkdir()
            (data / "identity.key").write_bytes((tmp_path / "XDG_DATA_HOME/tcserver/identity.key").read_bytes())
            (data / "identity.key").chmod(0o600)
        capsys.readouterr()
        assert server_cli.main(moved) == 0, (command, capsys.readouterr().err)
        if command.output is not None:
            Path(command.output).write_text(capsys.readouterr().out, encoding="utf-8")
    assert Path("passwords.csv").read_text(encoding="utf-8").startswith("name,password\nkantor-1,")
    assert tomllib.loads(Path("tcserver.toml").read_text(encoding="utf-8"))["server"]["port"] == 7433
    assert Path("conference.db").stat().st_size > 0


def test_every_option_in_the_documents_is_one_of_ours_or_known() -> None:
    ours = {option for leaf in ALL_COMMANDS.values() for action in leaf._actions for option in action.option_strings}
    for document in DOCUMENTS:
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text_of(document))) <= ours | OTHER_FLAGS


def test_every_command_is_told_of_in_the_documents() -> None:
    told = "\n".join(map(text_of, DOCUMENTS))
    assert [name for name in ALL_COMMANDS if name not in told] == []


@pytest.mark.parametrize("name", ALL_COMMANDS)
def test_the_help_of_a_command_explains_everything(name: str) -> None:
    leaf = ALL_COMMANDS[name]
    assert leaf.description
    assert leaf.epilog
    for line in re.findall(rf"^  (?:{name.split()[0]}) .*", leaf.epilog, re.MULTILINE):
        words = shlex.split(line.partition(" <")[0].partition(" >")[0])
        PARSERS[words[0]].parse_args(words[1:])
    for action in leaf._actions:
        assert action.help, f"{name} {action.dest} has no help"
        assert set(action.option_strings) <= set(re.findall(r"--?[a-z0-9][a-z0-9-]*", leaf.format_help()))


def test_a_client_without_its_extra_says_what_to_install() -> None:
    code = "import sys; sys.modules['numpy'] = None; from tcclient.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "join", "tc://127.0.0.1/rapat", "--user", "dinkes"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "tcclient: numpy is missing; the client is installed with: pip install '.[client]'\n"


# What else the documents say


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:)(.*?)\)", text_of(document)):
            path, _, anchor = target.partition("#")
            leads_to = document.parent / path if path else document
            assert leads_to.exists(), f"{document.name}: {target}"
            if anchor:
                headings = re.findall("^#+ (.*)$", text_of(leads_to), re.MULTILINE)
                assert anchor in {re.sub("[^\\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_readme_leads_to_the_other_documents() -> None:
    targets = set(re.findall(r"\]\((.*?)\)", text_of(README)))
    assert {document.relative_to(ROOT).as_posix() for document in (GUIDE, OPERATING, PROTOCOL)} <= targets


def test_the_table_of_settings_is_current() -> None:
    text = text_of(OPERATING)
    assert replaced(text, {settings_table.NAME: settings_table.table()}) == text, "run python -m tests.settings_table"


def test_the_extras_in_the_readme_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (table,) = re.findall(r"\| extra \| for \|\n\|.*?\n((?:\|.*\n)+)", text_of(README))
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(project["optional-dependencies"])
    assert project["license"] in text_of(README)


def test_the_guide_tells_all_errors_and_events() -> None:
    text = text_of(GUIDE)
    for module, base in ((client_errors, client_errors.ClientError), (client_events, object)):
        for name, cls in inspect.getmembers(module, inspect.isclass):
            if cls.__module__ == module.__name__ and issubclass(cls, base):
                assert f"`{name}`" in text or f"tcclient.{name}" in text, name
    table = text[text.index("| error | from |") :]
    codes = {
        word
        for row in re.findall(r"^\| `\w+Refused`.*", table, re.MULTILINE)
        for word in re.findall("`([a-z]+_[a-z_]+)`", row)
    }
    assert codes
    assert codes <= {str(code) for code in ErrorCode}


def test_the_sizes_that_operators_reckon_with() -> None:
    text = text_of(OPERATING)
    packet = seal_packet(AudioHeader(1, 0, 0, 0, 0), bytes(63), bytes(32), AUDIO_PADDING_STEP)
    up = seal(pack_header(Kind.UP, 0, 1, 0), pack_items([Item(ItemType.PACKET, packet)]), bytes(32))
    room = seal(
        pack_header(Kind.ROOM, 0, 1, 0),
        bytes(RELAY_TIME_SIZE) + pack_items([Item(ItemType.PACKET, bytes(2) + packet)]),
        bytes(32),
    )
    assert f"{len(room) - 63} bytes around them, {len(room)} bytes\nof UDP payload" in text
    assert f"({len(up)} to it)" in text
    voice, picture = (len(room) + 28) * 8 * 50 / 1000, 0.63  # kbit/s; Mbit/s
    one, many, all_open = voice / 1000, 34 * voice / 1000, 35 * 34 * voice / 1000  # Mbit/s
    assert f"**{voice:.1f} kbit/s for each\nvoice" in text
    table = text[text.index("| 35 participants") :].replace("\N{MULTIPLICATION SIGN}", "x")
    assert f"34 x {voice:.1f} kbit/s = {many:.1f} Mbit/s | {voice:.1f} kbit/s |" in table
    assert f"35 x 34 x {voice:.1f} kbit/s = {all_open:.1f} Mbit/s | {many:.1f} Mbit/s |" in table
    total = many + 4 * 34 * picture
    assert f"{many:.1f} + 4 x 34 x {picture} = {total:.1f} Mbit/s | {one + 4 * picture:.1f} Mbit/s |" in table
