"""The shell of the media plane on real sockets of the loopback interface."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count, pairwise
from types import SimpleNamespace

import pytest
import uvloop

from tcproto.datagram import MAX_DATAGRAM, MIN_DATAGRAM, Item, ItemType, Kind, parse_header
from tcproto.messages import Kind as StreamKind
from tcserver.media import Drop, MediaPlane
from tcserver.media.interface import ChangeForwarding, OpenSealer, OpenSeat, OpenStream, PathProven, Receiver
from tcserver.media.lanes.faulty import NO_FAULTS, FaultSettings
from tcserver.media.udp.native import SOL_UDP, UDP_SEGMENT
from tcserver.media.udp.reader import BATCH, BUFFER_SIZE, PlainReader, VectorReader, make_reader
from tcserver.media.udp.sendmmsg import VectorLane, make_lanes
from tcserver.media.udp.sendto import PlainLane
from tcserver.media.udp.socket_group import SocketGroup
from tcserver.media.udp.sockets import PORTION, READ_BUDGET, MediaSockets
from tests.support.media.loopback import (
    CongestedSocket,
    address_of,
    linux,
    received,
    trains_in,
    trains_out,
)
from tests.support.media.world import CAPS, ROOM_KEY, SEALER, MediaClient, audio, open_room, packet_item


class Client(MediaClient):
    """A client on a real socket."""

    def __init__(self, media_id: int, sock: socket.socket, server: tuple[str, int]) -> None:
        super().__init__(media_id, address_of(sock))
        self.socket = sock
        self.server = server

    def send(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self.socket.sendto(datagram, self.server)

    async def receive(self) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 65536), 5)

    async def prove(self) -> None:
        self.send(self.up())
        (item,) = self.open_down(await self.receive())
        assert item.type == ItemType.PATH_CHALLENGE
        self.send(self.up(Item(ItemType.PATH_RESPONSE, item.value)), self.ping())
        assert self.open_down(await self.receive())[0].type == ItemType.PONG


@asynccontextmanager
async def opened(
    clock: Callable[[], float] = time.monotonic, faults: FaultSettings = NO_FAULTS
) -> AsyncIterator[tuple[MediaPlane, MediaSockets]]:
    """A media plane on one address."""
    plane = MediaPlane(os.urandom)
    sockets = MediaSockets(plane, [("127.0.0.1", 0)], asyncio.get_running_loop(), faults=faults, clock=clock)
    sockets.open()
    try:
        yield plane, sockets
    finally:
        await sockets.close()


def hasty_clock() -> Callable[[], float]:
    """A clock on which the time of a turn is over at every second look."""
    return map(float, count(100, READ_BUDGET)).__next__


@pytest.mark.parametrize(
    "sender",
    ["sendto", pytest.param("sendmmsg", marks=linux), pytest.param("gso", marks=trains_out), "auto"],
)
@pytest.mark.parametrize(
    "receiver",
    ["recvfrom", pytest.param("recvmmsg", marks=linux), pytest.param("gro", marks=trains_in), "auto"],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_conversation_over_real_sockets(sender, receiver, host, bind):
    async def converse() -> None:
        loop = asyncio.get_running_loop()
        events = []
        plane = MediaPlane(os.urandom)
        sockets = MediaSockets(plane, [(host, 0)], loop, sender, receiver, on_events=events.extend)
        sockets.open()
        try:
            (server,) = sockets.local_addresses()
            sockets.apply(OpenSealer(1, SEALER, 0, ROOM_KEY))
            clients = [Client(1000 + n, bind(host), server) for n in range(4)]
            for n, client in enumerate(clients):
                sockets.apply(OpenSeat(client.media_id, 1, n + 1, 0, client.up_key, client.down_key))
                await client.prove()
            assert sum(isinstance(event, PathProven) for event in events) == 4
            a, *others = clients
            sockets.apply(
                OpenStream(7, a.media_id, StreamKind.AUDIO, CAPS),
                ChangeForwarding(1, (7,), tuple(Receiver(other.media_id) for other in others)),
            )
            plane.counters.drops.update(dict.fromkeys(Drop, 0))
            # Each datagram that is too long is one drop, and nothing else suffers.
            for size in (MAX_DATAGRAM - 1, MAX_DATAGRAM, MAX_DATAGRAM + 1, 1300, 2048, 65000):
                a.send(a.up(Item(ItemType.PADDING, bytes(size - MIN_DATAGRAM - 1))))
            packets = [audio(7, n, bytes(100)) for n in range(3)]
            a.send(*(a.up(packet_item(packet)) for packet in packets))
            for other in others:
                datagrams = [await other.receive() for _ in packets]
                assert [open_room(d)[0].value[2:] for d in datagrams] == packets
            assert plane.counters.drops[Drop.LENGTH] == 4
            assert all(parse_header(d).kind == Kind.DOWN for d in received(a.socket))
            assert not sockets.stats()[0].errors
        finally:
            await sockets.close()
            await sockets.close()

    asyncio.run(converse())


@linux
@pytest.mark.parametrize(
    ("names", "without", "classes"),
    [
        ({}, (), (VectorLane, True, VectorReader)),
        ({}, ("trains",), (VectorLane, False, VectorReader)),
        ({}, ("trains", "calls"), (PlainLane, False, PlainReader)),
        ({"sender": "sendmmsg", "receiver": "recvmmsg"}, (), (VectorLane, False, VectorReader)),
        ({"sender": "gso"}, ("trains",), "UDP_SEGMENT"),
        ({"receiver": "gro"}, ("trains",), "UDP_GRO"),
        ({"sender": "sendmmsg"}, ("calls",), "no sendmmsg"),
        ({"receiver": "recvmmsg"}, ("calls",), "no recvmmsg"),
    ],
)
def test_what_the_kernel_lacks_is_done_without(names, without, classes, monkeypatch):
    def missing(name: str) -> None:
        raise OSError(f"no {name}")

    if "calls" in without:
        monkeypatch.setattr("tcserver.media.udp.sendmmsg.load", missing)
        monkeypatch.setattr("tcserver.media.udp.reader.load", missing)
    for test in ("sendmmsg.can_send_trains", "reader.can_receive_trains"):
        monkeypatch.setattr(f"tcserver.media.udp.{test}", lambda: "trains" not in without)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        sockets = MediaSockets(MediaPlane(os.urandom), [("127.0.0.1", 0)], loop, **names)
        if isinstance(classes, str):
            with pytest.raises(OSError, match=classes):
                sockets.open()
            assert sockets.local_addresses() == []
            return
        sockets.open()
        await sockets.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            (lane,) = make_lanes(names.get("sender", "auto"), [sock], pytest.fail)
            reader = make_reader(names.get("receiver", "auto"), sock, 0, BUFFER_SIZE, {})
        assert (type(lane), lane.trains, type(reader)) == classes

    asyncio.run(run())


@linux
def test_every_size_above_the_limit_is_one_drop(bind):
    """1,201 to 65,507 bytes on a real socket."""

    async def flood() -> None:
        async with opened() as (plane, sockets):
            client = bind()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            sizes = [*range(1201, 1300), *range(1300, 65507, 997), 65507]
            for size in sizes:
                client.sendto(bytes(size), sockets.local_addresses()[0])
                sockets.pump(0)
            assert plane.counters.drops[Drop.LENGTH] == plane.counters.received == len(sizes)
            assert plane.counters.sent == 0

    asyncio.run(flood())


@linux
def test_faults_that_are_wanted_are_made_in_both_directions(bind):
    async def converse() -> None:
        async with opened(faults=FaultSettings(delay=0.05)) as (_, sockets):
            client = Client(1000, bind(), sockets.local_addresses()[0])
            sockets.apply(OpenSealer(1, SEALER, 0, ROOM_KEY))
            sockets.apply(OpenSeat(client.media_id, 1, 1, 0, client.up_key, client.down_key))
            began = time.monotonic()
            await client.prove()
            assert time.monotonic() - began >= 0.1, "two answers, each late"
        async with opened(faults=FaultSettings(loss=1.0)) as (plane, sockets):
            client = bind()
            client.sendto(bytes(40), sockets.local_addresses()[0])
            assert sockets.pump(0) == 1
            assert plane.counters.received == 0

    asyncio.run(converse())


@linux
def test_a_flood_leaves_time_for_others(bind):
    """A turn of the loop ends after the batch in which its time is over; the rest is read in the next."""

    async def flood() -> None:
        async with opened(hasty_clock()) as (plane, sockets):
            client = bind()
            for _ in range(2 * BATCH + 5):
                client.sendto(bytes(40), sockets.local_addresses()[0])
            for received in (BATCH, 2 * BATCH, 2 * BATCH + 5, 2 * BATCH + 5):
                sockets.pump(0)
                assert plane.counters.received == received

    asyncio.run(flood())


@linux
@pytest.mark.parametrize(("cost", "taken"), [(0.0004, 5), (0.0009, 3), (0.0021, 1)])
def test_a_turn_of_the_loop_takes_datagrams_for_two_milliseconds(bind, monkeypatch, cost, taken):
    """Only batches move the clock, each by what it costs. So the number of batches shows the time allowed."""
    clock = SimpleNamespace(now=100.0)

    async def flood() -> None:
        async with opened(lambda: clock.now) as (plane, sockets):
            receive = plane.receive

            def costly(datagrams, now):
                receive(datagrams, now)
                clock.now += cost

            monkeypatch.setattr(plane, "receive", costly)
            client = bind()
            for _ in range(7 * PORTION):
                client.sendto(bytes(40), sockets.local_addresses()[0])
            batch = min(BATCH, PORTION)
            sockets.pump(0)
            assert plane.counters.received == taken * batch

    asyncio.run(flood())


@linux
def test_no_datagram_arrives_after_the_time_that_is_told_of_it(bind, monkeypatch):
    """The process waits for a processor just before it reads, and what came meanwhile is read with the rest."""
    clock, told = SimpleNamespace(now=100.0), []
    read = VectorReader.read

    def waits(reader):
        clock.now += READ_BUDGET / 4
        client.sendto(bytes(40), address)
        return read(reader)

    async def main() -> None:
        nonlocal address
        async with opened(lambda: clock.now) as (plane, sockets):
            address = sockets.local_addresses()[0]
            monkeypatch.setattr(VectorReader, "read", waits)
            monkeypatch.setattr(plane, "receive", lambda datagrams, now: told.append(now - clock.now))
            client.sendto(bytes(40), address)
            sockets.pump(0)
            assert set(told) == {0.0}

    address, client = ("", 0), bind()
    asyncio.run(main())


@trains_out
@trains_in
def test_a_flood_of_trains_leaves_time_for_others(bind):
    """A batch of trains is not taken in one turn. The rest is taken in the next turns, without a further event."""
    trains, size, datagrams = 8, 40, 50

    async def flood() -> None:
        async with opened(hasty_clock()) as (plane, sockets):
            client = bind()
            client.setsockopt(SOL_UDP, UDP_SEGMENT, size)
            for _ in range(trains):
                client.sendto(bytes(size * datagrams), sockets.local_addresses()[0])
            taken = []
            async with asyncio.timeout(5):
                while plane.counters.received < trains * datagrams:
                    await asyncio.sleep(0)
                    taken.append(plane.counters.received)
            assert max(after - before for before, after in pairwise([0, *taken])) == PORTION
            assert plane.counters.drops[Drop.VERSION] == trains * datagrams
            for _ in range(2):
                client.sendto(bytes(size * datagrams), sockets.local_addresses()[0])
            sockets.pump(0)
        await asyncio.sleep(0)
        assert plane.counters.received == trains * datagrams + PORTION, "nothing is taken any more"

    asyncio.run(flood())


def test_a_failure_is_logged_at_a_limited_rate_and_a_full_socket_is_resumed(bind, caplog):
    async def fail() -> None:
        loop = asyncio.get_running_loop()

        def no_randomness(size: int) -> bytes:
            raise RuntimeError("no randomness")

        plane = MediaPlane(no_randomness)
        sockets = MediaSockets(plane, (), loop, sender="sendto")
        receiving = bind()
        congested = CongestedSocket(0, receiving)
        sockets.open(SocketGroup([receiving], [], [congested]))
        try:
            (server,) = sockets.local_addresses()
            client = Client(1000, bind(), server)
            sockets.apply(OpenSealer(1, SEALER, 0, ROOM_KEY), OpenSeat(1000, 1, 1, 0, client.up_key, client.down_key))
            for _ in range(5):
                client.send(client.up())
                sockets.pump(0)
            assert plane.counters.drops[Drop.INTERNAL] == 5
            client.send(client.ping())
            sockets.pump(0)
            assert sockets.stats()[0].waiting == 1
            congested.room = 9
            await asyncio.wait_for(congested.flowing.wait(), 5)
            assert sockets.stats()[0].waiting == 0
        finally:
            await sockets.close()

    asyncio.run(fail())
    assert [record.message for record in caplog.records] == ["handling a datagram failed"]


def test_the_timer_runs_and_ends_with_the_sockets(bind):
    async def run() -> None:
        done = asyncio.Event()
        plane = MediaPlane(os.urandom)
        polls = []
        poll = plane.poll

        def counted(now: float) -> None:
            poll(now)
            polls.append(now)
            done.set()

        plane.poll = counted
        sockets = MediaSockets(plane, [("127.0.0.1", 0)], asyncio.get_running_loop())
        sockets.open()
        sockets.apply(OpenSealer(1, SEALER, 0, ROOM_KEY))
        await asyncio.wait_for(done.wait(), 5)
        await sockets.close()
        sockets.apply(OpenSealer(2, SEALER, 0, ROOM_KEY))
        assert sockets._timer is None

    asyncio.run(run())


def test_an_address_in_use_leaves_nothing_open(bind):
    async def run() -> None:
        taken = bind()
        sockets = MediaSockets(
            MediaPlane(os.urandom), [("127.0.0.1", 0), taken.getsockname()], asyncio.get_running_loop()
        )
        with pytest.raises(OSError, match="in use"):
            sockets.open()
        assert sockets.local_addresses() == []

    asyncio.run(run())


def test_both_families_on_one_port(bind):
    async def run() -> None:
        port = bind().getsockname()[1]
        sockets = MediaSockets(MediaPlane(os.urandom), [("127.0.0.1", 0)], asyncio.get_running_loop())
        sockets.open()
        port = sockets.local_addresses()[0][1]
        await sockets.close()
        both = MediaSockets(
            MediaPlane(os.urandom),
            [("0.0.0.0", port), ("::", port)],
            asyncio.get_running_loop(),
            "sendto",
            buffer_bytes=65_536,
        )
        both.open()
        for sock in (*both._group.receiving, *both._group.sending):
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                assert 65_536 <= sock.getsockopt(socket.SOL_SOCKET, option) <= 2 * 65_536
        assert both.local_addresses() == [("0.0.0.0", port), ("::", port)]
        await both.close()

    asyncio.run(run())


def test_nothing_is_polled_again_and_again_before_it_is_due():
    """The clock of uvloop counts whole milliseconds, and cuts off what is less."""
    due: list[bool] = []

    class Impatient(MediaPlane):
        deadline = 0.0

        def next_deadline(self) -> float:
            return self.deadline

        def poll(self, now: float) -> None:
            due.append(self.deadline <= now)
            if due[-1]:
                self.deadline = now + 0.0104

    async def run() -> None:
        sockets = MediaSockets(Impatient(os.urandom), [("127.0.0.1", 0)], asyncio.get_running_loop())
        sockets.open()
        await asyncio.sleep(0.3)
        await sockets.close()

    uvloop.run(run())
    assert due.count(True) > 3
    assert due.count(False) < due.count(True)
