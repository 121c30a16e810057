"""The limits of the stream path on real sockets: how much a client may send, and how little it may read."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from tcproto.stream_path import pack_datagram
from tcserver.web import stream_peer
from tests.tcserver.web.test_stream_peer import Server, client_frame, run


def test_a_stranger_may_not_send_without_end() -> None:
    async def main(server: Server) -> None:
        reader, writer = await server.raw()
        for _ in range(stream_peer.MAX_BYTES_BEFORE_LOGIN // 1200 + 1):
            writer.write(client_frame(pack_datagram(bytes(1200))))
        with contextlib.suppress(ConnectionResetError):  # where the kernel has more of it when the socket is closed
            answer = await reader.read()
            assert int.from_bytes(answer[2:4], "big") == 1008
        await server.handler.gone.wait()
        assert sum(len(datagram) for _, datagram in server.datagrams) < stream_peer.MAX_BYTES_BEFORE_LOGIN + 5000
        writer.close()

    run(main)


def test_more_frames_than_are_taken_wait_in_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_peer, "MAX_BYTES_BEFORE_LOGIN", 1 << 30)

    async def main(server: Server) -> None:
        _, writer = await server.raw()
        few = [client_frame(pack_datagram(b"%06d" % n)) for n in range(3000)]
        began = time.monotonic()
        writer.write(b"".join(few))
        await server.wait(lambda: len(server.datagrams) >= 1000)
        assert len(server.datagrams) < 1000 + 600 + 2000 * (time.monotonic() - began)
        await server.wait(lambda: len(server.datagrams) == 3000)
        assert time.monotonic() - began > 0.6
        assert [datagram for _, datagram in server.datagrams] == [b"%06d" % n for n in range(3000)]
        writer.close()

    run(main)


def test_long_messages_count_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_peer, "MAX_BYTES_BEFORE_LOGIN", 1 << 30)

    async def main(server: Server) -> None:
        _, writer = await server.raw()
        began = time.monotonic()
        writer.write(client_frame(pack_datagram(bytes(12_000))) * 200)
        await server.wait(lambda: len(server.datagrams) == 200)
        assert time.monotonic() - began > 0.4, "as many as 2,000 of the usual size"
        writer.close()

    run(main)


def test_pings_are_answered_and_a_client_that_does_not_read_the_answers_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_peer, "MAX_BYTES_BEFORE_LOGIN", 1 << 30)
    monkeypatch.setattr(stream_peer, "MAX_UNREAD", 50_000)

    async def main(server: Server) -> None:
        reader, writer = await server.raw()
        writer.write(client_frame(b"hello", first=0x89))
        assert await reader.readexactly(7) == b"\x8a\x05hello"
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        sock = writer.get_extra_info("socket")
        ping = client_frame(bytes(125), first=0x89) * 100
        with contextlib.suppress(ConnectionError):
            while not server.handler.gone.is_set():
                writer.write(ping)
                await asyncio.sleep(0.01)
        assert sock is not None
        writer.close()

    run(main)


def test_a_reader_that_stops_holds_little() -> None:
    async def main(server: Server) -> None:
        _, writer = await server.raw()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await server.wait(lambda: len(server.streams.lane) == 1)
        lane = server.streams.lane
        for number in range(2000):
            lane.deliver(bytes(1100), 1100, (1,), number)
            lane.deliver(b"%d" % number, 100, (1,), None)
            await asyncio.sleep(0.0005)
        assert lane.waiting < 128 + 256 + 32
        assert lane.counts.gave_way["large"] > 100
        writer.close()

    run(main)
