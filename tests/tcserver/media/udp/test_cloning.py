"""Lanes that have the kernel clone, on the loopback device."""

import asyncio
import ctypes
import errno
import os
import random
import socket
from contextlib import closing

import pytest

from tcproto.datagram import DSCP_LARGE, DSCP_SMALL
from tcserver.media import MediaPlane, ReceiverSet, Transmission
from tcserver.media.bpf.fan_out import Descriptors, FanOut
from tcserver.media.bpf.network import Refusal
from tcserver.media.bpf.program import TRIGGER_PORT
from tcserver.media.bpf.watch import Watch
from tcserver.media.interface import Address
from tcserver.media.lanes.sender import Sender
from tcserver.media.udp.binding import bind
from tcserver.media.udp.cloning import Cloning, address_bytes
from tcserver.media.udp.cloning_lane import MIN_RECEIVERS, CloningLane
from tcserver.media.udp.marking import Marking
from tcserver.media.udp.native import SOL_UDP, load
from tcserver.media.udp.sockets import MediaSockets
from tests.support.media.cloning import COUNT, CloningSender, clients, opened, set_of
from tests.support.media.loopback import received
from tests.support.media.namespaces import skip_without_bpf
from tests.support.processes.world import until

__all__ = ["clients"]

LOOPBACK = [([("127.0.0.1", 0)], "127.0.0.1", False), ([("::1", 0)], "::1", False), ([("::", 0)], "127.0.0.1", True)]


@pytest.mark.parametrize(("addresses", "host", "mapped"), LOOPBACK)
def test_all_but_one_get_each_datagram_once_alone_and_in_trains(addresses, host, mapped, clients):
    skip_without_bpf()

    async def main() -> None:
        sockets = clients(host, COUNT)
        receivers = set_of(sockets, 0, mapped)
        async with opened(addresses) as sender:
            assert sender.cloning.active
            for skip in (-1, 0, 5, COUNT - 1):
                for payloads in ([b"alone"], [b"one" * 50, b"two" * 50, b"3"]):
                    sender.send([Transmission(payload, receivers, skip) for payload in payloads])
                    for number, sock in enumerate(sockets):
                        assert received(sock) == ([] if number == skip else payloads)
            sent = 4 * (4 * COUNT - 3)
            assert (sender.counts.sent, sender.counts.cloned) == (sent, sent)
            assert not sender.counts.errors
            assert not sender.counts.not_cloned

    asyncio.run(main())


def test_who_refuses_trains_is_remembered_where_clones_are_suspended(clients):
    """The kernel refuses the first train once, for the third receiver."""
    skip_without_bpf()
    sendmmsg, answers = load("sendmmsg"), [2, -errno.EIO]

    def faulty(fd: int, address: int, count: int, flags: int) -> int:
        answer = answers.pop(0) if answers else count
        if answer < 0:
            ctypes.set_errno(-answer)
            return -1
        return sendmmsg(fd, address, answer, flags)

    async def main() -> None:
        sockets = clients("127.0.0.1", COUNT)
        receivers = set_of(sockets, 0)
        with closing(FanOut.open()) as fan_out, closing(Cloning(fan_out, asyncio.get_running_loop())) as cloning:
            (sock,) = bind([("127.0.0.1", 0)], 1 << 22)
            with sock:
                lane = CloningLane(sock, pytest.fail, faulty, True, cloning)
                for turn in (1, 2):
                    Sender([lane]).send([Transmission(payload, receivers) for payload in (b"ab", b"cd")])
                    assert all(received(client) == [b"ab", b"cd"] for client in sockets)
                    assert (lane.counts.sent, lane.counts.refused_trains) == (2 * COUNT * turn, turn)
                    assert lane.counts.not_cloned == {Refusal.SUSPENDED: 2 * COUNT * turn}
        assert not answers

    asyncio.run(main())


def test_more_receivers_than_one_trigger_takes(clients):
    skip_without_bpf()

    async def main() -> None:
        (client,) = clients("127.0.0.1", 1)
        address = Address(0, *client.getsockname())
        async with opened([("127.0.0.1", 0)]) as sender:
            sender.send([Transmission(b"x", ReceiverSet((number, address) for number in range(600)), 300)])
            assert sender.counts.cloned == 599
            arrived: list[bytes] = []
            await until(lambda: arrived.extend(received(client)) or len(arrived) >= 599, "all")
            assert len(arrived) == 599

    asyncio.run(main())


def test_who_cannot_be_served_gets_the_same_by_other_calls(clients):
    """In the midst of those who get clones, and of both families: with each publisher left out, and in trains."""
    skip_without_bpf()

    async def main() -> None:
        four, six = clients("127.0.0.1", 2 * MIN_RECEIVERS), clients("::1", MIN_RECEIVERS + 1)
        async with opened([("::", 0)]) as sender:
            mixed = [*set_of(four, 0, mapped=True).addresses, *set_of(six, 0).addresses]
            random.Random(5).shuffle(mixed)
            mixed.insert(4, Address(0, "::1", TRIGGER_PORT))
            receivers = ReceiverSet(enumerate(mixed))
            sockets = {sock.getsockname()[1]: sock for sock in (*four, *six)}
            assert not sender.full
            for skip in range(-1, len(mixed)):
                for payloads in ([b"alone"], [b"ab", b"cd"]):
                    sender.send([Transmission(payload, receivers, skip) for payload in payloads])
                    for index, address in enumerate(receivers.addresses):
                        if address.port in sockets:
                            assert received(sockets[address.port]) == ([] if index == skip else payloads)
            turns = 3 * len(mixed)
            assert sender.counts.sent == turns * len(mixed)
            assert sender.counts.not_cloned[Refusal.ADDRESS] == turns
            assert sender.counts.cloned + sum(sender.counts.not_cloned.values()) == sender.counts.sent

    asyncio.run(main())


def test_few_receivers_and_long_datagrams_are_not_cloned(clients):
    skip_without_bpf()

    async def main() -> None:
        sockets = clients("127.0.0.1", MIN_RECEIVERS)
        async with opened([("127.0.0.1", 0)]) as sender:
            few, enough = set_of(sockets[1:], 0), set_of(sockets, 0)
            sender.send([Transmission(b"x", few)])
            sender.send([Transmission(b"y", enough, 0)])
            assert sender.counts.not_cloned == {Refusal.NUMBER: 2 * MIN_RECEIVERS - 2}
            sender.send([Transmission(bytes(3000), enough)])
            assert sender.counts.not_cloned[Refusal.SIZE] == MIN_RECEIVERS
            assert [len(received(sock)) for sock in sockets] == [1, *(MIN_RECEIVERS - 1) * [3]]

    asyncio.run(main())


@pytest.mark.parametrize("mapped", [False, True])
def test_what_was_sent_while_a_socket_was_full_stays_in_order(mapped, clients):
    skip_without_bpf()

    async def main() -> None:
        sockets = clients("127.0.0.1", COUNT)
        receivers = set_of(sockets, 0, mapped)
        async with opened([("::" if mapped else "127.0.0.1", 0)]) as sender:
            (lane,) = sender.lanes
            lane.send(b"1", 1, receivers.by_lane[0], 0, COUNT)
            sender.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 0)
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(lane, "_sendmmsg", full)
                lane.send(b"2", 1, receivers.by_lane[0], 0, COUNT)
            assert (sender.full, lane.waiting, sender.cloning.active) == ([lane], 1, True)
            lane.send(b"3", 1, receivers.by_lane[0], 0, COUNT)
            assert lane.waiting == 2
            assert lane.resume()
            lane.send(b"4", 1, receivers.by_lane[0], 0, COUNT)
            assert all(received(sock) == [b"1", b"2", b"3", b"4"] for sock in sockets)
            assert sender.counts.not_cloned == {Refusal.SUSPENDED: COUNT, Refusal.WAITING: COUNT}

    asyncio.run(main())


def full(fd: int, address: int, count: int, flags: int) -> int:
    ctypes.set_errno(errno.EAGAIN)
    return -1


def test_a_program_that_is_gone_is_noticed_at_once(clients, caplog):
    """As after ``bpftool link detach``: the maps are there, and nothing reads them."""
    skip_without_bpf()

    async def main() -> None:
        sockets = clients("127.0.0.1", COUNT)
        fan_out = FanOut.open()
        control, entries = (os.dup(descriptor) for descriptor in fan_out.descriptors[:2])
        worker = FanOut(Descriptors(control, entries, fan_out.host))
        sender = CloningSender(worker, [("127.0.0.1", 0)])
        receivers = set_of(sockets, 0)
        sender.send([Transmission(b"1", receivers)])
        fan_out.close()
        for payload in (b"2", b"3"):
            sender.send([Transmission(payload, receivers)])
        assert all(received(sock) == [b"1", b"2", b"3"] for sock in sockets)
        assert sender.counts.not_cloned == {Refusal.SUSPENDED: 2 * COUNT}
        assert "the program is not at the loopback device any more" in caplog.text
        sender.close()
        worker.close()

    asyncio.run(main())


@pytest.mark.parametrize(("host", "option"), [("127.0.0.1", (socket.SOL_SOCKET, 11)), ("::1", (SOL_UDP, 101))])
def test_triggers_without_a_checksum_are_not_cloned(host, option, clients, caplog):
    """As where the loopback device does not compute checksums: SO_NO_CHECK and UDP_NO_CHECK6_TX leave them out."""
    skip_without_bpf()

    async def main() -> None:
        sockets = clients(host, COUNT)
        async with opened([(host, 0)]) as sender:
            sender.sockets[0].setsockopt(*option, 1)
            receivers = set_of(sockets, 0)
            for payload in (b"1", b"2"):
                sender.send([Transmission(payload, receivers)])
            assert sender.counts.not_cloned == {Refusal.SUSPENDED: 2 * COUNT}
            assert "the loopback device computes no checksums" in caplog.text

    asyncio.run(main())


@pytest.mark.parametrize(
    ("host", "packed"),
    [
        ("127.0.0.1", b"\x7f\0\0\1"),
        ("::ffff:127.0.0.1", b"\x7f\0\0\1"),
        ("::1", bytes(15) + b"\1"),
        ("fe80::1%eth0", b""),
    ],
)
def test_addresses(host, packed):
    assert address_bytes(host) == packed


def test_sockets_do_without_where_the_network_cannot_be_watched(monkeypatch, caplog):
    skip_without_bpf()

    def refuse(watch: Watch) -> None:
        raise OSError(errno.EAFNOSUPPORT, "no netlink")

    async def main() -> None:
        with closing(FanOut.open()) as fan_out:
            monkeypatch.setattr(Watch, "__init__", refuse)
            sockets = MediaSockets(MediaPlane(os.urandom), [("127.0.0.1", 0)], asyncio.get_running_loop())
            sockets.open(fan_out=fan_out)
            await sockets.close()

    asyncio.run(main())
    assert "the kernel is not asked for copies of datagrams: [Errno 97] no netlink" in caplog.text


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        ("127.0.0.1", (socket.IPPROTO_IP, socket.IP_RECVTOS)),
        ("::1", (socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS)),
    ],
)
def test_clones_are_marked_as_other_datagrams_are(host, wanted, clients):
    skip_without_bpf()

    async def main() -> None:
        sockets = clients(host, COUNT)
        for sock in sockets:
            sock.setsockopt(*wanted, 1)
        async with opened([(host, 0)]) as sender:
            sender.lanes[0].marking = Marking(sender.sockets[0])
            for size, expected in ((100, DSCP_SMALL), (1200, DSCP_LARGE), (100, DSCP_SMALL)):
                sender.send([Transmission(bytes(size), set_of(sockets, 0))])
                for sock in sockets:
                    data, control, _, _ = sock.recvmsg(2048, 64)
                    assert (len(data), control[0][2][0] >> 2) == (size, expected)
            assert sender.counts.cloned == 3 * COUNT

    asyncio.run(main())
