"""Lanes that have the kernel clone: on the loopback device, and over a cable to another network namespace."""

import asyncio
import ctypes
import errno
import os
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing

import pytest

from tcproto.datagram import DSCP_LARGE, DSCP_SMALL
from tcserver.media import MediaPlane, ReceiverSet, Transmission
from tcserver.media.bpf.fan_out import Descriptors, FanOut
from tcserver.media.bpf.network import Refusal
from tcserver.media.bpf.program import TRIGGER_PORT
from tcserver.media.bpf.watch import Watch
from tcserver.media.interface import Address
from tcserver.media.lanes.lane import LaneCounts, total
from tcserver.media.lanes.sender import Sender
from tcserver.media.lanes.train import MAX_SEGMENTS
from tcserver.media.udp.binding import bind
from tcserver.media.udp.cloning import Cloning, address_bytes
from tcserver.media.udp.cloning_lane import MIN_RECEIVERS, CloningLane, make_cloning_lanes
from tcserver.media.udp.marking import Marking
from tcserver.media.udp.native import SOL_UDP, load
from tcserver.media.udp.sendto import PlainLane
from tcserver.media.udp.sockets import MediaSockets
from tests.support.media.loopback import received
from tests.support.media.namespaces import (
    CABLE,
    CLIENTS,
    CLIENTS6,
    FAR,
    SERVER6,
    cable,
    skip_without_bpf,
    without_checksums,
)
from tests.support.processes.world import until

__all__ = ["cable"]

COUNT = 12
ANY = [("0.0.0.0", 0), ("::", 0)]


class CloningSender(Sender):
    """A sender on sockets of these addresses."""

    def __init__(self, fan_out: FanOut, addresses: list[tuple[str, int]]) -> None:
        self.fan_out = fan_out
        self.full: list[PlainLane] = []
        self.sockets = bind(addresses, 1 << 22)
        self.cloning = Cloning(fan_out, asyncio.get_running_loop())
        self.lanes = make_cloning_lanes(self.cloning, self.sockets, self.full.append)
        super().__init__(self.lanes)

    @property
    def counts(self) -> LaneCounts:
        return total(self.lanes)

    def close(self) -> None:
        self.cloning.close()
        self.cloning.close()
        for sock in self.sockets:
            sock.close()

    async def active(self) -> None:
        await until(lambda: self.cloning.active, "clones again")


@asynccontextmanager
async def opened(addresses: list[tuple[str, int]] = ANY) -> AsyncIterator[CloningSender]:
    fan_out = FanOut.open()
    try:
        sender = CloningSender(fan_out, addresses)
        try:
            yield sender
        finally:
            sender.close()
    finally:
        fan_out.close()


@pytest.fixture
def clients() -> Iterator[Callable[[str, int], list[socket.socket]]]:
    made: list[socket.socket] = []

    def make(host: str, count: int) -> list[socket.socket]:
        sockets = bind([(host, 0)] * count, 1 << 22)
        made.extend(sockets)
        return sockets

    yield make
    for sock in made:
        sock.close()


def set_of(sockets: list[socket.socket], lane: int, mapped: bool = False) -> ReceiverSet:
    prefix = "::ffff:" if mapped else ""
    return ReceiverSet(
        (number, Address(lane, prefix + sock.getsockname()[0], sock.getsockname()[1]))
        for number, sock in enumerate(sockets)
    )


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


@pytest.mark.parametrize(("host", "lane"), [(CLIENTS, 0), (CLIENTS6, 1)])
def test_over_a_cable_all_get_each_datagram_once_while_others_join_and_leave(host, lane, cable, clients):
    """The kernel computes each checksum, since the cable does not, and the receiving one checks it."""

    async def main() -> None:
        chance = random.Random(7)
        with cable.inside("clients"):
            sockets = clients(host, 40)
        with cable.inside("server"), without_checksums(CABLE):
            async with opened() as sender:
                await resolve(sender, sockets[0], lane)
                before = sender.counts
                expected, arrived = ({number: [] for number in range(len(sockets))} for _ in range(2))
                members = set(range(20))
                for _ in range(300):
                    members ^= {chance.randrange(len(sockets))}
                    receivers = ReceiverSet(
                        (number, Address(lane, host, sockets[number].getsockname()[1])) for number in sorted(members)
                    )
                    payloads = [os.urandom(chance.choice((60, 140, 1200))) for _ in range(chance.choice((1, 1, 3)))]
                    skip = chance.choice((-1, chance.randrange(len(members))))
                    sender.send([Transmission(payload, receivers, skip) for payload in payloads])
                    for index, number in enumerate(receivers.media_ids):
                        if index != skip:
                            expected[number] += payloads
                    for number, sock in enumerate(sockets):
                        arrived[number] += received(sock)
                await asyncio.sleep(0.05)
                for number, sock in enumerate(sockets):
                    assert sorted(arrived[number] + received(sock)) == sorted(expected[number])
                sent = sum(map(len, expected.values()))
                assert sender.counts.sent - before.sent == sent
                assert sender.counts.cloned - before.cloned > 0.9 * sent

    asyncio.run(main())


def test_long_trains_to_many_do_not_fill_the_queue_of_the_kernel(cable, clients):
    """A cable that computes no checksums cuts no trains apart: that is done before, and each datagram is a packet."""

    async def main() -> None:
        payloads = [bytes((number,)) * 140 for number in range(MAX_SEGMENTS)]
        with cable.inside("clients"):
            sockets = clients(CLIENTS, 40)
        with cable.inside("server"), without_checksums(CABLE):
            async with opened() as sender:
                await resolve(sender, sockets[0], 0)
                before = sender.counts.cloned
                receivers = set_of(sockets, 0)
                sender.send([Transmission(payload, receivers) for payload in payloads])
                assert sender.counts.cloned - before == len(sockets) * len(payloads)
                for sock in sockets:
                    assert received(sock) == payloads

    asyncio.run(main())


async def resolve(sender: CloningSender, client: socket.socket, lane: int) -> None:
    """Let the kernel learn the MAC address of the clients' end of the cable, and take note of that."""
    host, port = client.getsockname()[:2]
    sender.send([Transmission(b"", ReceiverSet([(1, Address(lane, host, port))]))])
    await until(lambda: received(client) == [b""], "the first datagram")
    version = -1
    while version != sender.cloning.version:
        version = sender.cloning.version
        await asyncio.sleep(0.05)
    await sender.active()


def test_who_answers_only_after_the_first_datagram_gets_clones_from_then_on(cable, clients):
    async def main() -> None:
        with cable.inside("clients"):
            sockets = clients(CLIENTS, COUNT)
        with cable.inside("server"):
            cable.server("neighbour", "flush", "dev", CABLE)
            async with opened() as sender:
                receivers = set_of(sockets, 0)
                sender.send([Transmission(b"1", receivers)])
                assert sender.counts.not_cloned == {Refusal.NEIGHBOUR: COUNT}
                await until(lambda: len(received(sockets[-1])) == 1, "the first datagram")
                version = sender.cloning.version
                await until(lambda: sender.cloning.version > version or sender.counts.cloned, "the neighbour")
                sender.send([Transmission(b"2", receivers)])
                assert sender.counts.cloned == COUNT
                assert received(sockets[-1]) == [b"2"]

    asyncio.run(main())


def test_a_change_of_routes_and_a_device_that_is_down_lose_nothing_that_can_arrive(cable, clients):
    """Through a gateway, then another; the counts of both ways make up what arrived."""

    async def main() -> None:
        cable.server("route", "add", f"{FAR}/32", "via", CLIENTS)
        with cable.inside("clients"):
            sockets = clients(FAR, COUNT)
            (near,) = clients(CLIENTS, 1)
        with cable.inside("server"):
            async with opened() as sender:
                await resolve(sender, near, 0)
                start = sender.counts
                receivers = set_of(sockets, 0)
                sender.send([Transmission(b"1", receivers)])
                assert sender.counts.cloned == COUNT
                cable.clients("address", "add", "10.97.0.3/24", "dev", CABLE)
                cable.server("route", "replace", f"{FAR}/32", "via", "10.97.0.3")
                await until(lambda: not sender.cloning.active, "the change of the route")
                sender.send([Transmission(b"2", receivers)])
                assert sender.counts.not_cloned[Refusal.SUSPENDED] == COUNT
                await until(lambda: all(received(sock)[-1:] == [b"2"] for sock in sockets[-1:]), "the datagram")
                await sender.active()
                sender.send([Transmission(b"3", receivers)])
                assert received(sockets[-1]) == [b"3"]
                cable.server("link", "set", CABLE, "down")
                await until(lambda: not sender.cloning.active, "the device that is down")
                await sender.active()
                cloned = sender.counts.cloned
                sender.send([Transmission(b"4", receivers)])
                assert sender.counts.cloned == cloned
                assert sender.counts.errors, "the kernel says to sendmmsg that there is no way"
                cable.server("link", "set", CABLE, "up")
                cable.server("address", "add", f"{SERVER6}/64", "dev", CABLE, "nodad")
                cable.server("route", "add", f"{FAR}/32", "via", CLIENTS)
                await until(lambda: not sender.cloning.active, "the device that is up")
                await sender.active()
                await resolve(sender, near, 0)
                sender.send([Transmission(b"5", receivers)])
                assert [received(sock) for sock in sockets[:-1]] == [[b"1", b"2", b"3", b"5"]] * (COUNT - 1)
                assert sender.counts.cloned > cloned >= start.cloned

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


def test_what_the_queue_of_a_device_refuses_waits_for_room_and_arrives(cable, clients, caplog):
    """The queue holds ten packets. The buffer of the socket holds six, so that the other call fills no queue."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with cable.inside("clients"):
            sockets = clients(CLIENTS, 40)
        with cable.inside("server"):
            async with opened([("0.0.0.0", 0)]) as sender:
                (lane,) = sender.lanes
                await resolve(sender, sockets[0], 0)
                sender.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 0)
                cable.queue("add", "tbf", "rate", "2mbit", "burst", "1600", "limit", "2000")
                await until(lambda: not sender.cloning.active, "the change of the queue, which is one of the device")
                await sender.active()
                before = sender.counts
                sender.send([Transmission(bytes(140), set_of(sockets, 0))])
                assert not sender.cloning.active
                assert "the kernel refused a clone: the queue of a device is full" in caplog.text
                cloned = sender.counts.cloned - before.cloned
                assert 0 < cloned < len(sockets)
                assert sender.counts.not_cloned[Refusal.QUEUE] == len(sockets) - cloned
                assert (lane.waiting, sender.full) == (1, []), "the queue has no room yet"
                await until(lambda: sender.full == [lane], "the time when it may have some")
                written = asyncio.Event()
                loop.add_writer(lane.fileno(), lambda: lane.resume() and written.set())
                await asyncio.wait_for(written.wait(), 5)
                loop.remove_writer(lane.fileno())
                for sock in sockets:
                    await until(lambda sock=sock: received(sock) == [bytes(140)], "the datagram")
                assert sender.counts.sent - before.sent == len(sockets)

    try:
        asyncio.run(main())
    finally:
        cable.queue("delete")


def test_what_a_queue_drops_behind_the_back_of_a_clone_is_noticed_and_counted(cable, clients, caplog):
    async def main() -> None:
        with cable.inside("clients"):
            (client,) = clients(CLIENTS, 1)
        with cable.inside("server"):
            async with opened([("0.0.0.0", 0)]) as sender:
                await resolve(sender, client, 0)
                assert sender.cloning.dropped == 0
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    for _ in range(20):
                        sock.sendto(bytes(140), client.getsockname())
                await until(lambda: "devices have dropped" in caplog.text, "the drops")
                assert not sender.cloning.active
                assert 0 < sender.cloning.dropped < 20

    cable.queue("add", "tbf", "rate", "8kbit", "burst", "1600", "limit", "1000")
    try:
        asyncio.run(main())
    finally:
        cable.queue("delete")


@pytest.mark.parametrize("question", ["take_changes", "dropped"])
def test_lanes_go_on_where_changes_of_the_network_are_not_told_any_more(question, cable, clients, caplog):
    def fail(watch: Watch) -> None:
        raise OSError(errno.ENOMEM, "no memory")

    async def main() -> None:
        with cable.inside("server"):
            sockets = clients("127.0.0.1", COUNT)
            async with opened([("127.0.0.1", 0)]) as sender:
                with pytest.MonkeyPatch.context() as patched:
                    patched.setattr(Watch, question, fail)
                    cable.server("address", "add", "10.96.0.1/32", "dev", "lo")
                    cable.server("address", "delete", "10.96.0.1/32", "dev", "lo")
                    await until(lambda: "changes of the network are not told" in caplog.text, "the error")
                sender.send([Transmission(b"x", set_of(sockets, 0))])
                assert all(received(sock) == [b"x"] for sock in sockets)
                assert sender.counts.not_cloned == {Refusal.SUSPENDED: COUNT}

    asyncio.run(main())


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
