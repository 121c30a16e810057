"""Participants on streams of a real server: TLS, WebSocket, control connection and media."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.commands.stream import Watch
from benchmarks.harness.load import packet
from benchmarks.harness.media_client import PING, Seat
from benchmarks.harness.server import Server
from benchmarks.harness.slow_line import slow_line
from benchmarks.harness.stream_client import StreamClients, StreamLine, StreamSeat
from tcproto.datagram import Item, ItemType
from tcproto.messages import Source
from tcproto.packet import parse_header
from tcserver.media.forwarding.path import CHALLENGE_INTERVAL, MOVE_INTERVAL
from tcserver.media.interface import WORKER_MASK
from tests.support.processes.world import LOOPS, PATIENCE, World, until

linux = pytest.mark.skipif(sys.platform != "linux", reason="media workers are Linux's")
WORKERS = pytest.mark.parametrize("workers", [0, pytest.param(2, marks=linux)])
SPOKEN = 40
"""Packets of sound: 0.8 s."""

REST = 0.5
"""Seconds until what is too much has come."""


class Ear:
    """What a participant gets of the room, in order: by a socket, or else by its stream."""

    def __init__(self, seat: Seat, udp: socket.socket | None = None) -> None:
        self.seat = seat
        self._heard: list[int] = []
        self._udp = udp
        if udp is None:
            assert isinstance(seat, StreamSeat)
            seat.line.on_datagram = self._take

    @property
    def heard(self) -> list[int]:
        """The numbers of the packets."""
        if self._udp is not None:
            for datagram in waiting(self._udp):
                self._take(datagram)
        return self._heard

    def has(self, number: int) -> bool:
        """Return whether this packet was the last that came."""
        return self.heard[-1:] == [number]

    def _take(self, datagram: bytes) -> None:
        data = self.seat.forwarded(datagram)
        if data is not None:
            self._heard.append(parse_header(data).sequence)


@pytest.fixture
def meeting(request: pytest.FixtureRequest) -> Iterator[tuple[Server, StreamClients]]:
    workers = getattr(request, "param", 0)
    settings = {"server.workers": workers, "server.room_spread": 2}
    with Server(["hall"], settings) as server, StreamClients(server) as clients:
        yield server, clients


def waiting(sock: socket.socket) -> Iterator[bytes]:
    """Yield what waits at a socket."""
    sock.setblocking(False)
    while True:
        try:
            yield sock.recv(2048)
        except BlockingIOError:
            return


async def say(server: Server, talker: Seat) -> None:
    talker.send(talker.up(Item(ItemType.PACKET, packet("audio", talker, 1))), server.address)
    await asyncio.sleep(0.02)


async def speak(server: Server, talker: Seat, *ears: Ear) -> list[int]:
    """Say as many packets as are counted; return their numbers.

    Before, some are said until the way to all these ears is known. When this returns, all of them have heard the last.
    """
    async with asyncio.timeout(PATIENCE):
        while not all(ear.heard for ear in ears):
            await say(server, talker)
    first = talker.packets
    for _ in range(SPOKEN):
        await say(server, talker)
    await until(lambda: all(ear.has(talker.packets - 1) for ear in ears), "the last packet")
    await asyncio.sleep(REST)
    return list(range(first, talker.packets))


def since(first: int, heard: list[int]) -> list[int]:
    return [number for number in heard if number >= first]


@pytest.mark.parametrize("meeting", [0, pytest.param(2, marks=linux)], indirect=True, ids=["one process", "workers"])
def test_members_on_streams_and_on_udp_hear_each_other(meeting: tuple[Server, StreamClients]) -> None:
    server, clients = meeting
    on_stream = [clients.run(clients.enter("hall", (Source.MICROPHONE,))) for _ in range(3)]
    (on_udp,) = clients.join("hall", 1, (Source.MICROPHONE,))
    clients.prove()
    # A light client learns no keys after its entry: of who comes later to another worker it hears nothing.
    first_worker = on_stream[0].media_id & WORKER_MASK
    talkers = [seat for seat in (*on_stream[:2], on_udp) if seat.media_id & WORKER_MASK == first_worker]
    for talker in talkers:
        ears = [*map(Ear, on_stream), Ear(on_udp, on_udp.socket)]
        said = clients.run(speak(server, talker, *(ear for ear in ears if ear.seat is not talker)))
        for ear in ears:
            assert since(said[0], ear.heard) == ([] if ear.seat is talker else said)


def test_a_seat_moves_from_its_stream_to_udp_and_back(meeting: tuple[Server, StreamClients]) -> None:
    server, clients = meeting
    mover = clients.run(clients.enter("hall"))
    talker = clients.run(clients.enter("hall", (Source.MICROPHONE,)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        by_stream = Ear(mover)
        udp.settimeout(PATIENCE)
        clients.rest(CHALLENGE_INTERVAL)
        udp.sendto(mover.up(PING), server.address)
        while (token := mover.token(udp.recv(2048))) is None:
            pass
        udp.sendto(mover.up(Item(ItemType.PATH_RESPONSE, token)), server.address)
        by_udp = Ear(mover, udp)
        said = clients.run(speak(server, talker, by_udp))
        assert since(said[0], by_stream.heard) == [], "only the address that was proved last gets them"
        assert since(said[0], by_udp.heard) == said
        clients.rest(MOVE_INTERVAL)
        clients.run(mover.prove())
        by_stream = Ear(mover)
        said = clients.run(speak(server, talker, by_stream))
        assert since(said[0], by_stream.heard) == said
        assert since(said[0], by_udp.heard) == []


def test_a_slow_stream_loses_video_and_keeps_audio_and_costs_nobody_else(
    meeting: tuple[Server, StreamClients],
) -> None:
    server, clients = meeting
    talkers = [clients.run(clients.enter("hall", (source,))) for source in (Source.MICROPHONE, Source.SCREEN)]
    with slow_line(server.address, 300_000) as address:
        slow = clients.run(clients.enter("hall", (), address))
        fast = clients.run(clients.enter("hall"))
        clients.rest(REST)
        watch = Watch()
        for seat in (slow, fast):
            watch.watch(seat)

        async def play() -> None:
            voice, camera = talkers
            for turn in range(150):
                for kind, seat, count in (("audio", voice, 1), ("video", camera, 3)):
                    for _ in range(count if kind == "audio" or turn % 2 == 0 else 0):
                        data = packet(kind, seat, 1, count)
                        watch.note(data)
                        seat.send(seat.up(Item(ItemType.PACKET, data)), server.address)
                await asyncio.sleep(0.02)

        clients.run(play())
        clients.rest(1.5)
        got, beside = watch.received(slow), watch.received(fast)
        # A machine that stands still for a quarter of a second may lose a few; rules that fail lose most.
        assert beside.audio_lost <= 3
        assert beside.video_lost <= 12
        assert got.audio_lost <= 3
        assert got.video_lost > 50
        assert sorted(got.audio)[len(got.audio) // 2] < 1.0


def test_the_end_of_a_stream_is_the_end_of_the_seat(meeting: tuple[Server, StreamClients]) -> None:
    server, clients = meeting
    gone = clients.run(clients.enter("hall"))
    stays = clients.run(clients.enter("hall", (Source.MICROPHONE,)))
    gone.line.abort()
    clients.rest(0.2)
    own = Ear(stays)
    clients.run(speak(server, stays))
    assert own.heard == []
    again = Ear(clients.run(clients.enter("hall")))
    said = clients.run(speak(server, stays, again))
    assert since(said[0], again.heard) == said


@pytest.mark.parametrize("run", LOOPS, indirect=True)
def test_a_stream_counts_as_a_connection_before_its_login(run: Any, world: World) -> None:
    """It is closed in time if nobody logs in, whatever datagrams it carries."""

    async def main() -> None:
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        async with world.serving(login__time_limit_s=1) as server:
            loop = asyncio.get_running_loop()
            _, line = await loop.create_connection(StreamLine, server.link.host, server.link.port, ssl=tls)
            await line.control.hello
            conference = server.daemon.conference
            assert (conference.connections, conference.half_open) == (1, 1)
            assert len(server.daemon.streams.lane) == 1
            while not line.closed.done():
                line.send(bytes(100))
                await asyncio.sleep(0.05)
            await until(lambda: conference.connections == 0, "the end of the connection")
            assert len(server.daemon.streams.lane) == 0

    run(main)
