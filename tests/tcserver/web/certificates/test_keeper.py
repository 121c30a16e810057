"""The certificate that is shown: files of the operator, a self-signed one, and what happens when they change."""

import os
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from tcserver.config.configuration import ConfigurationError
from tcserver.records import StoreError
from tcserver.web.certificates.certificate import LIFETIME, make_self_signed
from tcserver.web.certificates.keeper import MAX_FILE_BYTES, RENEW_BEFORE, CertificateKeeper, OwnFiles, SelfSigned

NOW = 1_800_000_000.0


def split(pem: bytes) -> tuple[bytes, bytes]:
    """Certificate and key."""
    key, mark, certificate = pem.partition(b"-----BEGIN CERTIFICATE-----")
    return mark + certificate, key


class Files:
    """A certificate and its key in two files."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "fullchain.pem", folder / "privkey.pem"
        self.put()

    def put(self, *names: str) -> bytes:
        """Write a new pair; return the key."""
        certificate, key = split(make_self_signed(names or ("localhost",), NOW))
        self.certificate.write_bytes(certificate)
        self.key.write_bytes(key)
        return key

    def load(self) -> ssl.SSLContext:
        return OwnFiles(self.certificate, self.key).load(NOW)[0]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_two_files(files: Files) -> None:
    assert files.load().minimum_version == ssl.TLSVersion.TLSv1_2


def test_one_file_with_both(tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(make_self_signed(["a.example"], NOW))
    _, certificate = OwnFiles(both, None).load(NOW)
    assert certificate.names == {"a.example"}


def encrypted(files: Files) -> str:
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    return f"web.key: {files.key}: the key has a passphrase: store it without one"


def no_certificate(files: Files) -> str:
    files.certificate.write_text("text")
    return f"web.certificate: {files.certificate}: there is no certificate in PEM"


def no_key(files: Files) -> str:
    files.key.write_text("text")
    return f"web.key: {files.key}: there is no key in PEM that can be used"


def missing_certificate(files: Files) -> str:
    files.certificate.unlink()
    return f"web.certificate: {files.certificate}: no such file or directory"


def missing_key(files: Files) -> str:
    files.key.unlink()
    return f"web.key: {files.key}: no such file or directory"


def folder_for_key(files: Files) -> str:
    files.key.unlink()
    files.key.mkdir()
    return f"web.key: {files.key}: is a directory"


def other_key(files: Files) -> str:
    files.key.write_bytes(split(make_self_signed(["localhost"], NOW))[1])
    return f"web.key: {files.key}: the key does not belong to the certificate"


def large(files: Files) -> str:
    files.certificate.write_bytes(files.certificate.read_bytes() + b"\n" * MAX_FILE_BYTES)
    return f"web.certificate: {files.certificate}: more than {MAX_FILE_BYTES} bytes"


@pytest.mark.parametrize(
    "spoil",
    [encrypted, no_certificate, no_key, missing_certificate, missing_key, folder_for_key, other_key, large],
    ids=lambda spoil: spoil.__name__,
)
def test_files_that_cannot_be_used_are_one_clear_line(files: Files, spoil: object) -> None:
    assert callable(spoil)
    text = spoil(files)
    with pytest.raises(ConfigurationError) as caught:
        files.load()
    assert str(caught.value) == text


def test_a_certificate_alone(files: Files) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OwnFiles(files.certificate, None).load(NOW)
    text = f"web.certificate: {files.certificate}: there is no key in it: name its file in web.key"
    assert str(caught.value) == text


class Kept:
    """A keeper with a note of what it was told."""

    def __init__(self, source: OwnFiles | SelfSigned) -> None:
        self.failures: list[str] = []
        self.keeper = CertificateKeeper(source, NOW, self.failures.append)


def test_new_files_are_read_and_nothing_else_is(files: Files) -> None:
    kept = Kept(OwnFiles(files.certificate, files.key))
    before = kept.keeper.context
    assert not kept.keeper.look(NOW)
    assert kept.keeper.context is before
    files.put("new.example")
    assert kept.keeper.look(NOW)
    assert kept.keeper.context is not before
    assert kept.keeper.certificate.names == {"new.example"}
    assert not kept.keeper.look(NOW)
    assert kept.failures == []


def test_files_that_come_one_after_the_other(files: Files) -> None:
    kept = Kept(OwnFiles(files.certificate, files.key))
    before = kept.keeper.context
    key = files.put("new.example")
    files.key.write_text("not yet")
    assert not kept.keeper.look(NOW)
    assert not kept.keeper.look(NOW)
    assert kept.keeper.context is before, "the old certificate goes on"
    assert len(kept.failures) == 1, "it is said once"
    files.key.write_bytes(key)
    assert kept.keeper.look(NOW)
    assert kept.keeper.certificate.names == {"new.example"}


def test_another_source(files: Files, tmp_path: Path) -> None:
    kept = Kept(OwnFiles(files.certificate, files.key))
    assert not kept.keeper.use(OwnFiles(tmp_path / "none.pem", None), NOW)
    assert len(kept.failures) == 1
    assert kept.keeper.certificate.names == {"localhost"}
    files.put("new.example")
    assert kept.keeper.look(NOW), "the old files are looked at as before"
    assert kept.keeper.use(SelfSigned(tmp_path / "web.pem", ["own.example"]), NOW)
    assert kept.keeper.certificate.names == {"own.example"}


def test_a_self_signed_certificate_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "web.pem"
    first = SelfSigned(path, ["localhost", "a.example"]).load(NOW)[1]
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["web.pem"]
    assert SelfSigned(path, ["localhost", "a.example"]).load(NOW)[1] == first
    assert SelfSigned(path, ["a.example"]).load(NOW)[1] == first, "it has more names, and browsers know it"


def test_a_self_signed_certificate_is_made_anew_for_other_names(tmp_path: Path) -> None:
    path = tmp_path / "web.pem"
    first = SelfSigned(path, ["a.example"]).load(NOW)[1]
    second = SelfSigned(path, ["b.example"]).load(NOW)[1]
    assert (first.names, second.names) == ({"a.example"}, {"b.example"})


@pytest.mark.parametrize("content", [b"", b"text", split(make_self_signed(["a.example"], NOW))[0]], ids=len)
def test_a_self_signed_certificate_that_is_damaged_is_made_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "web.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    assert SelfSigned(path, ["a.example"]).load(NOW)[1].names == {"a.example"}


def test_a_self_signed_certificate_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "web.pem"
    SelfSigned(path, ["a.example"]).load(NOW)
    path.chmod(0o644)
    with pytest.raises(StoreError, match="chmod 600"):
        SelfSigned(path, ["a.example"]).load(NOW)


def test_a_self_signed_certificate_is_renewed_before_its_end(tmp_path: Path) -> None:
    kept = Kept(SelfSigned(tmp_path / "web.pem", ["localhost"]))
    end = kept.keeper.certificate.not_after
    assert not kept.keeper.look(end - RENEW_BEFORE - 1)
    assert not kept.keeper.runs_out(end - RENEW_BEFORE - 1)
    assert kept.keeper.runs_out(end - RENEW_BEFORE + 1)
    assert kept.keeper.look(end - RENEW_BEFORE + 1)
    assert kept.keeper.certificate.not_after > end + LIFETIME.total_seconds() / 2
    assert kept.failures == []


def test_a_certificate_that_cannot_be_renewed_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    kept = Kept(SelfSigned(folder / "web.pem", ["localhost"]))
    before = kept.keeper.certificate
    (folder / "web.pem").unlink()
    folder.rmdir()
    assert not kept.keeper.look(before.not_after - RENEW_BEFORE + 1)
    assert kept.keeper.certificate == before
    assert len(kept.failures) == 1
