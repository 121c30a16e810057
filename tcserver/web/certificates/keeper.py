"""The certificate that the server shows now: it is read again when its files change, and renewed if it is our own."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from tcserver.config.configuration import ConfigurationError
from tcserver.storage.private_files import check_private, replace_private
from tcserver.web.certificates.certificate import Certificate, make_self_signed, read_certificate
from tcserver.web.tls import server_context

RENEW_BEFORE = 30 * 86_400.0
"""Seconds before the end of a certificate. From then on a self-signed one is replaced, and the operator is warned of
any other. Those of Let's Encrypt have been renewed by then."""
MAX_FILE_BYTES = 1 << 20
"""Bytes of a certificate with its chain."""

_Stamp = tuple[tuple[int, int, int], ...]


class Source(Protocol):
    """Where the certificate comes from."""

    def stamp(self) -> object:
        """Return what changes with the files."""

    def load(self, now: float) -> tuple[ssl.SSLContext, Certificate]:
        """Read, or make, the certificate. Raises ``ConfigurationError``."""

    def is_due(self, current: Certificate, now: float) -> bool:
        """Tell whether it has to be made anew."""


class OwnFiles:
    """The operator's files, ``web.certificate`` (with its chain) and ``web.key``. Both may be in the first."""

    def __init__(self, certificate: Path, key: Path | None) -> None:
        self._certificate = certificate
        self._key = key

    def stamp(self) -> _Stamp:
        """Return time, size and number of the files; nothing for one that is missing."""
        return tuple(_stamp(path) for path in (self._certificate, self._key) if path is not None)

    def load(self, now: float) -> tuple[ssl.SSLContext, Certificate]:
        """Read the files."""
        pem = _read("web.certificate", self._certificate)
        if self._key is not None:
            _read("web.key", self._key)
        try:
            certificate = read_certificate(pem)
        except ValueError:
            raise ConfigurationError(f"web.certificate: {self._certificate}: there is no certificate in PEM") from None
        return self._context(pem), certificate

    def is_due(self, current: Certificate, now: float) -> bool:
        """Return False: nothing is made here."""
        return False

    def _context(self, pem: bytes) -> ssl.SSLContext:
        context = server_context()
        key_setting = "web.certificate" if self._key is None else "web.key"
        key_file = self._key or self._certificate
        asked = []

        def password() -> bytes:
            asked.append(True)
            return b""

        try:
            context.load_cert_chain(self._certificate, self._key, password)
        except ssl.SSLError as error:
            if asked:
                reason = "the key has a passphrase: store it without one"
            elif error.reason == "KEY_VALUES_MISMATCH":
                reason = "the key does not belong to the certificate"
            elif self._key is None and b"PRIVATE KEY" not in pem:
                reason = "there is no key in it: name its file in web.key"
            else:
                reason = "there is no key in PEM that can be used"
            raise ConfigurationError(f"{key_setting}: {key_file}: {reason}") from None
        return context


class SelfSigned:
    """A file in the data directory with a key and its certificate for ``names``, made when it is needed."""

    def __init__(self, path: Path, names: Iterable[str]) -> None:
        self._path = path
        self._names = frozenset(names)
        self._files = OwnFiles(path, None)

    def stamp(self) -> _Stamp:
        """Return always the same: nobody else writes the file."""
        return ()

    def load(self, now: float) -> tuple[ssl.SSLContext, Certificate]:
        """Read the file; make it first if there is none, if it lacks a name, or if it runs out."""
        try:
            check_private(self._path)
            found = self._files.load(now)
            if not self.is_due(found[1], now):
                return found
        except (ConfigurationError, FileNotFoundError):  # none, or one that cannot be used: nobody has made it by hand
            pass
        replace_private(self._path, make_self_signed(self._names, now))
        return self._files.load(now)

    def is_due(self, current: Certificate, now: float) -> bool:
        """Tell whether names are missing in the certificate, or it runs out."""
        return not self._names <= current.names or current.not_after - now < RENEW_BEFORE


class CertificateKeeper:
    """Holds the context for new connections. ``failed`` is told why new files are not used; the old ones then go on."""

    def __init__(self, source: Source, now: float, failed: Callable[[str], None]) -> None:
        """Read, or make, the certificate. Raises ``ConfigurationError``."""
        self._source = source
        self._failed = failed
        self._stamp = source.stamp()
        self.context, self.certificate = source.load(now)

    def use(self, source: Source, now: float) -> bool:
        """Read the certificate of ``source`` from now on; tell whether it could be read. If not, all stays as it is."""
        stamp = source.stamp()
        try:
            self.context, self.certificate = source.load(now)
        except (ConfigurationError, OSError) as error:
            self._stamp = stamp  # until the files change, another attempt ends in the same way
            self._failed(str(error))
            return False
        self._source, self._stamp = source, stamp
        return True

    def look(self, now: float) -> bool:
        """Read the files again if they have changed, renew a self-signed one; tell whether there is a new one."""
        if self._source.stamp() == self._stamp and not self._source.is_due(self.certificate, now):
            return False
        return self.use(self._source, now)

    def runs_out(self, now: float) -> bool:
        """Tell whether the operator has to provide a new certificate soon."""
        return self.certificate.not_after - now < RENEW_BEFORE


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _read(setting: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{setting}: {path}: {(error.strerror or str(error)).lower()}") from None
    if len(content) > MAX_FILE_BYTES:
        raise ConfigurationError(f"{setting}: {path}: more than {MAX_FILE_BYTES} bytes")
    return content
