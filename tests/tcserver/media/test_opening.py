"""Media behind one interface: in this process and in workers it does and tells the same."""

import asyncio
import socket
import sys
from dataclasses import replace

import pytest

from tcserver.config.sections import Configuration
from tcserver.media.interface import Address, Event, OpenSealer, OpenSeat, SealerState, SeatOpened
from tcserver.media.opening import open_media
from tcserver.media.streams.streams import Streams
from tests.support.media.world import ROOM_KEY, SEALER, MediaClient
from tests.support.processes.world import until

workers = pytest.mark.parametrize(
    "workers",
    [0, pytest.param(2, marks=pytest.mark.skipif(sys.platform != "linux", reason="media workers are Linux's"))],
)


def configured(workers: int) -> Configuration:
    configuration = Configuration()
    return replace(configuration, server=replace(configuration.server, workers=workers))


@workers
def test_a_seat_is_opened_and_what_there_is_is_told(workers: int) -> None:
    async def main() -> None:
        events: list[Event] = []
        media = await open_media(configured(workers), [("127.0.0.1", 0)], Streams(), events.extend)
        try:
            client = MediaClient(0x1000, Address(0, "127.0.0.1", 9))
            media.configure_logs("error", "text")
            media.apply(
                OpenSealer(1, SEALER, 0, ROOM_KEY),
                OpenSeat(client.media_id, 1, 1, 0, client.up_key, client.down_key),
            )
            opened = SeatOpened(client.media_id, (SealerState(SEALER, 0, ROOM_KEY, 0),))
            await until(lambda: opened in events, "the seat")
            await until(lambda: sum(stats.counts.seats for stats in media.stats()) == 1, "the stats of all")
            assert len(media.stats()) == (workers + 1 if workers else 1)
            assert len(media.process_stats()) == workers
        finally:
            await media.close()
            await media.close()

    asyncio.run(main())


@workers
def test_an_address_in_use_is_an_error(workers: int) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            with pytest.raises(OSError, match="in use"):
                await open_media(configured(workers), [taken.getsockname()], Streams(), lambda events: None)

    asyncio.run(main())
