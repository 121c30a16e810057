"""Shared parts of the tests on real sockets."""

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tcclient import connect, events
from tcclient.room import Room
from tcproto.link import Link, parse_link
from tcserver.config.configuration import Sources
from tcserver.daemon.daemon import Daemon
from tcserver.storage.data_directory import DataDirectory

LOOPS = ["asyncio", "uvloop"]
PASSWORD = "correct horse battery"
ACCOUNTS = {
    "kantor-1": ["--display", "Kantor Satu", "--max-sessions", "100"],
    "kantor-2": ["--display", "Kantor Dua"],
    "ketua": ["--role", "chair", "--max-sessions", "100"],
    "off": [],
    "perekam": ["--role", "recorder"],
    "single": ["--max-sessions", "1"],
}
PATIENCE = 60.0
"""Seconds until a condition must hold: generous, since the machine may be busy."""
Run = Callable[..., Any]


async def guarded(main: Coroutine[Any, Any, Any]) -> Any:
    """Run ``main``. At the end no task may be running, and no failure may be unseen."""
    unseen: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: unseen.append(context))
    async with asyncio.timeout(3 * PATIENCE):
        result = await main
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await asyncio.sleep(0)
    assert not unseen, unseen
    return result


async def until(condition: Callable[[], object], what: str = "") -> None:
    """Wait until a condition holds."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - conditions of any kind
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"it did not come true: {what}") from None


@dataclass
class World:
    """A server's data directory, and a place for the data directories of clients."""

    data: Path
    place: Path

    @contextlib.asynccontextmanager
    async def serving(self, **settings: object) -> AsyncIterator["Running"]:
        """Serve in this process; settings are ``section__key=value``."""
        flags = {"server.addresses": "127.0.0.1", "server.port": "0", "server.data": str(self.data)}
        flags |= {key.replace("__", "."): str(value) for key, value in settings.items()}
        configuration = Sources(flags=flags).load()
        daemon = Daemon(configuration, DataDirectory.of(configuration, {}))
        await daemon.start()
        try:
            yield Running(daemon, link_of(daemon.announcement()))
        finally:
            await daemon.stop()

    def client(self, link: Link, user: str = "kantor-1", name: str = "Sri", **more: Any) -> Any:
        """See ``tcclient.connect``; each user name has a device of its own."""
        more = {"password": PASSWORD, "data": self.place / f"{user} {name}"} | more
        return connect(link, user=user, name=name, **more)

    def command(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of the server to its end, in a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "tcserver", *arguments, "--data", str(self.data)],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )

    async def acommand(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command like ``command``, beside the event loop."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tcserver",
            *arguments,
            "--data",
            str(self.data),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await process.communicate(stdin.encode())
        assert process.returncode is not None
        return subprocess.CompletedProcess(arguments, process.returncode, out.decode(), err.decode())

    @contextlib.contextmanager
    def process(self, *flags: str) -> Iterator["Server"]:
        """Serve in a process of its own. Its lines are not counted: the server's own tests reach them."""
        environment = {name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_START"}
        settings = [f"--set={flag}" for flag in ("server.addresses=127.0.0.1", "server.port=0", *flags)]
        command = [sys.executable, "-m", "tcserver", "run", "--data", str(self.data), *settings]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            server = Server(process)
            try:
                server.wait_for_link()
                yield server
            finally:
                process.kill()
                process.wait()
                server.join()


@dataclass
class Running:
    """A server in this process."""

    daemon: Daemon
    link: Link

    def room(self, name: str, **more: Any) -> Link:
        """The link of a room."""
        return replace(self.link, room=name, **more)


class Server:
    """A server in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.log: list[str] = []
        self.link = Link("127.0.0.1")
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_for_link(self) -> None:
        """Read the announcement."""
        assert self.process.stdout is not None
        lines = []
        while not any("join link" in line for line in lines):
            line = self.process.stdout.readline()
            assert line, f"the server did not start: {self.log}"
            lines.append(line)
        self.link = link_of(lines)

    def room(self, name: str, **more: Any) -> Link:
        """The link of a room."""
        return replace(self.link, room=name, **more)

    def logged(self, text: str) -> bool:
        """Return whether a line of the log has this text."""
        return any(text in line for line in self.log)

    def join(self) -> None:
        """Wait for the last line of the log."""
        self._reader.join()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)


def link_of(lines: list[str]) -> Link:
    """Return the join link in the output of the server at its start."""
    return parse_link(next(line.split()[-1] for line in lines if line.startswith("join link")))


@contextlib.asynccontextmanager
async def watching(room: Room) -> AsyncIterator[list[events.Event]]:
    """Collect the events of a room."""
    seen: list[events.Event] = []

    async def watch() -> None:
        async for event in room.events():
            seen.append(event)  # noqa: PERF401 - each at once

    task = asyncio.create_task(watch())
    await asyncio.sleep(0)
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def gathered(*jobs: Awaitable[Any], at_once: int = 8) -> list[Any]:
    """Return the results of jobs; some of them run at once."""
    turn = asyncio.Semaphore(at_once)

    async def one(job: Awaitable[Any]) -> Any:
        async with turn:
            return await job

    return await asyncio.gather(*map(one, jobs))


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found
