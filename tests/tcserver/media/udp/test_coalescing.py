"""Receive coalescing: when a socket is read, and that datagrams of suppressed seats come by it."""

import asyncio
import os
from itertools import pairwise

import pytest
import uvloop

from tcproto.datagram import Item, ItemType, Kind, pack_header
from tcproto.messages import Kind as StreamKind
from tcproto.path import PingItem
from tcserver.media import Drop, MediaPlane
from tcserver.media.interface import ChangeForwarding, OpenSealer, OpenSeat, OpenStream, Receiver, SetSpeakers
from tcserver.media.speakers.suppressed import FEW
from tcserver.media.udp import coalescing, socket_group
from tcserver.media.udp.binding import bind as bind_sockets
from tcserver.media.udp.coalescing import ALONG, INTERVAL, MANY, Coalescer
from tcserver.media.udp.reader import BATCH
from tcserver.media.udp.socket_group import SocketGroup
from tcserver.media.udp.sockets import BUFFER_BYTES, MediaSockets
from tcserver.media.udp.steering import SHORTEST_SOUND, steer
from tests.support.media.loopback import linux, received
from tests.support.media.world import CAPS, ROOM_KEY, SEALER, audio, open_room, packet_item
from tests.tcserver.media.udp.test_sockets import Client, hasty_clock

PATIENCE = 10
TALK, NOISE = 20, 70


class Loop:
    """Knows what is waited for, and turns when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.reader = None
        self.timers: list[Timer] = []
        self.waiting = 0
        self.looks: list[float] = []

    def add_reader(self, descriptor, callback):
        assert self.reader is None
        self.reader = callback

    def remove_reader(self, descriptor):
        self.reader = None

    def call_later(self, delay, callback):
        self.timers.append(Timer(self.now + delay, callback))
        return self.timers[-1]

    def clock(self) -> float:
        return self.now

    def pump(self) -> int:
        self.looks.append(round(self.now - 100, 6))
        waiting, self.waiting = self.waiting, 0
        return waiting

    def arrive(self) -> None:
        self.waiting += 1
        if self.reader is not None:
            self.reader()

    def turn(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [timer for timer in self.timers if not timer.cancelled and timer.when <= end]:
            timer = min(due, key=lambda timer: timer.when)
            timer.cancelled = True
            self.now = timer.when
            timer.callback()
        self.now = end


class Timer:
    """What ``call_later`` returns."""

    def __init__(self, when, callback):
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self):
        self.cancelled = True


def test_what_comes_often_is_read_in_intervals_and_the_first_at_once():
    loop = Loop()
    coalescer = Coalescer(5, loop.pump, loop, loop.clock)
    loop.turn(1)
    assert loop.looks == []
    for _ in range(55):
        loop.arrive()
        loop.turn(INTERVAL / 10)
    assert loop.looks == pytest.approx([1 + INTERVAL * n for n in range(6)])
    loop.turn(1)
    # A look that finds nothing is the last one.
    assert len(loop.looks) == 8
    loop.arrive()
    assert loop.looks[-1] == pytest.approx(loop.now - 100)
    coalescer.close()
    loop.turn(1)
    assert len(loop.looks) == 9
    assert loop.reader is None


def test_a_look_that_is_due_soon_is_taken_along():
    loop = Loop()
    coalescer = Coalescer(5, loop.pump, loop, loop.clock)
    coalescer.look_along(loop.now)
    assert loop.looks == []  # it is waited on: nothing is there
    loop.arrive()
    for _ in range(10):
        loop.arrive()
        loop.turn(ALONG * 0.75)
        coalescer.look_along(loop.now)
    assert loop.looks == pytest.approx([ALONG * 1.5 * n for n in range(6)])


def test_the_more_comes_the_sooner_the_next_look():
    loop = Loop()
    Coalescer(5, loop.pump, loop, loop.clock)
    for many in (MANY, MANY * 2, MANY * 4, 1, MANY // 2):
        loop.waiting = many - 1
        if loop.reader is not None:
            loop.arrive()
        else:
            loop.waiting += 1
            loop.turn(loop.timers[-1].when - loop.now)
    assert [after - before for before, after in pairwise(loop.looks)] == pytest.approx(
        [INTERVAL, INTERVAL / 2, INTERVAL / 4, INTERVAL]
    )


def test_what_a_look_brings_may_end_it():
    loop = Loop()

    def pump() -> int:
        coalescer.close()
        return 0

    coalescer = Coalescer(5, pump, loop, loop.clock)
    loop.arrive()
    loop.turn(1)
    assert loop.reader is None


def steered_group(hosts: list[str]) -> SocketGroup:
    group = SocketGroup([sock for host in hosts for sock in bind_sockets([(host, 0)], BUFFER_BYTES)])
    ports = [sock.getsockname()[1] for sock in group.receiving]
    group.bind_others(list(zip(hosts, ports, strict=True)), BUFFER_BYTES)
    return group


class Speaker(Client):
    """A client with a microphone."""

    sequence = 0

    @property
    def stream(self) -> int:
        return self.media_id - 1000

    def say(self, level: int) -> bytes:
        """Send a packet of this level and return it; what is loud is voice."""
        packet = audio(self.stream, self.sequence, level=level, voice=level == TALK)
        self.sequence += 1
        self.send(self.up(packet_item(packet)))
        return packet


@linux
@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["127.0.0.1", "::1"]])
def test_datagrams_of_suppressed_seats_wait_in_a_socket_of_their_own(addresses, new_loop, bind):
    async def converse() -> None:
        plane = MediaPlane(os.urandom)
        sockets = MediaSockets(plane, (), asyncio.get_running_loop())
        group = steered_group(addresses)
        sockets.open(group)
        try:
            server, first, second = sockets.local_addresses()[-1], len(addresses) - 1, 2 * len(addresses) - 1
            speakers = [Speaker(1001 + n, bind(addresses[-1]), server) for n in range(FEW + 2)]
            sockets.apply(OpenSealer(1, SEALER, 0, ROOM_KEY), SetSpeakers(1, 1, ()))
            for speaker in speakers:
                sockets.apply(
                    OpenSeat(speaker.media_id, 1, speaker.stream, 0, speaker.up_key, speaker.down_key),
                    OpenStream(speaker.stream, speaker.media_id, StreamKind.AUDIO, CAPS),
                )
                await speaker.prove()
            talker, listener, *quiet = speakers
            streams = tuple(speaker.stream for speaker in speakers if speaker is not listener)
            sockets.apply(ChangeForwarding(1, streams, (Receiver(listener.media_id),)))
            async with asyncio.timeout(PATIENCE):
                while plane.suppressed.media_ids != {speaker.media_id for speaker in quiet}:
                    for speaker in (talker, *quiet):
                        speaker.say(TALK if speaker is talker else NOISE)
                    await asyncio.sleep(0.02)
            while sockets.pump(second):
                pass
            talker.say(TALK)
            assert (sockets.pump(second), sockets.pump(first)) == (0, 1)
            quiet[0].say(NOISE)
            assert (sockets.pump(first), sockets.pump(second)) == (0, 1)
            quiet[0].send(quiet[0].ping())
            assert (sockets.pump(second), sockets.pump(first)) == (0, 1)
            assert quiet[0].open_down(await quiet[0].receive())[0].type == ItemType.PONG
            # It is looked at without that, too.
            padded = quiet[0].up(Item(ItemType.PING, PingItem(3, 4).pack()), Item(ItemType.PADDING, bytes(20)))
            assert len(padded) >= SHORTEST_SOUND
            quiet[0].send(padded)
            assert quiet[0].open_down(await quiet[0].receive())[0].type == ItemType.PONG
            # What is sent comes from the server's address, whichever socket it leaves by.
            talker.say(TALK)
            assert sockets.pump(first)
            assert listener.socket.recvfrom(2048)[1][:2] == server
            for sock in group.sending:
                with pytest.raises(BlockingIOError):
                    sock.recv(1)
            # A forwarded client comes by the first socket again, with the next packet.
            received(listener.socket)
            sockets.apply(SetSpeakers(1, 2, ()))
            packet = quiet[1].say(TALK)
            async with asyncio.timeout(PATIENCE):
                while open_room(await listener.receive())[-1].value[2:] != packet:
                    pass
            assert not plane.suppressed.media_ids & {quiet[1].media_id}
            quiet[1].say(TALK)
            assert (sockets.pump(second), sockets.pump(first)) == (0, 1)
            assert [state.drops for state in sockets.stats()[0].sockets] == [0] * len(addresses)
        finally:
            await sockets.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(converse())


@linux
@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_what_a_look_has_no_time_for_does_not_wait_for_the_next(new_loop, bind, monkeypatch):
    monkeypatch.setattr(coalescing, "INTERVAL", 3600.0)
    datagram = pack_header(Kind.UP, 0, 1001, 0).ljust(SHORTEST_SOUND, b"\0")

    async def flood() -> None:
        plane = MediaPlane(os.urandom)
        sockets = MediaSockets(plane, (), asyncio.get_running_loop(), receiver="recvmmsg", clock=hasty_clock())
        group = steered_group(["127.0.0.1"])
        sockets.open(group)
        try:
            steer(group.receiving, {1001})
            client = bind()
            for _ in range(3 * BATCH + 1):
                client.sendto(datagram, sockets.local_addresses()[0])
            assert sockets.pump(0) == 0, "it is in the other socket"
            for _ in range(100):
                await asyncio.sleep(0)
            assert plane.counters.drops[Drop.UNKNOWN_ID] == 3 * BATCH + 1
        finally:
            await sockets.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(flood())


@linux
def test_where_datagrams_cannot_be_steered_one_socket_does(monkeypatch, bind, caplog):
    def refuse(*arguments):
        raise OSError("not here")

    monkeypatch.setattr(socket_group, "steer", refuse)

    async def converse() -> None:
        sockets = MediaSockets(MediaPlane(os.urandom), [("127.0.0.1", 0)], asyncio.get_running_loop())
        with caplog.at_level("INFO"):
            sockets.open()
        try:
            assert "read one by one: not here" in caplog.text
            client = Client(1000, bind(), sockets.local_addresses()[0])
            sockets.apply(OpenSealer(1, SEALER, 0, ROOM_KEY), OpenSeat(1000, 1, 1, 0, client.up_key, client.down_key))
            await client.prove()
        finally:
            await sockets.close()

    asyncio.run(converse())
