"""Frames that a program has encoded itself: they arrive and are recorded as they are."""

import asyncio
import contextlib
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tcclient.audio.opus import OpusEncoder
from tcclient.capture import SPEECH
from tcclient.capture.picture import TestPicture as MovingBars
from tcclient.capture.publisher import SILENT_FRAMES
from tcclient.capture.reader import open_audio, open_video
from tcclient.sources import (
    EncodedAudio,
    EncodedAudioSource,
    EncodedVideo,
    EncodedVideoSource,
)
from tcclient.video.codec import VideoEncoder
from tcproto.messages import Source
from tests.support.processes.two_rooms import track_of, two
from tests.support.processes.world import Run, World, until

pytestmark = pytest.mark.usefixtures("measured")


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
