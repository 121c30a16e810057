"""A client whose machine is busy takes late what came in time, and gives nothing up for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tcclient import events
from tcclient.core.downlink.cause import Cause
from tcclient.transport import connection
from tcclient.transport.reader import Datagram, DatagramReader
from tcclient.transport.websocket import WebSocket, open_websocket
from tcproto.messages import Quality, Source
from tests.support.processes.client_process import taking_part
from tests.support.processes.two_rooms import track_of
from tests.support.processes.world import Run, World, until, watching

STOP, BETWEEN = 0.2, 0.4
"""Seconds for which the client has no processor, in the middle of its work, and from one time to the next."""


class BusyMachine:
    """Takes the processor from the client of this process while it has datagrams in its hands: the worst moment."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stops = 0
        self._free_until = float("inf")
        read = DatagramReader.read

        def read_late(reader: DatagramReader) -> tuple[list[Datagram], int]:
            found = read(reader)
            self._stop()
            return found

        def open_late(
            host: str, port: int, control: asyncio.Protocol, on_datagrams: Callable[[list[bytes]], None]
        ) -> Awaitable[WebSocket | None]:
            def take_late(batch: list[bytes]) -> None:
                self._stop()
                on_datagrams(batch)

            return open_websocket(host, port, control, take_late)

        monkeypatch.setattr(DatagramReader, "read", read_late)
        monkeypatch.setattr(connection, "open_websocket", open_late)

    def begin(self) -> None:
        """Be busy from now on."""
        self._free_until = 0.0

    def _stop(self) -> None:
        if time.monotonic() >= self._free_until:
            time.sleep(STOP)
            self._free_until = time.monotonic() + BETWEEN
            self.stops += 1


@pytest.mark.parametrize("path", ["udp", "stream"])
def test_a_client_that_is_stopped_now_and_then_gives_nothing_up(
    run: Run, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async def main() -> None:
        machine = BusyMachine(monkeypatch)
        with (
            world.process() as server,
            taking_part(server.room("Hall"), tmp_path / "talker", "--audio", "tone", "--video", "test"),
        ):
            sources = (Source.MICROPHONE, Source.CAMERA)
            async with (
                world.client(server.room("Hall"), path=path, sources=sources) as room,
                watching(room) as seen,
            ):
                track = await track_of(room, Source.CAMERA)
                await until(lambda: track.statistics.packets > 50)
                await asyncio.sleep(2)
                machine.begin()
                await until(lambda: machine.stops > 6)
                statistics = room.network
        limited = [each for each in seen if isinstance(each, events.TrackLimited) and each.cause is Cause.BANDWIDTH]
        assert limited == []
        assert statistics.down.lost == 0
        qualities = {each.quality for each in seen if isinstance(each, events.ConnectionQuality)}
        assert qualities <= {Quality.EXCELLENT, Quality.GOOD}

    run(main)
