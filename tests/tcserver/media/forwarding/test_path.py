"""Proof of the UDP path, and pings."""

import pytest

from tcproto.datagram import (
    MAX_DATAGRAM,
    MIN_DATAGRAM,
    Item,
    ItemType,
)
from tcproto.path import PingItem, Position, parse_pong, parse_positions
from tcserver.media import Drop
from tcserver.media.forwarding.path import MOVE_INTERVAL, PATH_TIMEOUT, SILENCE, PathState
from tcserver.media.interface import (
    Address,
    CloseSeat,
    PathLost,
    PathProven,
    SealerState,
    SeatLeft,
    SeatOpened,
    SeatSilent,
)
from tests.support.media.world import ROOM_KEY, SEALER, World, audio, forwarded, packet_item

ELSEWHERE = Address(0, "198.51.100.7", 4242)


def response(token: bytes) -> Item:
    return Item(ItemType.PATH_RESPONSE, token)


def paths(world: World) -> dict[str, int]:
    return {change: number for change, number in world.plane.counters.paths.items() if number}


def test_nothing_is_forwarded_to_an_unproven_path():
    world = World(1)
    (a,) = world.clients
    b = world.join(2, prove=False)
    world.publish(a, 7, to=[b])
    assert world.receive(a, a.up(packet_item(audio(7, 0)))) == []
    assert world.drops() == {Drop.NO_RECEIVER: 1}
    world.prove(b)
    sent = forwarded(world.receive(a, a.up(packet_item(audio(7, 1)))))
    assert sent == {b.address: [(0, audio(7, 1))]}


def test_a_newcomer_gets_the_sealer():
    world = World(0)
    world.join(1, prove=False)
    assert world.plane.take_events() == [SeatOpened(1001, (SealerState(SEALER, 0, ROOM_KEY, 0),))]


def test_wrong_late_and_foreign_responses_prove_nothing():
    world = World(0)
    a = world.join(1, prove=False)
    token = world.challenge(a, a.ping())
    world.receive(a, a.up(response(bytes(8))))
    world.receive(a, a.up(response(token[:7])))
    world.receive_from(ELSEWHERE, a.up(response(token)))
    assert world.drops() == {Drop.PATH_TOKEN: 3}
    world.now += 1
    token = world.challenge(a, a.ping())
    world.now += 3.0
    late = a.up(response(token))
    token = world.challenge(a, late)
    assert world.drops() == {Drop.PATH_TOKEN: 1}
    assert world.plane.seats[a.media_id].path.state is PathState.UNKNOWN
    world.receive(a, a.up(response(token)))
    assert world.plane.take_events()[-1] == PathProven(a.media_id, a.address)
    world.receive(a, a.up(response(token)))
    assert world.drops() == {Drop.PATH_TOKEN: 1}


def test_a_response_proves_the_address_that_was_challenged_and_no_other():
    world = World(0)
    a = world.join(1, prove=False)
    token = world.challenge(a, a.ping())
    overtaken = a.up(response(token))
    world.receive(a, a.up())
    world.receive_from(ELSEWHERE, overtaken)
    assert world.drops() == {Drop.PATH_TOKEN: 1}
    world.receive(a, a.up(response(token)))
    assert world.plane.take_events()[-1] == PathProven(a.media_id, a.address)


def test_challenges_are_spaced_and_keep_their_token():
    world = World(0)
    a = world.join(1, prove=False)
    first = world.challenge(a, a.ping())
    assert first
    world.now += 0.1
    assert world.challenge(a, a.ping()) is None
    world.now += 0.11
    assert world.challenge(a, a.ping()) == first
    world.now += 3
    assert world.challenge(a, a.ping()) not in (None, first)


def test_round_trips_are_measured_by_challenges_that_were_sent_once():
    world = World(0)
    a, b = world.join(1, prove=False), world.join(2, prove=False)
    tokens = world.challenge(a, a.ping()), world.challenge(b, b.ping())
    world.now += 0.25
    world.challenge(b, b.ping())
    world.now += 0.15
    for client, token in zip((a, b), tokens, strict=True):
        world.receive(client, client.up(response(token)))
    assert (world.plane.paths.rtt.total, world.plane.paths.rtt.sum) == (1, pytest.approx(0.4))
    assert paths(world) == {"proven": 2}
    world.challenge(a, a.ping())
    world.now += 10
    b.address = ELSEWHERE
    world.challenge(b, b.ping())
    world.now += 3
    token = world.challenge(b, b.ping())
    world.now += 0.05
    world.receive(b, b.up(response(token)))
    assert (world.plane.paths.rtt.total, world.plane.paths.rtt.sum) == (2, pytest.approx(0.45))
    assert paths(world) == {"proven": 2, "moved": 1}


def test_an_unproven_address_gets_at_most_three_times_what_it_sent():
    """Bare datagrams and pings, at any pace."""
    world = World(0)
    a = world.join(1, prove=False)
    received = sent = 0
    for step in range(200):
        datagram = a.up() if step % 3 else a.ping()
        received += len(datagram)
        sent += sum(len(answer) for _, answer in world.receive(a, datagram))
        assert sent <= 3 * received
        world.now += (0.0, 0.05, 0.3)[step % 3]
    assert sent > 0


def test_the_budget_refuses():
    world = World(0)
    a = world.join(1, prove=False)
    path = world.plane.seats[a.media_id].path
    path.hear(a.address, 28, True, world.now)
    assert path.spend(a.address, 84)
    assert not path.spend(a.address, 1)
    assert not path.spend(ELSEWHERE, 1)
    path.hear(a.address, 1, False, world.now)
    assert path.spend(a.address, 3)
    # A ping at an address that is neither proven nor the candidate is not answered.
    newest = a.up(Item(ItemType.PADDING, bytes(100)), counter=10)
    world.receive(a, newest)
    assert world.receive_from(ELSEWHERE, a.up(Item(ItemType.PING, PingItem(1, 2).pack()), counter=5)) == []
    assert world.drops() == {Drop.BUDGET: 1}


def test_an_address_that_a_reader_has_made_anew_is_taken_over():
    """Addresses are compared by identity first, and readers forget the addresses when they know too many."""
    world = World(1)
    (a,) = world.clients
    path = world.plane.seats[a.media_id].path
    again = Address(*a.address)
    world.receive_from(again, a.up())
    assert path.address is again
    assert paths(world) == {"proven": 1}


def test_media_go_to_the_old_address_until_the_new_one_has_proved_itself():
    world = World(2)
    a, b = world.clients
    old = b.address
    world.publish(a, 7, to=[b])
    token = None
    world.now += 1
    for address, answer in world.receive_from(ELSEWHERE, b.ping()):
        assert address == ELSEWHERE
        token = token or {item.type: item.value for item in b.open_down(answer)}.get(ItemType.PATH_CHALLENGE)
    assert set(forwarded(world.receive(a, a.up(packet_item(audio(7, 0)))))) == {old}
    world.receive_from(ELSEWHERE, b.up(response(token)))
    assert world.plane.take_events() == [PathProven(b.media_id, ELSEWHERE)]
    assert forwarded(world.receive(a, a.up(packet_item(audio(7, 1))))) == {ELSEWHERE: [(1, audio(7, 1))]}


def test_a_publisher_that_moves_is_forwarded_and_does_not_hear_itself():
    world = World(2)
    a, b = world.clients
    world.publish(a, 7, to=[b])
    world.publish(b, 8, to=[a])
    for address in (ELSEWHERE, Address(1, "::1", 9)):
        world.prove(a, address)
        assert set(forwarded(world.receive(a, a.up(packet_item(audio(7, a.counter)))))) == {b.address}
        assert set(forwarded(world.receive(b, b.up(packet_item(audio(8, b.counter)))))) == {address}


def test_a_seat_moves_at_most_every_two_seconds_and_is_taken_in_from_everywhere():
    world = World(2)
    a, b = world.clients
    world.publish(a, 7, to=[b])
    home = a.address
    world.prove(a, ELSEWHERE)
    a.address = home
    for sequence in range(19):
        world.now += MOVE_INTERVAL / 20
        assert world.challenge(a, a.ping()) is None
        assert forwarded(world.receive(a, a.up(packet_item(audio(7, sequence)))))
    world.now += MOVE_INTERVAL / 19
    token = world.challenge(a, a.ping())
    world.receive(a, a.up(response(token)))
    assert world.plane.take_events()[-1] == PathProven(a.media_id, home)


def test_an_old_datagram_from_elsewhere_moves_nothing():
    world = World(1)
    (a,) = world.clients
    late = a.up()
    world.receive(a, a.up())
    assert world.receive_from(ELSEWHERE, late) == []
    replayed = a.up()
    world.receive(a, replayed)
    assert world.receive_from(ELSEWHERE, replayed) == []
    assert world.drops() == {Drop.DUPLICATE: 1}


def wait(world: World, seconds: float) -> None:
    """Let time pass in a plane that is polled as it wants."""
    end = world.now + seconds
    while (due := world.plane.next_deadline()) <= end:
        world.now = max(world.now, due)
        world.plane.poll(world.now)
    world.now = end


def test_where_the_process_stood_still_no_path_is_lost_but_that_of_who_says_nothing_after():
    world = World(3)
    a, b, c = world.clients
    for client in world.clients:
        world.receive(client, client.up())
    wait(world, 5)
    for stop in (20, 3600, 20):
        world.now += stop
        world.plane.poll(world.now)
        assert world.plane.take_events() == [], "what came meanwhile is read behind the timer"
        world.receive(a, a.up())
        world.receive(b, b.up())
        wait(world, 1)
    assert world.plane.take_events() == [SeatSilent(c.media_id, True)], "its silence counts where the process ran"
    wait(world, PATH_TIMEOUT - 6)
    assert PathLost(c.media_id) in world.plane.take_events(), "its own silence counts"
    assert all(world.plane.seats[client.media_id].path.address == client.address for client in (a, b))


def test_a_silent_seat_is_told_of_and_so_is_its_return():
    world = World(2)
    a, b = world.clients
    late = world.join(3, prove=False)
    world.plane.take_events()
    for client in (a, b):
        world.receive(client, client.up())
    wait(world, SILENCE - 0.01)
    world.receive(b, b.up())
    assert world.plane.take_events() == []
    wait(world, 1.01)
    assert world.plane.take_events() == [SeatSilent(a.media_id, True)]
    world.receive(a, a.up())
    wait(world, 1)
    assert world.plane.take_events() == [SeatSilent(a.media_id, False)]
    wait(world, SILENCE)
    assert SeatSilent(late.media_id, True) not in world.plane.take_events(), "it was never heard"


def test_that_a_client_has_left_is_told_once_and_also_from_a_new_address():
    world = World(2)
    a, b = world.clients
    world.plane.take_events()
    for address in (Address(0, "10.9.9.9", 9), a.address, a.address):
        world.receive_from(address, a.up(Item(ItemType.LEAVING, b"")))
    forged = bytearray(b.up(Item(ItemType.LEAVING, b"")))
    forged[-1] ^= 1
    world.receive_from(b.address, bytes(forged))
    assert world.plane.take_events() == [SeatLeft(a.media_id)]


def test_a_silent_path_is_lost_and_can_be_proven_again():
    world = World(2)
    a, b = world.clients
    world.publish(a, 7, to=[b])
    world.receive(b, b.up())
    wait(world, PATH_TIMEOUT - 0.01)
    world.receive(a, a.up())
    assert PathLost(b.media_id) not in world.plane.take_events()
    wait(world, 1.01)
    assert PathLost(b.media_id) in world.plane.take_events()
    assert world.receive(a, a.up(packet_item(audio(7, 0)))) == []
    world.prove(b)
    assert set(forwarded(world.receive(a, a.up(packet_item(audio(7, 1)))))) == {b.address}
    assert paths(world) == {"proven": 2, "lost": 1, "back": 1}


def test_a_pong_tells_what_came_and_where_the_sealer_stands():
    world = World(2)
    a, b = world.clients
    world.publish(a, 7, to=[b])
    world.receive(a, a.up(packet_item(audio(7))))
    world.now = 2.0**32 / 1e6 + 1.5
    ((address, answer),) = world.receive(b, b.up(Item(ItemType.PING, PingItem(9, 77).pack()), counter=40))
    pong, positions = b.open_down(answer)
    assert address == b.address
    parsed = parse_pong(pong.value)
    assert (parsed.number, parsed.time, parsed.highest, parsed.received) == (9, 77, 40, 3)
    assert parsed.received_at == pytest.approx(1_500_000, abs=1)
    assert parse_positions(positions.value) == [Position(SEALER, 1)]


def test_a_padded_ping_is_answered_by_as_many_bytes():
    world = World(1)
    (a,) = world.clients
    for padding in (0, 22, 23, 40, MAX_DATAGRAM - MIN_DATAGRAM - 10):
        world.now += 1
        request = a.up(Item(ItemType.PING, PingItem(1, 2).pack()), Item(ItemType.PADDING, bytes(padding)))
        ((_, answer),) = world.receive(a, request)
        assert len(answer) == max(len(request), len(world.receive(a, a.ping())[0][1]))


def test_one_ping_of_a_datagram_is_answered_and_malformed_ones_are_dropped():
    world = World(1)
    (a,) = world.clients
    ping = Item(ItemType.PING, PingItem(1, 2).pack())
    assert len(world.receive(a, a.up(ping, ping, ping))) == 1
    assert world.receive(a, a.up(Item(ItemType.PING, b"12345"))) == []
    assert world.drops() == {Drop.ITEM: 3}


def test_35_clients_behind_one_address():
    world = World(0)
    clients = []
    for number in range(1, 36):
        client = world.join(number, prove=False)
        world.prove(client, Address(0, "192.0.2.1", 40_000 + number))
        clients.append(client)
    for number, client in enumerate(clients):
        world.publish(client, number, to=[other for other in clients if other is not client])
    for number, client in enumerate(clients):
        sent = forwarded(world.receive(client, client.up(packet_item(audio(number)))))
        assert set(sent) == {other.address for other in clients if other is not client}
    assert world.drops() == {}


def test_a_closed_seat_is_unknown():
    world = World(2)
    a, b = world.clients
    world.publish(a, 7, to=[b])
    world.apply(CloseSeat(b.media_id, 1))
    assert world.receive(b, b.ping()) == []
    assert world.receive(a, a.up(packet_item(audio(7)))) == []
    assert world.drops() == {Drop.UNKNOWN_ID: 1, Drop.NO_RECEIVER: 1}
