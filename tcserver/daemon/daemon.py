"""The daemon: sockets and database around the conference and the media plane."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from tcproto.control import ControlConnection
from tcproto.errors import ErrorCode, ProtocolError
from tcproto.identity import format_fingerprint
from tcproto.link import Link
from tcproto.messages import Envelope
from tcserver.conference import Conference, Where, effects
from tcserver.config.configuration import Configuration, ConfigurationError, changes, merge_live
from tcserver.daemon.addresses import all_addresses, named_in_errors, outward_address, reachable_address
from tcserver.daemon.administration import Administration
from tcserver.daemon.conference_settings import conference_settings
from tcserver.daemon.control_server import ControlPeer
from tcserver.daemon.control_turns import ControlTurns
from tcserver.daemon.listening import Listener
from tcserver.daemon.local_socket import LocalServer
from tcserver.daemon.persistence import Persistence
from tcserver.exposition.endpoint import Monitoring
from tcserver.media.forwarding.stats import MediaStats
from tcserver.media.interface import Event
from tcserver.media.opening import Media, open_media
from tcserver.monitoring import logs
from tcserver.monitoring.process_stats import ProcessStats
from tcserver.storage import private_files
from tcserver.storage.data_directory import DataDirectory
from tcserver.storage.store_thread import StoreThread

SOFTWARE = "tcserver"
SHUTDOWN_RETRY_MS = 5000
"""What clients are told to wait before they come back."""
ANY_PORT_ATTEMPTS = 20
"""Free TCP ports that are tried for a free UDP port of the same number."""
DRAIN_LIMIT = 2.0
"""Seconds for the last messages to leave."""
SESSION_BURST = 2000
"""Lines at once of what happens to sessions: as many come and go at a start and an end; strangers cannot make any."""
SESSIONS_PER_S = 100.0
"""Such lines per second in the long run: twice as many as log in."""


class Daemon:
    """One server: the event loop's side of everything."""

    def __init__(self, configuration: Configuration, directory: DataDirectory) -> None:
        self._configuration = configuration
        self._directory = directory
        self._log = logs.EventLog("daemon", logs.EventLimiter(time.monotonic))
        self._identity, self._first_start = directory.open_identity()
        self._conference = Conference(
            conference_settings(configuration), self._identity, os.urandom, _unix_ms, now=_now()
        )
        changes, look_ups = (
            StoreThread(
                directory.path / private_files.DATABASE_FILE, partial(self._log.crash, "database callback failed")
            )
            for _ in range(2)
        )
        self._persistence = Persistence(changes, look_ups, self._conference, self._carry_out, _now, self._log)
        self._media: Media | None = None
        self._monitoring: Monitoring | None = None
        administration = Administration(self._conference.operator, self._media_stats, self._carry_out, _now)
        self._local = LocalServer(directory.path, administration.answer)
        self._people = logs.EventLog("daemon", logs.EventLimiter(time.monotonic, SESSION_BURST, SESSIONS_PER_S))
        self._listeners: list[Listener] = []
        self._peers: dict[int, ControlPeer] = {}
        self._turns = ControlTurns(lambda rest, run: asyncio.get_running_loop().call_later(rest, run), _now)
        self._empty = asyncio.Event()
        """Set when the last peer is gone after the shutdown began."""
        self._next_peer = 1
        self._timer: asyncio.TimerHandle | None = None
        self._poller: asyncio.Task[None] | None = None
        self._port = configuration.server.port
        self._effects: deque[effects.Effect] = deque()
        self._events: deque[Event] = deque()
        self._busy = False

    async def start(self) -> None:
        """Open database and sockets; what it raises, it raises with nothing left open (see `run`)."""
        try:
            await self._persistence.open()
            await self._listen()
            await self._monitor()
            await self._open_local()
        except BaseException:
            await self.stop()
            raise
        self._poller = asyncio.create_task(self._persistence.follow())
        self._log.info("started", port=self._port, fingerprint=format_fingerprint(self._identity.fingerprint))

    async def stop(self) -> None:
        """Tell everybody, and close everything."""
        if self._monitoring is not None:
            self._monitoring.close()
            self._monitoring = None
        self._local.close()
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.wait((self._poller,))
        for listener in self._listeners:
            await listener.close()
        self._carry_out(self._conference.shutdown("", SHUTDOWN_RETRY_MS, _now()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_LIMIT):
                await self._all_gone()
        for peer in list(self._peers.values()):
            peer.abort()
        await self._all_gone()
        if self._timer is not None:
            self._timer.cancel()
        closing = [self._persistence.close()]
        if self._media is not None:
            closing.append(self._media.close())
        await asyncio.gather(*closing)
        if self._poller is not None:
            self._log.info("stopped")

    async def _all_gone(self) -> None:
        self._empty.clear()
        if self._peers:
            await self._empty.wait()

    def announcement(self) -> list[str]:
        """Return what the operator needs to know, the join link in a line of its own."""
        identity = format_fingerprint(self._identity.fingerprint)
        server = self._configuration.server
        host = server.public_host or reachable_address(server.addresses, outward_address)
        lines = ["a new identity was made: keep a copy of identity.key"] if self._first_start else []
        lines += [
            f"fingerprint  {identity}",
            f"ports        {self._port}/tcp and {self._port}/udp",
            f"join link    {Link(host or 'HOST', self._port, '', self._identity.fingerprint)}",
            "people join with the room's name in the link: tc://HOST/ROOM?fp=...",
        ]
        if not host:
            lines.append("put the name or address of this machine in place of HOST, or set server.public_host")
        return lines

    def reload(self, load: Callable[[], Configuration]) -> None:
        """Apply what can be applied of a changed configuration; a broken one changes nothing."""
        try:
            new = load()
        except ConfigurationError as error:
            self._log.error("configuration not reloaded", reason=str(error))
            return
        found = changes(self._configuration, new)
        self._configuration = merge_live(self._configuration, new)
        self._conference.settings_changed(conference_settings(self._configuration))
        log = self._configuration.log
        logs.configure(log.level, log.format)
        if self._media is not None:
            self._media.configure_logs(log.level, log.format)
        applied, waiting = (",".join(c.key for c in found if c.live is live) for live in (True, False))
        self._log.info("configuration reloaded", applied=applied, after_restart=waiting)

    # Told by the control connections.

    def connected(self, peer: ControlPeer) -> bool:
        """Take a new connection, unless the server is about to end."""
        if not self._conference.may_connect():
            return False
        self._peers[peer.number] = peer
        self._carry_out(self._conference.connected(peer.number, peer.address, _now()))
        return True

    def handshake_done(self, peer: ControlPeer, handshake_hash: bytes) -> None:
        """Pass it on."""
        self._carry_out(self._conference.handshake_done(peer.number, handshake_hash, _now()))

    def charge(self, peer: ControlPeer, size: int) -> float:
        """Pass it on."""
        wait, wanted = self._conference.charge(peer.number, size, _now())
        if wanted:
            self._carry_out(wanted)
        return wait

    def spent(self, peer: ControlPeer, microseconds: float) -> None:
        """Pass it on."""
        self._conference.spent(peer.number, microseconds)

    def received(self, peer: ControlPeer, envelope: Envelope) -> None:
        """Pass it on."""
        self._carry_out(self._conference.received(peer.number, envelope, _now()))

    def failed(self, peer: ControlPeer, error: ProtocolError) -> None:
        """Pass on that a client broke the protocol."""
        self._carry_out(self._conference.failed(peer.number, error.code, _now(), error.detail))

    def crashed(self, peer: ControlPeer, error: Exception) -> None:
        """Log an error of ours, and pass on what comes of it."""
        self._carry_out(self._conference.crashed(Where.FRAME, error, address=peer.address))
        self._carry_out(self._conference.failed(peer.number, ErrorCode.INTERNAL, _now()))

    def fell_behind(self, peer: ControlPeer) -> None:
        """Pass on that a client is too slow."""
        self._carry_out(self._conference.failed(peer.number, ErrorCode.SLOW_CONSUMER, _now()))

    def disconnected(self, peer: ControlPeer) -> None:
        """Pass it on."""
        self._peers.pop(peer.number, None)
        if not self._peers:
            self._empty.set()
        self._carry_out(self._conference.disconnected(peer.number, _now()))

    # What conference and media plane want done.

    def _carry_out(self, wanted: list[effects.Effect]) -> None:
        """Carry out effects, and those that they have in turn, in order; then send, and set the one timer."""
        self._effects.extend(wanted)
        if self._busy:
            return
        self._busy = True
        touched: set[ControlPeer] = set()
        try:
            while self._effects or self._events or touched:
                while self._effects:
                    self._try(self._effects.popleft(), touched)
                if self._events:
                    self._effects.extend(self._take(self._events.popleft()))
                elif touched:
                    touched.pop().flush()  # which may find it too slow: more effects, that others are told of
        finally:
            self._busy = False
        self._rearm()

    def _take(self, event: Event) -> list[effects.Effect]:
        """Tell the conference what the media plane reports; what fails ends nothing."""
        try:
            return self._conference.media_event(event, _now())
        except Exception as error:
            return self._conference.crashed(Where.EVENT, error, event=type(event).__name__)

    def _try(self, effect: effects.Effect, touched: set[ControlPeer]) -> None:
        """Carry out an effect; one that fails ends the connection that it is for, and nothing else."""
        try:
            self._do(effect, touched)
        except Exception as error:
            self._effects.extend(self._conference.crashed(Where.EFFECT, error, effect=type(effect).__name__))
            if isinstance(effect, effects.Send):
                self._effects.extend(self._conference.hang_up(effect.connection, ErrorCode.INTERNAL, _now()))

    def _do(self, effect: effects.Effect, touched: set[ControlPeer]) -> None:
        match effect:
            case effects.Send(connection, message, request_id):
                if peer := self._peers.get(connection):
                    peer.send(message, request_id)
                    touched.add(peer)
            case effects.Disconnect(connection):
                if peer := self._peers.get(connection):
                    peer.close()
            case effects.MediaCommand(command):
                if self._media is not None:
                    self._media.apply(command)
            case effects.Crash(where, error, fields):
                self._log.crash(f"{where} failed", error, **fields)
            case effects.LogEvent(name, fields):
                (self._people if "session" in fields else self._log).info(name, **fields)
            case _:
                self._persistence.do(effect)

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._conference.next_deadline()
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, deadline - _now()), self._due)

    def _due(self) -> None:
        try:
            wanted = self._conference.timeout(_now())
        except Exception as error:
            wanted = self._conference.crashed(Where.TIMER, error)
        self._carry_out(wanted)

    async def _listen(self) -> None:
        """Bind TCP and UDP to the same port; any free one has to be free for both."""
        for attempts_left in reversed(range(1 if self._port else ANY_PORT_ATTEMPTS)):
            try:
                await self._bind()
            except OSError as error:
                if not attempts_left or error.errno != errno.EADDRINUSE:
                    raise
                for listener in self._listeners:
                    await listener.close()
                self._listeners.clear()
                self._port = 0
            else:
                return

    async def _bind(self) -> None:
        hosts = self._configuration.server.addresses or all_addresses()
        for host in hosts:
            listener = Listener(self._make_peer, partial(self._log.fault, "connections cannot be taken"))
            with named_in_errors("server.port", "TCP", host, self._port):
                listener.open(host, self._port)
            self._listeners.append(listener)
            self._port = self._port or listener.port
        addresses = [(host, self._port) for host in hosts]
        with named_in_errors("server.port", "UDP", ",".join(hosts), self._port):
            self._media = await open_media(self._configuration, addresses, self._media_events)

    async def _monitor(self) -> None:
        """Serve metrics, if the operator wants any."""
        http = self._configuration.http
        if http.port:
            monitoring = Monitoring(
                self._conference,
                self._media_stats,
                self._process_stats,
                partial(self._log.crash, "metrics failed"),
            )
            with named_in_errors("http.port", "TCP", http.address, http.port):
                await monitoring.open(http.address, http.port)
            self._monitoring = monitoring

    async def _open_local(self) -> None:
        """Listen to the operator's commands; a file system without sockets keeps nobody from conferring."""
        try:
            await self._local.open()
        except OSError as error:
            self._log.warning("no socket for commands", directory=str(self._directory.path), reason=str(error))

    def _media_stats(self) -> list[MediaStats]:
        return self._media.stats() if self._media is not None else []

    def _process_stats(self) -> list[ProcessStats]:
        return self._media.process_stats() if self._media is not None else []

    def _make_peer(self) -> ControlPeer:
        number = self._next_peer
        self._next_peer += 1
        connection = ControlConnection.server(self._identity.secret, software=SOFTWARE)
        return ControlPeer(number, connection, self, self._turns)

    def _media_events(self, events: list[Event]) -> None:
        """Deliver what the media plane reports to the conference."""
        self._events.extend(events)
        self._carry_out([])


def _now() -> float:
    return time.monotonic()


def _unix_ms() -> int:
    return time.time_ns() // 1_000_000
