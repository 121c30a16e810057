"""Small files of lines that a client trusts: private, written whole, and changed by one client at a time."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tcclient.errors import ClientError

LOCK_FILE = "lock"
LOCK_LIMIT = 2.0
"""Seconds to wait for another client that writes. A write takes milliseconds; a stopped client would hold the lock for
ever."""
LOCK_RETRY = 0.02
"""Seconds between attempts."""
MAX_FILE_BYTES = 16 * 1024 * 1024
"""A larger file is not one of ours; the fullest that a client writes has 11 MB."""
NAMED_LINES = 5
"""Damaged lines that are named by number. Of further ones only the count is reported."""
_OTHERS = 0o077


class TrustFileError(ClientError):
    """A file of the client cannot be read, written or trusted. The text names the path and the reason."""

    def __init__(self, text: str) -> None:
        super().__init__(text, None)


class TrustFile:
    """Lines in a file of mode 0600. A line that cannot be read is kept as it is at each write.

    Lines are bytes without their end: a damaged line need not be text. ``wait`` is the time in seconds for which a
    change waits for another client.
    """

    def __init__(self, path: Path, wait: float = LOCK_LIMIT) -> None:
        self.path = path
        self._wait = wait

    def lines(self) -> list[bytes]:
        """Return the lines; none if there is no file.

        Raises ``TrustFileError`` for a file that cannot be read, is too large, or can be read or written by others.
        """
        try:
            return read_private(self.path).splitlines()
        except FileNotFoundError:
            return []

    def change(self, change: Callable[[list[bytes]], Sequence[bytes]]) -> None:
        """Replace the lines by those that ``change`` returns for the present ones, whole or not at all.

        Raises ``TrustFileError``; the file is then as it was.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(self.path.parent, self._wait):
                old = self.lines()
                new = list(change(list(old)))
                if new != old:
                    publish(self.path, b"".join(line + b"\n" for line in new), replace=True)
        except OSError as error:
            raise TrustFileError(f"{error.filename or self.path}: {error.strerror}") from error

    def damage(self, numbers: Sequence[int]) -> str:
        """Return the words for damaged lines, of which there is at least one."""
        named = ", ".join(map(str, numbers[:NAMED_LINES]))
        if len(numbers) > NAMED_LINES:
            named += f" and {len(numbers) - NAMED_LINES} more"
        return f"{self.path}: damaged, passed over and kept: line {named}; mend or remove what is wrong"


def read_private(path: Path) -> bytes:
    """Return the content of a file that only its owner can read and write, as ssh demands of its keys.

    Raises ``FileNotFoundError``, and ``TrustFileError`` for every other fault.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise TrustFileError(f"{path} is not a file")
            if sys.platform != "win32" and os.fstat(file.fileno()).st_mode & _OTHERS:
                raise TrustFileError(
                    f"{path} can be read or written by others, so it is not used; if nobody has, make it private with: "
                    f"chmod 600 {path}"
                )
            content = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise TrustFileError(f"{path}: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise TrustFileError(f"{path}: more than {MAX_FILE_BYTES} bytes")
    return content


def _without_waiting(path: str, flags: int) -> int:
    """Open a file. A named pipe in its place would keep the client waiting for a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def publish(path: Path, data: bytes, *, replace: bool) -> None:
    """Write a file whole or not at all, for its owner alone.

    Unless ``replace`` is set, the first of two writers wins.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            Path(name).replace(path)
        else:
            _link(Path(name), path)
    finally:
        Path(name).unlink(missing_ok=True)


def _link(made: Path, path: Path) -> None:
    try:
        path.hardlink_to(made)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        made.replace(path)


@contextmanager
def _locked(directory: Path, wait: float) -> Iterator[None]:
    """Keep other clients from writing in ``directory``; wait ``wait`` seconds for one that does.

    Raises ``OSError``, and ``TrustFileError`` if another client holds it too long.
    """
    path = directory / LOCK_FILE
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        deadline = time.monotonic() + wait
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise TrustFileError(f"{path}: another client has held it for {wait:g} s")
            time.sleep(LOCK_RETRY)
        yield
    finally:
        os.close(descriptor)


if sys.platform == "win32":

    def _try_lock(descriptor: int) -> bool:
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:

    def _try_lock(descriptor: int) -> bool:
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
