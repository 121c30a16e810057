"""What a monitoring system gets of a server with participants."""

import asyncio
import contextlib
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tcclient.sources import tone
from tcserver.config.configuration import Sources
from tests.support.processes.world import PATIENCE, Run, World, until

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def get(port: int, path: str) -> tuple[str, str]:
    """Return status line and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition("\r\n\r\n")
    return head.splitlines()[0], body


async def metrics(port: int, process: str = "") -> dict[str, float]:
    """Return values by name, summed over labels: all of them, or those of one process."""
    status, body = await get(port, "/metrics")
    assert status == "HTTP/1.1 200 OK"
    found: dict[str, float] = {}
    for name, labels, value in re.findall(r"^(\w+)(\{.*\})? (\S+)$", body, re.MULTILINE):
        if not process or f'process="{process}"' in labels:
            found[name] = found.get(name, 0) + float(value)
    return found


def test_the_numbers_move_with_a_call(run: Run, world: World) -> None:
    port = free_port()

    async def main() -> None:
        async with world.serving(http__port=port) as server:
            assert (await get(port, "/healthz")) == ("HTTP/1.1 200 OK", "OK\n")
            idle = await metrics(port)
            assert idle["tcserver_sessions"] == idle["tcserver_media_datagrams_received_total"] == 0
            link = server.room("Hall")
            async with world.client(link, "kantor-1", "Sri") as a, world.client(link, "kantor-2", "Budi") as b:
                await until(lambda: a.path_is_ok and b.path_is_ok)
                publishing = asyncio.create_task(a.publish(tone()))
                await until(lambda: b.tracks)
                (track,) = b.tracks
                async with contextlib.aclosing(track.frames()) as frames:
                    for _ in range(5):
                        await anext(frames)
                busy = await metrics(port)
                publishing.cancel()
                await asyncio.gather(publishing, return_exceptions=True)
            assert busy["tcserver_sessions"] == busy["tcserver_seats"] == busy["tcserver_media_seats"] == 2
            assert busy["tcserver_media_seats_proven"] == busy["tcserver_connections"] == 2
            assert busy["tcserver_rooms"] == busy["tcserver_publications"] == 1
            assert busy["tcserver_connections_half_open"] == 0
            for name in ("datagrams_received", "datagrams_accepted", "datagrams_sealed", "datagrams_sent"):
                assert busy[f"tcserver_media_{name}_total"] > 0, name
            assert busy["tcserver_media_datagrams_taken_total"] == busy["tcserver_media_datagrams_sent_total"]
            assert busy["tcserver_media_packets_forwarded_total"] >= 5
            assert busy["tcserver_media_forward_latency_seconds_count"] > 0
            assert busy["tcserver_media_uplink_datagrams_sent_total"] >= 5
            assert busy["tcserver_process_resident_memory_bytes"] > 1e6
            assert busy["tcserver_process_cpu_seconds_total"] > idle["tcserver_process_cpu_seconds_total"]
            async with asyncio.timeout(PATIENCE):
                while (after := await metrics(port))["tcserver_sessions"]:
                    pass
                while not (await metrics(port))["tcserver_loop_lag_seconds_count"]:
                    pass
            assert after["tcserver_media_streams"] == after["tcserver_seats"] == 0
        with pytest.raises(ConnectionRefusedError):
            await get(port, "/healthz")

    run(main)


@pytest.mark.skipif(sys.platform != "linux", reason="media workers are Linux's")
def test_workers_tell_how_late_they_are_and_what_they_use(run: Run, world: World) -> None:
    port = free_port()

    async def main() -> None:
        async with world.serving(http__port=port, server__workers=2), asyncio.timeout(PATIENCE):
            for process in ("main", "worker 0", "worker 1"):
                while not (told := await metrics(port, process))["tcserver_loop_lag_seconds_count"]:
                    pass
                assert "tcserver_gc_pause_seconds_count" in told
                assert told["tcserver_process_cpu_seconds_total"] > 0.01
                assert told["tcserver_process_resident_memory_bytes"] > 1e6
            assert not await metrics(port, "worker 2")

    run(main)


def test_a_port_in_use(world: World) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = world.command(
            "run", "--set=server.addresses=127.0.0.1", "--set=server.port=0", f"--set=http.port={port}"
        )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"tcserver: http.port: TCP port {port}: address already in use\n"


def serve_without_the_package(world: World, port: int) -> "subprocess.Popen[str]":
    code = "import sys; sys.modules['prometheus_client'] = None; from tcserver.cli.main import main; sys.exit(main())"
    flags = [f"--set={flag}" for flag in ("server.addresses=127.0.0.1", "server.port=0", f"http.port={port}")]
    return subprocess.Popen(
        [sys.executable, "-c", code, "run", "--data", str(world.data), *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_metrics_without_their_extra_are_one_clear_line(world: World) -> None:
    with serve_without_the_package(world, free_port()) as process:
        out, error = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert error == (
        "tcserver: http.port: prometheus_client is missing; metrics are installed with: pip install '.[metrics]'\n"
    )


def test_a_server_without_metrics_needs_no_extra(world: World) -> None:
    with serve_without_the_package(world, 0) as process:
        assert process.stdout is not None
        try:
            assert any("join link" in line for line in process.stdout)
        finally:
            process.terminate()
            process.communicate(timeout=60)
    assert process.returncode == 0


def test_by_default_nothing_listens_and_only_to_this_machine_if_something_does() -> None:
    http = Sources().load().http
    assert (http.address, http.port) == ("127.0.0.1", 0)
