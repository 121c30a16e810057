"""The daemon: sockets, database and signals around the conference and the media plane."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from tcproto.control import ControlConnection
from tcproto.errors import ErrorCode, ProtocolError
from tcproto.identity import format_fingerprint
from tcproto.link import DEFAULT_PORT, Link
from tcproto.messages import Envelope
from tcserver import garbage, logs, paths
from tcserver.conference import Conference, effects
from tcserver.configuration import Configuration, ConfigurationError, changes, merge_live
from tcserver.control_server import ControlPeer
from tcserver.database import Database
from tcserver.media.host import MediaHost
from tcserver.media.reading import MediaReading
from tcserver.monitoring import Monitoring
from tcserver.plane import Event
from tcserver.records import Account, RoomRecord, SessionRecord, StoreError
from tcserver.settings import conference_settings
from tcserver.site import Site
from tcserver.store_thread import StoreThread

SOFTWARE = "tcserver"
ACCOUNT_POLL = 1.0
"""Seconds between looks at the database for changes by the account command: a disabled account is out in two."""
SHUTDOWN_RETRY_MS = 5000
"""What clients are told to wait before they come back."""
ANY_PORT_ATTEMPTS = 20
"""Free TCP ports that are tried for a free UDP port of the same number."""
DRAIN_LIMIT = 2.0
"""Seconds for the last messages to leave."""


def run(configuration: Configuration, reload: Callable[[], Configuration]) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status.

    Raises ``StoreError``, ``OSError`` or ``ConfigurationError`` at the start.
    """
    logs.configure(configuration.log.level, configuration.log.format, sys.stderr)
    site = Site.of(configuration, os.environ)
    site.make()
    with site.lock():
        if sys.platform == "win32":
            return asyncio.run(_serve(configuration, reload, site))
        import uvloop

        return uvloop.run(_serve(configuration, reload, site))


async def _serve(configuration: Configuration, reload: Callable[[], Configuration], site: Site) -> int:
    daemon = Daemon(configuration, site)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, daemon.reload, reload)
    await daemon.start()
    garbage.settle()
    try:
        for line in daemon.announcement():
            print(line, flush=True)  # noqa: T201 - the operator reads it, and scripts take the link from it
        await stop.wait()
    finally:
        await daemon.stop()
    return 0


class Daemon:
    """One server: the event loop's side of everything."""

    def __init__(self, configuration: Configuration, site: Site) -> None:
        self._configuration = configuration
        self._site = site
        self._log = logs.EventLog("daemon", logs.EventLimiter(time.monotonic))
        self._store = StoreThread(site.data / paths.DATABASE_FILE, partial(self._log.crash, "database callback failed"))
        self._identity, self._first_start = site.open_identity()
        self._conference = Conference(
            conference_settings(configuration), self._identity, os.urandom, _unix_ms, now=_now()
        )
        self._media: MediaHost | None = None
        self._monitoring: Monitoring | None = None
        self._servers: list[asyncio.Server] = []
        self._peers: dict[int, ControlPeer] = {}
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
            await self._store.open()
            await self._store.run(Database.clear_sessions)
            self._carry_out(self._conference.rooms_changed(await self._store.run(Database.rooms), _now()))
            await self._listen()
            await self._monitor()
        except BaseException:
            await self.stop()
            raise
        self._poller = asyncio.create_task(self._poll_accounts())
        self._log.info("started", port=self._port, fingerprint=format_fingerprint(self._identity.fingerprint))

    async def stop(self) -> None:
        """Tell everybody, and close everything."""
        if self._monitoring is not None:
            self._monitoring.close()
            self._monitoring = None
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.wait((self._poller,))
        for server in self._servers:
            server.close()
        self._carry_out(self._conference.shutdown("", SHUTDOWN_RETRY_MS, _now()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_LIMIT):
                await self._all_gone()
        for peer in list(self._peers.values()):
            peer.abort()
        await self._all_gone()
        if self._timer is not None:
            self._timer.cancel()
        if self._media is not None:
            await self._media.close()
        await self._store.close()
        if self._poller is not None:
            self._log.info("stopped")

    async def _all_gone(self) -> None:
        self._empty.clear()
        if self._peers:
            await self._empty.wait()

    def announcement(self) -> list[str]:
        """Return what the operator needs to know, the join link in a line of its own."""
        identity = format_fingerprint(self._identity.fingerprint)
        lines = ["a new identity was made: keep a copy of identity.key"] if self._first_start else []
        lines += [
            f"fingerprint  {identity}",
            f"ports        {self._port}/tcp and {self._port}/udp",
            f"join link    {Link(self._public_host(), self._port, '', self._identity.fingerprint)}",
            "people join with the room's name in the link: tc://HOST/ROOM?fp=...",
        ]
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
        logs.configure(log.level, log.format, sys.stderr)
        if self._media is not None:
            self._media.configure_logs(log.level, log.format)
        applied, waiting = (",".join(c.key for c in found if c.live is live) for live in (True, False))
        self._log.info("configuration reloaded", applied=applied, after_restart=waiting)

    # Told by the control connections.

    def connected(self, peer: ControlPeer) -> bool:
        """Take a new connection, unless its address has too many."""
        if not self._conference.may_connect(peer.address):
            self._log.warning("connection refused", address=peer.address)
            return False
        self._peers[peer.number] = peer
        self._carry_out(self._conference.connected(peer.number, peer.address, _now()))
        return True

    def handshake_done(self, peer: ControlPeer, handshake_hash: bytes) -> None:
        """Pass it on."""
        self._carry_out(self._conference.handshake_done(peer.number, handshake_hash, _now()))

    def received(self, peer: ControlPeer, envelope: Envelope) -> None:
        """Pass it on."""
        self._carry_out(self._conference.received(peer.number, envelope, _now()))

    def failed(self, peer: ControlPeer, error: ProtocolError) -> None:
        """Log that a client broke the protocol."""
        self._log.warning("protocol error", address=peer.address, code=error.code, detail=error.detail)

    def crashed(self, peer: ControlPeer, error: Exception) -> None:
        """Log an error of ours."""
        self._log.crash("message handler failed", error, address=peer.address)

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
            while self._effects or self._events:
                while self._effects:
                    self._try(self._effects.popleft(), touched)
                if self._events:
                    self._effects.extend(self._conference.media_event(self._events.popleft(), _now()))
        finally:
            self._busy = False
        for peer in touched:
            peer.flush()
        self._rearm()

    def _try(self, effect: effects.Effect, touched: set[ControlPeer]) -> None:
        """Carry out an effect; one that fails ends the connection that it is for, and nothing else."""
        try:
            self._do(effect, touched)
        except Exception as error:
            self._log.crash("effect failed", error, effect=type(effect).__name__)
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
            case effects.LogEvent(name, fields):
                self._log.info(name, **fields)
            case _:
                self._store_effect(effect)

    def _store_effect(self, effect: effects.Effect) -> None:
        match effect:
            case effects.FindAccount(connection, name):
                self._store.start(lambda db: _account(db, name), partial(self._account_found, connection))
            case effects.SaveRoom(ticket, room):
                self._store.start(
                    lambda db: db.change_room(room.name, partial(_changed, room)), partial(self._saved, ticket)
                )
            case effects.RemoveRoom(ticket, name):
                self._store.start(lambda db: db.remove_room(name), partial(self._saved, ticket))
            case effects.SessionStarted(session, account, name, device_key, address, unix_ms):
                record = SessionRecord(f"{session:08x}", account, device_key, name, address, unix_ms / 1000)
                self._store.start(lambda db: db.open_session(record), self._noted)
            case effects.SessionEnded(session):
                self._store.start(lambda db: db.close_session(f"{session:08x}"), self._noted)

    def _account_found(
        self, connection: int, found: tuple[Account, set[bytes]] | None, error: BaseException | None
    ) -> None:
        if error is not None:
            self._log.crash("account lookup failed", error)
        account, devices = found if found is not None else (None, set[bytes]())
        self._carry_out(self._conference.account_found(connection, account, _now(), devices))

    def _saved(self, ticket: int, _: object, error: BaseException | None) -> None:
        if error is not None:
            self._log.crash("room not saved", error)
        self._carry_out(self._conference.saved(ticket, error is None, _now()))

    def _noted(self, _: object, error: BaseException | None) -> None:
        """A session's record is for the operator to read; without it the session goes on."""
        if error is not None and not isinstance(error, StoreError):
            self._log.crash("session record not written", error)

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._conference.next_deadline()
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, deadline - _now()), self._due)

    def _due(self) -> None:
        now = _now()
        wanted: list[effects.Effect] = []
        try:
            wanted = self._conference.timeout(now)
        except Exception as error:
            self._log.crash("timer failed", error)
        self._carry_out(wanted)

    async def _poll_accounts(self) -> None:
        """Notice what the account and room commands change while the server runs."""
        while True:
            await asyncio.sleep(ACCOUNT_POLL)
            self._log.report_suppressed()
            try:
                changed = await self._store.run(_changes)
            except Exception as error:
                self._log.crash("database poll failed", error)
                continue
            if changed is not None:
                generations, rooms = changed
                self._carry_out(self._conference.accounts_changed(generations, _now()))
                self._carry_out(self._conference.rooms_changed(rooms, _now()))

    async def _listen(self) -> None:
        """Bind TCP and UDP to the same port; any free one has to be free for both."""
        for attempts_left in reversed(range(1 if self._port else ANY_PORT_ATTEMPTS)):
            try:
                await self._bind()
            except OSError as error:
                if not attempts_left or error.errno != errno.EADDRINUSE:
                    raise
                for server in self._servers:
                    server.close()
                self._servers.clear()
                self._port = 0
            else:
                return

    async def _bind(self) -> None:
        loop = asyncio.get_running_loop()
        hosts = self._configuration.server.addresses or _all_addresses()
        for host in hosts:
            with _named(host, self._port):
                server = await loop.create_server(self._make_peer, host, self._port, reuse_address=True)
            self._servers.append(server)
            self._port = self._port or server.sockets[0].getsockname()[1]
        media = MediaHost(self._configuration, [(host, self._port) for host in hosts], self._media_events)
        with _named(",".join(hosts), self._port):
            await media.open()
        self._media = media

    async def _monitor(self) -> None:
        """Serve metrics, if the operator wants any."""
        http = self._configuration.http
        if http.port:
            monitoring = Monitoring(self._conference, self._media_readings, partial(self._log.crash, "metrics failed"))
            with _named(http.address, http.port):
                await monitoring.open(http.address, http.port)
            self._monitoring = monitoring

    def _media_readings(self) -> list[MediaReading]:
        return self._media.readings() if self._media is not None else []

    def _make_peer(self) -> ControlPeer:
        number = self._next_peer
        self._next_peer += 1
        return ControlPeer(number, ControlConnection.server(self._identity.secret, software=SOFTWARE), self)

    def _media_events(self, events: list[Event]) -> None:
        """Deliver what the media plane reports to the conference."""
        self._events.extend(events)
        self._carry_out([])

    def _public_host(self) -> str:
        """Return the address for the join link: the one configured, or the one that other networks are reached from."""
        server = self._configuration.server
        if server.public_host or server.addresses:
            return server.public_host or server.addresses[0]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.connect(("192.0.2.1", DEFAULT_PORT))  # RFC 5737; connecting sends nothing
            host: str = probe.getsockname()[0]
            return host
        return "127.0.0.1"


def _account(database: Database, name: str) -> tuple[Account, set[bytes]] | None:
    """Look an account up, with as many queries for a name that is not there."""
    account = database.account(name)
    devices = database.device_keys(name)
    return (account, devices) if account is not None else None


def _changed(room: RoomRecord, stored: RoomRecord) -> RoomRecord:
    """Return a stored room with what participants can change; the rest may be an operator's newer word."""
    return replace(stored, title=room.title, max_participants=room.max_participants)


def _changes(database: Database) -> Any:
    return (database.generations(), database.rooms()) if database.changed_elsewhere() else None


@contextlib.contextmanager
def _named(host: str, port: int) -> Iterator[None]:
    """Name the address in errors about it."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        where = f"port {port}" if error.errno == errno.EADDRINUSE else f"address {host}, port {port}"
        raise OSError(error.errno, os.strerror(error.errno or 0).lower(), where) from error


def _all_addresses() -> tuple[str, ...]:
    """Return the addresses that mean all of this machine's; a kernel may be without IPv6."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return ("0.0.0.0",)  # noqa: S104 - a server for everybody, by default
    return ("0.0.0.0", "::")  # noqa: S104


def _now() -> float:
    return time.monotonic()


def _unix_ms() -> int:
    return time.time_ns() // 1_000_000
