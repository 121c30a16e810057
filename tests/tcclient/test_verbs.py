"""Requests of a participant to the server: each verb ends, and says how."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tcclient
from tcclient import events, verbs
from tcclient.audio.gate import GateMode
from tcclient.cli.sending import Sending
from tcclient.core import PathState
from tcclient.core import events as core
from tcclient.core.phase import Phase
from tcclient.errors import DishonestServer, NoReply, RequestRefused, RoomClosed, WrongValue
from tcproto import messages as m
from tcproto.errors import Action, ErrorCode
from tests.support.scripted_server import CAPS, KEEP, Server
from tests.support.seated_room import asking, seated, unconnected

VERBS: list[tuple[Callable[[Any, Any], Awaitable[None]], object]] = [
    (lambda room, who: who.kick("late"), m.Kick),
    (lambda room, who: room.kick(who), m.Kick),
    (lambda room, who: who.set_role("listener"), m.SetRole),
    (lambda room, who: room.set_role(who, m.Role.CHAIR), m.SetRole),
    (lambda room, who: room.update(title="Rapat"), m.UpdateRoom),
    (lambda room, who: room.lock(), m.LockRoom),
    (lambda room, who: room.audio_only_all(), m.SetAudioOnly),
    (lambda room, who: room.end_meeting(), m.CloseRoom),
    (lambda room, who: room.request(m.CloseRoom()), m.CloseRoom),
    (lambda room, who: who.mute(), m.MuteOther),
    (lambda room, who: who.mute("camera", hold=True), m.MuteOther),
    (lambda room, who: who.ask_to_unmute(), m.MuteOther),
    (lambda room, who: who.release(), m.MuteOther),
    (lambda room, who: room.mute_all(), m.MuteOther),
    (lambda room, who: room.release_all("camera"), m.MuteOther),
    (lambda room, who: room.raise_hand(), m.RaiseHand),
    (lambda room, who: room.lower_hand(), m.LowerHand),
    (lambda room, who: who.lower_hand(), m.LowerHand),
    (lambda room, who: room.lower_all_hands(), m.LowerHand),
    (lambda room, who: room.change_password("rahasia umum", "rahasia baru"), m.ChangePassword),
    (lambda room, who: room.notice("pause"), m.Chat),
    (lambda room, who: room.chat("halo"), m.Chat),
    (lambda room, who: room.subscribe([m.Source.CAMERA]), m.Subscribe),
    (lambda room, who: room.audio_only(), m.Subscribe),
]
"""Each verb, and the message that it sends."""


@pytest.mark.parametrize(("verb", "message"), VERBS)
def test_a_verb_ends_with_what_the_server_answers(verb: Any, message: Any, tmp_path: Path) -> None:
    async def test() -> None:
        server = Server()
        (other,) = server.seated(1)
        async with seated(server, tmp_path) as room:
            who = room.participants[other.participant]
            await asking(server, verb(room, who))
            assert room.client.of(message)
            server.answers[message] = m.Error(ErrorCode.NOT_PERMITTED, "no", Action.NONE, 0)
            with pytest.raises(RequestRefused, match="no") as refused:
                await asking(server, verb(room, who))
            assert refused.value.code is ErrorCode.NOT_PERMITTED

    asyncio.run(test())


@pytest.mark.parametrize(("verb", "message"), VERBS)
def test_a_verb_ends_where_nothing_comes(
    verb: Any, message: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        server = Server()
        (other,) = server.seated(1)
        async with seated(server, tmp_path) as room:
            who = room.participants[other.participant]
            server.answers[message] = KEEP
            monkeypatch.setattr(verbs, "REPLY_LIMIT", 0.05)
            with pytest.raises(NoReply, match=r"within 0.05 s") as none:
                await asking(server, verb(room, who))
            assert (none.value.code, none.value.action) == (None, Action.NONE)
            monkeypatch.setattr(verbs, "REPLY_LIMIT", 60)
            waiting = asyncio.ensure_future(verb(room, who))
            await asyncio.sleep(0)
            room.client.notify(m.Close(ErrorCode.SHUTDOWN, "bye", Action.RECONNECT, 7))
            with pytest.raises(RoomClosed, match="bye"):
                await asking(server, waiting)
            with pytest.raises(RoomClosed, match="bye") as closed:
                await verb(room, who)
            assert (closed.value.action, closed.value.retry_after_ms) == (Action.RECONNECT, 7)

    asyncio.run(test())


def test_a_publication_that_is_never_granted_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        server = Server()
        async with seated(server, tmp_path) as room:
            server.answers[m.Publish] = KEEP
            server.after = lambda *_: None  # there is nothing to unpublish either
            monkeypatch.setattr(verbs, "REPLY_LIMIT", 0.05)
            with pytest.raises(NoReply):
                await asking(server, room.publish(tcclient.AudioSource([np.zeros(960, np.int16)])))
            assert not room.publications

    asyncio.run(test())


def test_a_publication_that_ends_with_the_change_that_begins_it_is_refused(tmp_path: Path) -> None:
    server = Server()
    server.answers[m.Publish] = KEEP
    usual = server.after

    def grant_and_end(client: Any, message: Any, answer: object) -> None:
        if not isinstance(message, m.Publish):
            usual(client, message, answer)
            return
        own, number = client.participant, message.number
        info = m.PublicationInfo(own, number, 5, m.Kind.AUDIO, m.Source.MICROPHONE, "opus")
        begins = m.Change(m.ChangeKind.PUBLISHED, publication=info)
        ends = m.Change(m.ChangeKind.UNPUBLISHED, participant=own, number=number)
        client.connection.reply(server.unanswered[m.Publish], m.Published(number, 5, CAPS))
        client.notify(m.RoomChanges(server.number + 1, (begins, ends)))

    async def test() -> None:
        async with seated(server, tmp_path) as room:
            server.after = grant_and_end
            with pytest.raises(RequestRefused, match="ended") as refused:
                await asking(server, room.publish(tcclient.AudioSource([np.zeros(960, np.int16)])))
            assert refused.value.code is ErrorCode.NOT_PERMITTED
            assert not room.publications

    asyncio.run(test())


@pytest.mark.parametrize(
    "verb",
    [
        lambda room, who: who.set_role("king"),
        lambda room, who: who.mute("data"),
        lambda room, who: room.mute_all("voice"),
        lambda room, who: room.release_all("voice"),
        lambda room, who: room.change_password("rahasia umum", "short"),
        lambda room, who: room.change_password("", "long enough"),
        lambda room, who: who.kick("x" * 300),
        lambda room, who: room.update(max_participants=-1),
        lambda room, who: room.update(title="a\nb"),
        lambda room, who: room.chat("x" * 100_000),
        lambda room, who: room.notice("\0"),
        lambda room, who: room.request(m.Ping(1)),
        lambda room, who: room.request("kick"),
    ],
)
def test_what_cannot_be_asked_is_an_error_of_the_library(verb: Any, tmp_path: Path) -> None:
    async def test() -> None:
        server = Server()
        (other,) = server.seated(1)
        async with seated(server, tmp_path) as room:
            with pytest.raises(WrongValue) as wrong:
                await asking(server, verb(room, room.participants[other.participant]))
            assert isinstance(wrong.value, ValueError)
            assert "\n" not in str(wrong.value)
            assert room.closed is None

    asyncio.run(test())


def test_messages_say_what_was_asked(tmp_path: Path) -> None:
    async def test() -> None:
        server = Server()
        (other,) = server.seated(1)
        async with seated(server, tmp_path) as room:
            who = room.participants[other.participant]
            await asking(server, who.kick("late"))
            await asking(server, who.set_role("listener"))
            await asking(server, room.update(max_participants=5))
            await asking(server, room.notice("pause"))
            sent = room.client.received
            assert m.Kick(who.id, "late") in sent
            assert m.SetRole(who.id, m.Role.LISTENER) in sent
            assert m.UpdateRoom(None, 5) in sent
            (notice,) = room.client.of(m.Chat)
            assert (notice.scope, notice.text) == (m.ChatScope.SERVER, "pause")

    asyncio.run(test())


def test_a_server_that_lies_in_a_meeting_is_told_apart(tmp_path: Path) -> None:
    async def test() -> None:
        server = Server()
        async with seated(server, tmp_path) as room:
            gone = m.Change(m.ChangeKind.MEMBER_LEFT, participant=room.client.participant)
            room.client.notify(m.RoomChanges(server.number + 1, (gone,)))
            server.pump()
            closed = [event async for event in room.events()][-1]
            assert isinstance(closed, events.Closed)
            assert (closed.dishonest, closed.action) == (True, Action.STOP)
            for verb, _ in VERBS:
                with pytest.raises(DishonestServer, match="without us"):
                    await verb(room, room.me)
            with pytest.raises(DishonestServer):
                _ = room.network
            with pytest.raises(DishonestServer):
                _ = room.path_statistics
            with pytest.raises(DishonestServer):
                await room.connection.expect(lambda event: True)

    asyncio.run(test())


def test_a_server_that_lies_at_the_door_is_told_apart(tmp_path: Path) -> None:
    async def test() -> None:
        server = Server()
        server.answers[m.LoginBegin] = m.LoginChallenge(b"s" * 16, 65536, 3, "another")
        client = server.connect()
        server.pump()
        room = unconnected(client.session, tmp_path)
        client.session.begin_login("agency", "Anna")
        derive = room.connection.expect(lambda event: isinstance(event, core.DeriveKey))
        client.collect = room.connection.pump
        server.pump()
        assert client.session.phase is Phase.CLOSED
        for expected in (derive, room.connection.expect(lambda event: True)):
            with pytest.raises(DishonestServer, match="another account"):
                await expected
        await room.close()

    asyncio.run(test())


def test_an_honest_end_is_none(tmp_path: Path) -> None:
    async def test() -> None:
        server = Server()
        async with seated(server, tmp_path) as room:
            room.client.notify(m.Evicted(ErrorCode.KICKED, "out"))
            server.pump()
            with pytest.raises(RoomClosed) as closed:
                await room.chat("x")
            assert not isinstance(closed.value, DishonestServer)

    asyncio.run(test())


def test_what_is_sent_does_not_wait_for_the_path(tmp_path: Path) -> None:
    async def test() -> None:
        server = Server()
        async with seated(server, tmp_path) as room:
            room._event(core.PathChanged(PathState.LOST))
            told: Any = SimpleNamespace(say=lambda name, text: None, problem=lambda text: None)
            sending = Sending(room, told, GateMode.OPEN, {})
            await asking(server, sending.send([tcclient.AudioSource([np.zeros(2880, np.int16)])]))
            (publication,) = sending.publications
            assert publication.ended
            assert publication.statistics.frames > 1

    asyncio.run(test())


@pytest.mark.parametrize(
    "wrong",
    [
        {"voices": -1}, {"voices": 17}, {"max_frame_rate": -1.0}, {"max_frame_rate": float("inf")},
        {"max_frame_rate": float("nan")}, {"priorities": {None: 0}}, {"priorities": {None: 256}},
    ],
)  # fmt: skip
def test_a_bound_out_of_range_is_refused_here(wrong: dict[str, Any], tmp_path: Path) -> None:
    async def test() -> None:
        server = Server()
        async with seated(server, tmp_path) as room:
            before = len(room.client.of(m.Subscribe))
            with pytest.raises(WrongValue, match=next(iter(wrong))):
                await room.subscribe([m.Source.CAMERA], **wrong)
            assert len(room.client.of(m.Subscribe)) == before

    asyncio.run(test())


def test_the_order_in_which_pictures_go_is_kept_by_stream_until_another_is_wished(tmp_path: Path) -> None:
    async def test() -> None:
        server = Server()
        async with seated(server, tmp_path) as room:
            subscription = room.client.session.seat.downlink.subscription
            track = m.PublicationInfo(2, 1, 7, m.Kind.VIDEO, m.Source.CAMERA, "vp8")
            await asking(server, room.subscribe([m.Source.CAMERA], max_frame_rate=12, priorities={track: 200}))
            assert (subscription.wishes.max_frame_rate, subscription.wishes.priorities) == (12, {7: 200})
            await asking(server, room.audio_only())
            assert (subscription.wishes.max_frame_rate, subscription.wishes.priorities) == (12, {7: 200})
            await asking(server, room.subscribe([m.Source.CAMERA]))
            assert (subscription.wishes.max_frame_rate, subscription.wishes.priorities) == (0, {})

    asyncio.run(test())


def test_audio_only_keeps_what_is_subscribed_and_outlives_another_subscription(tmp_path: Path) -> None:
    async def test() -> None:
        server = Server()
        server.seated(1)
        async with seated(server, tmp_path) as room:
            both = (m.Source.MICROPHONE, m.Source.CAMERA)
            for verb, sources, voices in (
                (room.subscribe(both, voices=3), both, 3),
                (room.audio_only(), both[:1], 3),
                (room.subscribe(both, voices=2), both[:1], 2),
                (room.audio_only(False), both, 2),
            ):
                await asking(server, verb)
                asked = room.client.of(m.Subscribe)[-1]
                assert (asked.defaults, asked.voices) == (sources, voices)

    asyncio.run(test())
