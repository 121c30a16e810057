"""Messages of rtnetlink, as the kernel writes them, and what follows for clones."""

import socket
import struct

import pytest

from tcserver.media.bpf import netlink
from tcserver.media.bpf import network as network_module
from tcserver.media.bpf.netlink import Link, Message, Neighbour, Route
from tcserver.media.bpf.network import Change, Hop, Network, Refusal

GATEWAY = socket.inet_aton("192.0.2.1")
FAR = socket.inet_aton("198.51.100.7")
OWN = socket.inet_aton("192.0.2.9")
MAC, OTHER_MAC, OWN_MAC = b"\x02next1", b"\x02next2", b"\x02own11"
REACHABLE, FAILED, INCOMPLETE, STALE = 0x02, 0x20, 0x01, 0x04


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def link(device: int, kind: int = 1, flags: int = 1, mtu: int = 1500) -> Message:
    body = struct.pack("=BBHiII", 0, 0, kind, device, flags, 0)
    stats = struct.pack("=9Q", 0, 0, 0, 0, 0, 0, 5, 8, 0)
    named = attribute(1, OWN_MAC) + attribute(3, b"eth0\0") + attribute(4, struct.pack("=I", mtu))
    return Message(netlink.LINK, 0, body + named + attribute(23, stats))


def neighbour(
    device: int, address: bytes, state: int, kind: int = netlink.NEIGHBOUR, flags: int = 0, mac: bytes = MAC
) -> Message:
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    body = struct.pack("=BBHiHBB", family, 0, 0, device, state, flags, 0)
    return Message(kind, 0, body + attribute(1, address) + attribute(2, mac))


def test_a_question_for_a_route_names_the_flow():
    question = netlink.ask_route(7, FAR, 5000, OWN, 7433)
    length, kind, flags, sequence, _ = struct.unpack_from("=IHHII", question)
    assert (length, kind, flags, sequence) == (len(question), 26, 1, 7)
    assert question[16:20] == bytes((socket.AF_INET, 32, 32, 0))
    assert question[28:] == b"".join(
        (
            attribute(1, FAR),
            attribute(2, OWN),
            attribute(27, bytes((17,))),
            attribute(28, (7433).to_bytes(2, "big")),
            attribute(29, (5000).to_bytes(2, "big")),
        )
    )
    six = netlink.ask_route(1, bytes(16), 1, b"", 2)
    assert six[16:20] == bytes((socket.AF_INET6, 128, 0, 0))


@pytest.mark.parametrize("kind", [netlink.ASK_LINKS, netlink.ASK_NEIGHBOURS, netlink.ASK_QUEUES])
def test_a_question_for_all(kind):
    question = netlink.ask_all(kind, 3)
    assert struct.unpack_from("=IHHII", question) == (len(question), kind, 0x301, 3, 0)


def test_a_datagram_is_split_into_messages_and_a_broken_one_ends_it():
    def message(kind: int, body: bytes) -> bytes:
        return struct.pack("=IHHII", 16 + len(body), kind, 0, 5, 0) + body + bytes(-len(body) % 4)

    whole = message(16, b"abcde") + message(3, b"")
    assert list(netlink.split(whole)) == [Message(16, 5, b"abcde"), Message(3, 5, b"")]
    assert list(netlink.split(message(16, b"") + struct.pack("=IHHII", 3, 1, 0, 0, 0))) == [Message(16, 5, b"")]
    assert list(netlink.split(b"short")) == []


def test_an_answer_about_a_route():
    head = struct.pack("=BBBBBBBBI", socket.AF_INET, 32, 0, 0, 254, 0, 0, netlink.UNICAST, 0)
    body = head + attribute(4, struct.pack("=I", 3)) + attribute(5, GATEWAY) + attribute(7, OWN)
    assert netlink.parse_route(body) == Route(netlink.UNICAST, 3, OWN, GATEWAY, True)
    assert not netlink.parse_route(body + attribute(18, bytes(18))).plain, "a gateway of the other family"
    assert not netlink.parse_route(body + attribute(22, b"")).plain, "a tunnel"
    assert netlink.parse_route(head + struct.pack("=HH", 0, 4)).device == 0, "a broken attribute ends it"


def test_what_a_queue_has_dropped():
    def queue(parent: int, counts: bytes) -> bytes:
        head = struct.pack("=BBHiIII", 0, 0, 0, 3, 0x10000, parent, 0)
        return head + attribute(1, b"fq\0") + attribute(7, attribute(1, bytes(16)) + attribute(3, counts))

    counts = struct.pack("=IIIII", 1, 2, 77, 3, 4)
    assert netlink.parse_dropped(queue(0xFFFFFFFF, counts)) == 77
    assert netlink.parse_dropped(queue(0x10000, counts)) == 0, "a part of the one above"
    assert netlink.parse_dropped(queue(0xFFFFFFFF, b"")) == 0, "nothing is told"


def test_links_and_neighbours():
    assert netlink.parse_link(link(3, mtu=9000).body) == Link(3, 1, 1, 9000, OWN_MAC, 5)
    assert netlink.parse_neighbour(neighbour(3, FAR, STALE).body) == Neighbour(3, FAR, STALE, MAC)
    assert netlink.parse_neighbour(neighbour(3, FAR, STALE, flags=8).body) is None, "a proxy entry"
    assert netlink.parse_neighbour(struct.pack("=BBHiHBB", 7, 0, 0, 1, 2, 0, 0)) is None, "of a bridge"


@pytest.fixture
def network() -> Network:
    made = Network()
    assert made.take([link(3), neighbour(3, GATEWAY, REACHABLE)]) is Change.NETWORK
    return made


@pytest.mark.parametrize(
    ("route", "judgement"),
    [
        (Route(netlink.UNICAST, 3, OWN, GATEWAY, True), Hop(3, MAC + OWN_MAC)),
        (Route(netlink.UNICAST, 3, OWN, b"", True), Refusal.NEIGHBOUR),
        (Route(netlink.UNICAST, 4, OWN, GATEWAY, True), Refusal.DEVICE),
        (Route(netlink.LOCAL, 1, OWN, b"", True), Hop(0, b"")),
        (Route(3, 3, OWN, b"", True), Refusal.ROUTE),
        (Route(netlink.UNICAST, 3, OWN, GATEWAY, False), Refusal.ROUTE),
        (Route(netlink.UNICAST, 3, b"", GATEWAY, True), Refusal.ROUTE),
    ],
)
def test_a_clone_needs_a_plain_route_and_a_known_next_hop(network, route, judgement):
    assert network.judge(route, FAR) == judgement


@pytest.mark.parametrize("unfit", [link(3, flags=0), link(3, kind=65534), link(3, mtu=1000)])
def test_a_device_that_is_down_or_has_no_mac_addresses_or_a_small_mtu_is_refused(network, unfit):
    assert network.take([unfit]) is Change.NETWORK
    assert network.judge(Route(netlink.UNICAST, 3, OWN, GATEWAY, True), FAR) is Refusal.DEVICE


def test_neighbours_come_and_go(network):
    route = Route(netlink.UNICAST, 3, OWN, b"", True)
    assert network.take([neighbour(3, FAR, INCOMPLETE)]) is Change.NOTHING
    assert network.take([neighbour(3, FAR, REACHABLE)]) is Change.NEIGHBOURS
    assert network.judge(route, FAR) == Hop(3, MAC + OWN_MAC)
    assert network.take([neighbour(3, FAR, STALE)]) is Change.NOTHING, "its MAC address is still known"
    assert network.take([neighbour(3, FAR, REACHABLE, mac=OTHER_MAC)]) is Change.NEIGHBOURS, "it has moved"
    assert network.judge(route, FAR) == Hop(3, OTHER_MAC + OWN_MAC)
    assert network.take([neighbour(3, FAR, FAILED)]) is Change.NEIGHBOURS
    assert network.judge(route, FAR) is Refusal.NEIGHBOUR
    assert network.take([neighbour(3, GATEWAY, REACHABLE, netlink.NO_NEIGHBOUR)]) is Change.NEIGHBOURS
    assert network.take([neighbour(3, GATEWAY, REACHABLE, netlink.NO_NEIGHBOUR)]) is Change.NOTHING
    assert network.take([Message(netlink.NEIGHBOUR, 0, struct.pack("=BBHiHBB", 7, 0, 0, 1, 2, 0, 0))]) is Change.NOTHING


def test_devices_go_and_routes_change(network):
    assert network.take([Message(netlink.ROUTE, 0, b"")]) is Change.NETWORK
    assert network.take([Message(netlink.DONE, 0, b""), Message(netlink.ERROR, 0, b"")]) is Change.NOTHING
    assert network.take([link(3)._replace(kind=netlink.NO_LINK)]) is Change.NETWORK
    assert network.judge(Route(netlink.UNICAST, 3, OWN, GATEWAY, True), FAR) is Refusal.DEVICE
    network.clear()
    assert network.take([neighbour(3, GATEWAY, REACHABLE)]) is Change.NEIGHBOURS, "nothing was known any more"


def test_no_more_neighbours_are_kept_than_the_limit():
    network = Network()
    addresses = [number.to_bytes(4, "big") for number in range(network_module.MAX_NEIGHBOURS + 1)]
    network.take([link(3), *(neighbour(3, address, REACHABLE) for address in addresses)])
    route = Route(netlink.UNICAST, 3, OWN, b"", True)
    assert network.judge(route, addresses[-2]) == Hop(3, MAC + OWN_MAC)
    assert network.judge(route, addresses[-1]) is Refusal.NEIGHBOUR
