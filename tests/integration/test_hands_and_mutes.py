"""Raised hands, mutes of others and a changed password, with a server and clients as they run."""

import pytest

from tcclient import events, moving_bars, tone
from tcclient.cli.keyboard import Keyboard
from tcclient.errors import LoginRefused, RequestRefused, RoomClosed
from tcproto.errors import ErrorCode
from tcproto.messages import Source
from tests.support.processes.world import PASSWORD, Run, World, until, watching
from tests.tcclient.cli.test_keyboard import Output

pytestmark = pytest.mark.usefixtures("measured")
NEW = "kuda baterai benar"


def test_hands_stand_in_one_order_for_all(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server:
            link = server.room("Hall")
            async with world.client(link) as a, world.client(link, "ketua") as chair, watching(chair) as told:
                await until(lambda: len(a.participants) == len(chair.participants) == 1)
                await a.raise_hand()
                await chair.raise_hand()
                await until(lambda: chair.me.hand and a.participants[chair.me.id].hand)
                assert 0 < a.me.hand < chair.me.hand
                assert chair.participants[a.me.id].hand == a.me.hand
                await chair.participants[a.me.id].lower_hand()
                await until(lambda: not a.me.hand)
                await chair.lower_hand()
                await until(lambda: not chair.hands)
                assert await chair.call_next() is None
                await a.raise_hand()
                await chair.lower_all_hands()
                await until(lambda: not a.me.hand and not chair.me.hand)
                hands = {event.participant.is_me for event in told if isinstance(event, events.HandChanged)}
                assert hands == {False, True}
                assert not any(isinstance(event, events.ParticipantUpdated) for event in told), "no role has changed"

    run(main)


def test_a_chair_calls_one_raised_hand_after_the_other(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server:
            link = server.room("Hall")
            async with (
                world.client(link) as a,
                world.client(link, "kantor-2") as b,
                world.client(link, "ketua") as chair,
                watching(a) as told,
            ):
                await until(lambda: len(chair.participants) == 2)
                for room in (b, chair, a):
                    await room.raise_hand()
                await until(lambda: len(chair.hands) == len(a.hands) == 3)
                assert [who.account for who in a.hands] == ["kantor-2", "ketua", "kantor-1"]
                with pytest.raises(RequestRefused) as refused:
                    await a.call_next()
                assert refused.value.code is ErrorCode.NOT_PERMITTED
                publication = await b.publish(tone(), muted=True)
                await chair.mute_all(hold=True)
                await until(lambda: publication.held)
                called = [await chair.call_next()]
                await until(lambda: not publication.held)
                publication.mute(False)
                await until(lambda: len(chair.hands) == 2)
                called.append(await chair.call_next())
                await until(lambda: len(chair.hands) == 1)
                assert not any(isinstance(event, events.MuteAsked) for event in told)
                called.append(await chair.call_next())
                await until(lambda: any(isinstance(event, events.MuteAsked) for event in told))
                assert [who and who.account for who in called] == ["kantor-2", "ketua", "kantor-1"]
                (asked,) = [event for event in told if isinstance(event, events.MuteAsked)]
                assert (asked.participant.id, asked.muted) == (chair.me.id, False)
                await until(lambda: not a.hands)

    run(main)


def test_a_chair_asks_to_mute_and_holds_a_microphone(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server:
            link = server.room("Hall")
            async with world.client(link) as a, world.client(link, "ketua") as chair, watching(a) as told:
                publication = await a.publish(tone())
                await until(lambda: len(chair.tracks) == 1)
                (track,) = chair.tracks
                who = chair.participants[a.me.id]
                await until(lambda: track.statistics.packets > 5)
                await who.mute()
                await until(lambda: any(isinstance(event, events.MuteAsked) for event in told))
                (asked,) = [event for event in told if isinstance(event, events.MuteAsked)]
                assert (asked.participant.id, asked.source, asked.muted) == (chair.me.id, Source.MICROPHONE, True)
                assert not publication.muted, "nothing has changed"
                with pytest.raises(RequestRefused) as refused:
                    await a.participants[chair.me.id].mute(hold=True)
                assert refused.value.code is ErrorCode.NOT_PERMITTED
                await who.mute(hold=True)
                await until(lambda: publication.held)
                assert publication.muted
                await until(lambda: track.muted)
                with pytest.raises(RequestRefused, match="a chair holds it muted"):
                    publication.mute(False)
                assert publication.muted
                received = track.statistics.packets
                await who.release()
                await until(lambda: not publication.held)
                assert publication.muted
                publication.mute(False)
                await until(lambda: track.statistics.packets > received + 5)
                held = [event.held for event in told if isinstance(event, events.PublicationHeld)]
                assert held == [True, False]

    run(main)


def test_a_chair_at_a_terminal_holds_one_camera_and_lets_go_of_all(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server:
            link = server.room("Hall")
            async with world.client(link) as a, world.client(link, "ketua") as chair, watching(a) as told:
                sound, pictures = await a.publish(tone()), await a.publish(moving_bars(160, 96))
                await until(lambda: len(chair.tracks) == 2)

                async def type_line(line: str) -> None:
                    output = Output([line])
                    await Keyboard(chair, list, output, lambda: None, lambda source, device: None).obey()  # type: ignore[arg-type]
                    assert output.problems == []

                await type_line("/hold kantor-1 camera")
                await until(lambda: pictures.held)
                assert not sound.held
                await type_line("/hold all")
                await until(lambda: sound.held)
                await type_line("/release all camera")
                await until(lambda: not pictures.held)
                assert sound.held
                await type_line("/release all")
                await until(lambda: not sound.held)
                assert (sound.muted, pictures.muted) == (True, True), "nobody but the owner unmutes"
                sources = [
                    event.publication.source.source for event in told if isinstance(event, events.PublicationHeld)
                ]
                assert sources == [Source.CAMERA, Source.MICROPHONE, Source.CAMERA, Source.MICROPHONE]

    run(main)


def test_a_chair_stops_all_pictures_of_a_room_also_of_those_who_come_later(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server:
            link = server.room("Hall")
            async with world.client(link) as a, world.client(link, "ketua") as chair, watching(a) as told:
                sound, pictures = await a.publish_together(tone(), moving_bars(160, 96))
                await until(lambda: len(chair.tracks) == 2)
                by_source = {track.source: track for track in chair.tracks}
                seen, heard = by_source[Source.CAMERA], by_source[Source.MICROPHONE]
                await until(lambda: seen.statistics.packets > 5)
                with pytest.raises(RequestRefused) as refused:
                    await a.audio_only_all()
                assert refused.value.code is ErrorCode.NOT_PERMITTED
                await chair.audio_only_all()
                await until(lambda: pictures.held and a.info.audio_only and seen.muted)
                received, sounds = seen.statistics.packets, heard.statistics.packets
                async with world.client(link, name="Budi") as late:
                    assert late.info.audio_only
                    later = await late.publish(moving_bars(160, 96))
                    await until(lambda: later.held)
                    with pytest.raises(RequestRefused, match="a chair holds it muted"):
                        later.mute(False)
                    await until(lambda: heard.statistics.packets > sounds + 20)
                assert seen.statistics.packets == received
                assert not sound.held
                await chair.audio_only_all(False)
                await until(lambda: not pictures.held and not a.info.audio_only)
                assert pictures.muted
                pictures.mute(False)
                await until(lambda: seen.statistics.packets > received + 5)
                held = [event.publication for event in told if isinstance(event, events.PublicationHeld)]
                assert held == [pictures, pictures]

    run(main)


def test_an_account_changes_its_password(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server:
            link = server.room("Hall")
            async with world.client(link) as a:
                async with world.client(link, name="Budi") as elsewhere:
                    with pytest.raises(RequestRefused) as wrong:
                        await a.change_password("not the password", NEW)
                    assert wrong.value.code is ErrorCode.BAD_CREDENTIALS
                    await a.change_password(PASSWORD, NEW)
                    await until(lambda: elsewhere.closed is not None)
                    assert elsewhere.closed.code is ErrorCode.CREDENTIALS_CHANGED
                    with pytest.raises(RoomClosed):
                        await elsewhere.chat("halo")
                await a.chat("still here")
                await a.change_password(NEW, PASSWORD + "!")
            with pytest.raises(LoginRefused) as refused:
                async with world.client(link):
                    pass
            assert refused.value.code is ErrorCode.BAD_CREDENTIALS
            async with world.client(link, password=PASSWORD + "!", retry=lambda _: None) as again:
                await again.chat("halo")

    run(main)
