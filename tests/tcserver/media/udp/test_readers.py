"""Readers on real sockets of the loopback interface, and the structures of the kernel that they read."""

import errno
import socket
import struct

import pytest

from tcproto.datagram import MAX_DATAGRAM
from tcserver.media.interface import Address
from tcserver.media.udp import offload
from tcserver.media.udp.native import SOL_UDP, UDP_SEGMENT, load, pack_sockaddr, parse_sockaddr
from tcserver.media.udp.offload import can_receive_trains, can_send_trains
from tcserver.media.udp.reader import BATCH, MAX_KNOWN_ADDRESSES, PlainReader, VectorReader
from tests.support.media.loopback import TrainReader, address_of, linux, trains_in

READERS = [
    PlainReader,
    pytest.param(VectorReader, marks=linux),
    pytest.param(TrainReader, marks=trains_in, id="TrainReader"),
]


@pytest.mark.parametrize("make", READERS)
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_readers_read_in_batches_and_cut_what_is_too_long(make, host, bind):
    server, client = bind(host), bind(host)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    reader = make(server, 3)
    assert reader.read() == []
    for n in range(BATCH + 5):
        client.sendto(b"%d" % n, server.getsockname())
    first, second = reader.read(), reader.read()
    assert [data for data, _ in first + second] == [b"%d" % n for n in range(BATCH + 5)]
    assert len(first) == BATCH
    assert {address for _, address in first} == {address_of(client, 3)}
    sizes = [0, 1, 1199, 1200, 1201, 1202, 1500, 2048, 9000, 65507 if host == "127.0.0.1" else 65000]
    for size in sizes:
        client.sendto(bytes(size), server.getsockname())
    got = [len(data) for data, _ in reader.read()]
    assert got == [size if size <= MAX_DATAGRAM else MAX_DATAGRAM + 1 for size in sizes]


@trains_in
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_train_is_cut_into_its_datagrams(host, bind):
    server, one, two = bind(host), bind(host), bind(host)
    reader = TrainReader(server, 3)
    burst = [bytes((n,)) * 1180 for n in range(7)] + [b"end"]
    for size, client in ((1180, one), (1180, two), (0, one), (1180, one)):
        data = b"".join(burst) if size else b"single"
        controls = [(SOL_UDP, UDP_SEGMENT, struct.pack("@H", size))] if size else []
        client.sendmsg([data], controls, 0, server.getsockname())
    expected = [(data, one) for data in burst] + [(data, two) for data in burst] + [(b"single", one)]
    expected += [(data, one) for data in burst]
    assert reader.read() == [(data, address_of(client, 3)) for data, client in expected]
    assert reader.drained
    assert reader.read() == []
    # Too long ones, in a train or not, are cut so that they are one drop each; what follows is not affected.
    one.sendmsg([bytes(3000)], [(SOL_UDP, UDP_SEGMENT, struct.pack("@H", 1300))], 0, server.getsockname())
    one.sendto(bytes(9000), server.getsockname())
    one.sendto(b"x", server.getsockname())
    assert [len(data) for data, _ in reader.read()] == [1300, 1300, 400, 1201, 1]


@linux
@pytest.mark.parametrize("failing", ["socket", "bind", "sendmsg", "setsockopt"])
def test_kernels_without_trains_are_noticed(failing, monkeypatch):
    class Old(socket.socket):
        pass

    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOPROTOOPT, "not there")

    if failing == "socket":
        monkeypatch.setattr(offload.socket, "socket", refuse)
    else:
        monkeypatch.setattr(Old, failing, refuse, raising=False)
        monkeypatch.setattr(offload.socket, "socket", Old)
    assert not can_receive_trains()
    assert failing == "setsockopt" or not can_send_trains()


@pytest.mark.parametrize("make", READERS)
def test_mapped_addresses_stay_mapped(make, bind):
    server, client = bind("::"), bind()
    client.sendto(b"x", ("127.0.0.1", server.getsockname()[1]))
    ((_, address),) = make(server, 0).read()
    assert address == Address(0, "::ffff:127.0.0.1", client.getsockname()[1])


@linux
def test_an_address_is_one_object_whichever_reader_it_comes_by(bind):
    known: dict[bytes, Address] = {}
    servers, client = (bind(), bind()), bind()
    readers = [VectorReader(server, 2, known=known) for server in servers]
    found = []
    for server, reader in zip(servers, readers, strict=True):
        for _ in range(2):
            client.sendto(b"x", server.getsockname())
            found += [address for _, address in reader.read()]
    assert found == [address_of(client, 2)] * 4
    assert len(set(map(id, found))) == 1


@linux
def test_known_addresses_are_bounded(bind):
    server, client = bind(), bind()
    known = {n.to_bytes(4, "big"): Address(0, "", 0) for n in range(MAX_KNOWN_ADDRESSES)}
    reader = VectorReader(server, 0, known=known)
    client.sendto(b"x", server.getsockname())
    assert reader.read() == [(b"x", address_of(client))]
    assert len(known) == 1


@linux
@pytest.mark.parametrize(
    ("family", "address"),
    [
        (socket.AF_INET, Address(0, "192.0.2.1", 65535)),
        (socket.AF_INET6, Address(1, "2001:db8::1", 1)),
        (socket.AF_INET6, Address(1, "::ffff:192.0.2.1", 5000)),
        (socket.AF_INET6, Address(1, "fe80::1%7", 5000)),
    ],
)
def test_socket_addresses_round_trip(family, address):
    packed = pack_sockaddr(address, family)
    assert len(packed) == (16 if family == socket.AF_INET else 28)
    assert parse_sockaddr(packed.ljust(28, b"\0"), address.lane) == address


@linux
def test_scopes_may_be_names():
    name = socket.if_nameindex()[0][1]
    number = socket.if_nametoindex(name)
    packed = pack_sockaddr(Address(0, f"fe80::1%{name}", 1), socket.AF_INET6)
    assert parse_sockaddr(packed, 0).host == f"fe80::1%{number}"


def test_a_call_that_is_not_there_is_one_clear_error():
    with pytest.raises(OSError, match="no_such_call"):
        load("no_such_call")
