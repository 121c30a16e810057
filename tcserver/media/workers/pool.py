"""The media workers of a server: their sockets, their processes, and which of them a command is for."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from tcserver.media.forwarding.sealer import RING_SIZE
from tcserver.media.forwarding.stats import MediaStats
from tcserver.media.interface import (
    ChangeForwarding,
    CloseRoom,
    CloseSeat,
    Command,
    Event,
    OpenSealer,
    RotateSealer,
    SetSpeakers,
    ShareRoom,
    TellSealer,
    WorkerLoad,
    WorkerReplaced,
)
from tcserver.media.relay.room_share import WORKER_MASK
from tcserver.media.speakers.suppressed import SuppressedSeats, fair_share
from tcserver.media.udp.binding import bind
from tcserver.media.udp.socket_group import SocketGroup
from tcserver.media.udp.sockets import BUFFER_BYTES
from tcserver.media.udp.steering import share_port, steer
from tcserver.media.workers.pipe import LENGTH_SIZE, decode, encode
from tcserver.media.workers.worker import HEARTBEAT, RELAY_HOST, Options
from tcserver.monitoring import logs
from tcserver.monitoring.process_stats import ProcessStats

START_LIMIT = 10.0
"""Seconds until a worker has to say that it is there."""
SILENCE = 5.0
"""Seconds without a sign of life after which a worker counts as stuck: five of its heartbeats."""
STANDSTILL = 1.0
"""Seconds that the end of this silence is noticed too late by where this process was stopped, and read nothing."""
END_LIMIT = 1.0
"""Seconds that a worker has to end by itself, once its pipe is closed."""
RESTART_INTERVAL = 1.0
"""Seconds from one start of a worker to the next at least, so that one that ends at once does not take the machine."""


class Router:
    """Knows which workers a command is for."""

    def __init__(self) -> None:
        self._rooms: dict[int, set[int]] = {}

    def slots(self, command: Command) -> Collection[int]:
        """Return the slots of the workers; none for a room that is not open."""
        match command:
            case OpenSealer():
                self._rooms.setdefault(command.room, set()).add(command.slot)
                return (command.slot,)
            case RotateSealer():
                return (command.slot,)
            case CloseRoom():
                return self._rooms.pop(command.room, ())
            case ShareRoom() | TellSealer() | SetSpeakers() | ChangeForwarding() | CloseSeat():
                return self._rooms.get(command.room, ())
            case _:
                return (command.media_id & WORKER_MASK,)


@dataclass
class _Slot:
    """One worker after the other."""

    number: int
    group: SocketGroup = field(default_factory=SocketGroup)
    suppressed: tuple[int, ...] = ()
    """Media ids of seats whose datagrams may wait."""
    relay: socket.socket | None = None
    """By which it reaches the other workers."""
    pipe: asyncio.StreamWriter | None = None
    writer: asyncio.StreamWriter | None = None
    """The pipe, once the worker has said that it is there."""
    process: asyncio.subprocess.Process | None = None
    reading: MediaStats | None = None
    process_stats: ProcessStats | None = None
    """The last ones."""


class WorkerPool:
    """Runs ``workers`` (1 to 256) media planes, each in a process of its own, all on the same addresses.

    The pool opens all sockets and keeps them: in the kernel's list a worker's sockets have its place, whether it lives
    or not (PROTOCOL.md, section 6). A worker that ends or falls silent is replaced, and ``on_events`` gets
    `WorkerReplaced`; what is commanded in between is lost, since all of it is commanded again. The other parameters
    are those of `MediaSockets`.
    """

    def __init__(
        self,
        workers: int,
        addresses: Sequence[tuple[str, int]],
        *,
        sender: str = "auto",
        receiver: str = "auto",
        on_events: Callable[[list[Event]], None] = lambda events: None,
        buffer_bytes: int = BUFFER_BYTES,
        ring_datagrams: int = RING_SIZE,
        log_level: str = "info",
        log_format: str = "text",
    ) -> None:
        self._addresses = addresses
        self._sender = sender
        self._receiver = receiver
        self._on_events = on_events
        self._buffer_bytes = buffer_bytes
        self._ring_datagrams = ring_datagrams
        self._log_level = log_level
        self._log_format = log_format
        self._log = logs.EventLog("media.pool", logs.EventLimiter(time.monotonic))
        self._router = Router()
        self._slots = [_Slot(number) for number in range(workers)]
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Bind the sockets and start the workers; raises ``OSError``, with nothing left open."""
        try:
            self._bind()
            starting = [asyncio.get_running_loop().create_future() for _ in self._slots]
            self._tasks = [
                asyncio.create_task(self._keep(slot, up)) for slot, up in zip(self._slots, starting, strict=True)
            ]
            await asyncio.gather(*starting)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End the workers and close the sockets; may be called again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for slot in self._slots:
            await self._end(slot)  # one that was just ending when its task was cancelled
            slot.group.close()
            if slot.relay is not None:
                slot.relay.close()
                slot.relay = None

    def local_addresses(self) -> list[tuple[str, int]]:
        """Return the bound (host, port) of each address."""
        return [sock.getsockname()[:2] for sock in self._slots[0].group.receiving]

    def stats(self) -> list[MediaStats]:
        """Return what each worker last told about itself, by slot."""
        return [slot.reading for slot in self._slots if slot.reading is not None]

    def process_stats(self) -> list[ProcessStats]:
        """Return what each worker last told about its process, by slot."""
        return [slot.process_stats for slot in self._slots if slot.process_stats is not None]

    def processes(self) -> list[int]:
        """Return the process ids of the workers that are there, by slot."""
        return [slot.process.pid for slot in self._slots if slot.process is not None]

    def apply(self, *commands: Command) -> None:
        """Pass commands on, each to its workers."""
        for command in commands:
            frame = b""
            for number in self._router.slots(command):
                writer = self._slots[number].writer if number < len(self._slots) else None
                if writer is not None:
                    frame = frame or encode((command,))
                    writer.write(frame)

    def configure_logs(self, level: str, style: str) -> None:
        """Change the logs of all workers, and of those to come; as `logs.configure`."""
        self._log_level, self._log_format = level, style
        for slot in self._slots:
            if slot.writer is not None:
                slot.writer.write(encode((logs.LogSettings(level, style),)))

    def _bind(self) -> None:
        addresses = self._addresses
        for slot in self._slots:
            receiving = slot.group.receiving = bind(addresses, self._buffer_bytes, share_port)
            (slot.relay,) = bind([(RELAY_HOST, 0)], self._buffer_bytes)
            addresses = [(host, sock.getsockname()[1]) for (host, _), sock in zip(addresses, receiving, strict=True)]
        for slot in self._slots:
            slot.group.coalesced = bind(addresses, self._buffer_bytes, share_port)
        for slot in self._slots:
            slot.group.sending = bind(addresses, self._buffer_bytes, share_port)
        self._steer()

    def _steer(self) -> None:
        """Have datagrams brought to their workers, and to the second socket there if their seat is suppressed."""
        suppressed = fair_share([slot.suppressed for slot in self._slots])
        for group in zip(*(slot.group.receiving for slot in self._slots), strict=True):
            steer(group, suppressed)

    def _take_suppressed(self, slot: _Slot, media_ids: tuple[int, ...]) -> None:
        slot.suppressed = media_ids
        try:
            self._steer()
        except OSError as error:
            self._log.error("datagrams of open microphones cannot be steered", error=str(error))

    async def _keep(self, slot: _Slot, up: asyncio.Future[None]) -> None:
        """Run one worker after the other in a slot; ``up`` is done when the first is there, or has failed."""
        clock = asyncio.get_running_loop().time
        while True:
            started_at = clock()
            try:
                await self._serve(slot, up)
            except (OSError, asyncio.IncompleteReadError, ValueError) as error:
                reason = "silent for too long" if isinstance(error, TimeoutError) else "ended"
            except Exception as error:
                self._log.crash("what a media worker told was not understood", error, worker=slot.number)
                reason = "not understood"
            finally:
                status = await self._end(slot)
            if not up.done():
                up.set_exception(OSError("a media worker did not start"))
                return
            self._log.error("media worker lost", worker=slot.number, reason=reason, status=status)
            self._take_suppressed(slot, ())
            await asyncio.sleep(started_at + RESTART_INTERVAL - clock())

    async def _serve(self, slot: _Slot, up: asyncio.Future[None]) -> None:
        """Run a worker and deliver its events; raises ``OSError``, ``IncompleteReadError`` or ``ValueError``."""
        reader, writer = await self._start(slot)
        async with asyncio.timeout(START_LIMIT):
            events = await self._read(reader, slot)
        slot.writer = writer
        if up.done():
            self._log.info("media worker replaced", worker=slot.number)
            events = [WorkerReplaced(slot.number), *events]
        else:
            up.set_result(None)
        while True:
            if events:
                self._on_events(events)
            events = await self._hear(reader, slot)

    async def _hear(self, reader: asyncio.StreamReader, slot: _Slot) -> list[Event]:
        """Return the next events; raises ``TimeoutError`` after ``SILENCE``, unless this process itself was stopped."""
        reading = asyncio.ensure_future(self._read(reader, slot))
        clock = asyncio.get_running_loop().time
        try:
            while True:
                due = clock() + SILENCE
                done, _ = await asyncio.wait((reading,), timeout=SILENCE)
                if done:
                    return await reading
                if clock() - due < STANDSTILL:
                    raise TimeoutError
        finally:
            reading.cancel()

    async def _read(self, reader: asyncio.StreamReader, slot: _Slot) -> list[Event]:
        """Return the events of a frame, and keep what else a worker tells of itself."""
        length = int.from_bytes(await reader.readexactly(LENGTH_SIZE), "big")
        events: list[Event] = []
        for value in decode(await reader.readexactly(length)):
            if isinstance(value, MediaStats):
                if slot.reading is not None:
                    sent = value.counters.sent - slot.reading.counters.sent
                    events.append(WorkerLoad(slot.number, max(0, sent) / HEARTBEAT))  # a new one begins at 0
                slot.reading = value
            elif isinstance(value, ProcessStats):
                slot.process_stats = value
            elif isinstance(value, SuppressedSeats):
                self._take_suppressed(slot, value.media_ids)
            else:
                events.append(value)
        return events

    async def _start(self, slot: _Slot) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ours, theirs = socket.socketpair()
        with theirs:
            relays = [each.relay for each in self._slots if each.relay is not None]
            options = Options(
                slot=slot.number,
                pipe=theirs.fileno(),
                receiving=tuple(sock.fileno() for sock in slot.group.receiving),
                coalesced=tuple(sock.fileno() for sock in slot.group.coalesced),
                sending=tuple(sock.fileno() for sock in slot.group.sending),
                relay=relays[slot.number].fileno(),
                peers=tuple(relay.getsockname()[1] for relay in relays),
                sender=self._sender,
                receiver=self._receiver,
                ring_datagrams=self._ring_datagrams,
                log_level=self._log_level,
                log_format=self._log_format,
            )
            command = (sys.executable, "-m", "tcserver.media.workers.worker", options.argument())
            inherited = (options.pipe, options.relay, *options.receiving, *options.coalesced, *options.sending)
            starting = asyncio.ensure_future(
                asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, pass_fds=inherited)
            )
            try:
                try:
                    slot.process = await asyncio.shield(starting)
                except asyncio.CancelledError:
                    slot.process = await starting  # asyncio forgets a process whose start is cancelled
                    raise
                reader, slot.pipe = await asyncio.open_unix_connection(sock=ours)
            except BaseException:
                ours.close()
                raise
        return reader, slot.pipe

    async def _end(self, slot: _Slot) -> int | None:
        """See to it that a worker is gone; return its exit status."""
        slot.writer = None
        if slot.pipe is not None:
            slot.pipe.close()
            slot.pipe = None
        process = slot.process
        if process is None:
            return None
        try:
            async with asyncio.timeout(END_LIMIT):
                status = await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            status = await process.wait()
        slot.process = None
        return status
