"""A room as programs see it, over a scripted server."""

import asyncio
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tcclient import events
from tcclient.core import events as core
from tcclient.core.downlink.cause import Cause, Limit
from tcclient.core.downlink.data_meter import MAX_CAP
from tcclient.errors import RoomClosed, WrongValue
from tcclient.room import QUEUED_EVENTS
from tcproto import messages as m
from tcproto.errors import Action, ErrorCode
from tests.support.scripted_server import Server
from tests.support.seated_room import seated


async def waiting(room):
    """The events that wait for a reader."""
    seen, stream = [], room.events()
    with suppress(TimeoutError, StopAsyncIteration):
        while True:
            seen.append(await asyncio.wait_for(anext(stream), 0.05))
    return seen


def run(test):
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(test(Path(folder)))


def test_who_is_there_stands_in_the_roster_and_is_no_event():
    async def test(folder):
        server = Server()
        (other,) = server.seated(1)
        other.publish()
        async with seated(server, folder) as room:
            assert [p.label for p in room.participants.values()] == ["The Agency / Participant 1"]
            assert room.me.label == "The Agency / Participant 2"
            assert room.me.id not in room.participants
            assert room.everybody == [*room.participants.values(), room.me]
            assert all(p.verified and not (p.silent or p.mismatch or p.key_mismatch) for p in room.everybody)
            assert len(room.tracks) == 1
            device, path = await waiting(room)
            assert isinstance(device, events.NewDevice), "both are of one account"
            assert isinstance(path, events.PathChanged)

    run(test)


def test_nothing_is_lost_before_the_first_look_at_events():
    async def test(folder):
        server = Server()
        async with seated(server, folder) as room:
            came = server.connect().login()
            came.publish()
            impostor = replace(server.members[came.participant], participant=99, name="Somebody")
            room.client.notify(
                m.RoomChanges(server.number + 1, (m.Change(m.ChangeKind.MEMBER_JOINED, member=impostor),))
            )
            server.pump()
            kinds = [type(event) for event in await waiting(room)]
            assert kinds.count(events.ParticipantJoined) == 2
            assert kinds.count(events.TrackPublished) == 1
            assert not room.participants[99].verified

    run(test)


def test_events_that_nobody_reads_are_bounded():
    async def test(folder):
        server = Server()
        async with seated(server, folder) as room:
            for number in range(QUEUED_EVENTS + 10):
                room.client.notify(m.ChatMessage(bytes(16), m.ChatScope.SERVER, 0, "A / B", str(number), 0))
            server.pump()
            told = await waiting(room)
            assert len(told) == QUEUED_EVENTS
            assert told[-1].text == str(QUEUED_EVENTS + 9), "the oldest go"

    run(test)


def test_a_room_without_us_ends_and_we_are_still_ourselves():
    async def test(folder):
        server = Server()
        async with seated(server, folder) as room:
            me = room.me
            gone = m.Change(m.ChangeKind.MEMBER_LEFT, participant=room.client.participant)
            room.client.notify(m.RoomChanges(server.number + 1, (gone,)))
            server.pump()
            closed = (await waiting(room))[-1]
            assert isinstance(closed, events.Closed)
            assert closed.action is Action.STOP
            assert "without us" in closed.text
            assert room.me is me
            with pytest.raises(RoomClosed):
                await room.chat("hello")

    run(test)


def test_before_the_room_is_entered_there_is_nobody():
    async def test(folder):
        def look(room):
            with pytest.raises(RoomClosed):
                _ = room.me

        async with seated(Server(), folder, look) as room:
            assert room.me.is_me

    run(test)


@pytest.mark.parametrize("end", [m.Close(ErrorCode.SHUTDOWN, "", Action.STOP, 0), m.Evicted(ErrorCode.KICKED, "out")])
def test_a_seat_that_ends_with_its_first_breath_ends_cleanly(end):
    async def test(folder):
        server = Server()

        def at_once(room):
            snapshot = server.snapshot
            server.snapshot = lambda client: (snapshot(client), client.notify(end))

        async with seated(server, folder, at_once) as room:
            assert isinstance((await waiting(room))[-1], events.Closed)
            assert room.me.is_me

    run(test)


def test_marks_are_told_and_stand_in_the_roster():
    async def test(folder):
        server = Server()
        (other,) = server.seated(1)
        other.udp = False
        async with seated(server, folder) as room:
            server.advance(40)
            participant = room.participants[other.participant]
            assert participant.silent
            other.udp = True
            server.advance(15)
            assert not participant.silent
            told = await waiting(room)
            assert [e for e in told if isinstance(e, (events.MemberSilent, events.MemberHeard))] == [
                events.MemberSilent(participant),
                events.MemberHeard(participant),
            ]
            for kind, mark, value in (
                ("MembershipMismatch", "mismatch", True),
                ("MembershipAgreed", "mismatch", False),
                ("CommitmentMismatch", "key_mismatch", True),
            ):
                room._event(getattr(core, kind)(other.participant))
                assert getattr(participant, mark) is value

    run(test)


def test_the_limits_of_tracks_and_of_the_data_are_told():
    async def test(folder):
        server = Server()
        (other,) = server.seated(1)
        other.publish(m.Kind.VIDEO, m.Source.CAMERA, "vp8")
        async with seated(server, folder) as room:
            (track,) = room.tracks
            room._event(core.TrackLimited(track.info, Cause.BANDWIDTH, 0))
            assert track.limit == Limit(Cause.BANDWIDTH, 0)
            room._event(core.DataCapReached(80, 10))
            limited, reached = (await waiting(room))[-2:]
            assert limited == core.TrackLimited(track, Cause.BANDWIDTH, 0)
            assert reached == events.DataCapReached(80, 10)
            assert room.data_used.total > 0
            room.data_cap = 5
            assert room.data_cap == 5
            for wrong in (-1, MAX_CAP + 1):
                with pytest.raises(WrongValue, match="a cap of data is from 0"):
                    room.data_cap = wrong

    run(test)
