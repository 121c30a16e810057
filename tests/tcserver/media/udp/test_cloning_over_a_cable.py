"""Lanes that have the kernel clone, over a cable to another network namespace."""

import asyncio
import errno
import os
import random
import socket

import pytest

from tcserver.media import ReceiverSet, Transmission
from tcserver.media.bpf.network import Refusal
from tcserver.media.bpf.watch import Watch
from tcserver.media.interface import Address
from tcserver.media.lanes.train import MAX_SEGMENTS
from tests.support.media.cloning import COUNT, CloningSender, clients, opened, set_of
from tests.support.media.loopback import received
from tests.support.media.namespaces import (
    CABLE,
    CLIENTS,
    CLIENTS6,
    FAR,
    SERVER6,
    cable,
    without_checksums,
)
from tests.support.processes.world import until

__all__ = ["cable", "clients"]


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
