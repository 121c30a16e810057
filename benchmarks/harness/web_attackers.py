"""What a stranger can throw at the web of a server, as fast as one process can: see ``attack``."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import cache
from itertools import cycle

from benchmarks.harness.processes import need_files
from benchmarks.harness.server import OTHER_FILES

Address = tuple[str, int]

AT_ONCE = 16
"""Who opens WebSockets at a time."""
PIPELINED = 50
"""Requests that are sent at once on one connection."""
SLOW = 1024
"""Connections with a handshake that does not get on."""
ELSEWHERE = tuple(f"127.0.1.{number}" for number in range(1, 33))
"""Addresses of attackers that share none with others. From each, fewer connections come than one address may have."""
PAUSE = 0.5
"""Seconds between two bytes of a slow handshake, and until a connection that was closed is opened again."""
LIMIT = 5.0
"""Seconds for a connection of those that are not slow."""
_UPGRADE = (
    "GET /tc HTTP/1.1\r\nHost: localhost\r\nOrigin: https://{origin}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: tc.1\r\n\r\n"
)


async def open_streams(address: Address) -> None:
    """Open WebSockets one after the other, each with a handshake of TLS, and hang up."""

    async def visit() -> None:
        async with asyncio.timeout(LIMIT):
            reader, writer = await _encrypted(address)
            try:
                writer.write(_UPGRADE.format(origin="localhost").encode())
                await reader.readuntil(b"\r\n\r\n")
            finally:
                writer.transport.abort()

    await _repeated(AT_ONCE, visit, 0.0)


async def ask_from_elsewhere(address: Address) -> None:
    """Ask for WebSockets as pages of other sites would, many times on each connection."""
    asked = _UPGRADE.format(origin="evil.example").encode() * PIPELINED

    async def visit() -> None:
        reader, writer = await _encrypted(address)
        try:
            while True:
                async with asyncio.timeout(LIMIT):
                    writer.write(asked)
                    for _ in range(PIPELINED):
                        await reader.readuntil(b"not ask this server\n")
        finally:
            writer.transport.abort()

    await _repeated(AT_ONCE, visit, 0.0)


async def shake_hands_slowly(address: Address, sources: Sequence[str] = ("",)) -> None:
    """Send the first record of TLS byte by byte on many connections, from ``sources`` in turn; "" is any address."""
    need_files(SLOW + OTHER_FILES)
    outgoing = ssl.MemoryBIO()
    tls = _context().wrap_bio(ssl.MemoryBIO(), outgoing)
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()

    turns = cycle(sources)

    async def visit() -> None:
        source = next(turns)
        _, writer = await asyncio.open_connection(*address, local_addr=(source, 0) if source else None)
        try:
            for byte in hello:
                writer.write(bytes((byte,)))
                await writer.drain()
                await asyncio.sleep(PAUSE)
        finally:
            writer.transport.abort()

    await _repeated(SLOW, visit, PAUSE)


async def send_endless_headers(address: Address) -> None:
    """Send requests that do not end, as fast as the server reads."""

    async def visit() -> None:
        _, writer = await _encrypted(address)
        try:
            async with asyncio.timeout(LIMIT):
                writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
                while not writer.transport.is_closing():
                    writer.write(b"A: " + b"a" * 8000 + b"\r\n")
                    await writer.drain()
        finally:
            writer.transport.abort()

    await _repeated(AT_ONCE, visit, 0.0)


async def _repeated(number: int, visit: Callable[[], Awaitable[None]], pause: float) -> None:
    """Let so many visit again and again, whatever the server says."""

    async def repeat() -> None:
        while True:
            with suppress(OSError, TimeoutError, ssl.SSLError, asyncio.IncompleteReadError):
                await visit()
            await asyncio.sleep(pause)

    await asyncio.gather(*(repeat() for _ in range(number)))


async def _encrypted(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*address, ssl=_context(), server_hostname="localhost")


@cache
def _context() -> ssl.SSLContext:
    """Return a context that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
