"""Participants in a room: what one side publishes, says and does, and what the other side receives."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tcclient import AccountSecret, events
from tcclient.audio.gate import GateMode
from tcclient.audio.opus import OpusEncoder, Pcm
from tcclient.audio.tone import sine
from tcclient.capture import CLIP, SPEECH
from tcclient.capture.picture import TestPicture as MovingBars
from tcclient.capture.publisher import SILENT_FRAMES
from tcclient.capture.reader import open_audio, open_video
from tcclient.errors import LoginRefused, RequestRefused, RoomClosed
from tcclient.room import Room
from tcclient.sources import (
    AudioSource,
    EncodedAudio,
    EncodedAudioSource,
    EncodedVideo,
    EncodedVideoSource,
    VideoSource,
    moving_bars,
    tone,
)
from tcclient.track import Track
from tcclient.video.codec import VideoEncoder
from tcproto.errors import ErrorCode
from tcproto.messages import Kick, Kind, Role, SetRole, Source, UpdateRoom
from tests.support.processes.world import Run, World, until, watching

pytestmark = pytest.mark.usefixtures("measured")


@contextlib.asynccontextmanager
async def two(world: World, room: str = "Hall", **settings: Any) -> AsyncIterator[tuple[Room, Room]]:
    async with world.serving(**settings) as server:
        link = server.room(room)
        async with world.client(link, "kantor-1", "Sri") as a, world.client(link, "kantor-2", "Budi") as b:
            await until(lambda: len(a.participants) == len(b.participants) == 1 and a.path_is_ok and b.path_is_ok)
            yield a, b


async def track_of(room: Room, source: Source) -> Track:
    await until(lambda: any(track.source is source for track in room.tracks), f"a track of {source}")
    return next(track for track in room.tracks if track.source is source)


def speech_frames(count: int, **more: Any) -> list[EncodedAudio]:
    encoder = OpusEncoder(bitrate=24_000)
    with contextlib.closing(iter(open_audio(SPEECH, samples=960, loop=False))) as pcm:
        return [EncodedAudio(encoder.encode(block), level=30, **more) for block in islice(pcm, count)]


def picture_frames(count: int) -> list[EncodedVideo]:
    encoder = VideoEncoder("vp8", 160, 96, Fraction(25), 200_000)
    frames = []
    for i, picture in enumerate(islice(MovingBars(160, 96, 25), count)):
        encoded = encoder.encode(picture, timestamp=3600 * i, keyframe=i == 0)
        frames.append(EncodedVideo(encoded.data, encoded.keyframe, 3600 * i))
    return frames


def test_encoded_frames_arrive_as_they_were_and_are_recorded_so(run: Run, world: World, tmp_path: Path) -> None:
    sound, pictures = speech_frames(40), picture_frames(20)

    async def main() -> None:
        async with two(world) as (a, b):
            b.record(tmp_path / "recording")
            heard, seen = [], []
            publishing = asyncio.create_task(
                a.publish_together(EncodedAudioSource(iter(sound)), EncodedVideoSource(iter(pictures), 160, 96))
            )
            audio, video = await track_of(b, Source.MICROPHONE), await track_of(b, Source.CAMERA)
            audio.on_audio.append(heard.append)
            video.on_video.append(seen.append)
            publications = await publishing
            for publication in publications:
                await publication.wait()
            await until(lambda: len(heard) == 41 and len(seen) == 20, "all frames")
            assert [frame.payload for frame in heard] == [frame.payload for frame in sound] + [SILENT_FRAMES[20]]
            assert [frame.header.timestamp for frame in heard] == [960 * i for i in range(41)]
            assert [frame.header.end_of_talk for frame in heard] == [False] * 40 + [True]
            assert [frame.header.level for frame in heard[:40]] == [30] * 40
            assert [(frame.payload, frame.header.keyframe) for frame in seen] == [
                (f.data, f.keyframe) for f in pictures
            ]
            assert (audio.statistics.packets, audio.statistics.lost) == (41, 0)
            assert [p.statistics.frames for p in publications] == [41, 20]
            assert [p.statistics.unsent for p in publications] == [0, 0]
            assert (video.incomplete, video.size) == (0, (160, 96))

    run(main)
    ogg, film = tmp_path / "recording" / "kantor-1.ogg", tmp_path / "recording" / "kantor-1.mkv"
    assert sorted((tmp_path / "recording").iterdir()) == [tmp_path / "recording" / "index.json", film, ogg]
    assert stored(ogg, "audio") == [frame.payload for frame in sound] + [SILENT_FRAMES[20]]
    assert stored(film, "video") == [frame.data for frame in pictures]
    assert set(stored(film, "audio")) <= {frame.payload for frame in sound} | {SILENT_FRAMES[20]}
    assert np.abs(np.concatenate(list(open_audio(ogg, samples=960, loop=False)))).max() > 1000
    assert len(list(open_video(film, max_width=160, max_height=96, loop=False))) == 20


def stored(path: Path, kind: str) -> list[bytes]:
    """Return the packets of a recording."""
    with av.open(path) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


def test_a_screen_beside_a_camera_and_a_second_start_are_recorded_too(run: Run, world: World, tmp_path: Path) -> None:
    sound, pictures = speech_frames(10), picture_frames(5)

    async def main() -> None:
        async with two(world) as (a, b):
            b.record(tmp_path / "recording")
            for source in (EncodedAudioSource(iter(sound)), EncodedAudioSource(iter(sound))):
                publication = await a.publish(source)
                await publication.wait()
                await until(lambda: b.tracks and b.tracks[0].statistics.packets == 11)
                await publication.stop()
                await until(lambda: not b.tracks)
            both = await a.publish_together(
                EncodedVideoSource(iter(pictures), 160, 96),
                EncodedVideoSource(iter(pictures), 160, 96, source=Source.SCREEN),
            )
            for publication in both:
                await publication.wait()
            await until(lambda: [track.statistics.frames for track in b.tracks] == [5, 5])

    run(main)
    folder = tmp_path / "recording"
    for name in ("kantor-1.ogg", "kantor-1-2.ogg"):
        assert stored(folder / name, "audio")[:10] == [frame.payload for frame in sound]
    films = sorted(folder.glob("kantor-1*.mkv"))
    assert [stored(film, "video") for film in films] == [[frame.data for frame in pictures]] * 2


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
            await asyncio.sleep(2.5)
            sent = publication.statistics.frames
            await asyncio.sleep(0.5)
            assert publication.statistics.frames == sent, "nobody receives it"

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


def test_who_comes_late_gets_a_keyframe_of_encoded_pictures(run: Run, world: World) -> None:
    async def main() -> None:
        pictures = picture_frames(10)
        wanted = made = 0

        def ask() -> None:
            nonlocal wanted
            wanted += 1

        def frames() -> Iterator[EncodedVideo]:
            nonlocal made
            given = 0
            for i in range(100_000):
                made = i
                if given < wanted or i == 0:
                    given = wanted
                    position = 0
                yield pictures[position % 10]._replace(timestamp=3600 * i)
                position = min(position + 1, 9)

        async with world.serving() as server:
            link = server.room("Hall")
            async with world.client(link) as a:
                publication = await a.publish(EncodedVideoSource(frames(), 160, 96, keyframe_wanted=ask))
                await until(lambda: made > 3)
                await until(lambda: made > 10)
                sent = publication.statistics.frames
                await until(lambda: made > 20)
                assert publication.statistics.frames == sent, "nobody is there to receive it"
                async with world.client(link, "kantor-2") as b:
                    track = await track_of(b, Source.CAMERA)
                    got: list[Any] = []
                    track.on_video.append(got.append)
                    await until(lambda: len(got) > 3)
                    assert got[0].header.keyframe
                    assert wanted >= 1

    run(main)
