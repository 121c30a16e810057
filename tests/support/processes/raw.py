"""A client that speaks the protocol by hand, to do what no honest client does."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from typing import Any

from tcproto.account import Challenge, derive_account_key, effective_salt, sign_account_login, sign_device_login
from tcproto.control import ControlConnection, HandshakeCompleted, Received, Replied
from tcproto.identity import SigningKey
from tcproto.link import Link
from tcproto.messages import Close, Login, LoginBegin, LoginChallenge, Welcome

DEVICE = SigningKey(b"d" * 32)
derived_once = functools.cache(derive_account_key)
"""Like ``derive_account_key``, which takes 64 MiB and a tenth of a second for the same result."""


class Raw:
    """A control connection. ``replies`` have arrived, and ``closed`` is what the server said at the end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.connection = ControlConnection.client()
        self.handshake_hash = b""
        self.static = b""
        self.closed: Close | None = None
        self.reply_size = 0
        """Bytes in which the last reply came."""

    async def handshake(self) -> None:
        event = await self.event()
        assert isinstance(event, HandshakeCompleted)
        self.handshake_hash, self.static = event.handshake_hash, event.remote_static

    async def request(self, message: object) -> Any:
        """Return the reply, or None if the server closed the connection instead."""
        self.connection.request(message)
        while (event := await self.event()) is not None:
            if isinstance(event, Replied):
                return event.reply
        return None

    async def event(self) -> Any:
        """Return the next event, or None at the end."""
        while True:
            self.writer.write(self.connection.data_to_send())
            event = self.connection.next_event()
            if isinstance(event, Received) and isinstance(event.message, Close):
                self.closed = event.message
            elif event is not None:
                return event
            else:
                data = await self.read()
                if not data:
                    return None
                self.reply_size = len(data)
                self.connection.receive_data(data)

    async def read(self) -> bytes:
        """Return the next bytes; none at the end."""
        with contextlib.suppress(ConnectionError):
            return await self.reader.read(65536)
        return b""

    async def ended(self) -> None:
        """Read until the server has closed the connection."""
        while await self.event() is not None:
            pass

    async def log_in(self, account: str, password: str, name: str = "Sri") -> Any:
        challenge = await self.request(LoginBegin(account))
        assert isinstance(challenge, LoginChallenge)
        costs = Challenge(challenge.salt, challenge.memory_kib * 1024, challenge.passes)
        key = await asyncio.to_thread(
            derived_once,
            password,
            effective_salt(self.static, account, costs.salt),
            costs.memory_bytes,
            costs.passes,
        )
        reply = await self.request(self.login(account, name, key))
        if isinstance(reply, Welcome):
            return reply
        return reply

    def login(self, account: str, name: str, key: SigningKey) -> Login:
        """Return a login that is signed with a key, whoever owns the key."""
        return Login(
            account,
            name,
            DEVICE.public,
            sign_account_login(key, self.handshake_hash, DEVICE.public, account),
            sign_device_login(DEVICE, self.handshake_hash, account),
        )


@contextlib.asynccontextmanager
async def dialled(link: Link, local: str = "127.0.0.1") -> AsyncIterator[Raw]:
    """Connect from a local address, without the handshake."""
    reader, writer = await asyncio.open_connection(link.host, link.port, local_addr=(local, 0))
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
