"""Stream ids are used again, however much any participant publishes. A new stream takes over nothing of the old one."""

from __future__ import annotations

import random

import pytest

from tcproto import messages as m
from tcproto.errors import ErrorCode, Refusal
from tcserver.conference import Rate
from tcserver.conference.limits.budget import PUBLICATIONS
from tcserver.conference.room.seat import MAX_WISHES
from tcserver.conference.room.stream_ids import MAX_STREAM, MIN_QUARANTINE, QUARANTINE, RESERVE, StreamIds
from tcserver.conference.settings import MessageClass
from tests.support.conference.driver import Driver, error_code

FREE = Rate(60_000, 10**9)


def unlimited(**settings: object) -> Driver:
    rates = dict.fromkeys(MessageClass, FREE)
    return Driver(rates=rates, limits__messages_per_s=60_000, limits__message_burst=10**9, **settings)


def spend(ids: StreamIds, last: int, now: float) -> None:
    """Take all new ids up to ``last``."""
    while ids.take(now) != last:
        pass


def test_ids_come_back_the_oldest_first_after_their_quarantine() -> None:
    ids = StreamIds()
    assert [ids.take(0.0) for _ in range(4)] == [1, 2, 3, 4]
    ids.free(2, 10.0)
    ids.free(1, 20.0)
    assert ids.take(10.0 + QUARANTINE - 0.1) == 5
    assert ids.take(10.0 + QUARANTINE) == 2
    assert ids.take(10.0 + QUARANTINE) == 6
    assert ids.take(20.0 + QUARANTINE) == 1


def test_a_flood_brings_them_back_sooner_and_never_too_soon() -> None:
    ids = StreamIds()
    ended: dict[int, float] = {}
    now, given = 0.0, 0
    refused: list[Refusal] = []
    while now < 30:
        now += 1 / 10_000
        try:
            stream = ids.take(now)
        except Refusal as refusal:
            refused.append(refusal)
            continue
        assert now - ended.get(stream, -MIN_QUARANTINE) >= MIN_QUARANTINE
        given += 1
        ids.free(stream, now)
        ended[stream] = now
    assert {refusal.code for refusal in refused} == {ErrorCode.RATE_LIMITED}
    assert all(0 < refusal.retry_after_ms <= MIN_QUARANTINE * 1000 for refusal in refused)
    assert given > 2 * MAX_STREAM
    # A newcomer finds one all the same.
    newcomers = [ids.take(now, for_beacon=True) for _ in range(RESERVE)]
    assert len(set(newcomers)) == RESERVE
    assert not ended.keys() & set(newcomers)


def test_ids_of_streams_that_are_on_are_never_given_again() -> None:
    draw, ids = random.Random(1), StreamIds()
    live: set[int] = set()
    now = 0.0
    for _ in range(200_000):
        now += draw.random() / 500
        if live and draw.random() < 0.5:
            stream = live.pop()
            ids.free(stream, now)
        else:
            stream = ids.take(now)
            assert stream not in live
            assert 0 < stream <= MAX_STREAM
            live.add(stream)


def test_when_all_are_on_there_is_none() -> None:
    ids = StreamIds()
    for _ in range(MAX_STREAM - RESERVE):
        ids.take(0.0)
    with pytest.raises(Refusal, match="too_many_streams"):
        ids.take(0.0)
    assert [ids.take(0.0, for_beacon=True) for _ in range(RESERVE)][-1] == MAX_STREAM
    with pytest.raises(Refusal, match="too_many_streams"):
        ids.take(0.0, for_beacon=True)


def test_an_account_has_an_allowance_of_publications_for_all_of_its_sessions() -> None:
    world = unlimited()
    world.add_account("flooding", max_sessions=2)
    flooding, colleague = world.participant(account="flooding"), world.participant(account="flooding")
    other = world.participant(account="other")
    made = 0
    for client in (flooding, colleague) * 50:
        reply = client.publish()
        if isinstance(reply, m.Published):
            made += 1
            client.ask(m.Unpublish(client.numbers))
    assert PUBLICATIONS.burst * 2 <= made <= PUBLICATIONS.burst * 2 + 25
    assert reply.code is ErrorCode.RATE_LIMITED
    world.advance(reply.retry_after_ms / 1000)
    assert isinstance(flooding.publish(), m.Published)
    assert isinstance(other.publish(), m.Published)
    # A new login brings no new allowance.
    flooding.drop()
    again = world.participant(account="flooding")
    assert error_code(again.publish()) is ErrorCode.RATE_LIMITED


def test_a_newcomer_finds_an_id_after_more_publications_than_there_are_ids() -> None:
    world = unlimited()
    world.add_account("flooding", max_sessions=1000)
    flooding = world.participant(account="flooding")
    room = world.room_of(flooding)
    spend(room.stream_ids, MAX_STREAM - RESERVE - 100, world.now)
    for _ in range(200):  # the rest of the way is the same again
        flooding.publish()
        flooding.ask(m.Unpublish(flooding.numbers))
    newcomer = world.participant(account="new")
    world.advance(QUARANTINE)
    assert isinstance(newcomer.publish(), m.Published)
    world.check()


def test_seats_that_end_give_their_ids_back() -> None:
    world = unlimited()
    first = world.participant()
    room = world.room_of(first)
    for _ in range(3):
        client = world.participant(account="b")
        client.publish()
        client.ask(m.Leave())
    world.hold_seats = True
    waiting = world.user("c")
    waiting.enter()
    waiting.drop()
    world.advance(QUARANTINE)
    ids = [room.stream_ids.take(world.now) for _ in range(3 * 2 + 2)]
    assert sorted(ids) == list(range(2, 10)), "all but that of the first beacon, and one that is new"


def receivers(world: Driver, publisher: object, stream: int) -> set[int]:
    return set(world.plane.forwarding.get((publisher.media_id, stream), {}))


def test_a_choice_ends_with_its_stream() -> None:
    """A viewer that paused one stream must not miss another that has its id later."""
    world = unlimited()
    talker, listener = world.participant(account="a"), world.participant(account="b")
    stream = talker.publish().stream
    paused = (m.StreamChoice(stream, wanted=False), m.StreamChoice(stream + 5, wanted=False))
    listener.subscribe(m.Source.MICROPHONE, choices=paused)
    assert receivers(world, talker, stream) == set()
    talker.ask(m.Unpublish(1))
    world.advance(QUARANTINE)
    assert talker.publish().stream == stream
    assert receivers(world, talker, stream) == {listener.media_id}
    spend(world.room_of(talker).stream_ids, stream + 4, world.now)
    assert talker.publish().stream == stream + 5
    assert receivers(world, talker, stream + 5) == {listener.media_id}


def test_who_wants_many_streams_in_one_way_has_one_object_for_all() -> None:
    world = unlimited()
    talkers = [world.participant(account=name) for name in "abcd"]
    listener = world.participant(account="e")
    listener.subscribe(m.Source.MICROPHONE)
    streams = [(talker, talker.publish().stream) for talker in talkers]
    wanted = [world.plane.forwarding[talker.media_id, stream][listener.media_id] for talker, stream in streams]
    assert all(receiver is wanted[0] for receiver in wanted)


def test_the_ways_in_which_streams_are_wanted_are_bounded_and_each_holds() -> None:
    """A client chooses another one for each of many streams, again and again."""
    world = unlimited(limits__max_publications=2 * MAX_WISHES)
    talker, listener = world.participant(account="a"), world.participant(account="b")
    ways = [(spatial, temporal) for spatial in range(4) for temporal in range(8)]
    streams = [talker.publish(m.Source.CAMERA).stream for _ in range(2 * MAX_WISHES)]
    for turn in range(len(ways)):
        chosen = dict(zip(streams, ways[turn:] + ways[:turn], strict=False))
        choices = tuple(m.StreamChoice(s, max_spatial=way[0], max_temporal=way[1]) for s, way in chosen.items())
        listener.subscribe(choices=choices, generation=turn + 1)
        for stream, way in chosen.items():
            receiver = world.plane.forwarding[talker.media_id, stream][listener.media_id]
            assert (receiver.max_spatial, receiver.max_temporal) == way
        assert len(world.conference.context.seats[listener.media_id].wishes) <= MAX_WISHES
