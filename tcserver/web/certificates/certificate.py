"""Certificates: the names, the end and the signer of one, and a new one that is signed by its own key."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=825)
"""Lifetime of a self-signed certificate: the longest that browsers of Apple take (https://support.apple.com/102028)."""
CLOCK_SKEW = timedelta(days=1)
"""How far the clock of a browser may be behind."""


class Certificate(NamedTuple):
    """Facts of a certificate."""

    names: frozenset[str]
    """Host names and addresses, as they stand in it: names in ASCII and lower case, maybe with ``*`` in front."""
    not_after: float
    """Unix time in seconds at which it runs out."""
    is_self_signed: bool
    sha256: str
    """Its hash, as browsers show it: ``AB:CD:...``."""


def read_certificate(pem: bytes) -> Certificate:
    """Return the facts of the first certificate of a PEM file. Raises ``ValueError`` if there is none."""
    found = x509.load_pem_x509_certificates(pem)[0]
    try:
        alternatives = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = [name.lower() for name in alternatives.get_values_for_type(x509.DNSName)]
        addresses = [str(address) for address in alternatives.get_values_for_type(x509.IPAddress)]
    except x509.ExtensionNotFound:
        hosts = addresses = []
    return Certificate(
        frozenset((*hosts, *addresses)),
        found.not_valid_after_utc.timestamp(),
        found.issuer == found.subject,
        found.fingerprint(hashes.SHA256()).hex(":").upper(),
    )


def make_self_signed(names: Iterable[str], now: float) -> bytes:
    """Return a new key (ECDSA P-256: quick handshakes, and browsers know it) and its certificate, as PEM.

    ``names`` are host names in ASCII, and addresses; ``now`` is Unix time in seconds.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    sorted_names = sorted(set(names))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tcserver")])
    begin = datetime.fromtimestamp(now, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - CLOCK_SKEW)
        .not_valid_after(begin - CLOCK_SKEW + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in sorted_names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
