"""Light clients of a server, which log in, take seats and prove their UDP paths, but play nothing."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, NamedTuple, Self, TypeVar

from benchmarks.harness.control_client import ControlClient
from benchmarks.harness.kernel_timestamps import note_times
from benchmarks.harness.media_client import MediaClient
from benchmarks.harness.processes import need_files
from benchmarks.harness.report import BenchmarkError
from benchmarks.harness.server import ACCOUNT, OTHER_FILES, Server
from tcproto.account import sign_account_login, sign_device_login
from tcproto.identity import SigningKey, fingerprint
from tcproto.membership import MemberStatement
from tcproto.messages import (
    Join,
    Joined,
    Leave,
    Login,
    LoginBegin,
    OpenRoom,
    Publish,
    Published,
    Room,
    Source,
    StreamChoice,
    Subscribe,
    Welcome,
)
from tcproto.messages import Kind as StreamKind

T = TypeVar("T")
REPLY_LIMIT = 60.0
FILES_OF_A_CLIENT = 2
AT_ONCE = 16
"""Logins at a time."""
SOURCES = (Source.MICROPHONE, Source.SCREEN)
"""What is wanted of everybody."""


class Entry(NamedTuple):
    """How somebody came in; times in ns of the wall clock."""

    seat: MediaClient
    dialled: int
    seated: int
    """Has a seat, and has asked for all sound."""


class Clients:
    """Light clients of a server, whose control connections stay open; a context manager that closes them.

    What the server tells them after they have sat down is read and thrown away, by ``rest``.
    """

    def __init__(self, server: Server, account: str = ACCOUNT) -> None:
        self._server = server
        self._account = account
        self._runner = asyncio.Runner()
        self._lines: list[ControlClient] = []
        self._sockets: list[socket.socket] = []
        """Of all seats, those too whose joining is interrupted."""
        self._guests = 0
        self.seats: dict[str, list[MediaClient]] = {}
        """By room, in order of joining."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._runner.run(self._close())
        finally:
            self._runner.close()
            for sock in self._sockets:
                sock.close()

    def join(
        self,
        room: str,
        participants: int,
        publications: Sequence[Source] = (),
        keyframe_wanted: Callable[[], None] | None = None,
    ) -> list[MediaClient]:
        """Seat participants in a room, each with these publications. Raises ``BenchmarkError``.

        ``keyframe_wanted`` is called when the server asks one of them for a keyframe, during ``rest`` and ``arrive``.
        """
        seats = self._runner.run(
            self._at_once([partial(self._sit_down, room, publications, keyframe_wanted)] * participants)
        )
        self.seats.setdefault(room, []).extend(seats)
        return seats

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run what needs the control connections."""
        return self._runner.run(work)

    async def guest(self, room: str) -> tuple[ControlClient, MediaClient]:
        """Seat one more participant; return its control connection, too."""
        session = await self._log_in()
        return session.line, await self._take_seat(session, room)

    def log_in(self, participants: int) -> None:
        """Log clients in that take no seat."""
        self._runner.run(self._at_once([self._log_in] * participants))

    def visit(self, room: str, participants: int) -> None:
        """Let participants log in, take a seat, leave it, and disconnect."""
        self._runner.run(self._at_once([partial(self._visit, room)] * participants))

    def arrive(
        self,
        room: str,
        participants: int,
        within: float,
        publications: Sequence[Source] = (),
        layers: int = 1,
        learns: bool = False,
    ) -> list[Entry]:
        """Seat participants that dial evenly spread over some seconds, and prove each path as soon as there is a seat.

        Each has these publications, pictures with so many spatial layers. With ``learns`` they take new keys of the
        room, during ``rest`` and ``arrive``. Raises ``BenchmarkError``.
        """
        sit_down = partial(self._sit_down, room, publications, layers=layers, learns=learns)
        entries = self._runner.run(self._arrive(sit_down, participants, within))
        self.seats.setdefault(room, []).extend(entry.seat for entry in entries)
        return entries

    def want_all_layers(self, streams: Sequence[int]) -> None:
        """Ask for all spatial layers of these streams for everybody; without a choice the lowest comes."""
        choices = tuple(StreamChoice(stream) for stream in streams)
        for line in self._lines:
            line.tell(Subscribe(2, SOURCES, choices))

    def prove(self) -> None:
        """Prove all paths: when everybody sits, for a path lasts 15 s without a datagram."""
        for seats in self.seats.values():
            for seat in seats:
                seat.prove(self._server.address)
                self.rest(0)

    def ping(self) -> None:
        """Keep all paths."""
        for seats in self.seats.values():
            for seat in seats:
                seat.ping(self._server.address)

    def rest(self, seconds: float) -> None:
        """Let time pass, and take what the server tells over the control connections."""
        self._runner.run(asyncio.sleep(seconds))

    async def _arrive(
        self, sit_down: Callable[[], Awaitable[MediaClient]], participants: int, within: float
    ) -> list[Entry]:
        async def arrive(after: float) -> Entry:
            await asyncio.sleep(after)
            dialled = time.time_ns()
            async with asyncio.timeout(REPLY_LIMIT):
                seat = await sit_down()
            seated = time.time_ns()
            note_times(seat.socket)
            await seat.prove_beside(self._server.address)
            return Entry(seat, dialled, seated)

        try:
            return list(await asyncio.gather(*(arrive(within * n / participants) for n in range(participants))))
        except TimeoutError:
            raise BenchmarkError("a login took too long") from None

    async def _sit_down(
        self,
        room: str,
        publications: Sequence[Source] = (),
        keyframe_wanted: Callable[[], None] | None = None,
        layers: int = 1,
        learns: bool = False,
    ) -> MediaClient:
        session = await self._log_in()
        session.line.deaf_after = None if publications or learns else Joined
        seat = await self._take_seat(session, room)
        session.line.new_room_key = seat.learn if learns else None
        for number, source in enumerate(publications, 1):
            kind, parts = (StreamKind.AUDIO, 1) if source is Source.MICROPHONE else (StreamKind.VIDEO, layers)
            published: Published = await session.line.request(Publish(number, kind, source, "bench", layers=parts))
            seat.streams.append(published.stream)
        session.line.keyframe_wanted = keyframe_wanted
        session.line.tell(Subscribe(1, SOURCES))
        return seat

    async def _log_in(self) -> Session:
        _, line = await asyncio.get_running_loop().create_connection(ControlClient, *self._server.address)
        return await self._introduce(line)

    async def _introduce(self, line: ControlClient) -> Session:
        """Log in on a connection."""
        server = self._server
        self._lines.append(line)
        self._guests += 1
        name = f"Guest {self._guests}"
        hello = await line.hello
        device = SigningKey(os.urandom(32))
        await line.request(LoginBegin(self._account))
        account_proof = sign_account_login(server.account_key, hello.handshake_hash, device.public, self._account)
        device_proof = sign_device_login(device, hello.handshake_hash, self._account)
        welcome: Welcome = await line.request(Login(self._account, name, device.public, account_proof, device_proof))
        return Session(line, device, fingerprint(hello.remote_static), welcome.name)

    async def _take_seat(self, session: Session, room: str) -> MediaClient:
        seat = MediaClient(await self._ask_for_seat(session, room), self._server.network.clients)
        self._sockets.append(seat.socket)
        return seat

    async def _ask_for_seat(self, session: Session, room: str) -> Joined:
        line, device, server, name = session
        opened: Room = await line.request(OpenRoom(room, e2ee=False))
        box_key, signed_at = os.urandom(32), int(time.time() * 1000)
        life = opened.room.life
        text = MemberStatement(server, life, opened.room.name, self._account, name, box_key, signed_at).text()
        joined: Joined = await line.request(Join(room, life, box_key, signed_at, device.sign(text)))
        return joined

    async def _visit(self, room: str) -> None:
        session = await self._log_in()
        seat = await self._take_seat(session, room)
        self._sockets.remove(seat.socket)
        seat.socket.close()
        await session.line.request(Leave())
        session.line.transport.abort()
        self._lines.remove(session.line)

    async def _at_once(self, works: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
        """Do some at a time; raises ``BenchmarkError`` where one takes too long, or they need too many files."""
        need_files(FILES_OF_A_CLIENT * (len(self._lines) + len(works)) + OTHER_FILES)
        turn = asyncio.Semaphore(AT_ONCE)

        async def do(work: Callable[[], Awaitable[T]]) -> T:
            async with turn, asyncio.timeout(REPLY_LIMIT):
                return await work()

        try:
            return list(await asyncio.gather(*map(do, works)))
        except TimeoutError:
            raise BenchmarkError("a login took too long") from None

    async def _close(self) -> None:
        # After an interruption no client may see the connections end: it would call that an error.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for line in self._lines:
            line.transport.abort()
        await asyncio.sleep(0)


class Session(NamedTuple):
    """A client that is logged in."""

    line: ControlClient
    device: SigningKey
    server: bytes
    """Fingerprint of the server."""
    name: str
