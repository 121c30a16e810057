"""Where the server keeps its files, and how it makes them so that nobody else can read them.

Under the data directory: ``tcserver.db`` (accounts and rooms), ``identity.key`` (the static key), ``lock`` (held by the
running server), ``socket`` (by which commands reach it), and, if there, ``tcserver.toml``.
"""

from __future__ import annotations

import fcntl
import os
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
    """``$XDG_DATA_HOME/tcserver``, else ``~/.local/share/tcserver``."""
    return _xdg(environment, "XDG_DATA_HOME", ".local/share")


def default_configuration_file(environment: Mapping[str, str]) -> Path:
    """``$XDG_CONFIG_HOME/tcserver/tcserver.toml``, else ``~/.config/tcserver/tcserver.toml``."""
    return _xdg(environment, "XDG_CONFIG_HOME", ".config") / CONFIGURATION_FILE


def _xdg(environment: Mapping[str, str], variable: str, fallback: str) -> Path:
    """The base directory specification has relative values ignored. A service may run without ``$HOME``."""
    base = Path(environment.get(variable, ""))
    return (base if base.is_absolute() else Path(environment.get("HOME") or Path.home()) / fallback) / "tcserver"


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
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, path)
    finally:
        partial.unlink()
    _sync_directory(path.parent)


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
