"""Probe tickets: what they are good for, and what they refuse."""

from tcproto.datagram import (
    MAX_DATAGRAM,
    MIN_DATAGRAM,
    Item,
    ItemType,
    Kind,
    open_datagram,
    pack_header,
    parse_items,
    seal,
)
from tcproto.path import PingItem, parse_pong
from tcserver.media import Drop
from tcserver.media.interface import Address, OpenTicket
from tcserver.media.plane.directory import MAX_TICKETS
from tests.support.media.world import MediaClient, World, audio, packet_item

ELSEWHERE = Address(0, "198.51.100.7", 4242)
TICKET_KEY = b"t" * 32


class Prober(MediaClient):
    def __init__(self, world: World, datagrams: int = 20, media_id: int = 5) -> None:
        super().__init__(media_id, ELSEWHERE)
        self.up_key = self.down_key = TICKET_KEY
        world.apply(OpenTicket(media_id, TICKET_KEY, world.now + 10, datagrams))

    def probe(self, padding: int = 11, counter: int | None = None) -> bytes:
        ping = Item(ItemType.PING, PingItem(3, 4).pack())
        return self.up(ping, Item(ItemType.PADDING, bytes(padding)), counter=counter)


def test_the_answer_to_a_probe_is_as_long_as_the_probe():
    world = World(0)
    prober = Prober(world)
    for padding in (14, 15, 16, 500, MAX_DATAGRAM - MIN_DATAGRAM - 10):
        request = prober.probe(padding)
        ((_, answer),) = world.receive(prober, request)
        assert len(answer) == len(request)
    assert len(request) == MAX_DATAGRAM


def test_a_probe_is_answered_no_longer_than_it_is():
    world = World(0)
    prober = Prober(world)
    request = prober.probe()
    ((address, answer),) = world.receive(prober, request)
    assert address == ELSEWHERE
    assert len(answer) == len(request)
    (pong,) = prober.open_down(answer)
    assert parse_pong(pong.value)[:2] == (3, 4)
    assert world.receive(prober, prober.probe(10)) == []
    assert world.drops() == {Drop.PROBE_SHORT: 1}


def test_a_ticket_is_good_for_few_datagrams_and_a_short_time():
    world = World(0)
    prober = Prober(world, datagrams=3)
    assert [len(world.receive(prober, prober.probe())) for _ in range(5)] == [1, 1, 1, 0, 0]
    assert world.drops() == {Drop.PROBE_SPENT: 2}
    late = Prober(world, media_id=6)
    world.now += 10
    assert world.receive(late, late.probe()) == []
    assert world.drops() == {Drop.PROBE_SPENT: 1}
    world.plane.poll(world.now)
    assert world.receive(late, late.probe()) == []
    assert world.drops() == {Drop.UNKNOWN_ID: 1}


def test_a_ticket_takes_no_replays_forgeries_or_anything_but_pings():
    world = World(0)
    prober = Prober(world)
    request = prober.probe()
    world.receive(prober, request)
    assert world.receive(prober, request) == []
    assert world.drops() == {Drop.DUPLICATE: 1}
    forged = seal(pack_header(Kind.UP, 0, prober.media_id, 9), bytes(60), bytes(32))
    other_epoch = seal(pack_header(Kind.UP, 1, prober.media_id, 9), bytes(60), TICKET_KEY)
    for datagram, reason in (
        (forged, Drop.BOX),
        (other_epoch, Drop.EPOCH),
        (prober.up(packet_item(audio(1))), Drop.ITEMS),
        (prober.up(Item(ItemType.PING, b"")), Drop.ITEMS),
        (seal(pack_header(Kind.UP, 0, prober.media_id, 90), b"\x01", TICKET_KEY), Drop.ITEMS),
    ):
        assert world.receive(prober, datagram) == []
        assert world.drops() == {reason: 1}


def test_tickets_are_bounded():
    world = World(0)
    for media_id in range(MAX_TICKETS + 1):
        prober = Prober(world, media_id=media_id)
    assert len(world.plane.tickets) == MAX_TICKETS
    assert len(world.receive(prober, prober.probe())) == 1
    first = MediaClient(0, ELSEWHERE)
    world.receive(first, first.up())
    assert world.drops() == {Drop.UNKNOWN_ID: 1}


def test_down_and_up_of_a_ticket_never_share_a_nonce():
    world = World(0)
    prober = Prober(world)
    answers = [answer for _ in range(3) for _, answer in world.receive(prober, prober.probe())]
    headers = {answer[:12] for answer in answers} | {prober.probe(counter=n)[:12] for n in range(3)}
    assert len(headers) == 6
    assert all(parse_items(open_datagram(answer, TICKET_KEY)) for answer in answers)
