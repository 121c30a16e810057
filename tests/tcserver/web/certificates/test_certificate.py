"""What a certificate says, and the one that the server signs itself."""

import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tcserver.web.certificates.certificate import CLOCK_SKEW, LIFETIME, make_self_signed, read_certificate

NOW = 1_800_000_000.0
NAMES = ["conference.example", "*.wild.example", "192.0.2.1", "2001:db8::1", "localhost", "localhost"]


def test_a_self_signed_certificate_says_what_it_was_made_of() -> None:
    found = read_certificate(make_self_signed(NAMES, NOW))
    assert found.names == set(NAMES)
    assert found.is_self_signed
    assert found.not_after == pytest.approx(NOW + (LIFETIME - CLOCK_SKEW).total_seconds())
    assert len(found.sha256.split(":")) == 32


def test_it_is_one_that_browsers_take() -> None:
    pem = make_self_signed(NAMES, NOW)
    certificate = x509.load_pem_x509_certificate(pem)
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert certificate.public_key() == key.public_key()
    certificate.verify_directly_issued_by(certificate)
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc <= LIFETIME
    assert certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_each_has_a_key_of_its_own() -> None:
    first, second = (read_certificate(make_self_signed(["localhost"], time.time())) for _ in range(2))
    assert first.sha256 != second.sha256


@pytest.mark.parametrize("pem", [b"", b"text", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_none(pem: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the texts are those of cryptography
        read_certificate(pem)
