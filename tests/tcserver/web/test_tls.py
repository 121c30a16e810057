"""TLS between two layers, without sockets."""

import contextlib
import ssl
import time
from pathlib import Path

import pytest

from tcserver.web.certificates.keeper import SelfSigned
from tcserver.web.tls import EMPTY_COST, RECORDS_AT_ONCE, RECORDS_PER_S, SLICE, TlsError, TlsLayer
from tests.support.key_updates import key_updates
from tests.support.web_world import client_context

CUT = EMPTY_COST - 1
"""Records that one is counted as too many while its end has not come."""


class Client:
    """The other end, with the TLS of the standard library."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def step(self, data: bytes) -> bytes:
        """Take bytes of the server, and return those for it."""
        self.incoming.write(data)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return SelfSigned(tmp_path_factory.mktemp("tls") / "web.pem", ["localhost"]).load(time.time())[0]


def shaken(
    context: ssl.SSLContext, client: Client, size: int = 1 << 20, outgoing: ssl.MemoryBIO | None = None
) -> TlsLayer:
    """A server after the handshake, to which bytes came in parts of a size."""
    server = TlsLayer(context, outgoing)
    while not server.is_ready:
        data = client.step(server.data_to_send())
        for at in range(0, len(data), size):
            assert server.receive_data(data[at : at + size], 0.0) == b""
    client.step(server.data_to_send())
    return server


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_bytes_in_both_directions(context: ssl.SSLContext, size: int) -> None:
    client = Client(client_context())
    server = shaken(context, client, size)
    client.tls.write(b"question")
    data = client.outgoing.read()
    assert b"".join(server.receive_data(data[at : at + size], 0.0) for at in range(0, len(data), size)) == b"question"
    client.incoming.write(server.seal(b"answer" * 10_000))
    found = b""
    while len(found) < 60_000:
        found += client.tls.read(1 << 16)
    assert found == b"answer" * 10_000


def test_layers_that_share_what_goes_out_send_only_their_own(context: ssl.SSLContext) -> None:
    outgoing = ssl.MemoryBIO()
    broken, strange = TlsLayer(context, outgoing), TlsLayer(context, outgoing)
    unfinished = Client(client_context())
    broken.receive_data(unfinished.step(b""), 0.0)
    with pytest.raises(ssl.SSLError):
        broken.seal(b"too early")
    with pytest.raises(TlsError):
        strange.receive_data(b"\x16\x03\x01\x00\x05hello", 0.0)
    broken.close()
    clients = [Client(client_context()) for _ in range(2)]
    servers = [shaken(context, client, outgoing=outgoing) for client in clients]
    assert outgoing.pending == 0, "each has taken out what it put in"
    for client, server in zip(clients, servers, strict=True):
        client.tls.write(b"question")
        assert server.receive_data(client.outgoing.read(), 0.0) == b"question"
        sealed = server.seal(b"answer")
        server.close()
        client.incoming.write(sealed + server.data_to_send())
        assert client.tls.read(1 << 16) == b"answer"
        assert client.tls.read(1) == b"", "and the end"
    unfinished.step(broken.data_to_send())
    assert unfinished.tls.version() == "TLSv1.3", "nothing of its handshake was lost"
    assert strange.data_to_send()[0] == 0x15, "an alert"


@pytest.mark.parametrize("count", [1, 2, 5])
def test_all_records_that_came_are_read_and_the_end_behind_them(context: ssl.SSLContext, count: int) -> None:
    client = Client(client_context())
    server = shaken(context, client)
    for number in range(count):
        client.tls.write(bytes([number]) * 16_384)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.tls.unwrap()
    assert server.receive_data(client.outgoing.read(), 0.0) == b"".join(bytes([n]) * 16_384 for n in range(count))
    assert server.is_ended


def test_a_client_of_many_small_records_floods_and_one_of_large_ones_does_not(context: ssl.SSLContext) -> None:
    client = Client(client_context())
    server = shaken(context, client)

    def send(count: int, size: int, now: float) -> None:
        for _ in range(count):
            client.tls.write(bytes(size))
        assert len(server.receive_data(client.outgoing.read(), now)) == count * size

    send(400, 16_000, 100.0)
    send(RECORDS_AT_ONCE - 400 - CUT, 1, 100.0)
    send(10, 1, 100.0 + 10 / RECORDS_PER_S)
    with pytest.raises(TlsError, match="flood"):
        send(2 + CUT, 1, 100.0 + 11 / RECORDS_PER_S)
    server = shaken(context, client := Client(client_context()))
    for second in range(3):
        send(RECORDS_AT_ONCE - CUT, 1, 200.0 + second)  # a second later it may send as many again


@pytest.mark.parametrize("size", [1, 3, 700, 1 << 20])
def test_records_are_counted_however_their_bytes_come(context: ssl.SSLContext, size: int) -> None:
    client = Client(client_context())
    server = shaken(context, client)
    for _ in range(20):
        for length in (1, 15_000):
            client.tls.write(bytes(length))
    data = client.outgoing.read()
    found = b"".join(server.receive_data(data[at : at + size], 50.0) for at in range(0, len(data), size))
    assert len(found) == 20 * 15_001
    client.tls.write(bytes(15_000))
    half, rest = (data := client.outgoing.read())[:8000], data[8000:]
    assert server.receive_data(half, 50.0) == b""
    assert server.receive_data(rest, 50.0) == bytes(15_000)
    for _ in range(RECORDS_AT_ONCE - 41 - CUT):
        client.tls.write(b"x")
    assert len(server.receive_data(client.outgoing.read(), 50.0)) == RECORDS_AT_ONCE - 41 - CUT
    for _ in range(CUT + 1):
        client.tls.write(b"x")
    with pytest.raises(TlsError, match="flood"):
        server.receive_data(client.outgoing.read(), 50.0)


@pytest.mark.parametrize("asks", [False, True])
def test_a_client_that_changes_its_key_all_the_time_floods_soon(
    context: ssl.SSLContext, tmp_path: Path, asks: bool
) -> None:
    own = client_context()
    own.keylog_filename = str(tmp_path / "keys")
    client = Client(own)
    server = shaken(context, client)
    few = key_updates(client.tls, tmp_path / "keys", 3, asks=asks)
    assert server.receive_data(few, 100.0) == b""
    (tmp_path / "keys").unlink()
    own.keylog_filename = str(tmp_path / "keys")
    server = shaken(context, client := Client(own))
    many = key_updates(client.tls, tmp_path / "keys", RECORDS_AT_ONCE // EMPTY_COST + SLICE // 27, asks=asks)
    with pytest.raises(TlsError, match="flood"):
        server.receive_data(many, 100.0)


def test_nothing_is_sent_before_the_client_speaks(context: ssl.SSLContext) -> None:
    server = TlsLayer(context)
    assert server.data_to_send() == b""
    server.close()
    assert server.data_to_send() == b""


def test_the_end_is_told_in_both_directions(context: ssl.SSLContext) -> None:
    client = Client(client_context())
    server = shaken(context, client)
    server.close()
    client.incoming.write(server.data_to_send())
    assert client.tls.read(1) == b""
    client.tls.unwrap()
    assert server.receive_data(client.outgoing.read(), 0.0) == b""
    assert server.is_ended


def test_a_client_that_refuses_the_certificate(context: ssl.SSLContext) -> None:
    strict = client_context()
    strict.verify_mode = ssl.CERT_REQUIRED
    client, server = Client(strict), TlsLayer(context)
    server.receive_data(client.step(b""), 0.0)
    with pytest.raises(ssl.SSLCertVerificationError):
        client.step(server.data_to_send())
    with pytest.raises(TlsError) as caught:
        server.receive_data(client.outgoing.read(), 0.0)
    assert caught.value.reason == "alert"


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x00\x05hello", b"GET / HTTP/1.1\r\n\r\n", bytes(9)])
def test_what_is_no_handshake(context: ssl.SSLContext, data: bytes) -> None:
    server = TlsLayer(context)
    with pytest.raises(TlsError) as caught:
        server.receive_data(data, 0.0)
    assert caught.value.reason == "protocol"


def test_a_record_that_was_changed(context: ssl.SSLContext) -> None:
    client = Client(client_context())
    server = shaken(context, client)
    client.tls.write(b"question")
    data = bytearray(client.outgoing.read())
    data[-1] ^= 1
    with pytest.raises(TlsError) as caught:
        server.receive_data(bytes(data), 0.0)
    assert caught.value.reason == "protocol"
    assert server.data_to_send()[0] in (0x15, 0x17), "an alert"


def test_old_versions_are_refused(context: ssl.SSLContext, tmp_path: Path) -> None:
    old = client_context()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(TlsError):
        TlsLayer(context).receive_data(Client(old).step(b""), 0.0)
