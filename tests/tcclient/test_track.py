"""A track as programs read it, fed by hand."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tcclient.audio.decoder import Sound
from tcclient.audio.opus import Pcm
from tcclient.capture.picture import TestPicture, read_counter
from tcclient.core.media.packet import MediaPacket, VideoPacket
from tcclient.core.membership.roster_entry import RosterEntry
from tcclient.errors import WrongValue
from tcclient.participant import Participant
from tcclient.track import QUEUED_AUDIO, QUEUED_BLOCKS, QUEUED_VIDEO, Track, TrackStatistics
from tcclient.video.codec import EncodedFrame, VideoEncoder
from tcproto.messages import Kind, Member, PublicationInfo, Role, Source
from tcproto.packet import VideoHeader

ENTRY = RosterEntry(Member(7, "dinkes", "Dinas", "Sri", Role.SPEAKER, b"", b"", 0, b"", 0), True)


async def unasked(request: object) -> None:
    raise AssertionError(request)


class Anything:
    """Lets every layer be shown."""

    def is_welcome(self, stream: int, layer: int) -> bool:
        return True

    def shown(self, stream: int, layer: int, now: float) -> None:
        pass


class Decoder:
    """Takes the place of the play-out of one track: gives what a test puts."""

    def __init__(self) -> None:
        self.put: Callable[[Any], None] | None = None

    @contextmanager
    def __call__(self, track: Track, put: Callable[[Any], None]) -> Iterator[None]:
        self.put = put
        try:
            yield
        finally:
            self.put = None


def made(kind: Kind = Kind.AUDIO, decode: Any = None, pool: Any = None, **more: Any) -> Track:
    codec = "opus" if kind is Kind.AUDIO else "vp8"
    source = Source.MICROPHONE if kind is Kind.AUDIO else Source.CAMERA
    info = PublicationInfo(7, 1, 99, kind, source, codec, **more)
    return Track(info, Participant(ENTRY, unasked), pool, lambda stream, layer: True, decode or Decoder(), Anything())


def block(value: int) -> Pcm:
    return np.full(960, value, np.int16)


async def read(stream: AsyncIterator[Any], count: int) -> list[Any]:
    return [await anext(stream) for _ in range(count)]


def test_it_shows_what_was_announced_and_what_changed() -> None:
    track = made(Kind.VIDEO, width=64, height=48)
    assert (track.number, track.stream, track.kind, track.source) == (1, 99, Kind.VIDEO, Source.CAMERA)
    assert (track.codec, track.size, track.muted, track.incomplete) == ("vp8", (64, 48), False, 0)
    track.update(PublicationInfo(7, 1, 99, Kind.VIDEO, Source.CAMERA, "vp8", muted=True, width=32, height=16))
    assert (track.muted, track.size) == (True, (32, 16))
    assert made().incomplete == 0


def test_frames_end_with_the_track_and_a_slow_reader_misses_the_oldest() -> None:
    async def test() -> None:
        track = made()
        frames = track.frames()
        first = asyncio.ensure_future(anext(frames))
        await asyncio.sleep(0)
        (put,) = track.on_audio
        put("first")  # type: ignore[arg-type]
        assert await first == "first"
        for number in range(QUEUED_AUDIO + 5):
            put(number)  # type: ignore[arg-type]
        track.end()
        assert [frame async for frame in frames] == list(range(5, QUEUED_AUDIO + 5))
        assert track.on_audio == []

    asyncio.run(test())


def test_sound_is_what_the_play_out_gives_and_is_bounded() -> None:
    async def test() -> None:
        decoder = Decoder()
        track = made(decode=decoder)
        blocks = track.audio()
        first = asyncio.ensure_future(anext(blocks))
        await asyncio.sleep(0)
        put = decoder.put
        assert put is not None
        put(Sound(block(0), (), None))
        assert np.array_equal(await first, block(0))
        for number in range(1, QUEUED_BLOCKS + 3):
            put(Sound(block(number), (), None))
        found = [int(each[0]) for each in await read(blocks, QUEUED_BLOCKS)]
        assert found == list(range(3, QUEUED_BLOCKS + 3))
        track.end()
        assert [block async for block in blocks] == []
        assert decoder.put is None, "the play-out has ended"

    asyncio.run(test())


def test_a_slow_reader_of_pictures_sees_none_that_refers_to_one_it_has_missed() -> None:
    source = TestPicture(320, 180, Fraction(25))
    encoder = VideoEncoder("vp8", 320, 180, 25, 200_000)
    numbers = 2 * QUEUED_VIDEO
    coded = [
        encoder.encode(source.frame(number), timestamp=3600 * number, keyframe=number in (0, numbers - 3))
        for number in range(numbers)
    ]

    async def test() -> list[int]:
        with ThreadPoolExecutor(1) as pool:
            track = made(Kind.VIDEO, pool=pool)
            async with aclosing(track.pictures()) as pictures:
                first = asyncio.ensure_future(anext(pictures))
                await asyncio.sleep(0)
                (put,) = track.on_video
                put(packet(coded[0]))
                seen = [read_counter(await first)]
                for picture in coded[1:]:
                    put(packet(picture))
                track.end()
                seen += [read_counter(picture) async for picture in pictures]
        return seen

    assert asyncio.run(test()) == [0, numbers - 3, numbers - 2, numbers - 1]


def packet(coded: EncodedFrame) -> VideoPacket:
    header = VideoHeader(99, 0, 0, 0, coded.timestamp, 0, 0, 1, keyframe=coded.keyframe)
    return MediaPacket(7, 1, header, coded.data, 0.0, 0, 0, 0, False)


def test_pictures_have_no_sound() -> None:
    async def test() -> None:
        with pytest.raises(WrongValue, match="no sound"):
            await anext(made(Kind.VIDEO).audio())

    asyncio.run(test())


def test_looking_after_a_track_of_sound_asks_for_nothing() -> None:
    track = made()
    track.tend(1.0)
    assert track.statistics.keyframe_requests == 0


def test_packets_are_counted_in_whatever_order_they_come() -> None:
    counts = TrackStatistics()
    assert counts.bitrate == 0
    for sequence, now in ((5, 10.0), (3, 10.5), (9, 12.0)):
        counts.count(sequence, 100, now)
    assert (counts.first, counts.highest, counts.packets, counts.bytes) == (3, 9, 3, 300)
    assert (counts.began, counts.latest) == (10.0, 12.0)
    assert counts.bitrate == 300 * 8 / 2


def test_the_checksum_is_that_of_all_frames_in_order() -> None:
    counts = TrackStatistics()
    for frame in (b"ab", b"", b"cde"):
        counts.add_frame(frame)
    assert (counts.frames, counts.checksum) == (3, zlib.crc32(b"abcde"))
