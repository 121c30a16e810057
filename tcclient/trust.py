"""What a client keeps on disk: its device identity, and the servers it knows."""

from __future__ import annotations

import base64
import binascii
import os
import tempfile
from enum import Enum
from pathlib import Path

from tcproto.identity import KEY_SIZE, SigningKey, format_fingerprint, parse_fingerprint

DEVICE_KEY_FILE = "device.key"
KNOWN_SERVERS_FILE = "known_servers"


class TrustFileError(Exception):
    """A file of the client's cannot be read or written; the text names the path and the reason."""


def data_directory() -> Path:
    """Return where the client keeps its files: the XDG data directory, or the platform's equivalent."""
    import platformdirs  # not there where only the server is installed, and the probe does without

    return Path(platformdirs.user_data_dir("tcclient", appauthor=False))


def load_device_identity(directory: Path) -> SigningKey:
    """Return the device identity kept in ``directory``, made at the first call, file mode 0600.

    Raises ``TrustFileError``.
    """
    path = directory / DEVICE_KEY_FILE
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _publish(path, base64.b64encode(os.urandom(KEY_SIZE)) + b"\n", replace=False)
        seed = base64.b64decode(path.read_bytes().strip(), validate=True)
        return SigningKey(seed)
    except OSError as error:
        raise TrustFileError(f"{path}: {error.strerror}") from error
    except (ValueError, binascii.Error) as error:
        raise TrustFileError(f"{path}: not a device key") from error


class Standing(Enum):
    """What the file of known servers says of a key."""

    KNOWN = "known"
    NEW = "new"
    CHANGED = "changed"


class KnownServers:
    """Fingerprints by host and port, a line each: ``host:port fingerprint``.

    Raises ``TrustFileError`` when the file is there and cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / KNOWN_SERVERS_FILE
        self._pins = self._read()

    def standing(self, host: str, port: int, fingerprint: bytes) -> Standing:
        """Compare a server's fingerprint (20 bytes) with the one that is pinned."""
        pinned = self._pins.get(f"{host}:{port}")
        if pinned is None:
            return Standing.NEW
        return Standing.KNOWN if pinned == fingerprint else Standing.CHANGED

    def pinned(self, host: str, port: int) -> bytes | None:
        """Return the fingerprint that is pinned for a server, if any."""
        return self._pins.get(f"{host}:{port}")

    def pin(self, host: str, port: int, fingerprint: bytes) -> None:
        """Pin a fingerprint, in place of any other."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._pins = self._read() | {f"{host}:{port}": fingerprint}
            lines = [f"{server} {format_fingerprint(pin)}\n" for server, pin in sorted(self._pins.items())]
            _publish(self.path, "".join(lines).encode(), replace=True)
        except OSError as error:
            raise TrustFileError(f"{self.path}: {error.strerror}") from error

    def _read(self) -> dict[str, bytes]:
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a text file"
            raise TrustFileError(f"{self.path}: {reason}") from error
        pins = {}
        for number, line in enumerate(text.splitlines(), 1):
            server, _, fingerprint = line.strip().partition(" ")
            if not server or server.startswith("#"):
                continue
            try:
                pins[server] = parse_fingerprint(fingerprint)
            except ValueError as error:
                raise TrustFileError(f"{self.path}, line {number}: {error}") from error
        return pins


def _publish(path: Path, data: bytes, *, replace: bool) -> None:
    """Write a file whole or not at all, for its owner alone; unless ``replace`` the first of two wins."""
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
