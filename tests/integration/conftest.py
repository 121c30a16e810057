"""A real server and real clients on real sockets, half of the tests on each event loop.

With ``BOTH_LOOPS=1`` in the environment all tests that can run on both do so.
"""

import asyncio
import gc
import io
import itertools
import os
import shutil
import threading
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop
from coverage import Coverage

from tcproto.link import Link
from tcserver.cli.main import main as tcserver
from tests.support.processes.raw import derived_once
from tests.support.processes.world import ACCOUNTS, LOOPS, PASSWORD, PATIENCE, Run, Server, World, guarded

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = itertools.count(1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave each test one of the two loops, always the same one."""
    if os.environ.get("BOTH_LOOPS"):
        return
    variants: dict[str, dict[str, pytest.Item]] = defaultdict(dict)
    for item in items:
        loop = getattr(item, "callspec", None) and item.callspec.params.get("run")
        if loop in LOOPS:
            variants[item.nodeid.replace(loop, "")][loop] = item
    left_out = {
        both[LOOPS[zlib.crc32(name.encode()) % 2]] for name, both in variants.items() if len(both) == len(LOOPS)
    }
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a server with accounts, made by the command line."""
    data = tmp_path_factory.mktemp("template") / "data"
    with pytest.MonkeyPatch.context() as patch:
        for name, options in ACCOUNTS.items():
            patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(PASSWORD.encode())))
            assert tcserver(["account", "add", name, "--password-stdin", "--data", str(data), *options]) == 0
    assert tcserver(["account", "disable", "off", "--data", str(data)]) == 0
    assert tcserver(["room", "add", "Hall", "--data", str(data), "--max-participants", "40"]) == 0
    assert tcserver(["room", "add", "Nook", "--data", str(data), "--max-participants", "1"]) == 0
    assert tcserver(["room", "add", "Open", "--data", str(data), "--no-e2ee"]) == 0
    return data


@pytest.fixture
def data(template: Path, tmp_path: Path) -> Path:
    """A data directory for one test."""
    return Path(shutil.copytree(template, tmp_path / "server"))


@pytest.fixture
def world(data: Path, tmp_path: Path) -> World:
    """The data of a server, and the place for the data of clients."""
    return World(data, tmp_path)


@pytest.fixture
def server(world: World) -> Iterator[Server]:
    """A server in a process of its own."""
    with world.process() as server:
        yield server


@pytest.fixture(scope="session")
def shared_server(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server in a process of its own, for all tests that change nothing on it, and leave nobody in its rooms."""
    place = tmp_path_factory.mktemp("shared")
    with World(Path(shutil.copytree(template, place / "server")), place).process() as server:
        yield server


@pytest.fixture
def hall(shared_server: Server) -> Link:
    """A room of the shared server in which nobody has been: who comes first is its chair."""
    return shared_server.room(f"Hall {next(NUMBERS)}")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count the lines that a test and its clients reach, if coverage is measured."""
    if Coverage.current() is not None:
        monkeypatch.setenv("COVERAGE_PROCESS_START", str(ROOT / "pyproject.toml"))
        monkeypatch.setenv("COVERAGE_FILE", str(ROOT / ".coverage"))


@pytest.fixture(autouse=True)
def _derive_each_key_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tcclient.transport.connection.derive_account_key", derived_once)


@pytest.fixture(scope="session", autouse=True)
def _open_what_stays_open() -> None:
    """The first loop of uvloop opens a pipe for the whole process."""
    uvloop.new_event_loop().close()


def running_threads() -> set[threading.Thread]:
    """Return the threads of this process, without that of its log, which comes with the first line and stays."""
    return {thread for thread in threading.enumerate() if thread.name != "log"}


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Run a coroutine function on an event loop, and check that nothing is left of it."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def run_main(main, *arguments):
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(guarded(main(*arguments)))

    threads, files = running_threads(), open_files()
    yield run_main
    gc.collect()
    for thread in running_threads() - threads:
        thread.join(PATIENCE)  # that of a database may just be about to end
    assert running_threads() <= threads
    assert open_files() == files


def open_files() -> set[str]:
    """Return the open descriptors, without the one that looks."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
        except FileNotFoundError:
            continue
    return found
