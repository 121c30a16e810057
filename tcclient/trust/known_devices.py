"""The file of known devices: which devices accounts were seen with, by the fingerprint of the server."""

from __future__ import annotations

import unicodedata
from collections import defaultdict, deque
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from tcclient.core.membership.pins import MAX_DEVICES, DevicePin
from tcclient.trust.trust_file import TrustFile, TrustFileError
from tcproto.identity import KEY_SIZE, format_fingerprint, parse_fingerprint

KNOWN_DEVICES_FILE = "known_devices"
MAX_PINS = 20_000
"""Lines of the file: the accounts of many servers. A full file is reported, and nothing in it is forgotten."""
_NO_NAME = "%"
"""Stands for an empty account. A percent sign in an account name is written as %25."""


class _Line(NamedTuple):
    """A line that is no comment.

    ``device_key`` is empty if the line is damaged, ``account`` is None if it names none.
    """

    server: bytes
    account: str | None
    device_key: bytes


class KnownDevices:
    """Devices of accounts, one on each line: fingerprint of the server, account, device key in hexadecimal, day.

    A damaged line is kept, and ``faults`` reports it. The account in it counts as known, with another device. The file
    is full with ``most`` lines. Raises ``TrustFileError`` if the file exists and cannot be used.
    """

    def __init__(self, directory: Path, most: int = MAX_PINS) -> None:
        self._most = most
        self._file = TrustFile(directory / KNOWN_DEVICES_FILE)
        self.path = self._file.path
        self._lines = [(number, _read(line)) for number, line in enumerate(self._file.lines(), 1)]

    @property
    def faults(self) -> list[str]:
        """The faults of the file, a line of text for each kind."""
        damaged = [number for number, line in self._lines if line is not None and not line.device_key]
        return [self._file.damage(damaged)] if damaged else []

    def devices(self, fingerprint: bytes) -> dict[str, list[bytes]]:
        """Return the device keys (32 bytes each) of each account on a server, in the order of the file."""
        found: dict[str, list[bytes]] = {}
        for _, line in self._lines:
            if line is not None and line.account is not None and line.server == fingerprint:
                found.setdefault(line.account, []).extend([line.device_key] if line.device_key else [])
        return found

    def add(self, fingerprint: bytes, pins: Iterable[DevicePin], day: date | None = None) -> None:
        """Write devices that were seen to the file, beside those that other clients wrote meanwhile.

        If an account has more than ``MAX_DEVICES``, its first device is removed. Raises ``TrustFileError``, also for a
        full file.
        """
        seen = day or datetime.now(UTC).date()
        full = False

        def added(lines: list[bytes]) -> list[bytes]:
            nonlocal full
            places: defaultdict[str, deque[int]] = defaultdict(deque)
            known: set[DevicePin] = set()
            gone: set[int] = set()
            for place, line in enumerate(map(_read, lines)):
                if line is not None and line.account is not None and line.server == fingerprint:
                    places[line.account].append(place)
                    known.add(DevicePin(line.account, line.device_key))
            for pin in pins:
                if pin in known:
                    continue
                if len(places[pin.account]) >= MAX_DEVICES:
                    gone.add(places[pin.account].popleft())
                elif len(lines) - len(gone) >= self._most:
                    full = True
                    continue
                places[pin.account].append(len(lines))
                known.add(pin)
                words = (format_fingerprint(fingerprint), _escaped(pin.account), pin.device_key.hex(), seen.isoformat())
                lines.append(" ".join(words).encode())
            return [line for place, line in enumerate(lines) if place not in gone]

        self._file.change(added)
        if full:
            raise TrustFileError(
                f"{self.path} is full with {self._most} devices, so that new ones are not remembered; forget those of "
                "a server with: tcclient forget --devices HOST"
            )

    def forget(self, fingerprint: bytes) -> int:
        """Remove the devices of a server, and return the number of removed lines."""
        removed = 0

        def without(lines: list[bytes]) -> list[bytes]:
            nonlocal removed
            kept = [line for line in lines if (read := _read(line)) is None or read.server != fingerprint]
            removed = len(lines) - len(kept)
            return kept

        self._file.change(without)
        return removed


def _read(line: bytes) -> _Line | None:
    """Read a line. None for a comment and an empty line."""
    words = line.decode(errors="replace").split()
    if not words or words[0].startswith("#"):
        return None
    try:
        server = parse_fingerprint(words[0])
    except ValueError:
        return _Line(b"", None, b"")
    account = None if len(words) < 2 else "" if words[1] == _NO_NAME else unquote(words[1])
    try:
        key = bytes.fromhex(words[2]) if len(words) == 4 else b""
    except ValueError:
        key = b""
    return _Line(server, account, key if len(key) == KEY_SIZE else b"")


def _escaped(account: str) -> str:
    """Return the account as one word of one line, whatever name the server gave. A folded name stays as it is."""
    return (
        _NO_NAME
        if not account
        else "".join(
            c if c.isalnum() or c in "._-" or unicodedata.category(c)[0] == "M" else quote(c, safe="") for c in account
        )
    )
