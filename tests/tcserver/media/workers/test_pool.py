"""Media workers: real processes, real sockets."""

import asyncio
import gc
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest
import uvloop

from tcproto.datagram import Item, ItemType, parse_header
from tcproto.messages import Kind
from tcserver.media.interface import (
    Address,
    CloseSeat,
    Event,
    OpenSealer,
    OpenSeat,
    OpenStream,
    PathProven,
    SeatOpened,
    SetSpeakers,
    WorkerLoad,
    WorkerReplaced,
)
from tcserver.media.speakers.suppressed import FEW
from tcserver.media.streams.handoff import Handoff
from tcserver.media.streams.streams import Streams
from tcserver.media.udp import steering
from tcserver.media.workers import pool as pool_module
from tcserver.media.workers.pool import WorkerPool
from tests.support.media.world import CAPS, ROOM_KEY, MediaClient, audio, packet_item

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux steers datagrams by a program")
one_loop = pytest.mark.parametrize("run", [uvloop.new_event_loop], ids=["uvloop"], indirect=True)
PATIENCE = 60.0
"""Seconds until something has to come: generous, since the machine may be busy."""


class Running:
    """A pool, what it reported, and a client."""

    def __init__(self, workers: int) -> None:
        self.events: list[Event] = []
        self._came = asyncio.Event()
        self.streams = Streams()
        handoff = Handoff(self.streams, workers)
        self.pool = WorkerPool(workers, [("127.0.0.1", 0)], on_events=lambda e: self.take(e), handoff=handoff)
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.setblocking(False)

    def take(self, events: list[Event]) -> None:
        self.events += events
        self._came.set()

    async def event(self, kind: type) -> Any:
        """The next event of a kind; those before it are forgotten."""
        async with asyncio.timeout(PATIENCE):
            while True:
                while self.events:
                    event = self.events.pop(0)
                    if isinstance(event, kind):
                        return event
                self._came.clear()
                await self._came.wait()

    async def seat(self, worker: int, number: int) -> MediaClient:
        """Open a room and a seat on a worker; ``number`` makes both new."""
        client = MediaClient(number << 8 | worker, Address(0, *self.client.getsockname()))
        self.pool.apply(
            OpenSealer(number, number, 0, ROOM_KEY, worker),
            OpenSeat(client.media_id, number, 1, 0, client.up_key, client.down_key),
        )
        opened = await self.event(SeatOpened)
        assert opened.media_id == client.media_id
        assert opened.sealer[0][:3] == (number, 0, ROOM_KEY)
        return client

    async def answer(self, client: MediaClient, type_: int = ItemType.PONG) -> Item:
        """Send a ping, and return the first item of a type that comes back."""
        loop = asyncio.get_running_loop()
        self.client.sendto(client.ping(), self.pool.local_addresses()[0])
        async with asyncio.timeout(PATIENCE):
            while True:
                datagram = await loop.sock_recv(self.client, 2048)
                if parse_header(datagram).id == client.media_id:
                    for item in client.open_down(datagram):
                        if item.type == type_:
                            return item


def no_streams(workers: int) -> Handoff:
    return Handoff(Streams(), workers)


@asynccontextmanager
async def running(workers: int) -> AsyncIterator[Running]:
    found = Running(workers)
    with found.client:
        found.client.bind(("127.0.0.1", 0))
        await found.pool.open()
        try:
            yield found
        finally:
            pids = found.pool.processes()
            await found.pool.close()
            found.streams.stop()
            assert not any(exists(pid) for pid in pids)


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Any], None]:
    def run_main(main: Any) -> None:
        uvloop.new_event_loop().close()  # the first one opens a pipe for the whole process
        threads, files = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(main)
        gc.collect()
        for thread in set(threading.enumerate()) - threads:
            thread.join(PATIENCE)
        assert len(os.listdir("/proc/self/fd")) == files

    return run_main


def test_workers_serve_their_seats_and_one_that_ended_is_replaced(run: Any) -> None:
    async def main() -> None:
        async with running(3) as world:
            before = world.pool.processes()
            clients = [await world.seat(worker, 10 + worker) for worker in range(3)]
            for client in clients:
                await world.answer(client)
            os.kill(before[1], signal.SIGKILL)
            assert await world.event(WorkerReplaced) == WorkerReplaced(1)
            after = world.pool.processes()
            assert [after[0], after[2]] == [before[0], before[2]]
            assert after[1] != before[1]
            for client in (clients[0], clients[2]):
                await world.answer(client)
            again = await world.seat(1, 21)
            token = await world.answer(again, ItemType.PATH_CHALLENGE)
            world.client.sendto(again.up(token._replace(type=ItemType.PATH_RESPONSE)), world.pool.local_addresses()[0])
            proven = await world.event(PathProven)
            assert proven == PathProven(again.media_id, Address(0, *world.client.getsockname()))

    run(main())


@one_loop
def test_workers_tell_what_they_send(run: Any) -> None:
    async def main() -> None:
        async with running(2) as world:
            client = await world.seat(1, 50)
            loads = [0.0, 0.0]
            while not loads[1]:
                await world.answer(client)
                load = await world.event(WorkerLoad)
                loads[load.worker] = max(loads[load.worker], load.datagrams)
            assert loads[0] == 0

    run(main())


@one_loop
def test_datagrams_of_seats_that_a_worker_suppresses_are_steered(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    steered: list[set[int]] = []

    def steer(group: list[socket.socket], suppressed: list[int]) -> None:
        steering.steer(group, suppressed)
        steered.append(set(suppressed))

    monkeypatch.setattr(pool_module, "steer", steer)

    async def main() -> None:
        async with running(2) as world:
            # Seats of one room in which nobody speaks: noise, and one is forwarded at most.
            clients = []
            for number in range(1, FEW + 1):
                client = MediaClient(number << 8 | 1, Address(0, *world.client.getsockname()))
                clients.append(client)
                world.pool.apply(
                    OpenSealer(1, 1, 0, ROOM_KEY, 1),
                    SetSpeakers(1, 1),
                    OpenSeat(client.media_id, 1, number, 0, client.up_key, client.down_key),
                    OpenStream(number, client.media_id, Kind.AUDIO, CAPS),
                )
                await world.event(SeatOpened)
            ids = {client.media_id for client in clients}
            async with asyncio.timeout(PATIENCE):
                for sequence in count():
                    if steered[-1] == ids:
                        break
                    for number, client in enumerate(clients, 1):
                        noise = client.up(packet_item(audio(number, sequence, level=70)))
                        world.client.sendto(noise, world.pool.local_addresses()[0])
                    await asyncio.sleep(0.02)
            for client in clients:
                await world.answer(client)
            os.kill(world.pool.processes()[1], signal.SIGKILL)
            await world.event(WorkerReplaced)
            assert steered[-1] == set()
            await world.answer(await world.seat(1, 60))

    run(main())


@one_loop
def test_a_worker_that_is_stuck_is_replaced(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "SILENCE", 2.0)

    async def main() -> None:
        async with running(1) as world:
            os.kill(world.pool.processes()[0], signal.SIGSTOP)
            assert await world.event(WorkerReplaced) == WorkerReplaced(0)
            await world.answer(await world.seat(0, 5))

    run(main())


@one_loop
def test_workers_are_not_taken_for_stuck_where_the_server_itself_was_stopped(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of the silence is noticed too late by more than ``STANDSTILL``: as after a stop, what came is read."""
    monkeypatch.setattr(pool_module, "SILENCE", 2.0)

    async def main() -> None:
        async with running(1) as world:
            (worker,) = world.pool.processes()
            os.kill(worker, signal.SIGSTOP)
            await asyncio.sleep(0.5)
            # As if this process were stopped: nothing in it runs meanwhile.
            time.sleep(pool_module.SILENCE + pool_module.STANDSTILL + 0.5)  # noqa: ASYNC251
            await asyncio.sleep(0.3)
            os.kill(worker, signal.SIGCONT)
            await world.answer(await world.seat(0, 5))
            assert world.pool.processes() == [worker]
            os.kill(worker, signal.SIGSTOP)
            assert await world.event(WorkerReplaced) == WorkerReplaced(0), "it is still looked after"

    run(main())


@one_loop
def test_a_worker_whose_events_cannot_be_taken_is_replaced(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with running(1) as world:
            take = world.take

            def fail(events: list[Event]) -> None:
                world.take = take
                raise KeyError("no such seat")

            world.take = fail
            assert await world.event(WorkerReplaced) == WorkerReplaced(0)
            await world.answer(await world.seat(0, 5))
        assert "KeyError: 'no such seat'" in caplog.text

    run(main())


@one_loop
def test_commands_for_a_worker_that_is_not_there_are_dropped(run: Any) -> None:
    async def main() -> None:
        async with running(1) as world:
            world.pool.apply(CloseSeat(0x1234_05, 1))
            os.kill(world.pool.processes()[0], signal.SIGKILL)
            await world.event(WorkerReplaced)
            await world.answer(await world.seat(0, 6))
        world.pool.apply(CloseSeat(0x1234_00, 1))

    run(main())


@one_loop
def test_signals_to_the_whole_group_end_no_worker(run: Any) -> None:
    async def main() -> None:
        async with running(1) as world:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(world.pool.processes()[0], number)
            await world.answer(await world.seat(0, 7))
            assert not [event for event in world.events if isinstance(event, WorkerReplaced)]

    run(main())


def test_logs_change_in_all_workers_and_those_to_come(run: Any, capfd: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        async with running(2) as world:
            world.pool.configure_logs("debug", "json")
            clients = [await world.seat(worker, 30 + worker) for worker in range(2)]
            for client in clients:
                await world.answer(client)
            lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
            assert [(line["logger"], line["event"]) for line in lines] == [
                ("tcserver.media.worker", "logs changed")
            ] * 2
            os.kill(world.pool.processes()[0], signal.SIGKILL)
            await world.event(WorkerReplaced)
            world.pool.configure_logs("debug", "json")
            world.pool.configure_logs("error", "text")
            await world.answer(await world.seat(0, 40))
            await world.answer(await world.seat(1, 41))
            assert capfd.readouterr().err.count('"logs changed"') == 2

    run(main())


def test_a_worker_that_does_not_start(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    async def main() -> None:
        pool = WorkerPool(2, [("127.0.0.1", 0)], handoff=no_streams(2))
        with pytest.raises(OSError, match="a media worker did not start"):
            await pool.open()
        assert pool.processes() == []

    run(main())


def test_a_port_in_use(run: Any) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            with pytest.raises(OSError, match="in use"):
                await WorkerPool(2, [taken.getsockname()], handoff=no_streams(2)).open()

    run(main())
