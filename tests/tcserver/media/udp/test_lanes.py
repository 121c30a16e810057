"""The lanes of UDP, behind the sender, on real sockets of the loopback interface."""

import ctypes
import errno
import socket

import pytest

from tcserver.media import ReceiverSet, Transmission
from tcserver.media.interface import Address
from tcserver.media.lanes.sender import Sender
from tcserver.media.udp.backlog import MAX_BACKLOG
from tcserver.media.udp.native import Iovec, Mmsghdr, load
from tcserver.media.udp.sendmmsg import VectorLane
from tcserver.media.udp.sendto import PlainLane
from tests.support.media.loopback import (
    CongestedSocket,
    LoopbackSender,
    address_of,
    linux,
    received,
    trains_out,
)

KINDS = [
    "sendto",
    pytest.param("sendmmsg", marks=linux),
    pytest.param("gso", marks=trains_out),
]


@pytest.mark.parametrize("name", KINDS)
class TestLanes:
    def test_trains_go_in_order_to_everybody_but_one(self, name, bind):
        clients = [bind() for _ in range(6)]
        receivers = ReceiverSet((n, address_of(client)) for n, client in enumerate(clients))
        sender = LoopbackSender(name, [bind()])
        for skip in (-1, 0, 3, 5):
            sender.send([Transmission(data, receivers, skip) for data in (b"one", b"twotwo", b"3")])
            for n, client in enumerate(clients):
                assert received(client) == ([] if n == skip else [b"one", b"twotwo", b"3"])
        assert sender.counts.sent == 3 * (6 + 5 + 5 + 5)
        assert not sender.counts.errors

    def test_a_single_receiver_and_none(self, name, bind):
        client = bind()
        sender = LoopbackSender(name, [bind()])
        receivers = ReceiverSet([(1, address_of(client))])
        sender.send([Transmission(b"x", receivers), Transmission(b"y", receivers, 0)])
        sender.send([Transmission(b"z", ReceiverSet([]))])
        assert received(client) == [b"x"]

    def test_dead_ports_among_many(self, name, bind):
        """Whatever becomes of one, the others get everything."""
        clients = [bind() for _ in range(20)]
        members = list(enumerate(map(address_of, clients)))
        dead = clients.pop(9)
        dead.close()
        sender = LoopbackSender(name, [bind()])
        receivers = ReceiverSet(members)
        for n in range(5):
            sender.send([Transmission(b"%d" % n, receivers)])
        assert all(received(client) == [b"0", b"1", b"2", b"3", b"4"] for client in clients)

    def test_refused_destinations_are_counted(self, name, bind):
        """The kernel refuses port 0 (EINVAL) and, from the loopback interface, other networks."""
        clients = [bind() for _ in range(4)]
        members = [(n, address_of(client)) for n, client in enumerate(clients)]
        members.insert(0, (90, Address(0, "127.0.0.1", 0)))
        members.insert(3, (91, Address(0, "127.0.0.1", 0)))
        members.append((92, Address(0, "127.0.0.1", 0)))
        receivers = ReceiverSet(members)
        sender = LoopbackSender(name, [bind()])
        sender.send([Transmission(data, receivers) for data in (b"a", b"b")])
        assert all(received(client) == [b"a", b"b"] for client in clients)
        assert sender.counts.errors == {"EINVAL": 6}
        assert sender.counts.sent == 8

    def test_a_broadcast_address_is_not_permitted(self, name, bind):
        client = bind()
        sender = LoopbackSender(name, [bind()])
        members = [(1, Address(0, "255.255.255.255", 9)), (2, address_of(client))]
        sender.send([Transmission(b"a", ReceiverSet(members))])
        assert received(client) == [b"a"]
        assert sum(sender.counts.errors.values()) == 1

    def test_several_sockets_ipv6_and_mapped_addresses(self, name, bind):
        locals_ = [bind(), bind("::")]
        four, mapped, six = bind(), bind(), bind("::1")
        members = [
            (1, address_of(six, 1)),
            (2, address_of(four, 0)),
            (3, Address(1, f"::ffff:{mapped.getsockname()[0]}", mapped.getsockname()[1])),
        ]
        receivers = ReceiverSet(members)
        assert [address.lane for address in receivers.addresses] == [0, 1, 1]
        sender = LoopbackSender(name, locals_)
        sender.send([Transmission(b"x", receivers, receivers.indices[1]), Transmission(b"y", receivers)])
        assert (received(six), received(four), received(mapped)) == ([b"y"], [b"x", b"y"], [b"x", b"y"])

    def test_more_receivers_than_one_call_takes(self, name, bind):
        client = bind()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sender = LoopbackSender(name, [bind()])
        sender.send([Transmission(b"x", ReceiverSet((n, address_of(client)) for n in range(1030)), 500)])
        assert sender.counts.sent == 1029

    def test_several_publishers_and_sizes_in_one_batch(self, name, bind):
        """All get all but their own, in the order of each publisher, however much leaves in one message."""
        clients = [bind() for _ in range(5)]
        receivers = ReceiverSet((n, address_of(client)) for n, client in enumerate(clients))
        few = ReceiverSet((n, address_of(clients[n])) for n in (0, 2, 4))
        sender = LoopbackSender(name, [bind()])
        sizes = [100, 100, 100, 60, 100, 100, 120, 120, 120, 20, 100, 1, 1200, 1200, 1200, 300]
        batch, expected = [], {n: [] for n in range(5)}
        for n, size in enumerate(sizes):
            publisher, to = (n % 3) * 2, few if n % 4 == 3 else receivers
            datagram = bytes((n,)) * size
            batch.append(Transmission(datagram, to, to.indices[publisher]))
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
        assert sender.counts.sent == sum(map(len, expected.values()))
        assert not sender.counts.errors

    def test_a_long_burst(self, name, bind):
        clients = [bind() for _ in range(3)]
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        receivers = ReceiverSet((n, address_of(client)) for n, client in enumerate(clients))
        sender = LoopbackSender(name, [bind()])
        burst = [bytes((n,)) * 1200 for n in range(120)]
        sender.send([Transmission(datagram, receivers, 1) for datagram in burst])
        assert [received(client) for client in clients] == [burst, [], burst]
        assert sender.counts.sent == 240


@trains_out
def test_what_leaves_together_is_one_message_for_each_receiver(bind):
    """Counted by the calls: the burst, before and behind its publisher; the mixed train, and each talker's part."""
    clients = [bind() for _ in range(6)]
    receivers = ReceiverSet((n, address_of(client)) for n, client in enumerate(clients))
    calls = []
    sendmmsg = load("sendmmsg")

    def counted(fd: int, address: int, count: int, flags: int) -> int:
        calls.append((count, Iovec.from_address(Mmsghdr.from_address(address).header.iov).length))
        return sendmmsg(fd, address, count, flags)

    sender = Sender([VectorLane(bind(), pytest.fail, counted, trains=True)])
    sender.send([Transmission(bytes(size), receivers, 2) for size in (1180, 1180, 1180, 500)])
    assert calls == [(5, 4040)], "one call, whoever is left out"
    calls.clear()
    sender.send([Transmission(bytes(130), receivers, skip) for skip in (0, 5, 0)])
    assert calls == [(4, 390), (1, 130), (1, 260)]


def ports(*numbers: int) -> ReceiverSet:
    return ReceiverSet((number, Address(0, "127.0.0.1", number)) for number in numbers)


def test_what_a_full_buffer_does_not_take_waits_in_order():
    sock, full = CongestedSocket(2), []
    lane = PlainLane(sock, full.append)
    receivers = ports(1, 2, 3)
    Sender([lane]).send([*(Transmission(data, receivers) for data in (b"a", b"b")), Transmission(b"c", ports(1))])
    assert sock.out == [(b"a", 1), (b"a", 2)]
    assert (full, lane.waiting) == ([lane], 3)
    sock.room = 2
    assert not lane.resume()
    assert (full, lane.waiting) == ([lane], 2)
    sock.room = 99
    assert lane.resume()
    assert (full, lane.waiting) == ([lane], 0)
    assert sock.out == [(b"a", 1), (b"a", 2), (b"a", 3), (b"b", 1), (b"b", 2), (b"b", 3), (b"c", 1)]
    assert not lane.counts.errors
    sock.room = 0
    Sender([lane]).send([Transmission(b"d", ports(1))])
    assert (full, lane.waiting) == ([lane, lane], 1), "it is told again when it is full again"


class FaultySendmmsg:
    """Takes the place of ``sendmmsg`` of a kernel with trouble: a script of counts and error numbers."""

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


def faulty(bind, *script: int, trains: bool = False) -> tuple[VectorLane, FaultySendmmsg]:
    fault = FaultySendmmsg(*script)
    return VectorLane(bind(), lambda lane: None, fault, trains), fault


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
    lane, fault = faulty(bind, *script)
    Sender([lane]).send([Transmission(b"x", ports(1, 2, 3, 4, 5))])
    assert (fault.counts, dict(lane.counts.errors), lane.counts.sent) == (counts, errors, sent)


@linux
def test_a_full_buffer_of_sendmmsg_is_resumed_where_it_stopped(bind):
    lane, fault = faulty(bind, 2, -errno.EAGAIN, 3)
    Sender([lane]).send([Transmission(b"x", ports(1, 2, 3, 4, 5))])
    assert lane.waiting == 1
    assert lane.resume()
    assert (fault.counts, lane.counts.sent, lane.waiting) == ([5, 3, 3], 5, 0)


@trains_out
@pytest.mark.parametrize("error", [errno.EMSGSIZE, errno.EIO, errno.EINVAL])
def test_who_refuses_trains_gets_single_datagrams(bind, error):
    """In order and complete; the others get the train, and from then on the refusing one is not asked again."""
    lane, fault = faulty(bind, 1, -error, trains=True)
    sender, counts = Sender([lane]), lane.counts
    receivers = ports(1, 2, 3, 4, 5)
    burst = [Transmission(b"abc", receivers, 0), Transmission(b"de", receivers, 0)]
    sender.send(burst)
    # 2; 3 refuses; its two datagrams; 4 and 5.
    assert fault.counts == [4, 3, 1, 1, 2]
    assert (counts.sent, dict(counts.errors), counts.refused_trains) == (8, {}, 1)
    fault.counts.clear()
    sender.send(burst)
    assert fault.counts == [1, 1, 1, 2]
    assert counts.sent == 16


@trains_out
def test_a_train_that_a_full_buffer_holds_up_is_resumed_where_it_stopped(bind):
    lane, fault = faulty(bind, 2, -errno.EAGAIN, 1, -errno.EAGAIN, trains=True)
    counts = lane.counts
    receivers = ports(1, 2, 3, 4, 5)
    Sender([lane]).send([*(Transmission(data, receivers) for data in (b"abc", b"de")), Transmission(b"x", ports(1, 2))])
    assert (fault.counts, counts.sent, lane.waiting) == ([5, 3], 4, 2)
    assert not lane.resume()
    assert (fault.counts, counts.sent, lane.waiting) == ([5, 3, 3, 2], 6, 2)
    assert lane.resume()
    assert (fault.counts[4:], counts.sent, lane.waiting) == ([2, 2], 12, 0)


@trains_out
def test_a_full_buffer_before_or_behind_who_refuses_trains_costs_nobody_anything(bind):
    """Each receiver gets both datagrams once, the refusing one singly, wherever the buffer is full."""
    for at in range(4):
        receivers = ports(1, 2, 3, 4)
        burst = [Transmission(b"abc", receivers), Transmission(b"de", receivers)]
        lane, fault = faulty(bind, 2, -errno.EIO, trains=True)
        sender = Sender([lane])
        sender.send(burst)
        assert (fault.counts, lane.counts.sent) == ([4, 2, 1, 1, 1], 8)
        fault.counts.clear()
        fault.script = [*([2, 1, 1, 1][:at]), -errno.EAGAIN]
        sender.send(burst)
        assert lane.waiting
        assert lane.resume()
        assert (lane.counts.sent, lane.counts.errors) == (16, {})
        # The train for the first two, the two datagrams, the train for the last, and the call that found it full.
        assert sorted(fault.counts) == [1, 1, 1, 1, 2] if at else [1, 1, 1, 2, 2]


@trains_out
def test_trains_that_errors_cost_and_that_give_way_are_counted_by_datagrams(bind):
    lane, _ = faulty(bind, -errno.ENOBUFS, 1, *[-errno.EAGAIN] * (MAX_BACKLOG + 9), trains=True)
    sender, receivers = Sender([lane]), ports(1, 2)
    sender.send([Transmission(data, receivers) for data in (b"abc", b"de")])
    assert (lane.counts.sent, lane.counts.errors) == (2, {"ENOBUFS": 2})
    for _ in range(MAX_BACKLOG + 1):
        sender.send([Transmission(data, receivers) for data in (b"abc", b"de")])
    assert lane.counts.gave_way == {"small": 4}


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
    lane = PlainLane(sock, lambda lane: None)
    Sender([lane]).send([Transmission(b"x", ports(1, 2, 3, 4, 5))])
    assert lane.counts.errors == {"ECONNREFUSED": 1, "ENOBUFS": 1}
    assert lane.waiting == 1
    assert lane.resume()
    assert lane.counts.sent == 3
