"""The processes of a demonstration: the server, its account command, and the participants.

Each leads a session of its own. So Ctrl-C at the terminal reaches the demonstration alone, which ends them in order. If
it cannot, they end when their standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

from tcclient.demo.plan import Part

START_LIMIT = 20.0
"""Seconds until the server reports that it runs, with a new database on a slow disk."""
STOP_LIMIT = 5.0
"""Seconds for a process to end. After that it is killed."""
LINE_LIMIT = 1 << 20
"""Bytes of a line that a participant may print: the report of a large room is one line."""
_LINK = re.compile(r"^join link +(tc://\S+)$", re.MULTILINE)
_PAGE = re.compile(r"^web (link|page) .*\n", re.MULTILINE)
"""What the server prints after its join link: a web link, or that the page is missing."""


class DemoError(Exception):
    """The demonstration cannot go on. The text is for the user."""


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("TCSERVER_")} | {"PYTHONUNBUFFERED": "1"}


async def make_accounts(data: Path, count: int, *, chair: int = 0) -> dict[str, str]:
    """Make accounts with the account command, and return the passwords that it printed, by name.

    The one of number ``chair`` (from 1; 0: none) is a chair in each room.
    """
    table = data / "agencies.csv"
    rows = "".join(f"agency{n:02},Agency {n},{'chair' if n == chair else ''}\n" for n in range(1, count + 1))
    table.write_text("name,display,role\n" + rows, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tcserver", "account", "import", str(table), "--data", str(data / "server"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=_environment(), start_new_session=True,
    )  # fmt: skip
    try:
        out, err = await process.communicate()
    finally:
        await _stop(process)
    if process.returncode:
        raise DemoError(f"the account command failed: {err.decode(errors='replace').strip()}")
    passwords = {row["name"]: row["password"] for row in csv.DictReader(io.StringIO(out.decode()))}
    if len(passwords) != count:
        raise DemoError(f"the account command made {len(passwords)} accounts instead of {count}")
    return passwords


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_LIMIT)
        except TimeoutError:
            process.kill()
            await process.wait()


class Server(NamedTuple):
    """A running server."""

    link: str
    """Join link, without a room."""
    has_page: bool
    """Whether it gives out the web page."""
    process: asyncio.subprocess.Process


@contextlib.asynccontextmanager
async def run_server(data: Path, log: Path, talkers: int) -> AsyncIterator[Server]:
    """Run a server on a free port of the loopback address, which forwards all talkers.

    Browsers there reach the page without TLS, and so without a warning of a certificate that nobody knows.
    """
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tcserver", "run", "--until-eof", "--data", str(data / "server"),
            "--set", "server.addresses=127.0.0.1", "--set", "server.port=0",
            "--set", f"rooms.loudest={talkers}", "--set", "web.plain=true",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=errors, env=_environment(),
            start_new_session=True,
        )  # fmt: skip
    try:
        link, has_page = await _announcement(process, log)
        yield Server(link, has_page, process)
        if process.returncode is not None:
            raise DemoError(f"the server ended early, see {log}")
    finally:
        await _stop(process)


async def _announcement(process: asyncio.subprocess.Process, log: Path) -> tuple[str, bool]:
    assert process.stdout is not None
    text = ""
    try:
        async with asyncio.timeout(START_LIMIT):
            async for line in process.stdout:
                text += line.decode(errors="replace")
                if (link := _LINK.search(text)) and (page := _PAGE.search(text)):
                    return link[1], page[1] == "link"
    except TimeoutError:
        raise DemoError(f"the server did not start within {START_LIMIT:.0f} s, see {log}") from None
    raise DemoError(f"the server did not start: {last_words(log)}")


def last_words(log: Path) -> str:
    """Return what a process wrote into its log, or that it is empty."""
    return log.read_text(encoding="utf-8", errors="replace").strip() or "it says nothing"


class Participant:
    """The process of a participant. It takes commands as lines, and prints a JSON object for each event."""

    def __init__(self, part: Part, process: asyncio.subprocess.Process) -> None:
        self.part = part
        self.progress: dict[str, Any] = {}
        """The newest progress event."""
        self.report: dict[str, Any] | None = None
        self._process = process
        self._reached: dict[str, asyncio.Event] = {}
        self._reader = asyncio.create_task(self._read())
        self._error = ""

    @classmethod
    async def start(cls, part: Part, log: Path) -> Participant:
        """Start the process. Its error messages go to ``log``."""
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tcclient.demo.participant",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=errors,
                limit=LINE_LIMIT, env=_environment(), start_new_session=True,
            )  # fmt: skip
        self = cls(part, process)
        await self.tell(json.dumps(part.as_json()))
        return self

    async def tell(self, command: str) -> None:
        """Send a line to the process."""
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(command.encode() + b"\n")
            await self._process.stdin.drain()

    async def reach(self, event: str) -> None:
        """Wait until the process has printed an event. Raises ``DemoError`` if it ends or fails before."""
        reached = self._reached.setdefault(event, asyncio.Event())
        waiter = asyncio.create_task(reached.wait())
        try:
            await asyncio.wait((waiter, self._reader), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiter.cancel()
        if not reached.is_set():
            raise DemoError(f"{self.part.name} ({self.part.user}): {self._error or 'ended without a word'}")

    async def end(self) -> str:
        """Wait until the process has ended by itself, and return why."""
        await asyncio.shield(self._reader)
        return self._error or "ended without a word"

    async def stop(self) -> None:
        """End the process."""
        await _stop(self._process)
        await self._reader

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            event = json.loads(line)
            name = event.pop("event")
            if name == "progress":
                self.progress = event
            elif name == "error":
                self._error = event["text"]
            elif name == "report":
                self.report = event
            self._reached.setdefault(name, asyncio.Event()).set()
        await self._process.wait()
