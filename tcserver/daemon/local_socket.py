"""Both ends of the socket in the data directory, which carries the operator's commands to the running server.

Each connection has one request and one answer, a line each. Whoever can open the socket may do everything. Its mode is
0600, and the kernel checks the right to write before it connects.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from tcserver.storage.private_files import SOCKET_FILE

MAX_REQUEST = 65_536
"""Bytes of a request: many times the longest notice."""
MAX_CONNECTIONS = 8
"""Connections at a time. One more is closed at once. A command takes milliseconds."""
TIME_LIMIT = 5.0
"""Seconds that a connection may last."""
ANSWER_LIMIT = 10.0
"""Seconds that a command waits for the answer of a busy server."""
_NOT_PRIVATE = 0o177


class LocalServer:
    """Serves the socket of a data directory. ``answer`` returns the answer to a request, and does not raise."""

    def __init__(self, data: Path, answer: Callable[[bytes], bytes]) -> None:
        self._data = data
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._open = 0

    async def open(self) -> None:
        """Listen, and remove the socket that a crashed server has left. Raises ``OSError``.

        The caller holds the lock of the data directory, so that no other server listens there.
        """
        path = self._data / SOCKET_FILE
        path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        try:
            mask = os.umask(_NOT_PRIVATE)
            try:
                with _short(self._data) as short:
                    listening.bind(short)
            finally:
                os.umask(mask)
            listening.setblocking(False)
            self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=MAX_REQUEST)
        except BaseException:
            listening.close()
            path.unlink(missing_ok=True)
            raise

    def close(self) -> None:
        """Stop listening. May be called again."""
        if self._server is not None:
            self._server.close()
            self._server = None
            (self._data / SOCKET_FILE).unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= MAX_CONNECTIONS:
                with contextlib.suppress(TimeoutError, ValueError, OSError, asyncio.IncompleteReadError):
                    async with asyncio.timeout(TIME_LIMIT):
                        writer.write(self._answer(await reader.readuntil(b"\n")))
                        await writer.drain()
        finally:
            self._open -= 1
            writer.close()


def ask(data: Path, request: bytes) -> bytes:
    """Send a request to the running server; return its answer, a line without the line end.

    Raises ``OSError`` with a text for the operator where no server runs on the data directory, or none answers.
    """
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(ANSWER_LIMIT)
        try:
            with _short(data) as short:
                asking.connect(short)
        except (FileNotFoundError, ConnectionRefusedError):
            raise OSError(f"no server is running on {data}; name the data directory with --data") from None
        except PermissionError:
            raise OSError(f"the server on {data} is another user's; run the command as that user") from None
        try:
            asking.sendall(request + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                part = asking.recv(1 << 16)
                if not part:
                    raise OSError(f"the server on {data} did not answer")
                answer += part
        except TimeoutError:
            raise OSError(f"the server on {data} did not answer within {ANSWER_LIMIT:.0f} s") from None
    return answer[:-1]


@contextlib.contextmanager
def _short(data: Path) -> Iterator[str]:
    """Yield a short path of the socket. The kernel takes 107 bytes, and the path of the directory may be longer."""
    directory = os.open(data, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{SOCKET_FILE}"
    finally:
        os.close(directory)
