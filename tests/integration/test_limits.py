"""Attacks of strangers and participants on a server: the others do not notice."""

import asyncio
import contextlib
import errno
import random
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tcclient import events
from tcclient.room import Room
from tcclient.sources import tone
from tcclient.transport.retry import Retry
from tcproto.control import FRAME_MESSAGE
from tcproto.errors import ErrorCode
from tcproto.link import Link
from tcproto.messages import Error, LoginBegin, LoginChallenge, Ping, Pong, Welcome
from tcserver.conference import Conference, effects
from tcserver.conference.requests.chat import PAGE_BYTES
from tcserver.media.interface import Event, PathProven
from tests.support.processes.raw import Raw, dialled
from tests.support.processes.world import PASSWORD, Run, World, gathered, until, watching

one_loop = pytest.mark.parametrize("run", ["uvloop"], indirect=True)
"""Marks tests of the server alone; it runs on uvloop."""
PROMPT = 5.0
"""Seconds within which all others get an answer. On an idle machine it takes a millisecond."""


async def is_cut_off(raw: Raw) -> None:
    """Wait for the end of the connection, whatever the server says before."""
    async with asyncio.timeout(PROMPT):
        while await raw.read():
            pass


async def is_served(link: Link, local: str = "127.0.0.1") -> None:
    """Check that a newcomer gets an answer."""
    async with asyncio.timeout(PROMPT), dialled(link, local) as raw:
        await raw.handshake()
        assert isinstance(await raw.request(LoginBegin("kantor-1")), LoginChallenge)


@contextlib.asynccontextmanager
async def undisturbed(room: Room) -> AsyncIterator[None]:
    """Check that a participant gets answers all the time."""
    slowest = 0.0
    answers = 0

    async def measure() -> None:
        nonlocal slowest, answers
        while True:
            start = time.monotonic()
            await room.subscribe(())
            slowest, answers = max(slowest, time.monotonic() - start), answers + 1
            await asyncio.sleep(0.05)  # 20 requests in a second are allowed

    task = asyncio.create_task(measure())
    try:
        yield
        seen = answers
        await until(lambda: answers > seen or task.done())
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert room.closed is None
    assert slowest < PROMPT


async def stay_silent(raw: Raw) -> None:
    """Send nothing."""


async def shake_hands(raw: Raw) -> None:
    """Complete the handshake, and send nothing more."""
    await raw.handshake()


async def trickle(raw: Raw) -> None:
    """Begin a frame."""
    raw.writer.write(b"\x0f\xff" + bytes(20))


async def name_an_account(raw: Raw) -> None:
    """Begin a login, and send nothing more."""
    await raw.handshake()
    await raw.request(LoginBegin("kantor-1"))


@one_loop
@pytest.mark.parametrize("addresses", [1, 18], ids=["one address", "18 addresses"])
@pytest.mark.parametrize("stop", [stay_silent, trickle, shake_hands, name_an_account], ids=lambda stop: stop.__name__)
def test_connections_that_do_not_log_in_keep_nobody_out(
    run: Run, world: World, stop: Callable[[Raw], Awaitable[None]], addresses: int
) -> None:
    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            server = await stack.enter_async_context(world.serving())
            room = await stack.enter_async_context(world.client(server.room("Hall"), "kantor-2"))
            await stack.enter_async_context(undisturbed(room))

            async def hold(number: int) -> None:
                raw = await stack.enter_async_context(dialled(server.link, f"127.0.0.{1 + number % addresses}"))
                with contextlib.suppress(ConnectionError, AssertionError):  # it may be closed at any time
                    await stop(raw)

            await gathered(*map(hold, range(1024)), at_once=64)
            for number in range(10):
                start = time.monotonic()
                async with dialled(server.link) as raw:
                    await raw.handshake()
                    assert isinstance(await raw.log_in("kantor-1", PASSWORD, f"Sri {number}"), Welcome)
                assert time.monotonic() - start < 3
            assert server.daemon.conference.half_open <= 1024

    run(main)


@one_loop
def test_who_makes_room_is_told(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving(login__max_half_open_per_address=1) as server, dialled(server.link) as raw:
            await raw.handshake()
            await is_served(server.link)
            await raw.ended()
            assert raw.closed is not None
            assert (raw.closed.code, raw.closed.retry_after_ms) == (ErrorCode.SERVER_FULL, 1000)

    run(main)


@one_loop
def test_the_machine_that_can_give_no_more_connections_gives_them_later(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Exhausted:
        """A listening socket whose first connections cannot be accepted."""

        def __init__(self, inner: socket.socket) -> None:
            self.inner, self.refusals = inner, 2

        def accept(self) -> tuple[socket.socket, object]:
            if self.refusals:
                self.refusals -= 1
                raise OSError(errno.EMFILE, "too many open files")
            return self.inner.accept()

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

    monkeypatch.setattr("tcserver.daemon.listening.PAUSE", 0.05)

    async def main() -> None:
        async with world.serving() as server:
            (listener,) = server.daemon.control.listeners
            exhausted = listener._socket = Exhausted(listener._socket)
            await is_served(server.link)
            assert exhausted.refusals == 0

    run(main)


@one_loop
def test_too_many_bytes_before_the_login(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server, dialled(server.link) as raw:
            await raw.handshake()
            for i in range(900):
                raw.connection._send(Ping(i), i + 1)
            await raw.ended()
            assert raw.closed is not None
            assert (raw.closed.code, raw.closed.text) == (ErrorCode.BAD_FRAME, "too many bytes before the login")

    run(main)


@one_loop
def test_an_event_that_cannot_be_handled_ends_nothing(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    take, failed = Conference.media_event, []

    def fail_once(conference: Conference, event: Event, now: float) -> list[effects.Effect]:
        if not failed and isinstance(event, PathProven):
            failed.append(event)
            raise KeyError("no such seat")
        return take(conference, event, now)

    monkeypatch.setattr(Conference, "media_event", fail_once)

    async def main() -> None:
        async with world.serving() as server:
            link = server.room("Hall")
            async with world.client(link, "kantor-1", "Sri"), world.client(link, "kantor-2", "Budi") as b:
                await until(lambda: b.path_is_ok)
                await until(lambda: len(b.participants) == 1)

    run(main)
    assert failed
    assert "KeyError: 'no such seat'" in caplog.text


@one_loop
@pytest.mark.parametrize("first", [b"\xff\xff", b"\x10\x01", b"\x00\x00"], ids=["largest", "over-limit", "empty"])
def test_a_frame_of_a_forbidden_size_ends_the_connection_before_its_body(run: Run, world: World, first: bytes) -> None:
    async def main() -> None:
        async with world.serving() as server:
            async with dialled(server.link) as raw:
                raw.writer.write(first)
                await is_cut_off(raw)
            async with dialled(server.link) as raw:
                await raw.handshake()
                raw.writer.write(first)
                await raw.ended()
                assert raw.closed is not None
                assert raw.closed.code is ErrorCode.BAD_FRAME
            await until(lambda: not server.daemon.control.peers)

    run(main)


@one_loop
def test_garbage_of_one_disturbs_no_other(run: Run, world: World) -> None:
    chance = random.Random(7)

    async def main() -> None:
        async with world.serving() as server, world.client(server.room("Hall")) as room, undisturbed(room):
            for i in range(100):
                async with dialled(server.link) as raw:
                    hello = raw.connection.data_to_send()
                    position = chance.randrange(2, len(hello))
                    spoiled = (
                        hello[:position] + bytes([hello[position] ^ 1 << chance.randrange(8)]) + hello[position + 1 :]
                    )
                    size = chance.randrange(1, 200)
                    raw.writer.write(
                        [chance.randbytes(size), b"GET / HTTP/1.1\r\n\r\n", spoiled, hello[:position]][i % 4]
                    )
                    raw.writer.write_eof()
                    await is_cut_off(raw)
            async with dialled(server.link) as raw:
                await raw.handshake()
                raw.connection._encrypt(bytes((FRAME_MESSAGE,)) + b"\xc1")
                await raw.ended()
                assert raw.closed is not None
                assert raw.closed.code is ErrorCode.BAD_MESSAGE
            await until(lambda: len(server.daemon.control.peers) == 1)

    run(main)


@one_loop
def test_who_does_not_log_in_in_time(run: Run, world: World) -> None:
    async def dawdle(link: Link) -> None:
        """Never end the first frame, and send it byte by byte."""
        async with dialled(link) as raw:
            with contextlib.suppress(ConnectionError, RuntimeError):  # the latter from a closed transport of uvloop
                for byte in b"\x0f\xff" + bytes(4095):
                    raw.writer.write(bytes([byte]))
                    await raw.writer.drain()
                    if raw.reader.at_eof():
                        return
                    await asyncio.sleep(0.02)
            await is_cut_off(raw)

    async def say_nothing(link: Link) -> None:
        async with dialled(link) as raw:
            await is_cut_off(raw)

    async def greet(link: Link) -> None:
        async with dialled(link) as raw:
            await raw.handshake()
            await raw.ended()
            assert raw.closed is not None
            assert raw.closed.code is ErrorCode.LOGIN_TIMEOUT

    async def main() -> None:
        async with world.serving(login__time_limit_s=1) as server, world.client(server.room("Hall")) as room:
            link = server.link
            async with undisturbed(room):
                jobs = [job(link) for job in [dawdle, say_nothing, greet] * 5]
                await gathered(*jobs, at_once=15)
            await until(lambda: len(server.daemon.control.peers) == 1)

    run(main)


@one_loop
def test_three_failed_logins_end_the_connection(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server, dialled(server.link) as raw:
            await raw.handshake()
            codes = []
            for account in ("kantor-1", "kantor-1", "kantor-2"):
                reply = await raw.log_in(account, "wrong password")
                assert isinstance(reply, Error)
                codes.append(reply.code)
            wrong, too_soon = ErrorCode.BAD_CREDENTIALS, ErrorCode.TOO_MANY_ATTEMPTS
            assert codes == [wrong, too_soon, wrong]
            await raw.ended()
            assert raw.closed is not None
            assert raw.closed.code is ErrorCode.TOO_MANY_ATTEMPTS

    run(main)


@one_loop
def test_a_flood_of_messages_ends_in_its_own_connection(run: Run, world: World) -> None:
    async def flood(link: Link) -> None:
        async with dialled(link) as raw:
            await raw.handshake()
            assert isinstance(await raw.log_in("kantor-1", PASSWORD), Welcome)
            pings = 0
            while raw.closed is None and pings < 20_000:
                for _ in range(200):
                    raw.connection.request(Ping(pings))
                    pings += 1
                for _ in range(200):
                    if not isinstance(getattr(await raw.event(), "reply", None), Pong):
                        break
            assert raw.closed is not None
            assert raw.closed.code is ErrorCode.RATE_LIMITED

    async def main() -> None:
        async with world.serving() as server, world.client(server.room("Hall"), "kantor-2") as room:
            async with undisturbed(room):
                await flood(server.link)
            assert room.closed is None

    run(main)


@one_loop
def test_who_does_not_read_is_cut_off_and_delays_nobody(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving(limits__chat_per_s=100, limits__chat_burst=1000, limits__resume_s=0) as server:
            for listener in server.daemon.control.listeners:
                listener._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # accepted sockets have it, too
            link = server.room("Hall")
            deaf_client = world.client(link, "kantor-2", path="udp", reconnect=False)  # its transport can be paused
            async with contextlib.AsyncExitStack() as stack:
                writers = [await stack.enter_async_context(world.client(link, name=f"Writer {n}")) for n in range(3)]
                deaf = await stack.enter_async_context(deaf_client)
                a, told = writers[0], await stack.enter_async_context(watching(writers[0]))
                await until(lambda: len(a.participants) == len(writers))
                deaf.connection._wire.transport.pause_reading()
                text = "x" * (PAGE_BYTES - 100)  # a longer one, sealed, counts as several
                for _ in range(1000):
                    for writer in writers:
                        await writer.chat(text)
                    if len(a.participants) < len(writers):
                        break
                await until(lambda: any(isinstance(event, events.ParticipantLeft) for event in told))
                (code,) = (event.code for event in told if isinstance(event, events.ParticipantLeft))
                assert code is ErrorCode.SLOW_CONSUMER
                assert server.daemon.conference.counters["closed_slow_consumer"] == 1
                assert a.closed is None
                deaf.connection._wire.transport.resume_reading()
                await until(lambda: deaf.closed is not None)
                assert deaf.closed.code is ErrorCode.SLOW_CONSUMER

    run(main)


@one_loop
def test_many_clients_behind_one_address(run: Run, world: World) -> None:
    count = 35

    async def main() -> None:
        async with world.serving() as server, contextlib.AsyncExitStack() as stack:
            link, waits = server.room("Hall"), list[Retry]()  # one account may not log in 35 times at once
            clients = [world.client(link, name=f"Participant {i}", retry=waits.append) for i in range(count)]
            rooms: list[Room] = await gathered(*map(stack.enter_async_context, clients))
            assert all(wait.error.code is ErrorCode.RATE_LIMITED for wait in waits)
            await until(lambda: all(len(room.participants) == count - 1 and room.path_is_ok for room in rooms))
            assert len({room.safety_code for room in rooms}) == 1
            for room in rooms[:3]:
                await room.publish(tone())
            await until(
                lambda: all(
                    sum(track.statistics.packets > 5 for track in room.tracks) == 3 - (room in rooms[:3])
                    for room in rooms
                ),
                "everybody hears everybody",
            )

    run(main)


@one_loop
def test_an_effect_that_fails_ends_one_connection(run: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with (
            world.serving() as server,
            world.client(server.room("Hall"), reconnect=False) as room,
            world.client(server.room("Hall"), "kantor-2") as other,
            undisturbed(other),
        ):
            await until(lambda: len(other.participants) == 1)
            peer = next(iter(server.daemon.control.peers.values()))
            monkeypatch.setattr(peer, "send", lambda message, request_id: 1 // 0)
            await other.chat("this cannot be told to all")
            await until(lambda: room.closed is not None and len(other.participants) == 0)

    run(main)
