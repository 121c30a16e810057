"""The socket in the data directory by which the operator's commands reach the running server: both of its ends.

One request and one answer for each connection, a line each. Whoever can open the socket may do everything: it has mode
0600, and the kernel asks for the right to write before it connects.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from tcserver.daemon.administration import MAX_REQUEST
from tcserver.storage.private_files import SOCKET_FILE

MAX_CONNECTIONS = 8
"""At a time; one more is closed at once. A command lasts for milliseconds."""
TIME_LIMIT = 5.0
"""Seconds of a connection."""
ANSWER_LIMIT = 10.0
"""Seconds that a command waits for an answer of a server that is busy."""
_NOT_PRIVATE = 0o177


class LocalServer:
    """Serves the socket of a data directory; ``answer`` makes the answer to a request, and never raises for it."""

    def __init__(self, data: Path, answer: Callable[[bytes], bytes]) -> None:
        self._data = data
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._open = 0

    async def open(self) -> None:
        """Listen, in place of a server that has ended without a word; raises ``OSError``.

        The caller holds the lock of the data directory, so no other server listens there.
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
        """Listen no longer; may be called again."""
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
    """Return the running server's answer to a request, a line without its end.

    Raises ``OSError`` with a line for the operator where no server runs on the data directory, or it does not answer.
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
    """The socket's path, however long that of the directory is: the kernel takes 107 bytes."""
    directory = os.open(data, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{SOCKET_FILE}"
    finally:
        os.close(directory)
