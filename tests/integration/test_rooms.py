"""Participants in a room: what one side publishes, says and does, and what the other side receives."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tcclient import AccountSecret, events
from tcclient.audio.gate import GateMode
from tcclient.audio.opus import Pcm
from tcclient.audio.tone import sine
from tcclient.capture import CLIP, SPEECH
from tcclient.capture.reader import open_audio, open_video
from tcclient.errors import LoginRefused, RequestRefused, RoomClosed
from tcclient.sources import (
    AudioSource,
    VideoSource,
    filtered,
    moving_bars,
    tone,
)
from tcproto.errors import ErrorCode
from tcproto.messages import Kick, Kind, Role, SetRole, Source, UpdateRoom
from tests.support.processes.two_rooms import track_of, two
from tests.support.processes.world import PATIENCE, Run, World, until, watching

pytestmark = pytest.mark.usefixtures("measured")


def test_sources_of_all_kinds_are_heard_and_seen(run: Run, world: World) -> None:
    async def live() -> AsyncIterator[Any]:
        for i in range(1000):
            await asyncio.sleep(0.02)
            yield sine(440, 960, start=960 * i)

    async def main() -> None:
        async with two(world) as (a, b):
            clip = open_video(CLIP, max_width=160, max_height=90, loop=True)
            await a.publish_together(
                AudioSource(open_audio(SPEECH, samples=960, loop=True)),
                VideoSource(clip, clip.width, clip.height, Fraction(25)),
            )
            await b.publish_together(AudioSource(live()), moving_bars(160, 96))
            blocks = b.listen().blocks()
            loudest = 0
            async for block in blocks:
                assert block.shape == (960,)
                loudest = max(loudest, int(np.abs(block).max()))
                if loudest > 500:
                    break
            await blocks.aclose()
            for room, size in ((a, (160, 96)), (b, (160, 90))):
                track = await track_of(room, Source.CAMERA)
                pictures = track.pictures()
                picture = await anext(pictures)
                assert (picture.width, picture.height) == size
                await pictures.aclose()
                frames = (await track_of(room, Source.MICROPHONE)).frames()
                assert (await anext(frames)).header.duration_ms == 20
                await frames.aclose()
            await until(lambda: a.participants[b.me.id].speaking or b.participants[a.me.id].speaking, "a speaker")

    run(main)


def test_chat_mute_names_and_codes(run: Run, world: World) -> None:
    async def main() -> None:
        async with two(world) as (a, b), watching(b) as told:
            assert a.safety_code == b.safety_code
            assert len(a.safety_code.replace(" ", "")) == 30
            assert a.participants[b.me.id].label == b.me.label == "Kantor Dua / Budi"
            await a.chat("selamat pagi")
            await a.chat("hanya untukmu", to=a.participants[b.me.id])
            with pytest.raises(ValueError, match="characters"):
                await a.chat("x" * 100_000)
            spoken = 0

            def speech() -> Iterator[Pcm]:
                nonlocal spoken
                for block in tone().frames:
                    spoken += 1
                    yield block

            publication = await a.publish(AudioSource(speech()))
            track = await track_of(b, Source.MICROPHONE)
            await until(lambda: track.statistics.packets > 5)
            publication.mute()
            sent, muted_at = publication.statistics.packets, spoken
            await until(lambda: track.muted and spoken > muted_at + 10)
            assert publication.statistics.packets == sent
            packets = track.statistics.packets
            assert packets == sent
            publication.mute(False)
            await until(lambda: not track.muted and track.statistics.packets > packets + 5)
            await publication.stop()
            await until(lambda: any(isinstance(event, events.TrackUnpublished) for event in told))
            with pytest.raises(RequestRefused, match="publication"):
                publication.mute()
            texts = [(e.name, e.text, e.participant) for e in told if isinstance(e, events.ChatReceived)]
            sender = b.participants[a.me.id]
            assert texts == [
                ("Kantor Satu / Sri", "selamat pagi", sender),
                ("Kantor Satu / Sri", "hanya untukmu", sender),
            ]
            assert [e.track.muted for e in told if isinstance(e, events.TrackPublished)] == [False]
            assert sum(isinstance(e, events.TrackUpdated) for e in told) == 2

    run(main)


def test_the_password_does_not_stay_and_the_account_key_does(run: Run, world: World) -> None:
    async def main() -> None:
        password = "".join(["correct ", "horse ", "battery"])
        async with world.serving() as server:
            before = sys.getrefcount(password)
            async with world.client(server.room("Hall"), password=password) as room:
                assert room.me.is_me
                assert sys.getrefcount(password) == before, "nothing of the client has it any more"
            secret = AccountSecret("".join(["correct ", "horse ", "battery"]))
            for _ in range(2):
                async with world.client(server.room("Hall"), password=secret) as room:
                    assert room.me.is_me
            with pytest.raises(LoginRefused, match="password again"):
                async with world.client(server.room("Hall"), user="kantor-2", name="Budi", password=secret):
                    pass

    run(main)


def test_a_room_without_end_to_end_encryption(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server:
            link = server.room("Open", e2ee=False)
            async with (
                world.client(link, "kantor-1", require_e2ee=False) as a,
                world.client(link, "kantor-2", require_e2ee=False) as b,
            ):
                await a.publish(tone())
                track = await track_of(b, Source.MICROPHONE)
                await until(lambda: track.statistics.packets > 5)

    run(main)


def test_only_who_may_moderates(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server:
            link = server.room("Hall")
            async with world.client(link) as a, world.client(link, "ketua") as chair, watching(a) as told:
                await until(lambda: len(a.participants) == len(chair.participants) == 1)
                for message in (Kick(chair.me.id), SetRole(a.me.id, Role.CHAIR), UpdateRoom(title="Mine")):
                    with pytest.raises(RequestRefused) as refused:
                        await a.request(message)
                    assert refused.value.code is ErrorCode.NOT_PERMITTED
                    assert "\n" not in str(refused.value)
                await chair.request(UpdateRoom(title="Theirs"))
                await until(lambda: a.info.title == "Theirs")
                await chair.request(SetRole(a.me.id, Role.LISTENER))
                await until(lambda: a.me.role is Role.LISTENER)
                with pytest.raises(RequestRefused) as refused:
                    await a.publish(tone())
                assert refused.value.code is ErrorCode.NOT_PERMITTED
                assert not a.publications
                await chair.request(SetRole(a.me.id, Role.SPEAKER))
                publication = await a.publish(tone())
                await chair.request(Kick(a.me.id))
                await until(lambda: a.closed is not None)
                assert a.closed.code is ErrorCode.KICKED
                await until(lambda: told[-1] == a.closed)
                assert a.closed.text == "removed from the room"
                with pytest.raises(RoomClosed):
                    await a.publish(tone())
                with pytest.raises(RoomClosed):
                    await a.chat("hello?")
                with pytest.raises(RequestRefused):
                    publication.mute()

    run(main)


def test_kinds_of_tracks(run: Run, world: World) -> None:
    async def main() -> None:
        async with two(world) as (a, b):
            publication = await a.publish(tone())
            track = await track_of(b, Source.MICROPHONE)
            assert (track.kind, track.codec, track.stream) == (Kind.AUDIO, "opus", publication.stream)
            await b.subscribe((Source.CAMERA,))
            packets = track.statistics.packets
            sent = publication.statistics.packets
            await until(lambda: publication.statistics.packets > sent + 20)
            assert track.statistics.packets <= packets + 5, "not subscribed any more"

    run(main)


def test_each_receiver_gets_the_size_that_it_asks_for(run: Run, world: World) -> None:
    async def main() -> None:
        async with two(world) as (a, b):
            await b.subscribe((Source.CAMERA,), max_height=200)
            publication = await a.publish(moving_bars(layers=3))
            track, heights = await track_of(b, Source.CAMERA), set()
            track.on_video.append(lambda frame: heights.add(frame.header.spatial))
            async with contextlib.aclosing(track.pictures()) as pictures:
                assert (await anext(pictures)).height == 180
                await b.subscribe((Source.CAMERA,))
                async for picture in pictures:
                    if picture.height == 360:
                        break
            assert heights == {0, 1}
            await b.subscribe(())
            await until(lambda: publication.statistics.frames > 0)
            sent = -1
            async with asyncio.timeout(PATIENCE):  # nobody receives it
                while sent != (sent := publication.statistics.frames):  # noqa: ASYNC110 - nothing tells of what is not sent
                    await asyncio.sleep(0.5)

    run(main)


def test_a_receiver_gets_no_more_pictures_per_second_than_it_asks_for(run: Run, world: World) -> None:
    async def main() -> None:
        async with two(world) as (a, b):
            await b.subscribe((Source.CAMERA,), max_height=200, max_frame_rate=15)
            await a.publish(moving_bars(layers=2))
            track, layers = await track_of(b, Source.CAMERA), list[int]()
            track.on_video.append(lambda frame: layers.append(frame.header.temporal))
            await until(lambda: layers[-20:] == [0] * 20, "every second one of 25 pictures per second")
            await b.subscribe((Source.CAMERA,), max_height=200)
            await until(lambda: sum(layers[-20:]) == 10, "all of them")

    run(main)


@pytest.mark.parametrize("later", [False, True])
def test_a_filter_stands_between_a_microphone_and_what_is_sent(run: Run, world: World, later: bool) -> None:
    closed: list[bool] = []

    def device() -> Iterator[Pcm]:
        try:
            for start in range(0, 96_000, 960):
                yield sine(440, 960, start=start)
        finally:
            closed.append(True)

    async def later_device() -> AsyncIterator[Pcm]:
        with contextlib.closing(device()) as frames:
            for frame in frames:
                await asyncio.sleep(0.02)
                yield frame

    def quieter(frame: Pcm) -> Pcm:
        return frame // 16

    async def main() -> None:
        async with two(world) as (a, b):
            source = AudioSource(later_device() if later else device())
            loudest = int(np.abs(sine(440, 960)).max())
            publication = await a.publish(filtered(source, quieter))
            heard = []
            async for block in (await track_of(b, Source.MICROPHONE)).audio():
                heard.append(int(np.abs(block).max()))
                if len(heard) == 30:
                    break
            assert loudest / 32 < max(heard) < loudest / 8
            await publication.stop()
            await until(lambda: closed, "the end of the device")

    run(main)


def test_push_to_talk(run: Run, world: World) -> None:
    async def main() -> None:
        async with two(world) as (a, b):
            spoken = 0

            def speech() -> Iterator[Pcm]:
                nonlocal spoken
                for block in tone().frames:
                    spoken += 1
                    yield block

            heard: list[Any] = []
            publishing = asyncio.create_task(a.publish(AudioSource(speech()), gate=GateMode.PUSH_TO_TALK))
            (await track_of(b, Source.MICROPHONE)).on_audio.append(heard.append)
            publication = await publishing
            await until(lambda: spoken > 10)
            assert all(frame.header.comfort for frame in heard)
            publication.talk(True)
            await until(lambda: sum(not frame.header.comfort for frame in heard) > 5)
            publication.talk(False)
            await until(lambda: heard[-1].header.end_of_talk or heard[-1].header.comfort)
            picture = await a.publish(moving_bars(160, 96))
            with pytest.raises(RequestRefused, match="sound"):
                picture.talk(True)
            always = await a.publish(tone())
            with pytest.raises(RequestRefused, match="push-to-talk is off"):
                always.talk(False)

    run(main)
