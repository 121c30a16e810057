"""Where the server keeps its files, and how it makes them so that nobody else can read them.

Under the data directory: ``tcserver.db`` (accounts and rooms), ``identity.key`` (the static key), ``lock`` (held by the
running server), ``socket`` (by which commands reach it), and, if there, ``tcserver.toml``.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tcserver.records import StoreError

DATABASE_FILE = "tcserver.db"
IDENTITY_FILE = "identity.key"
LOCK_FILE = "lock"
SOCKET_FILE = "socket"
CONFIGURATION_FILE = "tcserver.toml"

_PRIVATE = 0o600
_PRIVATE_DIRECTORY = 0o700
_OTHERS = 0o077


def default_data_directory(environment: Mapping[str, str]) -> Path:
    """``$XDG_DATA_HOME/tcserver``, else ``~/.local/share/tcserver``.

    Raises `StoreError` for a user without a home.
    """
    base = _xdg(environment, "XDG_DATA_HOME", ".local/share")
    if base is None:
        raise StoreError("this user has no home folder: name a data folder with --data, or set HOME")
    return base / "tcserver"


def default_configuration_file(environment: Mapping[str, str]) -> Path | None:
    """``$XDG_CONFIG_HOME/tcserver/tcserver.toml``, else ``~/.config/tcserver/tcserver.toml``; None without a home."""
    base = _xdg(environment, "XDG_CONFIG_HOME", ".config")
    return None if base is None else base / "tcserver" / CONFIGURATION_FILE


def expanded(named: str) -> Path:
    """A path that may begin with ``~``. Raises `StoreError` where nobody knows that home."""
    try:
        return Path(named).expanduser()
    except RuntimeError:
        raise StoreError(f"{named}: that user has no home folder; write the whole path, or set HOME") from None


def _xdg(environment: Mapping[str, str], variable: str, fallback: str) -> Path | None:
    """The base directory specification has relative values ignored. A service may run without ``$HOME``, or a home."""
    base = Path(environment.get(variable, ""))
    if base.is_absolute():
        return base
    try:
        return Path(environment.get("HOME") or Path.home()) / fallback
    except RuntimeError:
        return None


def make_private_directory(path: Path) -> None:
    """Make ``path`` with its parents, itself for the owner only; one that is there stays as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=_PRIVATE_DIRECTORY, exist_ok=True)


def create_private(path: Path) -> bool:
    """Create an empty file of mode 0600, before anything is in it. False if a file was there.

    Raises `StoreError` for a file that others can read or write.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _PRIVATE))
    except FileExistsError:
        check_private(path)
        return False
    _sync_directory(path.parent)
    return True


def check_private(path: Path) -> None:
    """Raise `StoreError` if anybody but the owner can read or write ``path`` (CVE-2012-0863 was such a file)."""
    if path.stat().st_mode & _OTHERS:
        raise StoreError(f"{path} can be read by others; make it private with: chmod 600 {path}")


def write_private(path: Path, content: bytes) -> None:
    """Write a new file of mode 0600 that has all its content as soon as it has its name, and is on disk.

    Raises ``FileExistsError``.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=".partial")
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        name_new(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    _sync_directory(path.parent)


def name_new(made: Path, path: Path) -> None:
    """Give a finished file its name, on file systems without hard links, too. Raises ``FileExistsError``."""
    try:
        os.link(made, path)
    except FileExistsError:
        raise
    except OSError:  # FAT, and some that come over a network
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, _PRIVATE))  # the name is ours; the next step is one, too
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
    """The data directory held by one server: a context manager, gone with the process however it ends.

    Raises `StoreError` on entry if another server holds it.
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
