"""A real server process, and light clients that log in, take seats and prove their UDP paths, but play nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from benchmarks.processes import end, end_with_parent, need_files, undisturbed
from benchmarks.report import BenchmarkError
from benchmarks.stamps import note_times
from tcproto.account import Challenge, sign_account_login, sign_device_login
from tcproto.control import ControlConnection, HandshakeCompleted, Received, Replied
from tcproto.datagram import (
    RELAY_TIME_SIZE,
    Item,
    ItemType,
    Kind,
    open_datagram,
    pack_header,
    pack_items,
    parse_header,
    parse_items,
    seal,
)
from tcproto.identity import SigningKey, fingerprint
from tcproto.link import Link, parse_link
from tcproto.membership import MemberStatement
from tcproto.messages import (
    Error,
    Join,
    Joined,
    KeyframeRequest,
    Leave,
    Login,
    LoginBegin,
    OpenRoom,
    Publish,
    Published,
    Room,
    Source,
    Subscribe,
    Welcome,
)
from tcproto.messages import Kind as StreamKind
from tcproto.path import PingItem
from tcserver.database import Database
from tcserver.paths import DATABASE_FILE
from tcserver.records import Account, RoomRecord

T = TypeVar("T")
ACCOUNT = "bench"
MAX_SEATS = 1000
"""What one room and one account can hold."""
START_LIMIT = 20.0
REPLY_LIMIT = 60.0
PROOF_LIMIT = 2.0
FILES_OF_A_CLIENT, OTHER_FILES = 2, 64
"""Open files of a light client, and of all else in its process."""
AT_ONCE = 16
"""Logins at a time."""
RECEIVE_BYTES = 1 << 20
"""Socket buffer of a client: some hundreds of datagrams, until the drain comes by."""
FORWARD_NUMBER_SIZE = 2
_SETTINGS = {
    "server.addresses": "127.0.0.1",
    "server.port": 0,
    "login.max_sessions": 5000,
    "login.logins_per_s": 10_000,
    "login.login_burst": 10_000,
    "login.max_half_open": 5000,
    "login.max_half_open_per_address": 5000,
    "rooms.max_rooms": MAX_SEATS,
    "rooms.max_participants": MAX_SEATS,
    "limits.idle_s": 600,
    "limits.max_publications": 32,
    "media.audio_packets_s": 1000,
    "media.audio_kbit_s": 2000,
    "media.screen_packets_s": 20_000,
    "media.screen_kbit_s": 100_000,
}
"""Limits out of the way: it is not their cost that is measured."""


class Server:
    """``tcserver run`` in a process of its own, with an account and rooms; a context manager that ends it."""

    def __init__(
        self,
        rooms: Sequence[str],
        settings: dict[str, object] | None = None,
        program: Sequence[str] = ("-m", "tcserver"),
    ) -> None:
        need_files(OTHER_FILES)  # the server has the same limit, and a connection for each client
        self.account_key = SigningKey(os.urandom(32))
        self._folder = tempfile.TemporaryDirectory(prefix="tcbench-")
        data = Path(self._folder.name) / "data"
        data.mkdir(mode=0o700)
        # No password: nobody derives a key with Argon2 for each of a thousand clients.
        challenge = Challenge(bytes(16), 64 << 20, 3)
        with Database(data / DATABASE_FILE) as database:
            database.add_account(Account(ACCOUNT, "Bench", challenge, self.account_key.public, max_sessions=MAX_SEATS))
            for name in rooms:
                database.add_room(RoomRecord(name, name, e2ee=False, max_participants=MAX_SEATS))
        flags = [f"--set={key}={value}" for key, value in (_SETTINGS | (settings or {})).items()]
        command = [sys.executable, *program, "run", "--data", str(data), *flags]
        self._log = (Path(self._folder.name) / "log").open("wb+")
        follow = end_with_parent(signal.SIGTERM)
        with undisturbed():
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=self._log, text=True, preexec_fn=follow
            )
        try:
            self.link = self._read_link()
        except BaseException:
            self.__exit__()
            raise
        self.address = (self.link.host, self.link.port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        end(self.process)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._log.close()
        self._folder.cleanup()

    def _read_link(self) -> Link:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("join link"):
                return parse_link(line.split()[-1])
        self._log.seek(0)
        last = self._log.read().decode(errors="replace").strip().splitlines()[-1:]
        raise BenchmarkError(f"the server does not start: {' '.join(last)}")


class Seat:
    """A seat of a light client, on a UDP socket of its own."""

    def __init__(self, joined: Joined) -> None:
        self.media_id = joined.media_id
        self.ident = joined.media_id.to_bytes(4, "big")
        self.streams: list[int] = []
        """Stream ids of what it publishes."""
        self.packets = 0
        """Number of its next packet, over all streams."""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self.socket.bind(("127.0.0.1", 0))
        self.address: tuple[str, int] = self.socket.getsockname()
        self._joined = joined
        self._room_keys = {(key.sealer, key.epoch): key.key for key in joined.room_keys}
        self._counter = 0

    def up(self, *items: Item) -> bytes:
        """Return the next datagram to the server."""
        joined = self._joined
        header = pack_header(Kind.UP, joined.epoch, joined.media_id, self._counter)
        self._counter += 1
        return seal(header, pack_items(list(items)), joined.up_key)

    def ping(self, server: tuple[str, int]) -> None:
        """Keep the path from being given up."""
        self.socket.sendto(self.up(Item(ItemType.PING, PingItem(1, 2).pack())), server)

    def prove(self, server: tuple[str, int]) -> None:
        """Show that datagrams arrive here; raises ``BenchmarkError``."""
        self.socket.settimeout(PROOF_LIMIT)
        try:
            self.ping(server)
            while (token := self._token(self.socket.recv(2048))) is None:
                pass
            self.socket.sendto(self.up(Item(ItemType.PATH_RESPONSE, token)), server)
        except TimeoutError:
            raise BenchmarkError("the server does not ask for the proof of a path") from None
        self.socket.setblocking(False)

    async def prove_beside(self, server: tuple[str, int]) -> None:
        """Do the same while others do other things; raises ``BenchmarkError``."""
        self.socket.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PROOF_LIMIT):
                self.ping(server)
                while (token := self._token(await loop.sock_recv(self.socket, 2048))) is None:
                    pass
        except TimeoutError:
            raise BenchmarkError("the server does not ask for the proof of a path") from None
        self.socket.sendto(self.up(Item(ItemType.PATH_RESPONSE, token)), server)

    def forwarded(self, data: bytes) -> bytes | None:
        """Return the packet that a room datagram begins with; None for other datagrams, and later keys."""
        header = parse_header(data)
        key = self._room_keys.get((header.id, header.epoch))
        if header.kind != Kind.ROOM or key is None:
            return None
        items = parse_items(open_datagram(data, key), RELAY_TIME_SIZE)
        return items[0].value[FORWARD_NUMBER_SIZE:] if items and items[0].type == ItemType.PACKET else None

    def _token(self, data: bytes) -> bytes | None:
        if parse_header(data).kind != Kind.DOWN:
            return None
        items = parse_items(open_datagram(data, self._joined.down_key))
        return next((item.value for item in items if item.type == ItemType.PATH_CHALLENGE), None)


class Entry(NamedTuple):
    """How somebody came in; times in ns of the wall clock."""

    seat: Seat
    dialled: int
    seated: int
    """Has a seat, and has asked for all sound."""


class Clients:
    """Light clients of a server, whose control connections stay open; a context manager that closes them.

    What the server tells them after they have sat down is read and thrown away, by ``rest``.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._runner = asyncio.Runner()
        self._lines: list[_Line] = []
        self._guests = 0
        self.seats: dict[str, list[Seat]] = {}
        """By room, in order of joining."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._close())
        self._runner.close()
        for seats in self.seats.values():
            for seat in seats:
                seat.socket.close()

    def join(
        self,
        room: str,
        people: int,
        publications: Sequence[Source] = (),
        keyframe_wanted: Callable[[], None] | None = None,
    ) -> list[Seat]:
        """Seat people in a room, each with these publications; raises ``BenchmarkError``.

        ``keyframe_wanted`` is called when the server asks one of them for a keyframe, during ``rest`` and ``arrive``.
        """
        seats = self._runner.run(self._at_once([partial(self._sit_down, room, publications, keyframe_wanted)] * people))
        self.seats.setdefault(room, []).extend(seats)
        return seats

    def log_in(self, people: int) -> None:
        """Log people in who take no seat."""
        self._runner.run(self._at_once([self._log_in] * people))

    def visit(self, room: str, people: int) -> None:
        """Have people log in, take a seat, leave it, and hang up."""
        self._runner.run(self._at_once([partial(self._visit, room)] * people))

    def arrive(self, room: str, people: int, within: float) -> list[Entry]:
        """Seat people who dial evenly spread over some seconds, and prove each path as soon as there is a seat."""
        entries = self._runner.run(self._arrive(room, people, within))
        self.seats.setdefault(room, []).extend(entry.seat for entry in entries)
        return entries

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

    async def _arrive(self, room: str, people: int, within: float) -> list[Entry]:
        async def arrive(after: float) -> Entry:
            await asyncio.sleep(after)
            dialled = time.time_ns()
            async with asyncio.timeout(REPLY_LIMIT):
                seat = await self._sit_down(room)
            seated = time.time_ns()
            note_times(seat.socket)
            await seat.prove_beside(self._server.address)
            return Entry(seat, dialled, seated)

        try:
            return list(await asyncio.gather(*(arrive(within * n / people) for n in range(people))))
        except TimeoutError:
            raise BenchmarkError("a login took too long") from None

    async def _sit_down(
        self, room: str, publications: Sequence[Source] = (), keyframe_wanted: Callable[[], None] | None = None
    ) -> Seat:
        session = await self._log_in()
        session.line.deaf_after = None if publications else Joined
        seat = await self._take_seat(session, room)
        for number, source in enumerate(publications, 1):
            kind = StreamKind.AUDIO if source is Source.MICROPHONE else StreamKind.VIDEO
            published: Published = await session.line.request(Publish(number, kind, source, "bench"))
            seat.streams.append(published.stream)
        session.line.keyframe_wanted = keyframe_wanted
        session.line.tell(Subscribe(1, (Source.MICROPHONE, Source.SCREEN)))
        return seat

    async def _log_in(self) -> _Session:
        server = self._server
        loop = asyncio.get_running_loop()
        _, line = await loop.create_connection(_Line, *server.address)
        self._lines.append(line)
        self._guests += 1
        name = f"Guest {self._guests}"
        hello = await line.hello
        device = SigningKey(os.urandom(32))
        await line.request(LoginBegin(ACCOUNT))
        account_proof = sign_account_login(server.account_key, hello.handshake_hash, device.public, ACCOUNT)
        device_proof = sign_device_login(device, hello.handshake_hash, ACCOUNT)
        welcome: Welcome = await line.request(Login(ACCOUNT, name, device.public, account_proof, device_proof))
        return _Session(line, device, fingerprint(hello.remote_static), welcome.name)

    async def _take_seat(self, session: _Session, room: str) -> Seat:
        line, device, server, name = session
        opened: Room = await line.request(OpenRoom(room, e2ee=False))
        box_key, signed_at = os.urandom(32), int(time.time() * 1000)
        life = opened.room.life
        text = MemberStatement(server, life, ACCOUNT, name, box_key, signed_at).text()
        return Seat(await line.request(Join(room, life, box_key, signed_at, device.sign(text))))

    async def _visit(self, room: str) -> None:
        session = await self._log_in()
        seat = await self._take_seat(session, room)
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
        for line in self._lines:
            line.transport.abort()
        await asyncio.sleep(0)


class _Session(NamedTuple):
    """Somebody who is logged in."""

    line: _Line
    device: SigningKey
    server: bytes
    """Fingerprint of the server."""
    name: str


class _Line(asyncio.Protocol):
    """A control connection."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.hello: asyncio.Future[HandshakeCompleted] = asyncio.get_running_loop().create_future()
        self.deaf_after: type[object] | None = None
        """From this reply on, everything is thrown away: rosters of a thousand cost more than all the rest."""
        self.keyframe_wanted: Callable[[], None] | None = None
        """Called for requests of a keyframe; with it, the line never becomes deaf."""
        self._connection = ControlConnection.client(software="benchmark")
        self._reply: asyncio.Future[Any] | None = None
        self._deaf = False

    async def request(self, message: object) -> Any:
        """Return the reply, after waits that the server asks for; raises ``BenchmarkError`` for a refusal."""
        while True:
            self._reply = asyncio.get_running_loop().create_future()
            self._connection.request(message)
            self._flush()
            reply = await self._reply
            if not isinstance(reply, Error) or not reply.retry_after_ms:
                break
            await asyncio.sleep(reply.retry_after_ms / 1000)
        if isinstance(reply, Error):
            raise BenchmarkError(f"the server refuses {type(message).__name__}: {reply.code} {reply.text}")
        return reply

    def tell(self, message: object) -> None:
        """Send a request without waiting for the reply, and listen no more, but for requests of a keyframe."""
        self._connection.request(message)
        self._flush()
        self._deaf = self.keyframe_wanted is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._flush()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._connection.receive_data(data)
        while not self._deaf and (event := self._connection.next_event()) is not None:
            if isinstance(event, HandshakeCompleted):
                self.hello.set_result(event)
            elif isinstance(event, Replied) and self._reply is not None and not self._reply.done():
                self._deaf = self.deaf_after is type(event.reply)
                self._reply.set_result(event.reply)
            elif (
                isinstance(event, Received)
                and isinstance(event.message, KeyframeRequest)
                and self.keyframe_wanted is not None
            ):
                self.keyframe_wanted()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(BenchmarkError("the server closed a connection"))

    def _flush(self) -> None:
        if data := self._connection.data_to_send():
            self.transport.write(data)
