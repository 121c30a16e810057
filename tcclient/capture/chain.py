"""Ogg files that hold several streams one after the other (RFC 3533, section 4), such as recordings of radio.

FFmpeg refuses a later stream if its rate or channels differ from those of the first. So each link of the chain is read
by itself.
"""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from tcclient.recording import ogg

MAX_LINKS = 10_000
"""Streams of a chain that are told apart: a day of songs has hundreds. Beyond it, everything belongs to the last one.
"""


class Link(io.RawIOBase):
    """The part of a file between two offsets, in bytes, as a file of its own."""

    def __init__(self, path: Path, start: int, end: int) -> None:
        self._file = path.open("rb")
        self._start, self._length, self._place = start, end - start, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to an offset in the part."""
        before = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._length}[whence]
        self._place = max(0, before + offset)
        return self._place

    def tell(self) -> int:
        """Return the offset in the part."""
        return self._place

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes, or all that is left."""
        left = max(0, self._length - self._place)
        self._file.seek(self._start + self._place)
        data = self._file.read(left if size < 0 else min(size, left))
        self._place += len(data)
        return data

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        super().close()


def links(file: BinaryIO) -> list[tuple[int, int]]:
    """Return the offsets, in bytes, at which each stream of a chain begins and ends. Empty if it is no Ogg file.

    Streams that begin together, such as sound and pictures of one film, are one link. Raises ``OSError``.
    """
    starts: list[int] = []
    offset, opening = 0, False
    while len(header := file.read(27)) == 27 and header[:4] == b"OggS":
        lacing = file.read(header[26])
        first = bool(header[5] & ogg.FIRST)
        if first and not opening and len(starts) < MAX_LINKS:
            starts.append(offset)
        opening = first
        offset += 27 + len(lacing) + sum(lacing)
        file.seek(offset)
    end = file.seek(0, io.SEEK_END)
    return list(pairwise([*starts, end]))
