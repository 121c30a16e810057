"""Media behind one interface: in this process and in workers it does and tells the same."""

import asyncio
import errno
import socket
import sys
from dataclasses import replace

import pytest

from tcserver.config.sections import Configuration
from tcserver.media.bpf.fan_out import FanOut
from tcserver.media.bpf.network import Refusal
from tcserver.media.interface import Address, Event, OpenSealer, OpenSeat, SealerState, SeatOpened
from tcserver.media.opening import FAN_OUT, open_fan_outs, open_media, try_fan_out
from tcserver.media.streams.streams import Streams
from tests.support.media.namespaces import skip_without_bpf
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
def test_the_kernel_makes_the_copies_in_each_process_that_sends(workers: int) -> None:
    """Seen by what was too little to be copied: the challenge that goes to one client."""
    skip_without_bpf()
    configuration = replace(configured(workers), media=replace(Configuration().media, sender=FAN_OUT))

    async def main() -> None:
        fan_outs = open_fan_outs(configuration)
        assert len(fan_outs) == max(workers, 1)
        media = await open_media(configuration, [("127.0.0.1", 0)], Streams(), lambda events: None, fan_outs)
        try:
            client = MediaClient(0x1000, Address(0, "127.0.0.1", 9))
            media.apply(
                OpenSealer(1, SEALER, 0, ROOM_KEY),
                OpenSeat(client.media_id, 1, 1, 0, client.up_key, client.down_key),
            )
            await until(lambda: sum(stats.counts.seats for stats in media.stats()) == 1, "the seat")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.sendto(client.up(), media.local_addresses()[0])
                await until(lambda: media.stats()[0].not_cloned, "what was not cloned")
            assert media.stats()[0].not_cloned == {Refusal.NUMBER: 1}
        finally:
            await media.close()
            for fan_out in fan_outs:
                fan_out.close()

    asyncio.run(main())


def test_programs_that_were_opened_are_closed_if_one_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_without_bpf()
    configuration = replace(configured(3), media=replace(Configuration().media, sender=FAN_OUT))
    opened: list[FanOut] = []
    real = FanOut.open

    def open_two() -> FanOut:
        if len(opened) == 2:
            raise OSError(errno.ENOMEM, "no memory")
        opened.append(real())
        return opened[-1]

    monkeypatch.setattr(FanOut, "open", open_two)
    with pytest.raises(OSError, match="no memory"):
        open_fan_outs(configuration)
    for fan_out in opened:
        with pytest.raises(ValueError, match="released"):
            fan_out.maps.written()


def test_it_is_tried_whether_the_kernel_can_make_copies() -> None:
    skip_without_bpf()
    asyncio.run(try_fan_out())


@workers
def test_an_address_in_use_is_an_error(workers: int) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            with pytest.raises(OSError, match="in use"):
                await open_media(configured(workers), [taken.getsockname()], Streams(), lambda events: None)

    asyncio.run(main())
