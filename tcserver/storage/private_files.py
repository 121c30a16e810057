"""The files of a server, which nobody else can read: their places, and how to make them.

In the data directory: ``tcserver.db`` (accounts and rooms), ``identity.key`` (the static key), ``lock`` (which the
running server holds), ``socket`` (through which commands reach it), and sometimes ``tcserver.toml`` and ``web.pem`` (a
certificate that the server has signed itself, with its key).
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tcserver.records import StoreError

DATABASE_FILE = "tcserver.db"
IDENTITY_FILE = "identity.key"
WEB_CERTIFICATE_FILE = "web.pem"
LOCK_FILE = "lock"
SOCKET_FILE = "socket"
CONFIGURATION_FILE = "tcserver.toml"

_PRIVATE = 0o600
_PRIVATE_DIRECTORY = 0o700
_OTHERS = 0o077


def default_data_directory(environment: Mapping[str, str]) -> Path:
    """Return ``$XDG_DATA_HOME/tcserver``, else ``~/.local/share/tcserver``.

    Raises ``StoreError`` for a user without a home folder.
    """
    base = _xdg(environment, "XDG_DATA_HOME", ".local/share")
    if base is None:
        raise StoreError("this user has no home folder: name a data folder with --data, or set HOME")
    return base / "tcserver"


def default_configuration_file(environment: Mapping[str, str]) -> Path | None:
    """Return the file of the user in ``$XDG_CONFIG_HOME`` or ``~/.config``; None for a user without a home folder."""
    base = _xdg(environment, "XDG_CONFIG_HOME", ".config")
    return None if base is None else base / "tcserver" / CONFIGURATION_FILE


def expanded(named: str) -> Path:
    """Return a path in which ``~`` is replaced. Raises ``StoreError`` if that user has no home folder."""
    try:
        return Path(named).expanduser()
    except RuntimeError:
        raise StoreError(f"{named}: that user has no home folder; write the whole path, or set HOME") from None


def _xdg(environment: Mapping[str, str], variable: str, fallback: str) -> Path | None:
    """Return a base directory. The XDG specification says to ignore relative values. A service may have no home."""
    base = Path(environment.get(variable, ""))
    if base.is_absolute():
        return base
    try:
        home = Path(environment.get("HOME") or Path.home())
    except RuntimeError:
        return None
    return home / fallback if home.is_absolute() else None


def make_private_directory(path: Path) -> None:
    """Make the directory ``path`` with its parents. Only its owner can read it. An existing one stays as it is.

    Raises ``StoreError`` if there is a file of that name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=_PRIVATE_DIRECTORY, exist_ok=True)
    except FileExistsError:
        raise StoreError(f"{path} is not a folder") from None


def create_private(path: Path) -> bool:
    """Create an empty file of mode 0600. Return False if there was a file.

    Raises ``StoreError`` if others can read or write that file.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _PRIVATE))
    except FileExistsError:
        check_private(path)
        return False
    _sync_directory(path.parent)
    return True


def check_private(path: Path) -> None:
    """Raise ``StoreError`` if others than the owner can read or write ``path`` (CVE-2012-0863 was such a file).

    Raise it also for what is no file.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise StoreError(f"{path} is not a file")
    if mode & _OTHERS:
        raise StoreError(f"{path} can be read by others; make it private with: chmod 600 {path}")


def write_private(path: Path, content: bytes) -> None:
    """Write a new file of mode 0600 to disk. When the name appears, the content is complete.

    Raises ``FileExistsError``.
    """
    _write(path, content, name_new)


def check_new(path: Path) -> None:
    """Raise ``OSError`` if no file can be made at ``path`` now: ``FileExistsError`` if there is one."""
    with _named(path):
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        with tempfile.TemporaryFile(dir=path.parent):
            pass


def replace_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 to disk, in place of the one that has the name. It is the old or the new one, whole."""
    _write(path, content, os.replace)


def _write(path: Path, content: bytes, give_name: Callable[[Path, Path], None]) -> None:
    with _named(path):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=".partial")
        partial = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            give_name(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        _sync_directory(path.parent)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let errors of the system name ``path``, which a user knows, and not a temporary file."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def name_new(made: Path, path: Path) -> None:
    """Give a finished file its name, also on file systems without hard links. Raises ``FileExistsError``."""
    try:
        os.link(made, path)
    except FileExistsError:
        raise
    except OSError:  # FAT, and some network file systems
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, _PRIVATE))  # takes the name; ``replace`` is atomic
        try:
            made.replace(path)
        except OSError:
            path.unlink()
            raise


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class DataLock:
    """The lock of a data directory, for one server: a context manager. The kernel frees it when the process ends.

    Raises ``StoreError`` on entry if another server holds it.
    """

    def __init__(self, data: Path) -> None:
        self._path = data / LOCK_FILE
        self._descriptor = -1

    def __enter__(self) -> Self:
        descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, _PRIVATE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise StoreError(f"another tcserver is running on {self._path.parent}") from None
        self._descriptor = descriptor
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
