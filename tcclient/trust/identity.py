"""What a client keeps on disk: its device identity, and the servers that it knows."""

from __future__ import annotations

import base64
import binascii
import os
from enum import Enum
from pathlib import Path

from tcclient.trust.trust_file import TrustFile, TrustFileError, publish, read_private
from tcproto.identity import KEY_SIZE, SigningKey, format_fingerprint, parse_fingerprint
from tcproto.link import Link

__all__ = ["KnownServers", "Standing", "TrustFileError", "data_directory", "load_device_identity"]

DEVICE_KEY_FILE = "device.key"
KNOWN_SERVERS_FILE = "known_servers"


def data_directory() -> Path:
    """Return the folder of the client's files: the XDG data directory, or the platform's equivalent.

    Raises ``TrustFileError`` for a user without a home.
    """
    import platformdirs  # not installed with the server alone, and the probe needs no folder

    try:
        directory = Path(platformdirs.user_data_dir("tcclient", appauthor=False))
    except RuntimeError:
        directory = Path()
    if not directory.is_absolute():  # the home of an unknown user is left as "~"
        raise TrustFileError("this user has no home folder: name a data folder with --data (data=), or set HOME")
    return directory


def load_device_identity(directory: Path) -> SigningKey:
    """Return the device identity that ``directory`` holds. It is made at the first call, with file mode 0600.

    Raises ``TrustFileError``, also for a file that others can read.
    """
    path = directory / DEVICE_KEY_FILE
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            publish(path, base64.b64encode(os.urandom(KEY_SIZE)) + b"\n", replace=False)
        seed = base64.b64decode(read_private(path).strip(), validate=True)
        return SigningKey(seed)
    except OSError as error:
        raise TrustFileError(f"{path}: {error.strerror}") from error
    except (ValueError, binascii.Error) as error:
        raise TrustFileError(f"{path}: not a device key; put back a copy, or move it away for a new one") from error


class Standing(Enum):
    """What the file of known servers says of a key."""

    KNOWN = "known"
    NEW = "new"
    CHANGED = "changed"


class KnownServers:
    """Fingerprints by host and port, one on each line: ``host:port fingerprint``.

    A damaged line affects one server only. It is kept, ``faults`` reports it, and its server is not trusted. Raises
    ``TrustFileError`` if the file exists and cannot be used, and ``ValueError`` for an invalid host.
    """

    def __init__(self, directory: Path) -> None:
        self._file = TrustFile(directory / KNOWN_SERVERS_FILE)
        self.path = self._file.path
        self._pins: dict[str, bytes] = {}
        self._damaged: dict[str, int] = {}
        """Line numbers by the server at the beginning of the line."""
        self._read(self._file.lines())

    @property
    def faults(self) -> list[str]:
        """The faults of the file, a line of text for each kind."""
        return [self._file.damage(sorted(self._damaged.values()))] if self._damaged else []

    def standing(self, host: str, port: int, fingerprint: bytes) -> Standing:
        """Compare a server's fingerprint (20 bytes) with the pinned one."""
        pinned = self.pinned(host, port)
        if pinned is None:
            return Standing.NEW
        return Standing.KNOWN if pinned == fingerprint else Standing.CHANGED

    def pinned(self, host: str, port: int) -> bytes | None:
        """Return the pinned fingerprint of a server, if any.

        Raises ``TrustFileError`` if its line is damaged: damage must not make the server count as new.
        """
        server = _server(host, port)
        if server in self._damaged:
            raise TrustFileError(
                f"{self.path}, line {self._damaged[server]}: what is known of {server} is damaged; mend the line, or "
                f"forget it with: tcclient forget {server}"
            )
        return self._pins.get(server)

    def pin(self, host: str, port: int, fingerprint: bytes) -> bytes:
        """Pin the fingerprint of a server that is not known, and return the fingerprint that is pinned now.

        A pinned fingerprint stays. Only ``forget`` removes it, when the user asks for it.
        """
        server = _server(host, port)

        def add(lines: list[bytes]) -> list[bytes]:
            self._read(lines)
            if self.pinned(host, port) is None:
                lines.append(f"{server} {format_fingerprint(fingerprint)}".encode())
                self._pins[server] = fingerprint
            return lines

        self._file.change(add)
        return self._pins[server]

    def forget(self, host: str, port: int) -> bytes | None:
        """Remove a server's line, damaged or not, and return the pinned fingerprint, or None for a damaged line.

        Raises ``KeyError`` for a server that is not in the file.
        """
        server = _server(host, port)
        pinned = self._pins.get(server)
        if pinned is None and server not in self._damaged:
            raise KeyError(server)
        self._file.change(lambda lines: [line for line in lines if _first_word(line) != server])
        self._read(self._file.lines())
        return pinned

    def _read(self, lines: list[bytes]) -> None:
        self._pins.clear()
        self._damaged.clear()
        for number, line in enumerate(lines, 1):
            server = _first_word(line)
            if not server or server.startswith("#"):
                continue
            try:
                words = line.decode().split()
                self._pins[server] = parse_fingerprint(words[1] if len(words) == 2 else "")
            except ValueError:
                self._damaged[server] = number


def _server(host: str, port: int) -> str:
    """Return the name in the file. Raises ``ValueError`` for a host with characters that would break its line."""
    return f"{Link(host, port).host}:{port}"


def _first_word(line: bytes) -> str:
    return next(iter(line.decode(errors="replace").split()), "")
