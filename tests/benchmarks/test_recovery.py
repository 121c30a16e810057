"""The line of the benchmark of recovery, and what it counts as silence."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from benchmarks.commands.recovery import longest_silence
from benchmarks.harness.access_line import AccessLine


def test_silence_is_between_packets_and_at_both_ends() -> None:
    assert longest_silence([], 10.0, 14.0) == 4.0
    assert longest_silence([1.0, 10.5, 11.0, 13.5], 10.0, 14.0) == 2.5
    assert longest_silence([10.5, 11.0], 10.0, 14.0) == 3.0


def test_the_line_freezes_moves_and_resets() -> None:
    async def main() -> None:
        peers: list[tuple[str, asyncio.StreamWriter]] = []

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peers.append((writer.get_extra_info("peername")[0], writer))
            try:
                while data := await reader.read(100):
                    writer.write(data)
            except OSError:
                pass

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(server.sockets[0].getsockname()[:2])
            udp.setblocking(False)
            loop = asyncio.get_running_loop()
            async with AccessLine(udp.getsockname(), 0.001) as line, asyncio.timeout(10):
                client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                client.connect(("127.0.0.1", line.port))
                client.send(b"one")
                data, first = await loop.sock_recvfrom(udp, 100)
                line.move("127.0.0.9")
                client.send(b"two")
                data, second = await loop.sock_recvfrom(udp, 100)
                assert (data, first[0], second[0]) == (b"two", "127.0.0.1", "127.0.0.9")
                client.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
                line.freeze(True)
                writer.write(b"waits")
                answer = asyncio.create_task(reader.read(100))
                await asyncio.sleep(0.05)
                assert not answer.done()
                line.freeze(False)
                assert await answer == b"waits"
                assert [host for host, _ in peers] == ["127.0.0.9"]
                line.reset()
                with contextlib.suppress(ConnectionError):
                    assert await reader.read(100) == b""
                writer.close()
        server.close()
        for _, peer in peers:
            peer.close()

    asyncio.run(main())
