"""The daemon: it starts the parts of a server, and carries out what the conference wants done."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from tcproto.errors import ErrorCode
from tcproto.identity import format_fingerprint
from tcproto.link import Link
from tcserver.conference import Conference, Settings, Where, effects
from tcserver.config.configuration import ConfigurationError, changes, merge_live
from tcserver.config.sections import Configuration
from tcserver.daemon.addresses import all_addresses, named_in_errors, outward_address, reachable_address
from tcserver.daemon.administration import Administration
from tcserver.daemon.control_server import ControlServer
from tcserver.daemon.local_socket import LocalServer
from tcserver.daemon.persistence import Persistence
from tcserver.daemon.web_front import WebFront
from tcserver.exposition.endpoint import MetricsEndpoint
from tcserver.media.bpf.fan_out import FanOut
from tcserver.media.interface import Event
from tcserver.media.opening import Media, open_media
from tcserver.media.plane.stats import MediaStats
from tcserver.media.streams.streams import Streams
from tcserver.media.udp.sockets import CLOCK_TICK
from tcserver.monitoring import logs
from tcserver.monitoring.process_stats import ProcessStats
from tcserver.storage import private_files
from tcserver.storage.data_directory import DataDirectory
from tcserver.storage.store_thread import StoreThread
from tcserver.web.stream_peer import StreamPath

SHUTDOWN_RETRY_MS = 5000
"""Milliseconds that clients are told to wait before they come back."""
ANY_PORT_ATTEMPTS = 20
"""Free TCP ports to try until the UDP port of the same number is free, too."""
SESSION_BURST = 2000
"""Log lines about sessions at once, as many as a start or an end makes. Strangers cannot cause such lines."""
SESSIONS_PER_S = 100.0
"""Such lines per second in the long run, twice the limit of logins."""


class Daemon:
    """One server on an event loop."""

    def __init__(
        self,
        configuration: Configuration,
        directory: DataDirectory,
        fan_outs: Sequence[FanOut] = (),
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """``fan_outs`` are those of ``open_fan_outs``, which have to stay open.

        ``on_end`` is called when the time has come at which the operator wants the server to end.
        """
        self._configuration = configuration
        self._fan_outs = fan_outs
        self._on_end = on_end
        self._directory = directory
        self._log = logs.EventLog("daemon", logs.EventLimiter(time.monotonic))
        self._identity, self._first_start = directory.open_identity()
        self.conference = Conference(Settings.of(configuration), self._identity, os.urandom, _unix_ms, now=_now())
        changes, look_ups = (
            StoreThread(
                directory.path / private_files.DATABASE_FILE, partial(self._log.crash, "database callback failed")
            )
            for _ in range(2)
        )
        self._persistence = Persistence(changes, look_ups, self.conference, self._carry_out, _now, self._log)
        self._media: Media | None = None
        self.streams = Streams()
        self._endpoint: MetricsEndpoint | None = None
        administration = Administration(self.conference, self._media_stats, self._carry_out, self._set_log_level, _now)
        self._local = LocalServer(directory.path, administration.answer)
        self._session_log = logs.EventLog("daemon", logs.EventLimiter(time.monotonic, SESSION_BURST, SESSIONS_PER_S))
        on_error = partial(self._log.fault, "connections cannot be taken")
        self.control = ControlServer(self.conference, self._identity.secret, self._carry_out, _now, on_error)
        server = configuration.server
        self._host = server.public_host or reachable_address(server.addresses, outward_address)
        self.web: WebFront | None = None
        if configuration.web.enabled:
            path = StreamPath(self.control.make_peer, self.streams)
            fingerprint = self._identity.fingerprint
            self.web = WebFront(configuration, directory, fingerprint, self._host, self.control, self._log, path.open)
        self._timer: asyncio.TimerHandle | None = None
        self._cutter: asyncio.TimerHandle | None = None
        """The next cut of all connections, where faults are wanted."""
        self._poller: asyncio.Task[None] | None = None
        self._port = configuration.server.port
        self._effects: deque[effects.Effect] = deque()
        self._events: deque[Event] = deque()
        self._busy = False

    async def start(self) -> None:
        """Open database and sockets. If it raises, nothing is left open (for the errors see ``process.run``)."""
        try:
            await self._persistence.open()
            await self._listen()
            await self._monitor()
            await self._open_local()
        except BaseException:
            await self.stop()
            raise
        self._poller = asyncio.create_task(self._persistence.follow())
        if self._configuration.faults.any():
            self._log.warning("faults are made on purpose")
            self._cut_later()
        self._log.info("started", port=self._port, fingerprint=format_fingerprint(self._identity.fingerprint))

    async def stop(self) -> None:
        """Tell all clients, and close everything."""
        if self._endpoint is not None:
            self._endpoint.close()
            self._endpoint = None
        self._local.close()
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.wait((self._poller,))
        await self.control.stop_listening()
        if self.web is not None:
            self.web.close()
        self._carry_out(self.conference.shutdown("", SHUTDOWN_RETRY_MS, _now()))
        await self.control.close()
        for timer in (self._timer, self._cutter):
            if timer is not None:
                timer.cancel()
        closing = [self._persistence.close()]
        self.streams.stop()
        if self._media is not None:
            closing.append(self._media.close())
        await asyncio.gather(*closing)
        if self._poller is not None:
            self._log.info("stopped")

    def announcement(self) -> list[str]:
        """Return lines for the operator, with the join link and the web link in lines of their own."""
        identity = format_fingerprint(self._identity.fingerprint)
        link = Link(self._host or "HOST", self._port, "", self._identity.fingerprint)
        lines = ["a new identity was made: keep a copy of identity.key"] if self._first_start else []
        lines += [
            f"fingerprint  {identity}",
            f"ports        {self._port}/tcp and {self._port}/udp",
            f"join link    {link}",
            *(self.web.announcement(link) if self.web is not None else ()),
            "people join with the room's name in a link: tc://HOST/ROOM?fp=... or https://HOST/ROOM#fp=...",
        ]
        if not self._host:
            lines.append("put the name or address of this machine in place of HOST, or set server.public_host")
        return lines

    def reload(self, load: Callable[[], Configuration]) -> None:
        """Apply the settings that may change at run time. A broken configuration changes nothing."""
        try:
            new = load()
        except ConfigurationError as error:
            self._log.error("configuration not reloaded", reason=str(error))
            return
        found = changes(self._configuration, new)
        self._configuration = merge_live(self._configuration, new)
        self.conference.settings_changed(Settings.of(self._configuration))
        if self.web is not None:
            self.web.reload(self._configuration)
        self._set_log_level(self._configuration.log.level)
        applied, waiting = (",".join(c.key for c in found if c.live is live) for live in (True, False))
        self._log.info("configuration reloaded", applied=applied, after_restart=waiting)

    def _set_log_level(self, level: str) -> None:
        """Log from a severity on, in all processes."""
        style = self._configuration.log.format
        logs.configure(level, style)
        if self._media is not None:
            self._media.configure_logs(level, style)

    # Effects of the conference, and events of the media plane

    def _carry_out(self, wanted: list[effects.Effect]) -> None:
        """Carry out effects in order, with the effects that these have in turn. Then send, and set the timer."""
        self._effects.extend(wanted)
        if self._busy:
            return
        self._busy = True
        try:
            while True:
                while self._effects:
                    self._try(self._effects.popleft())
                if self._events:
                    self._effects.extend(self._take(self._events.popleft()))
                elif not self.control.flush():  # the others are told of a client that is too slow: more effects
                    break
        finally:
            self._busy = False
        self._rearm()

    def _take(self, event: Event) -> list[effects.Effect]:
        """Pass an event of the media plane to the conference. An error of ours is logged and ends nothing."""
        try:
            return self.conference.media_event(event, _now())
        except Exception as error:
            return self.conference.crashed(Where.EVENT, error, event=type(event).__name__)

    def _try(self, effect: effects.Effect) -> None:
        """Carry out an effect. If that fails, only the connection that it is for is closed."""
        try:
            self._do(effect)
        except Exception as error:
            self._effects.extend(self.conference.crashed(Where.EFFECT, error, effect=type(effect).__name__))
            if isinstance(effect, effects.Send):
                self._effects.extend(self.conference.hang_up(effect.connection, ErrorCode.INTERNAL, _now()))

    def _do(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Send(connection, message, request_id):
                self.control.send(connection, message, request_id)
            case effects.Disconnect(connection):
                self.control.disconnect(connection)
            case effects.MediaCommand(command):
                if self._media is not None:
                    self._media.apply(command)
            case effects.Crash(where, error, fields):
                self._log.crash(f"{where} failed", error, **fields)
            case effects.LogEvent(name, fields):
                (self._session_log if "session" in fields else self._log).info(name, **fields)
            case effects.Stop():
                self._on_end()
            case _:
                self._persistence.do(effect)

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline = self.conference.next_deadline()
        if deadline is not None:
            wait = max(0.0, deadline - _now()) + CLOCK_TICK
            self._timer = asyncio.get_running_loop().call_later(wait, self._due)

    def _due(self) -> None:
        try:
            wanted = self.conference.timeout(_now())
        except Exception as error:
            wanted = self.conference.crashed(Where.TIMER, error)
        self._carry_out(wanted)

    def _cut_later(self) -> None:
        if seconds := self._configuration.faults.cut_s:
            self._cutter = asyncio.get_running_loop().call_later(seconds, self._cut)

    def _cut(self) -> None:
        self.control.cut()
        self._cut_later()

    async def _listen(self) -> None:
        """Bind TCP and UDP to the same port. Where any free port will do, it has to be free for both."""
        hosts = self._configuration.server.addresses or all_addresses()
        for attempts_left in reversed(range(1 if self._port else ANY_PORT_ATTEMPTS)):
            try:
                await self._bind(hosts)
            except OSError as error:
                if not attempts_left or error.errno != errno.EADDRINUSE:
                    raise
                await self.control.stop_listening()
                self._port = 0
            else:
                break
        if self.web is not None:
            self.web.listen(hosts, self._port)

    async def _bind(self, hosts: Sequence[str]) -> None:
        make_protocol = self.control.make_peer if self.web is None else self.web.make_protocol
        dscp = self._configuration.media.dscp
        self._port = self.control.listen(hosts, self._port, make_protocol, "server.port", dscp)
        addresses = [(host, self._port) for host in hosts]
        with named_in_errors("server.port", "UDP", ",".join(hosts), self._port):
            self._media = await open_media(
                self._configuration, addresses, self.streams, self._media_events, self._fan_outs
            )

    async def _monitor(self) -> None:
        """Serve metrics, if the operator wants any."""
        http = self._configuration.http
        if http.port:
            endpoint = MetricsEndpoint(
                self.conference,
                self._media_stats,
                self._process_stats,
                self.web.service if self.web is not None else None,
                self.control.turns,
                partial(self._log.crash, "metrics failed"),
            )
            with named_in_errors("http.port", "TCP", http.address, http.port):
                await endpoint.open(http.address, http.port)
            self._endpoint = endpoint

    async def _open_local(self) -> None:
        """Listen for commands of the operator. A file system without sockets does not stop the server."""
        try:
            await self._local.open()
        except OSError as error:
            self._log.warning("no socket for commands", directory=str(self._directory.path), reason=str(error))

    def _media_stats(self) -> list[MediaStats]:
        return self._media.stats() if self._media is not None else []

    def _process_stats(self) -> list[ProcessStats]:
        return self._media.process_stats() if self._media is not None else []

    def _media_events(self, events: list[Event]) -> None:
        """Deliver what the media plane reports to the conference."""
        self._events.extend(events)
        self._carry_out([])


def _now() -> float:
    return time.monotonic()


def _unix_ms() -> int:
    return time.time_ns() // 1_000_000
