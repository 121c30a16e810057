"""Streams of the main process and seats of media workers: real processes and sockets."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from tcproto.datagram import Item, ItemType, Kind, parse_header
from tcproto.messages import Kind as MediaKind
from tcserver.media import ReceiverSet, Transmission
from tcserver.media.forwarding.path import CHALLENGE_INTERVAL, MOVE_INTERVAL
from tcserver.media.interface import (
    STREAM_HOST,
    Address,
    ChangeForwarding,
    OpenSealer,
    OpenSeat,
    OpenStream,
    PathProven,
    Receiver,
    ShareRoom,
    WorkerReplaced,
)
from tcserver.media.lanes.sender import Sender
from tcserver.media.streams import handoff as handoff_module
from tcserver.media.streams.handoff import Handoff, HandoffLane, receive_up
from tcserver.media.streams.streams import Streams
from tests.support.media.stream_ends import End
from tests.support.media.world import CAPS, ROOM_KEY, MediaClient, audio, forwarded, packet_item
from tests.tcserver.media.workers.test_pool import Running, running

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux steers datagrams by a program")
SHARED = 7
"""The number of a room of both workers."""


def run(main: Any) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


class Seated:
    """A seat that comes by a stream."""

    def __init__(self, world: Running, client: MediaClient) -> None:
        self.end = End()
        self.world = world
        self.client = client
        self.number = world.streams.open(self.end)
        self.address = Address(1, STREAM_HOST, self.number)
        self.got: list[bytes] = []

    async def wait(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.002)
                self.got += self.end.take()

    def say(self, *datagrams: bytes) -> None:
        self.world.streams.receive(self.number, datagrams)

    def down(self, type_: ItemType) -> Item | None:
        for datagram in self.got:
            if parse_header(datagram).kind == Kind.DOWN and parse_header(datagram).id == self.client.media_id:
                for item in self.client.open_down(datagram):
                    if item.type == type_:
                        return item
        return None

    async def prove(self) -> None:
        """Answer the challenge that comes back by the stream."""
        await asyncio.sleep(CHALLENGE_INTERVAL)
        self.got.clear()
        self.say(self.client.ping())
        await self.wait(lambda: self.down(ItemType.PATH_CHALLENGE))
        challenge = self.down(ItemType.PATH_CHALLENGE)
        assert challenge is not None
        self.say(self.client.up(Item(ItemType.PATH_RESPONSE, challenge.value)))
        proven = await self.world.event(PathProven)
        assert proven.media_id == self.client.media_id
        assert proven.address[1:] == (STREAM_HOST, self.number)
        self.got.clear()

    def packets(self) -> list[tuple[int, bytes]]:
        """What came of the room, with its forward numbers."""
        room = [(self.address, datagram) for datagram in self.got if parse_header(datagram).kind == Kind.ROOM]
        return forwarded(room).get(self.address, [])


async def shared_room(world: Running) -> list[Seated]:
    """A room with a seat on each of two workers; the first one speaks."""
    seats = []
    for worker in range(2):
        client = MediaClient(SHARED << 8 | worker, Address(0, "127.0.0.1", 9))
        world.pool.apply(
            OpenSealer(SHARED, 100 + worker, 0, ROOM_KEY, worker),
            OpenSeat(client.media_id, SHARED, 1 + worker, 0, client.up_key, client.down_key),
        )
        seats.append(Seated(world, client))
    world.pool.apply(ShareRoom(SHARED, 0, (0, 1)))
    speaker, listener = seats
    world.pool.apply(
        OpenStream(5, speaker.client.media_id, MediaKind.AUDIO, CAPS),
        ChangeForwarding(SHARED, (5,), (Receiver(listener.client.media_id),)),
    )
    return seats


@linux
def test_members_on_streams_hear_each_other_through_two_workers() -> None:
    async def main() -> None:
        async with running(2) as world:
            speaker, listener = await shared_room(world)
            await speaker.prove()
            await listener.prove()
            packets = [audio(5, number, bytes(60)) for number in range(50)]
            speaker.say(*(speaker.client.up(packet_item(packet)) for packet in packets[:1]))
            await listener.wait(listener.packets)  # the first one makes the audience known
            speaker.say(*(speaker.client.up(packet_item(packet)) for packet in packets[1:]))
            await listener.wait(lambda: len(listener.packets()) == 50)
            assert listener.packets() == list(enumerate(packets))
            assert speaker.packets() == []
            *_, main_stats = world.pool.stats()
            assert main_stats.kernel_sent >= 50
            assert main_stats.counts.seats == 0

    run(main())


@linux
def test_a_seat_of_a_worker_moves_from_udp_to_a_stream_and_back() -> None:
    async def main() -> None:
        async with running(2) as world:
            client = await world.seat(1, 30)
            for pause in (CHALLENGE_INTERVAL, MOVE_INTERVAL):
                await asyncio.sleep(pause)
                challenge = await world.answer(client, ItemType.PATH_CHALLENGE)
                response = client.up(Item(ItemType.PATH_RESPONSE, challenge.value))
                world.client.sendto(response, world.pool.local_addresses()[0])
                proven = await world.event(PathProven)
                assert proven.address[1:] == world.client.getsockname()
                if pause < MOVE_INTERVAL:
                    await Seated(world, client).prove()

    run(main())


@linux
def test_streams_outlive_a_worker() -> None:
    async def main() -> None:
        async with running(2) as world:
            seat = Seated(world, await world.seat(1, 31))
            await seat.prove()
            os.kill(world.pool.processes()[1], signal.SIGKILL)
            seat.say(seat.client.ping())
            await world.event(WorkerReplaced)
            seat.client = await world.seat(1, 32)
            await seat.prove()

    run(main())


def pair() -> tuple[Streams, Handoff, socket.socket, End]:
    streams = Streams()
    handoff = Handoff(streams, 2)
    end = End()
    streams.open(end)
    return streams, handoff, handoff.open(1), end


def test_what_is_handed_to_a_worker_and_what_is_not() -> None:
    async def main() -> None:
        streams, handoff, worker, _ = pair()
        first, second = bytes(5) + b"\1" + bytes(1194), bytes(5) + b"\3x"
        elsewhere = bytes(5) + b"\2" + bytes(30)
        streams.receive(2**32 - 1, [first, second, elsewhere, b"short", bytes(1201)])
        assert receive_up(worker) == (2**32 - 1, [first, second])
        assert receive_up(worker) is None
        assert handoff.stats().errors == {}
        handoff.close(1)
        handoff.close(1)
        assert receive_up(worker) is None
        streams.receive(1, [first])
        worker.close()

    run(main())


def test_a_worker_that_takes_nothing_costs_datagrams_and_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handoff_module, "BUFFER_BYTES", 100_000)

    async def main() -> None:
        streams, handoff, worker, end = pair()
        datagram = bytes(5) + b"\1" + bytes(1194)
        for _ in range(100):
            streams.receive(1, [datagram] * 100)
        lost = handoff.stats().errors
        assert 5_000 < lost["EAGAIN"] < 10_000
        lane = HandoffLane(worker)
        (group,) = ReceiverSet([(1, Address(0, STREAM_HOST, 1))]).by_lane
        for _ in range(100):
            lane.send(bytes(6000), 1000, group, 0, 1)
        assert 0 < lane.counts.errors["EAGAIN"] < 600
        await asyncio.sleep(0.1)
        assert len(end.take()) == 600 - lane.counts.errors["EAGAIN"]
        handoff.close(1)
        worker.close()

    run(main())


def test_more_receivers_than_fit_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handoff_module, "MAX_STREAMS", 3)

    async def main() -> None:
        streams, handoff, worker, end = pair()
        ends = [end, *(End() for _ in range(6))]
        for other in ends[1:]:
            streams.open(other)
        receivers = ReceiverSet((number, Address(0, STREAM_HOST, number)) for number in range(1, 8))
        Sender([HandoffLane(worker)]).send([Transmission(b"x", receivers, 4), Transmission(b"y", receivers)])
        await asyncio.sleep(0.05)
        assert [each.take() for each in ends] == [[b"x", b"y"] if n != 4 else [b"y"] for n in range(7)]
        handoff.close(1)
        worker.close()

    run(main())
