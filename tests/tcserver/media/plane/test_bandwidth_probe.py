"""Bandwidth probes: a few datagrams at once, to the proved address, within the share of a seat."""

import pytest

from tcproto.datagram import Item, ItemType
from tcproto.path import MAX_PROBE, ProbeRequest, parse_probe
from tcserver.media.forwarding.drops import Drop
from tcserver.media.forwarding.seat import BANDWIDTH_PROBES
from tests.support.media.world import Address, MediaClient, World


def ask(world: World, client: MediaClient, request: bytes, address: Address | None = None) -> list[bytes]:
    """Return the datagrams that come for a request."""
    datagram = client.up(Item(ItemType.BANDWIDTH_PROBE, request))
    return [answer for _, answer in world.receive_from(address or client.address, datagram)]


@pytest.mark.parametrize("size", [35, 36, 300, 1200])
def test_the_datagrams_have_the_size_that_was_asked_for(size):
    world = World(1)
    (client,) = world.clients
    answers = ask(world, client, ProbeRequest(7, 4, size).pack())
    assert [len(answer) for answer in answers] == [size] * 4
    items = [client.open_down(answer) for answer in answers]
    assert [tuple(parse_probe(probe.value)) for probe, _ in items] == [(7, 0), (7, 1), (7, 2), (7, 3)]
    assert {padding.type for _, padding in items} == {ItemType.PADDING}


@pytest.mark.parametrize("request_", [b"", bytes(6), (7, 0, 300), (7, MAX_PROBE + 1, 300), (7, 4, 34), (7, 4, 1201)])
def test_a_malformed_request_is_dropped(request_):
    world = World(1)
    value = request_ if isinstance(request_, bytes) else ProbeRequest(*request_).pack()
    assert ask(world, world.clients[0], value) == []
    assert world.drops() == {Drop.ITEM: 1}


def test_a_seat_has_a_share():
    world = World(1)
    (client,) = world.clients
    request = ProbeRequest(7, MAX_PROBE, 1200).pack()
    got = sum(len(answer) for _ in range(20) for answer in ask(world, client, request))
    assert got * 8 <= BANDWIDTH_PROBES.bitrate
    assert set(world.drops()) == {Drop.BANDWIDTH_PROBE_RATE}
    world.now += 1
    assert ask(world, client, request)


def test_an_address_that_is_not_proved_is_sent_nothing_of_a_probe():
    world = World(1)
    (client,) = world.clients
    answers = ask(world, client, ProbeRequest(7, 4, 300).pack(), Address(0, "10.9.9.9", 9))
    assert all(item.type != ItemType.BANDWIDTH_PROBE for answer in answers for item in client.open_down(answer))
    assert world.drops()[Drop.BANDWIDTH_PROBE_RATE] == 1
