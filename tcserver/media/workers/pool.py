"""The media workers of a server: their sockets and their processes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tcserver.media.bpf.fan_out import FanOut
from tcserver.media.forwarding.sealer import RING_SIZE
from tcserver.media.interface import Command, Event, WorkerLoad, WorkerReplaced
from tcserver.media.lanes.faulty import NO_FAULTS, FaultSettings
from tcserver.media.plane.stats import MediaStats
from tcserver.media.speakers.suppressed import SuppressedSeats, fair_share
from tcserver.media.streams.handoff import Handoff
from tcserver.media.udp.binding import bind
from tcserver.media.udp.socket_group import SocketGroup
from tcserver.media.udp.sockets import BUFFER_BYTES
from tcserver.media.udp.steering import share_port, steer
from tcserver.media.workers.pipe import LENGTH_SIZE, decode, encode
from tcserver.media.workers.router import Router
from tcserver.media.workers.worker import HEARTBEAT, RELAY_HOST, Options
from tcserver.monitoring import logs
from tcserver.monitoring.process_stats import ProcessStats

START_LIMIT = 60.0
"""Seconds until a worker has to say that it is there. On a busy machine it begins slowly; if it ends, that is seen at
once."""
SILENCE = 5.0
"""Seconds without a sign of life after which a worker counts as stuck: five of its heartbeats."""
STANDSTILL = 1.0
"""Seconds: if the end of this silence is noticed later than that, this process itself was stopped, and read nothing."""
END_LIMIT = 1.0
"""Seconds that a worker has to end by itself, once its pipe is closed."""
RESTART_INTERVAL = 1.0
"""Seconds between two starts of a worker at least, so that a worker that ends at once does not take the machine."""


@dataclass
class _Worker:
    """What the pool has of one worker: its number, its sockets, and the process that serves them now."""

    number: int
    group: SocketGroup = field(default_factory=SocketGroup)
    suppressed: tuple[int, ...] = ()
    """Media ids of seats whose datagrams may wait."""
    relay: socket.socket | None = None
    """The socket by which it reaches the other workers."""
    pipe: asyncio.StreamWriter | None = None
    writer: asyncio.StreamWriter | None = None
    """The pipe, once the worker has said that it is there."""
    process: asyncio.subprocess.Process | None = None
    stats: MediaStats | None = None
    process_stats: ProcessStats | None = None
    """The last that it told."""


class WorkerPool:
    """Runs ``workers`` (1 to 256) media planes, each in a process of its own, all on the same addresses.

    The pool opens all sockets and keeps them: the place of a socket in the kernel's list is the number of its worker,
    also while no process serves it (PROTOCOL.md, section 6). A worker that ends or falls silent is replaced, and
    ``on_events`` gets ``WorkerReplaced``. Commands for it are lost in between; the control plane gives all of them
    again. By ``handoff`` the workers and the byte streams of this process reach each other. ``fan_outs`` are the
    programs of the workers, if the kernel is to make the copies of datagrams. They have to stay open. The other
    parameters are those of ``MediaSockets``.
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
        dscp: bool = False,
        faults: FaultSettings = NO_FAULTS,
        log_level: str = "info",
        log_format: str = "text",
        handoff: Handoff,
        fan_outs: Sequence[FanOut] = (),
    ) -> None:
        self._addresses = addresses
        self._sender = sender
        self._receiver = receiver
        self._on_events = on_events
        self._buffer_bytes = buffer_bytes
        self._ring_datagrams = ring_datagrams
        self._dscp = dscp
        self._faults = faults
        self._log_level = log_level
        self._log_format = log_format
        self._handoff = handoff
        self._fan_outs = fan_outs
        self._log = logs.EventLog("media.pool", logs.EventLimiter(time.monotonic))
        self._router = Router()
        self._workers = [_Worker(number) for number in range(workers)]
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Bind the sockets and start the workers; raises ``OSError``, with nothing left open."""
        try:
            self._bind()
            starting = [asyncio.get_running_loop().create_future() for _ in self._workers]
            self._tasks = [
                asyncio.create_task(self._keep(worker, up)) for worker, up in zip(self._workers, starting, strict=True)
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
        for worker in self._workers:
            await self._end(worker)  # a process that was just ending when the task was cancelled
            worker.group.close()
            if worker.relay is not None:
                worker.relay.close()
                worker.relay = None

    def local_addresses(self) -> list[tuple[str, int]]:
        """Return the bound (host, port) of each address."""
        return [sock.getsockname()[:2] for sock in self._workers[0].group.receiving]

    def stats(self) -> list[MediaStats]:
        """Return what each worker last told about its media plane, and last what this process sent to streams."""
        return [*(worker.stats for worker in self._workers if worker.stats is not None), self._handoff.stats()]

    def process_stats(self) -> list[ProcessStats]:
        """Return what each worker last told about its process."""
        return [worker.process_stats for worker in self._workers if worker.process_stats is not None]

    def processes(self) -> list[int]:
        """Return the process ids of the workers that are there."""
        return [worker.process.pid for worker in self._workers if worker.process is not None]

    def apply(self, *commands: Command) -> None:
        """Pass commands on, each to its workers."""
        for command in commands:
            frame = b""
            for number in self._router.workers(command):
                writer = self._workers[number].writer if number < len(self._workers) else None
                if writer is not None:
                    frame = frame or encode((command,))
                    writer.write(frame)

    def configure_logs(self, level: str, style: str) -> None:
        """Change the logs of all workers, and of those to come; as ``logs.configure``."""
        self._log_level, self._log_format = level, style
        for worker in self._workers:
            if worker.writer is not None:
                worker.writer.write(encode((logs.LogSettings(level, style),)))

    def _bind(self) -> None:
        addresses = self._addresses
        for worker in self._workers:
            receiving = worker.group.receiving = bind(addresses, self._buffer_bytes, share_port)
            (worker.relay,) = bind([(RELAY_HOST, 0)], self._buffer_bytes)
            addresses = [(host, sock.getsockname()[1]) for (host, _), sock in zip(addresses, receiving, strict=True)]
        for worker in self._workers:
            worker.group.coalesced = bind(addresses, self._buffer_bytes, share_port)
        for worker in self._workers:
            worker.group.sending = bind(addresses, self._buffer_bytes, share_port)
        self._steer()

    def _steer(self) -> None:
        """Steer datagrams to their workers, and to the second socket there if their seat is suppressed."""
        suppressed = fair_share([worker.suppressed for worker in self._workers])
        for group in zip(*(worker.group.receiving for worker in self._workers), strict=True):
            steer(group, suppressed)

    def _take_suppressed(self, worker: _Worker, media_ids: tuple[int, ...]) -> None:
        worker.suppressed = media_ids
        try:
            self._steer()
        except OSError as error:
            self._log.error("datagrams of open microphones cannot be steered", error=str(error))

    async def _keep(self, worker: _Worker, up: asyncio.Future[None]) -> None:
        """Run the processes of a worker, one after the other; ``up`` is done when the first is there, or has failed."""
        clock = asyncio.get_running_loop().time
        while True:
            started_at = clock()
            try:
                await self._serve(worker, up)
            except (OSError, asyncio.IncompleteReadError, ValueError) as error:
                reason = "silent for too long" if isinstance(error, TimeoutError) else "ended"
            except Exception as error:
                self._log.crash("what a media worker told was not understood", error, worker=worker.number)
                reason = "not understood"
            finally:
                status = await self._end(worker)
            if not up.done():
                up.set_exception(OSError("a media worker did not start"))
                return
            self._log.error("media worker lost", worker=worker.number, reason=reason, status=status)
            self._take_suppressed(worker, ())
            await asyncio.sleep(started_at + RESTART_INTERVAL - clock())

    async def _serve(self, worker: _Worker, up: asyncio.Future[None]) -> None:
        """Run a worker and deliver its events; raises ``OSError``, ``IncompleteReadError`` or ``ValueError``."""
        reader, writer = await self._start(worker)
        async with asyncio.timeout(START_LIMIT):
            events = await self._read(reader, worker)
        worker.writer = writer
        if up.done():
            self._log.info("media worker replaced", worker=worker.number)
            events = [WorkerReplaced(worker.number), *events]
        else:
            up.set_result(None)
        while True:
            if events:
                self._on_events(events)
            events = await self._hear(reader, worker)

    async def _hear(self, reader: asyncio.StreamReader, worker: _Worker) -> list[Event]:
        """Return the next events; raises ``TimeoutError`` after ``SILENCE``, unless this process stood still itself."""
        reading = asyncio.ensure_future(self._read(reader, worker))
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

    async def _read(self, reader: asyncio.StreamReader, worker: _Worker) -> list[Event]:
        """Return the events of a frame, and keep what else a worker tells about itself."""
        length = int.from_bytes(await reader.readexactly(LENGTH_SIZE), "big")
        events: list[Event] = []
        for value in decode(await reader.readexactly(length)):
            if isinstance(value, MediaStats):
                if worker.stats is not None:
                    # The count of a new process begins at 0 again.
                    sent = max(0, value.counters.sent - worker.stats.counters.sent)
                    events.append(WorkerLoad(worker.number, sent / HEARTBEAT))
                worker.stats = value
            elif isinstance(value, ProcessStats):
                worker.process_stats = value
            elif isinstance(value, SuppressedSeats):
                self._take_suppressed(worker, value.media_ids)
            else:
                events.append(value)
        return events

    async def _start(self, worker: _Worker) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ours, theirs = socket.socketpair()
        with theirs, self._handoff.open(worker.number) as streams:
            fan_out = self._fan_outs[worker.number].descriptors if self._fan_outs else None
            relays = [each.relay for each in self._workers if each.relay is not None]
            options = Options(
                number=worker.number,
                pipe=theirs.fileno(),
                receiving=tuple(sock.fileno() for sock in worker.group.receiving),
                coalesced=tuple(sock.fileno() for sock in worker.group.coalesced),
                sending=tuple(sock.fileno() for sock in worker.group.sending),
                relay=relays[worker.number].fileno(),
                fan_out=fan_out,
                streams=streams.fileno(),
                peers=tuple(relay.getsockname()[1] for relay in relays),
                sender=self._sender,
                receiver=self._receiver,
                ring_datagrams=self._ring_datagrams,
                dscp=self._dscp,
                faults=self._faults,
                log_level=self._log_level,
                log_format=self._log_format,
            )
            command = (sys.executable, "-m", "tcserver.media.workers.worker", options.argument())
            inherited = (
                *(options.pipe, options.relay, options.streams),
                *(*options.receiving, *options.coalesced, *options.sending),
                *(fan_out[:2] if fan_out else ()),
            )
            starting = asyncio.ensure_future(
                asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, pass_fds=inherited)
            )
            try:
                try:
                    worker.process = await asyncio.shield(starting)
                except asyncio.CancelledError:
                    worker.process = await starting  # asyncio would forget a process if its start was cancelled
                    raise
                reader, worker.pipe = await asyncio.open_unix_connection(sock=ours)
            except BaseException:
                ours.close()
                raise
        return reader, worker.pipe

    async def _end(self, worker: _Worker) -> int | None:
        """End the process of a worker; return its exit status, None if there is no process."""
        worker.writer = None
        self._handoff.close(worker.number)
        if worker.pipe is not None:
            worker.pipe.close()
            worker.pipe = None
        process = worker.process
        if process is None:
            return None
        try:
            async with asyncio.timeout(END_LIMIT):
                status = await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            status = await process.wait()
        worker.process = None
        return status
