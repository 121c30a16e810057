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
from tcproto.datagram import Kind as DatagramKind
from tcproto.messages import Source
from tcproto.packet import parse_header
from tcserver.media.forwarding.path import CHALLENGE_INTERVAL, MOVE_INTERVAL
from tcserver.media.interface import WORKER_MASK
from tests.support.processes.world import LOOPS, World, until

linux = pytest.mark.skipif(sys.platform != "linux", reason="media workers are Linux's")
WORKERS = pytest.mark.parametrize("workers", [0, pytest.param(2, marks=linux)])
SPOKEN = 40
"""Packets of sound: 0.8 s."""

REST = 0.5
"""Seconds until the server has taken a proof."""


class Ears:
    """What participants got of the room, in order."""

    def __init__(self, *seats: Seat) -> None:
        self.heard: dict[Seat, list[int]] = {seat: [] for seat in seats}
        for seat in seats:
            if isinstance(seat, StreamSeat):
                self.listen(seat)

    def listen(self, seat: StreamSeat) -> None:
        seat.line.on_datagram = lambda datagram: self.take(seat, datagram)

    def take(self, seat: Seat, datagram: bytes) -> None:
        data = seat.forwarded(datagram)
        if data is not None:
            self.heard[seat].append(parse_header(data).sequence)


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


async def speak(server: Server, talker: Seat, packets: int = SPOKEN) -> None:
    for _ in range(packets):
        talker.send(talker.up(Item(ItemType.PACKET, packet("audio", talker, 1))), server.address)
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)


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
        clients.run(speak(server, talker, 10))  # with workers the first ones make the way known
        ears = Ears(*on_stream, on_udp)
        for _ in waiting(on_udp.socket):  # what came of the first ones
            pass
        first = talker.packets
        clients.run(speak(server, talker))
        for datagram in waiting(on_udp.socket):
            ears.take(on_udp, datagram)
        expected = list(range(first, first + SPOKEN))
        for seat, heard in ears.heard.items():
            assert heard == ([] if seat is talker else expected)


def test_a_seat_moves_from_its_stream_to_udp_and_back(meeting: tuple[Server, StreamClients]) -> None:
    server, clients = meeting
    mover = clients.run(clients.enter("hall"))
    talker = clients.run(clients.enter("hall", (Source.MICROPHONE,)))
    ears = Ears(mover)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(5)
        clients.rest(CHALLENGE_INTERVAL)
        udp.sendto(mover.up(PING), server.address)
        while (token := mover.token(udp.recv(2048))) is None:
            pass
        udp.sendto(mover.up(Item(ItemType.PATH_RESPONSE, token)), server.address)
        clients.rest(REST)
        clients.run(speak(server, talker))
        assert ears.heard[mover] == [], "only the address that was proved last gets them"
        for datagram in waiting(udp):
            ears.take(mover, datagram)
        assert ears.heard[mover] == list(range(SPOKEN))
        ears.heard[mover].clear()
        clients.rest(MOVE_INTERVAL)
        clients.run(mover.prove())
        clients.rest(REST)
        ears.listen(mover)
        clients.run(speak(server, talker))
        assert ears.heard[mover] == list(range(SPOKEN, 2 * SPOKEN))
        assert list(waiting(udp)) == []


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
    ears = Ears(stays)
    clients.run(speak(server, stays))
    assert ears.heard[stays] == []
    again = clients.run(clients.enter("hall"))
    kinds: list[int] = []
    again.line.on_datagram = lambda datagram: kinds.append(datagram[0] & 15)
    clients.rest(REST)
    clients.run(speak(server, stays))
    assert kinds.count(DatagramKind.ROOM) == SPOKEN


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
