"""From a join link to a seat in a room."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tcclient.connection import Connection
from tcclient.core import events as core
from tcclient.core.session import DEFAULT_SOURCES, Session, Settings
from tcclient.errors import ClientError, JoinRefused, LoginRefused, UntrustedServer, WrongServer
from tcclient.retry import Backoff, RetryHook
from tcclient.room import Room
from tcclient.trust import KnownServers, data_directory, load_device_identity
from tcproto.errors import ErrorCode, Refusal
from tcproto.identity import SigningKey
from tcproto.link import Link, parse_link
from tcproto.messages import Source

Trust = Callable[[bytes], Awaitable[bool]]
"""Asks a person whether a fingerprint (20 bytes) is the server's."""


@asynccontextmanager
async def connect(
    link: str | Link,
    *,
    user: str,
    password: str,
    name: str,
    data: Path | None = None,
    trust: Trust | None = None,
    require_e2ee: bool = True,
    sources: tuple[Source, ...] = DEFAULT_SOURCES,
    receive_interval: float = 0.0,
    retry: RetryHook | None = None,
) -> AsyncIterator[Room]:
    """Log in as ``name`` of the account ``user``, and sit down in the link's room for the length of the block.

    ``data`` is the directory of device identity and known servers (default: the user's). A server whose key is neither
    in the link nor known is trusted only if ``trust`` says so. A room without end-to-end encryption is entered only
    with ``require_e2ee=False``, and only if the link says so too. ``sources`` are subscribed of everybody. With
    ``receive_interval`` (seconds) the network is looked at no more often than that, for programs in no hurry. With
    ``retry``, what may succeed later (a server too busy, or going down) is tried again, with growing waits, until the
    caller gives up or the server says stop; it is called before each wait.

    Raises ``ValueError`` for a link without a room or a name that cannot be, ``TrustFileError``, and the errors of
    ``tcclient.errors``.
    """
    target = parse_link(link) if isinstance(link, str) else link
    if not target.room:
        raise ValueError("the link names no room: tc://HOST/ROOM")
    directory = data_directory() if data is None else data
    entry = _Entry(target, directory, user, password, name, trust, require_e2ee)
    device = load_device_identity(directory)
    backoff = Backoff(os.urandom)
    seated = False
    while not seated:
        session = Session(Settings(entry.expected, sources), device, os.urandom, time.monotonic())
        room, further = Room(session, receive_interval), None
        try:
            await room.open(entry.enter)
            seated = True
            yield room
        except ClientError as error:
            further = None if seated or retry is None else backoff.failed(error)
            if further is None:
                raise
        finally:
            await room.close()
        if further is not None and retry is not None:
            retry(further)
            await asyncio.sleep(further.wait)


class _Entry:
    """The way in: connect, trust, log in, sit down."""

    def __init__(
        self, link: Link, directory: Path, user: str, password: str, name: str, trust: Trust | None, require_e2ee: bool
    ) -> None:
        self._link = link
        self._known = KnownServers(directory)
        self._user = user
        self._password = password
        self._name = name
        self._trust = trust
        self._require_e2ee = require_e2ee
        self._source = "the link" if link.fingerprint is not None else f"the file {self._known.path}"
        self._derived: tuple[core.DeriveKey, SigningKey] | None = None
        """The account key, and from what: deriving it may take longer than a server waits; the next attempt has it."""

    @property
    def expected(self) -> bytes | None:
        """The fingerprint in the link, else the one that is pinned."""
        if self._link.fingerprint is not None:
            return self._link.fingerprint
        return self._known.pinned(self._link.host, self._link.port)

    async def enter(self, connection: Connection) -> core.Joined:
        """Go all the way; raises the errors that ``connect`` names."""
        await connection.open(self._link)
        await self._check_server(connection)
        await self._log_in(connection)
        return await self._sit_down(connection)

    async def _check_server(self, connection: Connection) -> None:
        event = await connection.wait_for(core.ServerKey, core.WrongServerKey)
        host, port = self._link.host, self._link.port
        if isinstance(event, core.WrongServerKey):
            raise WrongServer(host, event.expected, event.found, self._source)
        if not event.trusted:
            if self._trust is None or not await self._trust(event.fingerprint):
                raise UntrustedServer(host, event.fingerprint)
            connection.session.trust_server(time.monotonic())
            connection.pump()
        if self._known.pinned(host, port) != event.fingerprint:
            self._known.pin(host, port, event.fingerprint)

    async def _log_in(self, connection: Connection) -> None:
        connection.session.begin_login(self._user, self._name)
        connection.pump()
        step = await connection.wait_for(core.DeriveKey, core.LoginFailed, core.RefusedCosts)
        if isinstance(step, core.DeriveKey):
            if self._derived is None or self._derived[0] != step:
                key = await connection.derive_key(self._password, step.salt, step.memory_bytes, step.passes)
                self._derived = (step, key)
            connection.check_open()
            connection.session.account_key_derived(self._derived[1])
            connection.pump()
            step = await connection.wait_for(core.LoggedIn, core.LoginFailed)
        if isinstance(step, core.RefusedCosts):
            raise LoginRefused("the server asks for a password derivation that is too cheap or too dear")
        if isinstance(step, core.LoginFailed):
            raise LoginRefused(step.text, step.code, step.action, step.retry_after_ms)

    async def _sit_down(self, connection: Connection) -> core.Joined:
        try:
            connection.session.join(
                self._link.room,
                time.time_ns() // 1_000_000,
                e2ee=self._link.e2ee,
                require_e2ee=self._require_e2ee,
            )
        except Refusal as refusal:
            raise JoinRefused(refusal.text, refusal.code) from None
        connection.pump()
        event: core.Joined | core.JoinFailed = await connection.wait_for(core.Joined, core.JoinFailed)
        if isinstance(event, core.JoinFailed):
            hint = ""
            if event.code is ErrorCode.MODE_MISMATCH:
                hint = " (the link says that it is " + ("on" if self._link.e2ee else "off") + ")"
            raise JoinRefused(event.text + hint, event.code, retry_after_ms=event.retry_after_ms)
        return event
