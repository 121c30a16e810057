"""The redundant variant: copies by the server, as many as its receivers need."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcproto.copies import MAX_COPIES, parse_copies
from tcproto.datagram import Item, ItemType
from tcproto.feedback import REPORT_INTERVAL, Reception, pack_receiver_report
from tcproto.packet import AudioHeader, Series
from tcserver.media.forwarding.drops import Drop
from tcserver.media.forwarding.redundancy import (
    LOSSES,
    MAX_RECEPTIONS,
    NEAR,
    START_COPIES,
    Redundancy,
    ReportedLoss,
    copies_needed,
)
from tcserver.media.interface import CloseSeat, Receiver
from tcserver.media.relay.wire import Message, pack_head, pack_need
from tests.support.media import relay_world
from tests.support.media.relay_world import ROOM, Workers, crowd, sealer_of
from tests.support.media.world import SEALER, MediaClient, World, audio, open_room, send

STREAM = 7


def header(sequence: int, **fields) -> AudioHeader:
    duration = fields.get("duration_ms", 20)
    return AudioHeader(STREAM, 1, 0, sequence & 0xFFFFFFFF, sequence * 48 * duration & 0xFFFFFFFF, **fields)


def noted(redundancy: Redundancy, *headers: AudioHeader, body: bytes = b"body") -> None:
    for each in headers:
        redundancy.note(each, each.pack() + body)


def copies_behind(redundancy: Redundancy) -> int:
    return sum(len(parse_copies(item.value)) for item in redundancy.behind(header(8)))


def shaped(needs: Iterable[int]) -> Redundancy:
    """Return the redundancy of receivers with these needs, by media ids from 0 on."""
    redundancy = Redundancy()
    noted(redundancy, *map(header, range(8)))
    for media_id, copies in enumerate(needs):
        redundancy.add(media_id)
        redundancy.need(media_id, copies)
    return redundancy


def test_one_that_is_alone_gets_what_it_needs():
    redundancy = shaped([])
    redundancy.add(1)
    assert copies_behind(redundancy) == 1, "before any report"
    for copies in (3, 0, 2):
        redundancy.need(1, copies)
        redundancy.add(1)
        assert copies_behind(redundancy) == copies
    redundancy.need(2, 3)
    redundancy.remove(2)
    assert copies_behind(redundancy) == 2, "somebody who does not receive it does not count"
    redundancy.remove(1)
    assert len(redundancy) == 0


@pytest.mark.parametrize(
    ("needs", "copies"),
    [((3, 1), 1), ((3, 0), 1), ((0, 0), 0), ((3, 2), 2), ((3, 3), 3), ((3, 3, 0), 3), ((3, *[0] * 9), 1),
     ((3, 2, 2, *[1] * 7), 2), ((3, 3, *[1] * 8), 1), ((3, 3, 3, *[1] * 7), 3), ((0, *[3] * 9), 3)],
)  # fmt: skip
def test_all_get_what_a_quarter_of_them_needs_and_two_at_least(needs, copies):
    redundancy = shaped(needs)
    assert copies_behind(redundancy) == copies
    for media_id in range(len(needs)):
        redundancy.remove(media_id)
    assert copies_behind(redundancy) == START_COPIES, "nothing of them is left"


@given(st.lists(st.integers(0, MAX_COPIES), min_size=1, max_size=12), st.lists(st.integers(0, MAX_COPIES), min_size=1))
def test_one_that_claims_anything_at_any_time_costs_the_others_a_copy_at_most(honest, claims):
    redundancy, liar = shaped(honest), len(honest)
    redundancy.add(liar)
    for claim in claims:
        redundancy.need(liar, claim)
        assert min(START_COPIES, max(honest)) <= copies_behind(redundancy) <= max(START_COPIES, *honest)


@given(st.lists(st.integers(0, MAX_COPIES), min_size=3, max_size=40), st.data())
def test_fewer_than_a_quarter_add_nothing_to_what_the_others_need(honest, data):
    liars = data.draw(st.integers(0, (len(honest) - 1) // 3))
    claims = data.draw(st.lists(st.integers(0, MAX_COPIES), min_size=liars, max_size=liars))
    assert copies_behind(shaped([*honest, *claims])) <= max(START_COPIES, *honest)


def test_how_many_copies_a_receiver_needs():
    for near, losses in LOSSES.items():
        rtt = NEAR if near else NEAR + 0.01
        assert [copies_needed(loss, rtt) for loss in (0.0, *losses, 1.0)] == [0, 1, 2, 3, 3]
    assert copies_needed(0.15, None) == 3


def reception(received: int, lost: int, stream: int = STREAM, sealer: int = SEALER, redundant: bool = True):
    return Reception(sealer, Series(stream, redundant=redundant), received, lost, 0, 0, 0)


def test_the_share_that_is_lost_follows_the_reports():
    loss, now = ReportedLoss(), 0.0
    for second in range(1, 21):
        now += REPORT_INTERVAL
        assert loss.update([reception(40 * second, 10 * second)], now)
    assert loss.share == pytest.approx(0.2, abs=0.01)
    assert not loss.update([reception(0, 10_000)], now + REPORT_INTERVAL / 4), "too soon"
    for second in range(21, 41):
        now += REPORT_INTERVAL
        loss.update([reception(40 * second, 200)], now)
    assert loss.share < 0.003
    before = loss.share
    loss.update([reception(5, 0)], now + 1)
    assert loss.share == before, "the series began anew"
    loss.update([], now + 2)
    assert loss.share == before
    loss.update([reception(2**32 - 1, 0, stream) for stream in range(200)], now + 3)
    assert len(loss._counts) == MAX_RECEPTIONS


def report(client: MediaClient, *receptions: Reception) -> bytes:
    return client.up(Item(ItemType.RECEIVER_REPORT, pack_receiver_report(receptions)))


def copies_in(datagram: bytes, key: bytes | None = None) -> int:
    items = open_room(datagram) if key is None else open_room(datagram, key)
    return sum(len(parse_copies(item.value)) for item in items if item.type == ItemType.COPIES)


def test_a_report_shapes_the_variant_for_all_who_get_it_and_for_nobody_else():
    world = World(4)
    talker, lossy, other, clean = world.clients
    receivers = [Receiver(lossy.media_id, redundant=True), Receiver(other.media_id, redundant=True), clean]
    world.publish(talker, STREAM, to=receivers)
    world.plane.seats[lossy.media_id].path.rtt = 0.3
    for sequence in range(8):
        send(world, talker, audio(STREAM, sequence))
    world.plane.seats[other.media_id].path.rtt = 0.3
    world.receive(lossy, report(lossy, reception(170, 30), reception(5, 0, 99), reception(5, 0, sealer=1)))
    assert copies_in(dict(send(world, talker, audio(STREAM, 8)))[other.address]) == 1, "one alone does not"
    world.receive(other, report(other, reception(100, 100)))
    sent = dict(send(world, talker, audio(STREAM, 9)))
    assert sent[lossy.address] == sent[other.address]
    assert (copies_in(sent[lossy.address]), copies_in(sent[clean.address])) == (2, 0)
    world.receive(clean, report(clean, reception(0, 100)))
    assert copies_in(dict(send(world, talker, audio(STREAM, 10)))[other.address]) == 2
    world.apply(CloseSeat(other.media_id, 1))
    assert copies_in(dict(send(world, talker, audio(STREAM, 11)))[lossy.address]) == 2, "one that is alone does"
    world.forward(talker, STREAM, [clean])
    assert world.plane.rooms[1].streams[STREAM].redundancy is None
    assert world.drops() == {}


def test_reports_that_are_malformed_or_too_many_are_dropped():
    world = World(2)
    _, client = world.clients
    world.receive(client, client.up(Item(ItemType.RECEIVER_REPORT, b"short")))
    for _ in range(3):
        world.receive(client, report(client, reception(1, 0, redundant=False)))
    assert world.drops() == {Drop.ITEM: 1, Drop.REPORT_RATE: 2}


def test_a_report_reaches_the_worker_that_seals():
    workers = Workers(2)
    talker, lossy = crowd(workers, (0, 1))
    workers.publish(talker, STREAM, [Receiver(lossy.media_id, redundant=True)])
    workers.planes[1].seats[lossy.media_id].path.rtt = None
    for sequence in range(8):
        relay_world.send(workers, talker, audio(STREAM, sequence))
    workers.receive(lossy, report(lossy, reception(50, 50, sealer=sealer_of(0))))
    ((_, datagram),) = relay_world.send(workers, talker, audio(STREAM, 8))
    assert copies_in(datagram, relay_world.key_of(0)) == 3


@pytest.mark.parametrize(
    "message",
    [pack_head(Message.NEED, ROOM) + b"short", pack_need(ROOM, 1, STREAM, 4), pack_need(ROOM + 1, 1, STREAM, 1)],
)
def test_a_malformed_need_of_another_worker_is_dropped(message):
    workers = Workers(2)
    crowd(workers, (0, 1))
    workers.planes[0].receive_relayed([(message, workers.addresses[1])], workers.now)
    assert workers.drops(0) == {Drop.RELAY_MESSAGE: 1}
