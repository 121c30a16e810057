"""The server as its operator runs it: a process with signals, a log, and commands beside it."""

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tcclient.errors import LoginRefused
from tcclient.events import ChatReceived
from tcclient.transport.probe import probe
from tcproto.errors import ErrorCode
from tcproto.link import Link
from tcproto.messages import UpdateRoom
from tcserver.storage.database import Database
from tests.support.processes.network import Network
from tests.support.processes.raw import dialled
from tests.support.processes.world import PATIENCE, Run, Server, World, children, link_of, until, watching

one_loop = pytest.mark.parametrize("run", ["asyncio"], indirect=True)
"""Marks tests in which the client's event loop does not matter."""


async def logged(server: Server, text: str) -> None:
    await until(lambda: server.logged(text), text)


def test_a_terminated_server_says_goodbye(run: Run, world: World) -> None:
    async def main(server: Server) -> None:
        async with world.client(server.room("Hall"), reconnect=False) as room:
            server.process.send_signal(signal.SIGTERM)
            await until(lambda: room.closed is not None)
            assert room.closed.code is ErrorCode.SHUTDOWN
            assert room.closed.retry_after_ms == 5000

    with world.process() as server:
        run(main, server)
        assert server.process.wait(PATIENCE) == 0
    assert server.logged("started")
    assert "stopped" in server.log[-1]
    assert not server.logged("Traceback")


@one_loop
def test_a_server_ends_when_its_operator_has_said(run: Run, world: World) -> None:
    async def main(server: Server) -> None:
        async with world.client(server.room("Hall"), reconnect=False) as room, watching(room) as seen:
            taken_back = [
                await world.acommand("drain", *options) for options in (["--minutes", "60"], ["--cancel"], ["--cancel"])
            ]
            assert [done.returncode for done in taken_back] == [0, 0, 2]
            announced = await world.acommand("drain", "--minutes", "0.02", "--text", "back soon")
            assert (announced.returncode, announced.stderr) == (0, "")
            assert "told to 1 participant" in announced.stdout
            await until(lambda: room.closed is not None)
            assert room.closed.code is ErrorCode.SHUTDOWN
            texts = [event.text for event in seen if isinstance(event, ChatReceived)]
            assert texts[0].startswith("The server ends at ")
            assert texts[1:] == ["back soon"]

    with world.process() as server:
        run(main, server)
        assert server.process.wait(PATIENCE) == 0


@one_loop
def test_the_log_tells_more_as_long_as_its_operator_wants(run: Run, world: World) -> None:
    async def main(server: Server) -> None:
        for level, told in (("error", "error"), ("info", "info")):
            done = await world.acommand("log-level", level)
            assert (done.returncode, done.stdout) == (0, f"logged from {told} on\n")
            async with world.client(server.room("Hall"), name=f"At {level}"):
                pass
        await logged(server, "session_ended")
        assert len([line for line in server.log if " joined " in line or "joined" in line.split()]) == 1

    with world.process("server.workers=1") as server:
        run(main, server)


def test_a_supervisor_is_told_of_start_life_and_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        name = f"@tcserver-test-{os.getpid()}"
        supervisor.bind(name.replace("@", "\0"))
        supervisor.settimeout(PATIENCE)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        with world.process("server.workers=1") as server:
            assert supervisor.recv(100) == b"READY=1"
            assert [supervisor.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
            server.process.send_signal(signal.SIGTERM)
            while (told := supervisor.recv(100)) == b"WATCHDOG=1":
                pass
            assert told == b"STOPPING=1"
            assert server.process.wait(PATIENCE) == 0


def start(world: World, *flags: str) -> subprocess.CompletedProcess[str]:
    """Try to start a server that should not start."""
    return world.command("run", *(f"--set={flag}" for flag in flags))


@pytest.mark.parametrize(("kind", "name"), [(socket.SOCK_STREAM, "TCP"), (socket.SOCK_DGRAM, "UDP")])
def test_a_port_in_use(world: World, kind: socket.SocketKind, name: str) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        result = start(world, "server.addresses=127.0.0.1", f"server.port={port}")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"tcserver: server.port: {name} port {port}: address already in use\n"


def test_a_port_of_the_figures_in_use(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = start(world, "server.addresses=127.0.0.1", "server.port=0", f"http.port={port}")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"tcserver: http.port: TCP port {port}: address already in use\n"


def test_an_address_of_another_machine(world: World) -> None:
    result = start(world, "server.addresses=192.0.2.1", "server.port=7433")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "tcserver: address 192.0.2.1, port 7433: cannot assign requested address\n"


def test_a_second_server_on_the_same_data(world: World) -> None:
    with world.process() as server:
        result = start(world, "server.addresses=127.0.0.1", "server.port=0")
        assert result.returncode == 2
        (line,) = result.stderr.splitlines()
        assert line == f"tcserver: another tcserver is running on {world.data}"
        assert server.process.poll() is None


@one_loop
def test_a_reload(run: Run, world: World) -> None:
    async def main(server: Server) -> None:
        async with world.client(server.room("Hall")) as room:
            file = world.data / "tcserver.toml"
            file.write_text("[login]\nmax_sessions = 0\n")
            server.process.send_signal(signal.SIGHUP)
            await logged(server, "configuration not reloaded")
            assert server.logged("login.max_sessions should be a whole number from 1")
            async with world.client(server.room("Hall"), "kantor-2"):
                pass
            file.write_text("[login]\nmax_sessions = 1\n[media]\nsender = 'sendto'\n")
            server.process.send_signal(signal.SIGHUP)
            await logged(server, "configuration reloaded")
            assert server.logged("login.max_sessions")
            assert server.logged("media.sender")
            with pytest.raises(LoginRefused) as refused:
                async with world.client(server.room("Hall"), "kantor-2"):
                    pass
            assert refused.value.code is ErrorCode.SERVER_FULL
            assert room.closed is None

    with world.process() as server:
        run(main, server)


@one_loop
@pytest.mark.parametrize("command", [["disable"], ["reset", "--password-stdin"], ["remove"]], ids=lambda c: c[0])
def test_an_account_command_ends_its_sessions_at_once(run: Run, world: World, command: list[str]) -> None:
    async def main(server: Server) -> None:
        async with world.client(server.room("Hall")) as room, world.client(server.room("Hall"), "kantor-2") as other:
            verb, *options = command
            result = await world.acommand("account", verb, "kantor-1", *options, stdin="another password\n")
            assert result.returncode == 0, result.stderr
            done = time.monotonic()
            await until(lambda: room.closed is not None)
            assert time.monotonic() - done < 5, "the database is looked at every second"
            assert room.closed.code is ErrorCode.CREDENTIALS_CHANGED
            assert other.closed is None
            with pytest.raises(LoginRefused) as refused:
                async with world.client(server.room("Hall")):
                    pass
            assert refused.value.code is ErrorCode.BAD_CREDENTIALS
            if verb == "reset":
                async with world.client(server.room("Hall"), password="another password"):
                    pass

    with world.process("login.back_off_s=0") as server:  # a wrong password, and at once the right one
        run(main, server)


@one_loop
def test_who_is_logged_in(run: Run, world: World) -> None:
    async def main(server: Server) -> None:
        async with world.client(server.room("Hall"), "kantor-1", "Sri"), world.client(server.room("Hall"), "kantor-2"):
            lines = (await world.acommand("account", "sessions")).stdout.splitlines()
            assert len(lines) == 3
            assert lines[0].split()[:1] == ["ACCOUNT"]
            assert any(line.startswith("kantor-1") and "Sri" in line and "127.0.0.1" in line for line in lines)
            only = (await world.acommand("account", "sessions", "kantor-2")).stdout.splitlines()
            assert len(only) == 2
            assert only[1].startswith("kantor-2")
            *_, session, _ = only[1].split()
            await logged(server, f"session={session} account=kantor-2")

    async def nobody(server: Server) -> None:
        async with asyncio.timeout(PATIENCE):
            while len((await world.acommand("account", "sessions")).stdout.splitlines()) > 1:
                pass

    with world.process() as server:
        run(main, server)
        run(nobody, server)


def test_what_a_running_server_acknowledged_is_on_disk(run: Run, world: World) -> None:
    """The server is killed right after it has acknowledged, again and again."""

    async def main(server: Server, title: str) -> None:
        async with world.client(server.room("Hall"), "ketua", reconnect=False) as room:
            for i in range(3):
                await room.request(UpdateRoom(title=f"{title}.{i}", max_participants=40 + i))
            server.process.send_signal(signal.SIGKILL)
            await until(lambda: room.closed is not None)

    for number in range(3):
        with world.process() as server:
            run(main, server, f"title {number}")
        with Database(world.data / "tcserver.db") as database:
            hall = database.room("hall")
            assert hall is not None
            assert (hall.title, hall.max_participants) == (f"title {number}.2", 42)
    with world.process():
        lines = world.command("account", "sessions").stdout.splitlines()
        assert len(lines) == 1, "those of the killed server are forgotten"


@one_loop
def test_a_room_command_and_a_participant_change_different_things(run: Run, world: World) -> None:
    async def main(server: Server) -> None:
        async with world.client(server.room("Hall"), "ketua") as room:
            assert (await world.acommand("room", "set", "Hall", "--default-role", "listener")).returncode == 0
            await room.request(UpdateRoom(title="Theirs"))
            await until(lambda: room.info.title == "Theirs")

    with world.process() as server:
        run(main, server)
    with Database(world.data / "tcserver.db") as database:
        hall = database.room("hall")
        assert hall is not None
        assert (hall.title, hall.default_role) == ("Theirs", "listener")


def test_every_address_is_served(run: Run, world: World) -> None:
    """With the default addresses: IPv4 and, where the kernel has it, IPv6."""
    hosts = ["127.0.0.1", "::1"] if Path("/proc/net/if_inet6").exists() else ["127.0.0.1"]

    async def main(server: Server) -> None:
        for host in hosts:
            found = await probe(Link(host, server.link.port))
            assert found.udp_received == found.udp_sent == 10
            assert found.udp_works
            assert found.fingerprint == server.link.fingerprint
            assert (found.address, found.software, found.versions) == (host, "tcserver", (1,))
            assert 0 < found.tcp_rtt_ms < 1000
            assert found.up_rate is not None
            assert found.down_rate is not None
            assert min(found.up_rate, found.down_rate) > 64_000
            assert found.stream_rtt_ms is not None
            assert found.stream_up_rate is not None
            assert found.stream_down_rate is not None
            assert min(found.stream_up_rate, found.stream_down_rate) > 64_000

    with world.process("server.addresses=") as server:
        run(main, server)


@one_loop
@pytest.mark.parametrize("workers", [0, 2])
def test_a_probe_where_udp_is_blocked(run: Run, world: World, workers: int) -> None:
    async def main(server: Server) -> None:
        network = Network(server.link)
        network.block()
        async with network.open() as link:
            found = await probe(link)
        assert (found.udp_received, found.udp_rtt_ms, found.udp_works) == (0, None, False)
        assert (found.up_rate, found.down_rate, found.stream_works) == (None, None, True)
        assert found.stream_rtt_ms is not None
        assert found.stream_up_rate is not None
        assert found.stream_down_rate is not None
        assert min(found.stream_up_rate, found.stream_down_rate) > 64_000

    with world.process(f"server.workers={workers}") as server:
        run(main, server)


@one_loop
def test_a_probe_of_a_server_without_a_stream_path(run: Run, world: World) -> None:
    async def main(server: Server) -> None:
        found = await probe(server.link)
        assert (found.stream_works, found.stream_rtt_ms, found.stream_up_rate) == (False, None, None)
        assert found.udp_works

    with world.process("web.enabled=false") as server:
        run(main, server)


def slow_pipe(size: int = 4096) -> tuple[int, int]:
    """Return the ends of a pipe that takes little before somebody reads."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, size)
    return reader, writer


@one_loop
@pytest.mark.parametrize("workers", [0, 1])
def test_a_reader_of_the_log_that_stops_stops_nothing_else(run: Run, world: World, workers: int) -> None:
    flags = ["server.addresses=127.0.0.1", "server.port=0", "log.level=debug", f"server.workers={workers}"]
    reader, writer = slow_pipe()
    os.write(writer, bytes(4096))
    command = [sys.executable, "-m", "tcserver", "run", "--data", str(world.data), *(f"--set={flag}" for flag in flags)]

    async def main(link: Link) -> None:
        async with world.client(replace(link, room="Hall"), "kantor-2") as witness:
            for _ in range(30):
                async with world.client(replace(link, room="Hall")) as room:
                    await until(lambda room=room: room.path_is_ok)
            assert witness.closed is None

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=writer, text=True) as process:
        os.close(writer)
        try:
            lines: list[str] = []
            while not any("join link" in line for line in lines):
                assert process.stdout is not None
                lines.append(process.stdout.readline())
            run(main, link_of(lines))
            start = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
            assert time.monotonic() - start < 5
        finally:
            process.kill()
            os.close(reader)


@one_loop
def test_a_lock_on_the_database_holds_up_neither_logins_nor_the_end(run: Run, world: World) -> None:
    async def main(server: Server) -> None:
        with contextlib.closing(sqlite3.connect(world.data / "tcserver.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            async with world.client(server.room("Hall"), reconnect=False) as room:
                for _ in range(3):
                    start = time.monotonic()
                    async with world.client(server.room("Hall"), "kantor-2"):
                        pass
                    assert time.monotonic() - start < 5
                await logged(server, "sessions not written")
                start = time.monotonic()
                server.process.send_signal(signal.SIGTERM)
                await until(lambda: room.closed is not None)
            assert await asyncio.to_thread(server.process.wait, PATIENCE) == 0
            assert time.monotonic() - start < 5

    with world.process() as server:
        run(main, server)
    assert server.logged("database is locked")
    assert not server.logged("Traceback")


def test_who_asks_twice_does_not_wait_for_the_end(run: Run, world: World) -> None:
    """A worker that does not end keeps the server for a second. The second signal ends it sooner."""

    async def main(server: Server, worker: int) -> None:
        async with dialled(server.link) as client:
            await client.handshake()
            os.kill(worker, signal.SIGSTOP)
            server.process.send_signal(signal.SIGTERM)
            await client.ended()
            server.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.process.wait, PATIENCE) == -signal.SIGTERM

    with world.process("server.workers=1") as server:
        (worker,) = children(server.process.pid)
        try:
            run(main, server, worker)
        finally:
            os.kill(worker, signal.SIGKILL)


@one_loop
def test_a_server_that_was_stopped_gives_nobody_up(run: Run, world: World) -> None:
    async def main(server: Server) -> None:
        async with (
            world.client(server.room("Hall"), reconnect=False) as room,
            world.client(server.room("Hall"), "kantor-2", reconnect=False) as other,
        ):
            await until(lambda: len(room.participants) == 1)
            server.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(13)
            server.process.send_signal(signal.SIGCONT)
            await logged(server, "stood_still")
            await room.chat("still here")
            assert room.closed is other.closed is None

    with world.process("limits.idle_s=10") as server:
        run(main, server)
        assert not server.logged("idle_timeout")
