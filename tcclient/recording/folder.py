"""The folder of recordings: file names that no earlier recording has, and the index of the files."""

from __future__ import annotations

import json
import os
import tempfile
import unicodedata
from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path
from typing import Any

from tcclient.errors import RecordingError, one_line

MAX_STEM = 180
"""Bytes of a file name without number and ending: file systems take 255."""

INDEX = "index"
"""Stem of the file that lists the other files."""

RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
"""Names that Windows takes for devices, with any ending."""


def prepare_folder(folder: Path) -> None:
    """Make a folder for recordings, for its owner alone, if there is none.

    Raises ``RecordingError`` if nothing can be written in it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileExistsError as error:
        raise RecordingError(one_line(folder, "is not a folder")) from error
    except (OSError, ValueError) as error:
        raise RecordingError(one_line(folder, error)) from error


def safe_name(account: str) -> str:
    """Return a file name for an account name that came from a server.

    It is in the script of the name, and has letters, digits, - and _ only: it cannot lead out of the folder, and is not
    hidden.
    """
    text = unicodedata.normalize("NFC", account.lower())
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" or c in "-_" else " " for c in text)
    name = "_".join(kept.split()).strip("_").encode()[:MAX_STEM].decode(errors="ignore")
    if not name:
        return "participant"
    return f"{name}_" if name in RESERVED else name


def file_in(folder: Path, name: str) -> Path:
    """Return the path of a file whose name is in UTF-8 on the disk, also where the locale lacks some of its letters."""
    return folder / os.fsdecode(name.encode())


def free_names(folder: Path, stem: str, endings: tuple[str, ...]) -> Iterator[str]:
    """Iterate over ``stem``, ``stem-2`` and so on, without the names that have a file with one of the endings."""
    for name in chain([stem], (f"{stem}-{number}" for number in count(2))):
        if not any(os.path.lexists(file_in(folder, name + ending)) for ending in endings):
            yield name


class Index:
    """A JSON file beside the recordings: who is in each file, and where the file begins on the common time line.

    It is replaced as a whole, so that a reader finds it complete, also after a crash.
    """

    def __init__(self, folder: Path, head: dict[str, Any]) -> None:
        self._folder, self._head = folder, head
        self._files: list[dict[str, Any]] = []
        self._path: Path | None = None
        self._changed = False

    def __len__(self) -> int:
        return len(self._files)

    def add(self, **entry: Any) -> dict[str, Any]:
        """Add a file, and return its entry. A later change of the entry is written after ``touch``."""
        self._files.append(entry)
        self._changed = True
        return entry

    def touch(self) -> None:
        """Note that an entry has changed."""
        self._changed = True

    def write(self) -> None:
        """Write what has changed. Raises ``RecordingError``."""
        if not self._changed:
            return
        self._changed = False
        text = json.dumps({**self._head, "files": self._files}, ensure_ascii=False, indent=1) + "\n"
        try:
            if self._path is None:
                self._path = self._begin()
            descriptor, name = tempfile.mkstemp(prefix=".index-", dir=self._folder)
            try:
                with open(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)
                os.replace(name, self._path)
            except BaseException:
                os.unlink(name)
                raise
        except (OSError, ValueError) as error:
            raise RecordingError(one_line(self._path or self._folder, error)) from error

    def _begin(self) -> Path:
        """Take the first name that no other recording has taken, even one that begins in the same moment."""
        for name in free_names(self._folder, INDEX, (".json",)):
            path = self._folder / f"{name}.json"
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            except FileExistsError:
                continue
            return path
        raise AssertionError("numbers do not end")
