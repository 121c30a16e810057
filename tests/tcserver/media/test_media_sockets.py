"""Senders, readers and the shell on real sockets of the loopback interface."""

import asyncio
import ctypes
import errno
import os
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tcproto.datagram import MAX_DATAGRAM, MIN_DATAGRAM, Item, ItemType, Kind, parse_header
from tcproto.messages import Kind as StreamKind
from tcserver.media import Drop, MediaPlane, ReceiverSet, Transmission, offload
from tcserver.media.backlog import MAX_BACKLOG
from tcserver.media.native import SOL_UDP, UDP_SEGMENT, load, pack_sockaddr, parse_sockaddr
from tcserver.media.offload import can_receive_trains, can_send_trains
from tcserver.media.reader import BATCH, MAX_KNOWN_ADDRESSES, PlainReader, VectorReader
from tcserver.media.sender import Blocked, Run, Sender
from tcserver.media.sendmmsg import VectorSender
from tcserver.media.sendto import PlainSender
from tcserver.media.sockets import MediaSockets
from tcserver.plane import Address, ChangeForwarding, OpenSealer, OpenSeat, OpenStream, PathProven, Receiver
from tests.tcserver.media.media_world import CAPS, ROOM_KEY, SEALER, Peer, audio, open_room, packet_item

linux = pytest.mark.skipif(sys.platform != "linux", reason="sendmmsg and recvmmsg are Linux's")
trains_out = pytest.mark.skipif(not can_send_trains(), reason="the kernel does not send trains (UDP_SEGMENT)")
trains_in = pytest.mark.skipif(not can_receive_trains(), reason="the kernel does not receive trains (UDP_GRO)")
TrainSender = partial(VectorSender, trains=True)
TrainReader = partial(VectorReader, trains=True)
SENDERS = [
    PlainSender,
    pytest.param(VectorSender, marks=linux),
    pytest.param(TrainSender, marks=trains_out, id="TrainSender"),
]
READERS = [
    PlainReader,
    pytest.param(VectorReader, marks=linux),
    pytest.param(TrainReader, marks=trains_in, id="TrainReader"),
]
Bind = Callable[..., socket.socket]


@pytest.fixture
def bind() -> Iterator[Bind]:
    """Return a function that binds a non-blocking socket; all are closed in the end."""
    sockets = []

    def bind(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        sockets.append(sock)
        sock.setblocking(False)
        if ":" in host:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            sock.bind((host, port))
        except OSError:
            if ":" not in host:
                raise
            pytest.skip("no IPv6 here")
        return sock

    yield bind
    for sock in sockets:
        sock.close()


def address_of(sock: socket.socket, local: int = 0) -> Address:
    return Address(local, *sock.getsockname()[:2])


def received(sock: socket.socket) -> list[bytes]:
    """Return what waits; on the loopback interface all that was sent does."""
    datagrams = []
    while True:
        try:
            datagrams.append(sock.recv(65536))
        except BlockingIOError:
            return datagrams


@pytest.mark.parametrize("make", SENDERS)
class TestSenders:
    def test_trains_go_in_order_to_everybody_but_one(self, make, bind):
        clients = [bind() for _ in range(6)]
        receivers = ReceiverSet((n, address_of(client)) for n, client in enumerate(clients))
        sender = make([bind()])
        for skip in (-1, 0, 3, 5):
            sender.send([Transmission(data, receivers, skip) for data in (b"one", b"twotwo", b"3")])
            for n, client in enumerate(clients):
                assert received(client) == ([] if n == skip else [b"one", b"twotwo", b"3"])
        assert sender.sent == 3 * (6 + 5 + 5 + 5)
        assert not sender.errors

    def test_a_single_receiver_and_none(self, make, bind):
        client = bind()
        sender = make([bind()])
        receivers = ReceiverSet([(1, address_of(client))])
        sender.send([Transmission(b"x", receivers), Transmission(b"y", receivers, 0)])
        sender.send([Transmission(b"z", ReceiverSet([]))])
        assert received(client) == [b"x"]

    def test_dead_ports_among_many(self, make, bind):
        """Whatever becomes of one, the others get everything."""
        clients = [bind() for _ in range(20)]
        members = list(enumerate(map(address_of, clients)))
        dead = clients.pop(9)
        dead.close()
        sender = make([bind()])
        receivers = ReceiverSet(members)
        for n in range(5):
            sender.send([Transmission(b"%d" % n, receivers)])
        assert all(received(client) == [b"0", b"1", b"2", b"3", b"4"] for client in clients)

    def test_refused_destinations_are_counted(self, make, bind):
        """The kernel refuses port 0 (EINVAL) and, from the loopback interface, other networks."""
        clients = [bind() for _ in range(4)]
        members = [(n, address_of(client)) for n, client in enumerate(clients)]
        members.insert(0, (90, Address(0, "127.0.0.1", 0)))
        members.insert(3, (91, Address(0, "127.0.0.1", 0)))
        members.append((92, Address(0, "127.0.0.1", 0)))
        receivers = ReceiverSet(members)
        sender = make([bind()])
        sender.send([Transmission(data, receivers) for data in (b"a", b"b")])
        assert all(received(client) == [b"a", b"b"] for client in clients)
        assert sender.errors == {"EINVAL": 6}
        assert sender.sent == 8

    def test_a_broadcast_address_is_not_permitted(self, make, bind):
        client = bind()
        sender = make([bind()])
        members = [(1, Address(0, "255.255.255.255", 9)), (2, address_of(client))]
        sender.send([Transmission(b"a", ReceiverSet(members))])
        assert received(client) == [b"a"]
        assert sum(sender.errors.values()) == 1

    def test_several_sockets_ipv6_and_mapped_addresses(self, make, bind):
        locals_ = [bind(), bind("::")]
        four, mapped, six = bind(), bind(), bind("::1")
        members = [
            (1, address_of(six, 1)),
            (2, address_of(four, 0)),
            (3, Address(1, f"::ffff:{mapped.getsockname()[0]}", mapped.getsockname()[1])),
        ]
        receivers = ReceiverSet(members)
        assert [address.local for address in receivers.addresses] == [0, 1, 1]
        sender = make(locals_)
        sender.send([Transmission(b"x", receivers, receivers.slots[1]), Transmission(b"y", receivers)])
        assert (received(six), received(four), received(mapped)) == ([b"y"], [b"x", b"y"], [b"x", b"y"])

    def test_more_receivers_than_one_call_takes(self, make, bind):
        client = bind()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sender = make([bind()])
        sender.send([Transmission(b"x", ReceiverSet((n, address_of(client)) for n in range(1030)), 500)])
        assert sender.sent == 1029

    def test_several_publishers_and_sizes_in_one_batch(self, make, bind):
        """Everybody gets all but its own, each publisher's in order, whatever leaves in one message."""
        clients = [bind() for _ in range(5)]
        receivers = ReceiverSet((n, address_of(client)) for n, client in enumerate(clients))
        few = ReceiverSet((n, address_of(clients[n])) for n in (0, 2, 4))
        sender = make([bind()])
        sizes = [100, 100, 100, 60, 100, 100, 120, 120, 120, 20, 100, 1, 1200, 1200, 1200, 300]
        batch, expected = [], {n: [] for n in range(5)}
        for n, size in enumerate(sizes):
            publisher, to = (n % 3) * 2, few if n % 4 == 3 else receivers
            datagram = bytes((n,)) * size
            batch.append(Transmission(datagram, to, to.slots[publisher]))
            for media_id in to.media_ids:
                if media_id != publisher:
                    expected[media_id].append((publisher, datagram))
        sender.send(batch)
        for n, client in enumerate(clients):
            got = received(client)
            assert sorted(got) == sorted(datagram for _, datagram in expected[n])
            for publisher in (0, 2, 4):
                own = [datagram for by, datagram in expected[n] if by == publisher]
                assert [datagram for datagram in got if datagram in own] == own
        assert sender.sent == sum(map(len, expected.values()))
        assert not sender.errors

    def test_a_long_burst(self, make, bind):
        clients = [bind() for _ in range(3)]
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        receivers = ReceiverSet((n, address_of(client)) for n, client in enumerate(clients))
        sender = make([bind()])
        burst = [bytes((n,)) * 1200 for n in range(120)]
        sender.send([Transmission(datagram, receivers, 1) for datagram in burst])
        assert [received(client) for client in clients] == [burst, [], burst]
        assert sender.sent == 240


@trains_out
def test_what_leaves_together_is_one_message_for_each_receiver(bind):
    """Counted by the calls: the burst, before and behind its publisher; the mixed train, and each talker's part."""
    clients = [bind() for _ in range(6)]
    receivers = ReceiverSet((n, address_of(client)) for n, client in enumerate(clients))
    sender = TrainSender([bind()])
    calls = []
    sendmmsg = sender._sendmmsg

    def counted(fd: int, address: int, count: int, flags: int) -> int:
        calls.append((count, sender._iov.length))
        return sendmmsg(fd, address, count, flags)

    sender._sendmmsg = counted
    sender.send([Transmission(bytes(size), receivers, 2) for size in (1180, 1180, 1180, 500)])
    assert calls == [(5, 4040)], "one call, whoever is left out"
    calls.clear()
    sender.send([Transmission(bytes(130), receivers, skip) for skip in (0, 5, 0)])
    assert calls == [(4, 390), (1, 130), (1, 260)]


class Congested(Sender):
    """Takes so many datagrams until its buffer is full."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.out: list[tuple[bytes, int]] = []
        self.flowing = asyncio.Event()

    def send_run(self, local: int, run: Run) -> None:
        for slot in range(run.start, run.stop):
            if not self.room:
                raise Blocked(slot)
            self.room -= 1
            self.out.append((run.payload, run.receivers.addresses[slot].port))
            self.flowing.set()


def ports(*numbers: int) -> ReceiverSet:
    return ReceiverSet((number, Address(0, "127.0.0.1", number)) for number in numbers)


def test_what_a_full_buffer_does_not_take_waits_in_order():
    sender = Congested(2)
    receivers = ports(1, 2, 3)
    sender.send([*(Transmission(data, receivers) for data in (b"a", b"b")), Transmission(b"c", ports(1))])
    assert sender.out == [(b"a", 1), (b"a", 2)]
    assert sender.blocked() == [0]
    sender.room = 2
    sender.resume(0)
    assert sender.blocked() == [0]
    sender.room = 99
    sender.resume(0)
    assert sender.blocked() == []
    assert sender.out == [(b"a", 1), (b"a", 2), (b"a", 3), (b"b", 1), (b"b", 2), (b"b", 3), (b"c", 1)]
    assert not sender.errors


class FaultySendmmsg:
    """Stands for ``sendmmsg`` of a kernel that has trouble: a script of counts and error numbers."""

    def __init__(self, *script: int) -> None:
        self.script = list(script)
        self.counts: list[int] = []

    def __call__(self, fd: int, address: int, count: int, flags: int) -> int:
        self.counts.append(count)
        step = self.script.pop(0) if self.script else count
        if step < 0:
            ctypes.set_errno(-step)
            return -1
        return step


@linux
@pytest.mark.parametrize(
    ("script", "counts", "errors", "sent"),
    [
        ([], [5], {}, 5),
        ([2], [5, 3], {}, 5),
        ([-errno.ECONNREFUSED], [5, 5], {}, 5),
        ([1, -errno.ECONNREFUSED, -errno.ECONNREFUSED], [5, 4, 4, 3], {"ECONNREFUSED": 1}, 4),
        ([-errno.ENOBUFS, 1, -errno.EMSGSIZE], [5, 4, 3, 2], {"ENOBUFS": 1, "EMSGSIZE": 1}, 3),
        ([4, -errno.EPERM], [5, 1], {"EPERM": 1}, 4),
    ],
)
def test_one_destination_never_costs_the_rest(bind, script, counts, errors, sent):
    sender = VectorSender([bind()])
    sender._sendmmsg = fault = FaultySendmmsg(*script)
    sender.send([Transmission(b"x", ports(1, 2, 3, 4, 5))])
    assert (fault.counts, dict(sender.errors), sender.sent) == (counts, errors, sent)


@linux
def test_a_full_buffer_of_sendmmsg_is_resumed_where_it_stopped(bind):
    sender = VectorSender([bind()])
    sender._sendmmsg = fault = FaultySendmmsg(2, -errno.EAGAIN, 3)
    sender.send([Transmission(b"x", ports(1, 2, 3, 4, 5))])
    assert sender.blocked() == [0]
    sender.resume(0)
    assert (fault.counts, sender.sent, sender.blocked()) == ([5, 3, 3], 5, [])


@trains_out
@pytest.mark.parametrize("error", [errno.EMSGSIZE, errno.EIO, errno.EINVAL])
def test_who_refuses_trains_gets_single_datagrams(bind, error):
    """In order and complete; the others get the train, and from then on the refusing one is not asked again."""
    sender = TrainSender([bind()])
    receivers = ports(1, 2, 3, 4, 5)
    burst = [Transmission(b"abc", receivers, 0), Transmission(b"de", receivers, 0)]
    sender._sendmmsg = fault = FaultySendmmsg(1, -error)
    sender.send(burst)
    # 2; 3 refuses; its two datagrams; 4 and 5.
    assert fault.counts == [4, 3, 1, 1, 2]
    assert (sender.sent, dict(sender.errors), sender.refused_trains) == (8, {}, 1)
    sender._sendmmsg = fault = FaultySendmmsg()
    sender.send(burst)
    assert fault.counts == [1, 2, 1, 1]
    assert sender.sent == 16


@trains_out
def test_a_train_that_a_full_buffer_holds_up_is_resumed_where_it_stopped(bind):
    sender = TrainSender([bind()])
    receivers = ports(1, 2, 3, 4, 5)
    sender._sendmmsg = fault = FaultySendmmsg(2, -errno.EAGAIN, 1, -errno.EAGAIN)
    sender.send([*(Transmission(data, receivers) for data in (b"abc", b"de")), Transmission(b"x", ports(1, 2))])
    assert (fault.counts, sender.sent, sender.blocked()) == ([5, 3], 4, [0])
    sender.resume(0)
    assert (fault.counts, sender.sent, sender.blocked()) == ([5, 3, 3, 2], 6, [0])
    sender.resume(0)
    assert (fault.counts[4:], sender.sent, sender.blocked()) == ([2, 2], 12, [])


@trains_out
def test_trains_that_errors_cost_and_that_give_way_are_counted_by_datagrams(bind):
    sender = TrainSender([bind()])
    sender._sendmmsg = FaultySendmmsg(-errno.ENOBUFS, 1, *[-errno.EAGAIN] * (MAX_BACKLOG + 9))
    receivers = ports(1, 2)
    sender.send([Transmission(data, receivers) for data in (b"abc", b"de")])
    assert (sender.sent, sender.errors) == (2, {"ENOBUFS": 2})
    for _ in range(MAX_BACKLOG + 1):
        sender.send([Transmission(data, receivers) for data in (b"abc", b"de")])
    assert sender.gave_way == {"small": 4}


class FaultySocket:
    def __init__(self, *script: OSError | None) -> None:
        self.script = list(script)

    def sendto(self, datagram: bytes, address: tuple[str, int]) -> int:
        error = self.script.pop(0) if self.script else None
        if error:
            raise error
        return len(datagram)


def test_plain_sends_pass_over_errors():
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    sock = FaultySocket(refused, None, refused, refused, OSError(errno.ENOBUFS, "full"), BlockingIOError())
    sender = PlainSender([sock])
    sender.send([Transmission(b"x", ports(1, 2, 3, 4, 5))])
    assert sender.errors == {"ECONNREFUSED": 1, "ENOBUFS": 1}
    assert sender.blocked() == [0]
    sender.resume(0)
    assert sender.sent == 3


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
def test_known_addresses_are_bounded(bind):
    server, client = bind(), bind()
    reader = VectorReader(server, 0)
    reader._known = {n.to_bytes(4, "big"): Address(0, "", 0) for n in range(MAX_KNOWN_ADDRESSES)}
    client.sendto(b"x", server.getsockname())
    assert reader.read() == [(b"x", address_of(client))]
    assert len(reader._known) == 1


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
    assert parse_sockaddr(packed.ljust(28, b"\0"), address.local) == address


@linux
def test_scopes_may_be_names():
    name = socket.if_nameindex()[0][1]
    number = socket.if_nametoindex(name)
    packed = pack_sockaddr(Address(0, f"fe80::1%{name}", 1), socket.AF_INET6)
    assert parse_sockaddr(packed, 0).host == f"fe80::1%{number}"


def test_a_call_that_is_not_there_is_one_clear_error():
    with pytest.raises(OSError, match="no_such_call"):
        load("no_such_call")


class Client(Peer):
    """A peer on a real socket."""

    def __init__(self, media_id: int, sock: socket.socket, server: tuple[str, int]) -> None:
        super().__init__(media_id, address_of(sock))
        self.socket = sock
        self.server = server

    def send(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self.socket.sendto(datagram, self.server)

    async def receive(self) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 65536), 5)

    async def prove(self) -> None:
        self.send(self.up())
        (item,) = self.open_down(await self.receive())
        assert item.type == ItemType.PATH_CHALLENGE
        self.send(self.up(Item(ItemType.PATH_RESPONSE, item.value)), self.ping())
        assert self.open_down(await self.receive())[0].type == ItemType.PONG


@pytest.mark.parametrize(
    "sender",
    ["sendto", pytest.param("sendmmsg", marks=linux), pytest.param("gso", marks=trains_out), "auto"],
)
@pytest.mark.parametrize(
    "receiver",
    ["recvfrom", pytest.param("recvmmsg", marks=linux), pytest.param("gro", marks=trains_in), "auto"],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_conversation_over_real_sockets(sender, receiver, host, bind):
    async def converse() -> None:
        loop = asyncio.get_running_loop()
        events = []
        plane = MediaPlane(os.urandom)
        sockets = MediaSockets(plane, [(host, 0)], loop, sender, receiver, on_events=events.extend)
        sockets.open()
        try:
            (server,) = sockets.local_addresses()
            sockets.apply(OpenSealer(1, SEALER, 0, ROOM_KEY))
            clients = [Client(1000 + n, bind(host), server) for n in range(4)]
            for n, client in enumerate(clients):
                sockets.apply(OpenSeat(client.media_id, 1, n + 1, 0, client.up_key, client.down_key))
                await client.prove()
            assert sum(isinstance(event, PathProven) for event in events) == 4
            a, *others = clients
            sockets.apply(
                OpenStream(7, a.media_id, StreamKind.AUDIO, CAPS),
                ChangeForwarding(1, (7,), tuple(Receiver(other.media_id) for other in others)),
            )
            plane.counters.drops.update(dict.fromkeys(Drop, 0))
            # V12, V13: what is too long is one drop each, and nothing else suffers.
            for size in (MAX_DATAGRAM - 1, MAX_DATAGRAM, MAX_DATAGRAM + 1, 1300, 2048, 65000):
                a.send(a.up(Item(ItemType.PADDING, bytes(size - MIN_DATAGRAM - 1))))
            packets = [audio(7, n, bytes(100)) for n in range(3)]
            a.send(*(a.up(packet_item(packet)) for packet in packets))
            for other in others:
                datagrams = [await other.receive() for _ in packets]
                assert [open_room(d)[0].value[2:] for d in datagrams] == packets
            assert plane.counters.drops[Drop.LENGTH] == 4
            assert all(parse_header(d).kind == Kind.DOWN for d in received(a.socket))
            assert not sockets.sender.errors
            assert all(size > 0 for sizes in sockets.buffer_sizes() for size in sizes)
        finally:
            sockets.close()
            sockets.close()

    asyncio.run(converse())


@linux
@pytest.mark.parametrize(
    ("names", "without", "classes"),
    [
        ({}, (), (VectorSender, True, VectorReader)),
        ({}, ("trains",), (VectorSender, False, VectorReader)),
        ({}, ("trains", "calls"), (PlainSender, None, PlainReader)),
        ({"sender": "sendmmsg", "receiver": "recvmmsg"}, (), (VectorSender, False, VectorReader)),
        ({"sender": "gso"}, ("trains",), "UDP_SEGMENT"),
        ({"receiver": "gro"}, ("trains",), "UDP_GRO"),
        ({"sender": "sendmmsg"}, ("calls",), "no sendmmsg"),
        ({"receiver": "recvmmsg"}, ("calls",), "no recvmmsg"),
    ],
)
def test_what_the_kernel_lacks_is_done_without(names, without, classes, monkeypatch):
    def missing(name: str) -> None:
        raise OSError(f"no {name}")

    if "calls" in without:
        monkeypatch.setattr("tcserver.media.sendmmsg.load", missing)
        monkeypatch.setattr("tcserver.media.reader.load", missing)
    for test in ("can_send_trains", "can_receive_trains"):
        monkeypatch.setattr(f"tcserver.media.sockets.{test}", lambda: "trains" not in without)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        sockets = MediaSockets(MediaPlane(os.urandom), [("127.0.0.1", 0)], loop, **names)
        if isinstance(classes, str):
            with pytest.raises(OSError, match=classes):
                sockets.open()
            assert sockets.local_addresses() == []
            return
        sockets.open()
        readers = {type(reader) for reader in sockets._readers}
        sockets.close()
        sender, trains, reader = classes
        assert (type(sockets.sender), readers) == (sender, {reader})
        assert getattr(sockets.sender, "trains", None) is trains

    asyncio.run(run())


@linux
def test_every_size_above_the_limit_is_one_drop(bind):
    """V12 on a real socket: 1,201 to 65,507."""

    async def flood() -> None:
        plane = MediaPlane(os.urandom)
        sockets = MediaSockets(plane, [("127.0.0.1", 0)], asyncio.get_running_loop())
        sockets.open()
        try:
            client = bind()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            sizes = [*range(1201, 1300), *range(1300, 65507, 997), 65507]
            for size in sizes:
                client.sendto(bytes(size), sockets.local_addresses()[0])
                sockets.pump(0)
            assert plane.counters.drops[Drop.LENGTH] == plane.counters.received == len(sizes)
            assert plane.counters.sent == 0
        finally:
            sockets.close()

    asyncio.run(flood())


@linux
def test_a_flood_leaves_time_for_others(bind, monkeypatch):
    """A turn of the loop ends after the batch in which its time is over; the rest is read in the next."""
    monkeypatch.setattr("tcserver.media.sockets.READ_BUDGET", 1e-9)

    async def flood() -> None:
        plane = MediaPlane(os.urandom)
        sockets = MediaSockets(plane, [("127.0.0.1", 0)], asyncio.get_running_loop())
        sockets.open()
        try:
            client = bind()
            for _ in range(2 * BATCH + 5):
                client.sendto(bytes(40), sockets.local_addresses()[0])
            for received in (BATCH, 2 * BATCH, 2 * BATCH + 5, 2 * BATCH + 5):
                sockets.pump(0)
                assert plane.counters.received == received
        finally:
            sockets.close()

    asyncio.run(flood())


def test_a_failure_is_logged_at_a_limited_rate_and_a_full_socket_is_resumed(bind, caplog):
    async def fail() -> None:
        loop = asyncio.get_running_loop()

        def no_randomness(size: int) -> bytes:
            raise RuntimeError("no randomness")

        plane = MediaPlane(no_randomness)
        sockets = MediaSockets(plane, [("127.0.0.1", 0)], loop)
        sockets.open()
        try:
            (server,) = sockets.local_addresses()
            client = Client(1000, bind(), server)
            sockets.apply(OpenSealer(1, SEALER, 0, ROOM_KEY), OpenSeat(1000, 1, 1, 0, client.up_key, client.down_key))
            for _ in range(5):
                client.send(client.up())
                sockets.pump(0)
            assert plane.counters.drops[Drop.INTERNAL] == 5
            sockets.sender = congested = Congested(0)
            client.send(client.ping())
            sockets.pump(0)
            congested.room = 9
            await asyncio.wait_for(congested.flowing.wait(), 5)
            assert congested.blocked() == []
        finally:
            sockets.close()

    asyncio.run(fail())
    assert [record.message for record in caplog.records] == ["a datagram was dropped because handling it failed"]


def test_the_timer_runs_and_ends_with_the_sockets(bind):
    async def run() -> None:
        done = asyncio.Event()
        plane = MediaPlane(os.urandom)
        polls = []
        poll = plane.poll

        def counted(now: float) -> None:
            poll(now)
            polls.append(now)
            done.set()

        plane.poll = counted
        sockets = MediaSockets(plane, [("127.0.0.1", 0)], asyncio.get_running_loop())
        sockets.open()
        sockets.apply(OpenSealer(1, SEALER, 0, ROOM_KEY))
        await asyncio.wait_for(done.wait(), 5)
        sockets.close()
        sockets.apply(OpenSealer(2, SEALER, 0, ROOM_KEY))
        assert sockets._timer is None

    asyncio.run(run())


def test_an_address_in_use_leaves_nothing_open(bind):
    async def run() -> None:
        taken = bind()
        sockets = MediaSockets(
            MediaPlane(os.urandom), [("127.0.0.1", 0), taken.getsockname()], asyncio.get_running_loop()
        )
        with pytest.raises(OSError, match="in use"):
            sockets.open()
        assert sockets.local_addresses() == []

    asyncio.run(run())


def test_both_families_on_one_port(bind):
    async def run() -> None:
        port = bind().getsockname()[1]
        sockets = MediaSockets(MediaPlane(os.urandom), [("127.0.0.1", 0)], asyncio.get_running_loop())
        sockets.open()
        port = sockets.local_addresses()[0][1]
        sockets.close()
        both = MediaSockets(
            MediaPlane(os.urandom),
            [("0.0.0.0", port), ("::", port)],
            asyncio.get_running_loop(),
            "sendto",
            buffer_bytes=65_536,
        )
        both.open()
        assert all(0 < size <= 2 * 65_536 for sizes in both.buffer_sizes() for size in sizes)
        assert both.local_addresses() == [("0.0.0.0", port), ("::", port)]
        both.close()

    asyncio.run(run())
