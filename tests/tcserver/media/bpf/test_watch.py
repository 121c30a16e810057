"""Routes and changes of a real network namespace."""

import select
import socket
import time

import pytest

from tcserver.media.bpf import netlink
from tcserver.media.bpf.network import MAC_SIZE, Change, Hop, Refusal
from tcserver.media.bpf.watch import Watch
from tests.support.media.namespaces import CLIENTS, CLIENTS6, FAR, SERVER, SERVER6, Namespaces, cable

__all__ = ["cable"]

EVENT_LIMIT = 5.0
"""Seconds until a change has to be told."""


@pytest.fixture
def watch(cable: Namespaces):
    with cable.inside("server"):
        made = Watch(1)  # the least that the kernel grants: a few changes
        yield made
        made.close()
        made.close()


def packed(host: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)


def mac_of_next_hop(hop: Hop) -> str:
    assert hop.device == socket.if_nametoindex("tcbpf0")
    assert len(hop.frame) == 2 * MAC_SIZE
    return hop.frame[:MAC_SIZE].hex(":")


def told(watch: Watch) -> Change:
    assert select.select([watch], [], [], EVENT_LIMIT)[0], "no change was told"
    return watch.take_changes()


@pytest.mark.parametrize(("own", "there"), [(SERVER, CLIENTS), (SERVER6, CLIENTS6)])
def test_the_route_to_the_other_end_of_a_cable_and_to_this_machine(watch, own, there):
    device = socket.if_nametoindex("tcbpf0")
    for bound in (b"", packed(own)):
        route = watch.route(packed(there), 5000, bound, 7433)
        assert (route.kind, route.device, route.gateway, route.plain) == (netlink.UNICAST, device, b"", True)
        assert (route.source or bound) == packed(own)
    here = watch.route(packed(own), 5000, b"", 7433)
    assert here.is_local
    assert watch.network.judge(here, packed(own)) == Hop(0, b"")


def test_a_gateway_and_no_route(watch, cable):
    assert watch.route(packed(FAR), 5000, b"", 7433) is None
    cable.server("route", "add", f"{FAR}/32", "via", CLIENTS)
    assert told(watch) is Change.NETWORK
    assert watch.route(packed(FAR), 5000, b"", 7433).gateway == packed(CLIENTS)
    cable.server("route", "delete", f"{FAR}/32")
    assert told(watch) is Change.NETWORK
    assert watch.take_changes() is Change.NOTHING


def test_a_neighbour_that_is_learnt_and_forgotten(watch, cable):
    route = watch.route(packed(CLIENTS), 5000, b"", 7433)
    cable.server("neighbour", "replace", CLIENTS, "lladdr", "02:00:00:00:00:01", "dev", "tcbpf0", "nud", "permanent")
    assert told(watch) is Change.NEIGHBOURS
    assert mac_of_next_hop(watch.network.judge(route, packed(CLIENTS))) == "02:00:00:00:00:01"
    cable.server("neighbour", "replace", CLIENTS, "lladdr", "02:00:00:00:00:02", "dev", "tcbpf0", "nud", "permanent")
    assert told(watch) is Change.NEIGHBOURS
    assert mac_of_next_hop(watch.network.judge(route, packed(CLIENTS))) == "02:00:00:00:00:02"
    cable.server("neighbour", "delete", CLIENTS, "dev", "tcbpf0")
    assert told(watch) is Change.NEIGHBOURS
    assert watch.network.judge(route, packed(CLIENTS)) is Refusal.NEIGHBOUR


def test_changes_that_did_not_fit_are_asked_for_again(watch, cable):
    numbers = range(10, 40)
    for number in numbers:
        mac = f"02:00:00:00:00:{number}"
        cable.server("neighbour", "replace", f"10.97.0.{number}", "lladdr", mac, "dev", "tcbpf0", "nud", "permanent")
    assert told(watch) is Change.NETWORK, "more than the buffer takes"
    for number in numbers:
        address = packed(f"10.97.0.{number}")
        judgement = watch.network.judge(watch.route(address, 5000, b"", 7433), address)
        assert mac_of_next_hop(judgement) == f"02:00:00:00:00:{number}"
        cable.server("neighbour", "delete", f"10.97.0.{number}", "dev", "tcbpf0")


def test_what_queues_have_dropped(watch, cable):
    before = watch.dropped()
    cable.queue("add", "pfifo", "limit", "0")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"x", (CLIENTS, 5000))
        deadline = time.monotonic() + EVENT_LIMIT
        while watch.dropped() == before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert watch.dropped() > before
    finally:
        cable.queue("delete")
