"""Backups: database, key and settings in one file, a tar archive with a list of its files.

Anybody who has the file can pretend to be the server, so it is as private as the key.
"""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path

from tcserver.records import StoreError
from tcserver.storage import private_files
from tcserver.storage.data_directory import DataDirectory

LIST_FILE = "tcserver-backup.json"
FORMAT = "tcserver backup"
VERSION = 1
MAX_BYTES = 1024 * 1024 * 1024
"""Bytes of a backup, which is read into memory. A database of 50,000 accounts takes a fiftieth of it."""

_NEEDED = frozenset({private_files.DATABASE_FILE, private_files.IDENTITY_FILE})
_KNOWN = _NEEDED | {private_files.CONFIGURATION_FILE, LIST_FILE}


def pack(files: dict[str, bytes], now: int) -> bytes:
    """Return the archive of ``files`` (content by name). ``now`` is their time in Unix seconds."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    listing = json.dumps({"format": FORMAT, "version": VERSION, "sha256": digests}, indent=2).encode() + b"\n"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in {LIST_FILE: listing, **files}.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(content), 0o600, now
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def unpack(content: bytes) -> dict[str, bytes]:
    """Return the files of an archive by name. Raises ``StoreError`` if it is no backup, is damaged or not whole."""
    try:
        files = _members(content)
        listing = json.loads(files.pop(LIST_FILE))
        if listing["format"] != FORMAT or listing["version"] != VERSION:
            raise StoreError(f"it is no {FORMAT} of version {VERSION}")
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        if digests != listing["sha256"] or not set(digests) >= _NEEDED:
            raise StoreError("it is damaged")
    except (tarfile.TarError, KeyError, TypeError, ValueError, RecursionError, EOFError):
        raise StoreError(f"it is no {FORMAT}, or it is damaged") from None
    return files


def _members(content: bytes) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
        for member in tar:
            opened = tar.extractfile(member) if member.isreg() and member.name in _KNOWN else None
            if opened is None or member.name in files:
                raise ValueError(member.name)
            files[member.name] = opened.read()
    return files


def back_up(directory: DataDirectory, settings: Path | None, target: Path, now: int) -> None:
    """Write ``directory`` and the file of settings, if there is one, to a new file of mode 0600.

    A server may write to the database meanwhile. Raises ``StoreError`` and ``OSError``.
    """
    if target.exists():
        raise StoreError(f"{target} exists")
    directory.identity()  # raises if it is missing or damaged
    files = {private_files.IDENTITY_FILE: (directory.path / private_files.IDENTITY_FILE).read_bytes()}
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{target.name}.") as folder:
        copy = Path(folder) / private_files.DATABASE_FILE
        with directory.existing_database() as database:
            database.backup(copy)
        files[private_files.DATABASE_FILE] = copy.read_bytes()
    if settings is not None and settings.exists():
        files[private_files.CONFIGURATION_FILE] = settings.read_bytes()
    try:
        private_files.write_private(target, pack(files, now))
    except FileExistsError:
        raise StoreError(f"{target} exists") from None


def restore(directory: DataDirectory, settings: Path | None, archive: Path, most: int = MAX_BYTES) -> tuple[int, int]:
    """Put a backup into ``directory``, which is empty or missing; return the numbers of accounts and rooms.

    The settings of the backup, if it has any, go to the new file ``settings``. It writes all or nothing, and
    overwrites nothing. The archive has ``most`` bytes at most. Raises ``StoreError`` and ``OSError``.
    """
    with archive.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise StoreError(f"{archive}: it has more than {most} bytes")
    try:
        files = unpack(content)
    except StoreError as error:
        raise StoreError(f"{archive}: {error}") from None
    if directory.path.exists() and any(directory.path.iterdir()):
        raise StoreError(
            f"{directory.path} is not empty; a backup is restored into an empty or a new folder (--data DIR)"
        )
    places = {directory.path / private_files.DATABASE_FILE: files[private_files.DATABASE_FILE]}
    if private_files.CONFIGURATION_FILE in files and settings is not None:
        if settings.exists():
            raise StoreError(f"{settings} exists, and the backup has settings, too: move it away first")
        places[settings] = files[private_files.CONFIGURATION_FILE]
    # Last, because no server is started on a database without it.
    places[directory.path / private_files.IDENTITY_FILE] = files[private_files.IDENTITY_FILE]
    directory.make()
    written = [directory.path / (private_files.DATABASE_FILE + end) for end in ("-wal", "-shm")]
    try:
        for place, held in places.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            private_files.write_private(place, held)
            written.append(place)
        return _checked(directory)
    except BaseException:
        for place in written:
            place.unlink(missing_ok=True)
        raise


def _checked(directory: DataDirectory) -> tuple[int, int]:
    """Check that the key and the database can be used. Raises ``StoreError``."""
    directory.identity()
    try:
        with closing(sqlite3.connect(directory.path / private_files.DATABASE_FILE)) as connection:
            found = connection.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise StoreError(f"the database is damaged: {found}")
    with directory.database() as database:
        return len(database.accounts()), len(database.rooms())
