"""The addresses that the server tells its users."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest

from tcserver.daemon.addresses import outward_address, reachable_address

OUTWARD = {socket.AF_INET: "203.0.113.7", socket.AF_INET6: "2001:db8::7"}


@pytest.mark.parametrize(
    ("addresses", "told"),
    [
        ([], "203.0.113.7"),
        (["0.0.0.0"], "203.0.113.7"),
        (["::"], "2001:db8::7"),
        (["0:0:0:0:0:0:0:0"], "2001:db8::7"),
        (["0000::0"], "2001:db8::7"),
        (["::ffff:0.0.0.0"], "2001:db8::7"),
        (["::", "0.0.0.0"], "203.0.113.7"),
        (["192.0.2.5"], "192.0.2.5"),
        (["127.0.0.1", "192.0.2.5"], "192.0.2.5"),
        (["127.0.0.1", "::1", "fe80::1%eth0", "2001:db8::5"], "2001:db8::5"),
        (["::ffff:127.0.0.1", "10.0.0.5"], "10.0.0.5"),
        (["127.0.0.1", "::"], "2001:db8::7"),
        (["127.0.0.1"], "127.0.0.1"),
        (["127.8.8.8", "::1"], "127.8.8.8"),
        (["fe80::1%eth0"], "fe80::1%eth0"),
    ],
)
def test_people_are_told_what_they_can_reach(addresses: list[str], told: str) -> None:
    assert reachable_address(addresses, lambda family: OUTWARD[socket.AddressFamily(family)]) == told


@pytest.mark.parametrize(
    ("addresses", "told"),
    [([], "2001:db8::7"), (["::"], "2001:db8::7"), (["0.0.0.0"], None), (["0.0.0.0", "127.0.0.1"], "127.0.0.1")],
)
def test_a_machine_without_ipv4(addresses: list[str], told: str | None) -> None:
    assert reachable_address(addresses, lambda family: "2001:db8::7" if family == socket.AF_INET6 else None) == told


def test_a_machine_without_any_network() -> None:
    assert reachable_address([], lambda family: None) is None


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_what_is_found_on_this_machine_is_of_a_network(family: int) -> None:
    found = outward_address(family)
    assert found is None or not (ip_address(found).is_loopback or ip_address(found).is_link_local)


def test_an_interface_is_found_without_a_way_to_other_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    loopback = {socket.AF_INET: ("127.0.0.1", 9), socket.AF_INET6: ("::1", 9)}
    by_route = outward_address(socket.AF_INET)
    monkeypatch.setattr("tcserver.daemon.addresses._ELSEWHERE", loopback)
    assert bool(outward_address(socket.AF_INET)) >= bool(by_route)
