"""From a join link to a seat in a room."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from tcclient.core import events as core
from tcclient.core.control import control_connection
from tcclient.core.membership.lives import Lives
from tcclient.core.session import Session
from tcclient.core.settings import DEFAULT_SOURCES, Settings
from tcclient.errors import (
    ClientError,
    ConnectError,
    JoinRefused,
    LinkContradictsPin,
    LoginRefused,
    UntrustedServer,
    WrongServer,
    WrongValue,
)
from tcclient.room import Room
from tcclient.transport.connection import WAYS, Connection, PathChoice
from tcclient.transport.replies import Span
from tcclient.transport.retry import Backoff, RetryHook
from tcclient.trust.account_secret import AccountSecret
from tcclient.trust.identity import KnownServers, data_directory, load_device_identity
from tcclient.trust.known_devices import KnownDevices
from tcproto.errors import Action, ErrorCode, Refusal
from tcproto.link import Link, parse_link
from tcproto.messages import Source

ANSWER_LIMIT = 30.0
"""Seconds to wait for each answer while connecting. A server that is busy with the logins of a whole town needs far
less. Without a limit, a program would wait for ever for a server that runs but never answers."""
_LIVES = Lives()
"""Lives of rooms that sessions of this process have seen: a server must not show a meeting that has ended again."""
Trust = Callable[[bytes], Awaitable[bool]]
"""Asks the user whether a fingerprint (20 bytes) is the server's."""


@asynccontextmanager
async def connect(
    link: str | Link,
    *,
    user: str,
    password: str | AccountSecret,
    name: str,
    data: Path | str | None = None,
    trust: Trust | None = None,
    require_e2ee: bool = True,
    sources: tuple[Source, ...] = DEFAULT_SOURCES,
    receive_interval: float = 0.0,
    path: PathChoice = "auto",
    retry: RetryHook | None = None,
    reconnect: bool = True,
) -> AsyncIterator[Room]:
    """Log in as ``name`` of the account ``user``, and sit down in the link's room for the length of the block.

    The password is forgotten once the account key is derived from it. To connect again later, make an
    ``AccountSecret`` of it, and give that each time.

    - ``data``: the directory of device identity, known servers and known devices (default: that of the user).
    - ``trust``: asks the user about a server whose key is neither in the link nor known. Without it such a server is
      refused. A server that is known by another key than that of the link is always refused.
    - ``require_e2ee``: False also enters a room without end-to-end encryption, if the link says that it is off.
    - ``sources``: those that are subscribed of everybody.
    - ``receive_interval``: seconds between two looks at the network, for programs in no hurry. 0: at once.
    - ``path``: "auto" sends sound and pictures by UDP, and through the control connection while UDP is blocked. "udp"
      and "stream" allow only one of these ways.
    - ``retry``: is called before each wait. With it, attempts that may succeed later (the server is too busy, or goes
      down) are repeated with growing waits, until the caller gives up or the server says stop.
    - ``reconnect``: a room whose connection is lost later comes back by itself, and tells so by ``Reconnecting`` and
      ``Reconnected``. With False the loss ends it.

    Raises ``WrongValue`` for a link without a room and for a name that is not allowed, and the other errors of
    ``tcclient.errors``.
    """
    with _checked():
        target = parse_link(link) if isinstance(link, str) else link
        if not target.room:
            raise ValueError("the link names no room: tc://HOST/ROOM")
        if path not in WAYS:
            raise ValueError(f"the path is {', '.join(WAYS)}, not {path!r}")
    directory = data_directory() if data is None else Path(data)
    secret = password if isinstance(password, AccountSecret) else AccountSecret(password)
    del password  # what stays is the account key, once it is derived
    entry = _Entry(target, directory, user, secret, name, trust, require_e2ee)
    device = load_device_identity(directory)
    backoff = Backoff(os.urandom, known=entry.known)
    seated = False
    while not seated:
        control, settings = control_connection(os.urandom), Settings(entry.expected, sources)
        session = Session(settings, device, control, os.urandom, time.monotonic(), _LIVES)
        room, further = Room(session, KnownDevices(directory), receive_interval, path), None
        for text in entry.faults:
            room.tell_fault(text)
        try:
            await room.open(entry.enter, entry.come_back if reconnect else None)
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
        self,
        link: Link,
        directory: Path,
        user: str,
        secret: AccountSecret,
        name: str,
        trust: Trust | None,
        require_e2ee: bool,
    ) -> None:
        self._link = link
        self._known = KnownServers(directory)
        self._user = user
        self._secret = secret
        self._name = name
        self._trust = trust
        self._require_e2ee = require_e2ee
        pinned = self._known.pinned(link.host, link.port)
        if link.fingerprint is not None and pinned not in (None, link.fingerprint):
            raise LinkContradictsPin(link.address, pinned, link.fingerprint)
        self._source = "the link" if link.fingerprint is not None else f"the file {self._known.path}"

    @property
    def known(self) -> bool:
        """Whether there was a server at this address before."""
        return self._known.pinned(self._link.host, self._link.port) is not None

    @property
    def expected(self) -> bytes | None:
        """The fingerprint in the link, else the one that is pinned."""
        if self._link.fingerprint is not None:
            return self._link.fingerprint
        return self._known.pinned(self._link.host, self._link.port)

    @property
    def faults(self) -> list[str]:
        """The faults of the file of known servers, in words."""
        return self._known.faults

    async def enter(self, connection: Connection) -> core.Joined:
        """Connect, check the server, log in and join; raises the errors of ``connect``."""
        key = _step(connection, core.ServerKey, core.WrongServerKey)
        await connection.open(self._link)
        await self._check_server(connection, await self._answered(key))
        await self._log_in(connection)
        return await self._sit_down(connection)

    async def come_back(self, connection: Connection) -> core.Joined | None:
        """Connect again, and resume the seat (None is returned); if that is lost, log in and join.

        Raises the errors of ``connect``.
        """
        connection.begin_again()
        key = _step(connection, core.ServerKey, core.WrongServerKey)
        await connection.open(self._link)
        await self._check_server(connection, await self._answered(key))
        connection.check_open()  # a server that is full says so right behind its key
        session = connection.session
        if session.seated:
            step = _step(connection, core.Resumed, core.ResumeFailed, core.Evicted)
            session.resume()
            connection.pump()
            match await self._answered(step):
                case core.Resumed():
                    return None
                case core.Evicted(code, text):
                    raise JoinRefused(text, code)
        await self._log_in(connection)
        return await self._sit_down(connection)

    async def _check_server(self, connection: Connection, key: core.ServerKey | core.WrongServerKey) -> None:
        host, port = self._link.host, self._link.port
        if isinstance(key, core.WrongServerKey):
            raise WrongServer(host, key.expected, key.found, self._source, self._hint())
        if not key.trusted:
            if self._trust is None or not await self._trust(key.fingerprint):
                raise UntrustedServer(host, key.fingerprint)
            connection.check_open()
            connection.session.trust_server(time.monotonic())
            connection.pump()
        pinned = self._known.pin(host, port, key.fingerprint)
        if pinned != key.fingerprint:  # by another client, since we began
            raise LinkContradictsPin(self._link.address, pinned, key.fingerprint)

    def _hint(self) -> str:
        """Return what to do about a server that has another key than expected."""
        if self._link.fingerprint is not None:
            return "If its operator confirms the new key, ask for a new link"
        return f"If its operator confirms the new key: tcclient forget {self._link.address}, and join again"

    async def _answered(self, step: asyncio.Future[core.Event]) -> Any:
        """Wait for what the server says next; raises ``ConnectError`` where nothing comes."""
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                return await step
        except TimeoutError:
            text = f"{self._link.address}: the server has not answered within {ANSWER_LIMIT:g} s"
            raise ConnectError(text, action=Action.RECONNECT) from None

    async def _log_in(self, connection: Connection) -> None:
        connection.check_open()
        step = _step(connection, core.DeriveKey, core.LoginFailed)
        with _checked():
            connection.session.begin_login(self._user, self._name)
        connection.pump()
        answer = await self._answered(step)
        if isinstance(answer, core.DeriveKey):
            key = await self._secret.key(connection, answer)
            connection.check_open()
            step = _step(connection, core.LoggedIn, core.LoginFailed)
            connection.session.account_key_derived(key)
            connection.pump()
            answer = await self._answered(step)
        if isinstance(answer, core.LoginFailed):
            raise LoginRefused(answer.text, answer.code, answer.action, answer.retry_after_ms)

    async def _sit_down(self, connection: Connection) -> core.Joined:
        connection.check_open()
        step = _step(connection, core.Joined, core.JoinFailed)
        try:
            with _checked():
                connection.session.join(
                    self._link.room,
                    time.time_ns() // 1_000_000,
                    e2ee=self._link.e2ee,
                    require_e2ee=self._require_e2ee,
                )
        except Refusal as refusal:
            raise JoinRefused(refusal.text, refusal.code) from None
        connection.pump()
        answer: core.Joined | core.JoinFailed = await self._answered(step)
        if isinstance(answer, core.JoinFailed):
            hint = ""
            if answer.code is ErrorCode.MODE_MISMATCH:
                hint = " (the link says that it is " + ("on" if self._link.e2ee else "off") + ")"
            raise JoinRefused(answer.text + hint, answer.code, retry_after_ms=answer.retry_after_ms)
        return answer


def _step(connection: Connection, *types: type[core.Event]) -> asyncio.Future[core.Event]:
    """Return the future of the next event of one of these types; to be called before the server is asked."""
    return connection.expect(lambda event: isinstance(event, types), Span.CONNECTION)


@contextmanager
def _checked() -> Iterator[None]:
    """Turn the ``ValueError`` for a wrong value into the error of the library."""
    try:
        yield
    except ValueError as error:
        raise WrongValue(str(error)) from error
