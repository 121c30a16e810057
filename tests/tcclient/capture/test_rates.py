"""Sound and pictures that change their rate while they are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from tcclient.audio.opus import OpusDecoder, Pcm
from tcclient.capture import SPEECH
from tcclient.capture.pacing import Schedule, Timeline
from tcclient.capture.publisher import AudioEncoding, VideoPublisher
from tcclient.capture.reader import open_audio
from tcclient.capture.simulcast import LayeredEncoder
from tcclient.core.rate.allocation import SOUND_RATES, PictureRate, SoundRate
from tcclient.sources import AudioSource, EncodedAudio, EncodedVideo, EncodedVideoSource, VideoCodec, VideoSource

PIECE = 960
"""Samples of 20 ms."""
RATES = (SoundRate(25_200, 20), *SOUND_RATES, SoundRate(25_200, 20), SOUND_RATES[2])


def encoded(speech: Pcm, rates: Sequence[SoundRate]) -> list[EncodedAudio]:
    """Return speech in packets, at each of the rates for the same time, one after the other."""
    encoding, frames = AudioEncoding(AudioSource(())), []
    pieces = [speech[start : start + PIECE] for start in range(0, len(speech), PIECE)]
    for n, piece in enumerate(pieces):
        encoding.set_rate(rates[n * len(rates) // len(pieces)])
        frames += encoding.encode(piece)
    return frames


def steepest(frames: list[EncodedAudio]) -> float:
    """Return the greatest step from one sample to the next that is heard, of those after half a second."""
    decoder = OpusDecoder()
    heard = np.concatenate([decoder.decode(frame.payload) for frame in frames])
    assert len(heard) == sum(frame.duration_ms for frame in frames) * 48
    return float(np.abs(np.diff(heard[24_000:].astype(int))).max())


def test_sound_changes_its_rate_without_a_gap_or_a_click() -> None:
    speech = np.concatenate(list(open_audio(SPEECH, samples=PIECE)))[: 4 * 48_000]
    frames = encoded(speech, RATES)
    assert {frame.duration_ms for frame in frames} == {20, 40, 60}
    assert sum(frame.duration_ms for frame in frames) == pytest.approx(4000, abs=60), "nothing is left out"
    steady = max(steepest(encoded(speech, [rate])) for rate in RATES)
    itself = np.abs(np.diff(speech.astype(int))).max()
    assert steepest(frames) < 1.1 * max(steady, itself), "a click is steeper than the speech"


@pytest.mark.parametrize("rate", SOUND_RATES)
def test_sound_has_the_rate_that_it_is_told(rate: SoundRate) -> None:
    encoding = AudioEncoding(AudioSource(()))
    encoding.set_rate(rate)
    noise = np.random.default_rng(1).integers(-3000, 3000, 48_000).astype(np.int16)
    frames = encoding.encode(noise)
    assert {(len(frame.payload), frame.duration_ms) for frame in frames} == {
        (rate.bitrate * rate.frame_ms // 8000, rate.frame_ms)
    }


GRAIN = np.random.default_rng(1).integers(60, 120, (96, 160, 3), np.uint8)


def grain(number: int) -> av.VideoFrame:
    """Return a picture of grain, of which a fifth changes each time."""
    picture = GRAIN.copy()
    picture[19 * (number % 5) : 19 * (number % 5 + 1)] ^= np.uint8(number * 7 % 64)
    return av.VideoFrame.from_ndarray(picture, format="rgb24")


def film(encoder: LayeredEncoder, start: int, count: int) -> list[EncodedVideo]:
    return [frame for n in range(start, start + count) for frame in encoder.encode(grain(n), 3600 * n)]


def kbit(frames: list[EncodedVideo]) -> float:
    """Return the rate at 25 pictures per second, without keyframes."""
    sizes = [len(frame.data) for frame in frames if not frame.keyframe]
    return 8 * 25 * sum(sizes) / len(sizes) / 1000


def source(codec: VideoCodec = "vp8") -> VideoSource:
    return VideoSource((), 160, 96, Fraction(25), 100_000, codec)


def test_vp8_follows_its_rate_without_a_keyframe() -> None:
    encoder = LayeredEncoder(source())
    rates = {}
    for n, bitrate in enumerate((100_000, 50_000, 250_000, 100_000)):
        encoder.set_bitrates((bitrate,))
        frames = film(encoder, 100 * n, 100)
        assert [frame.keyframe for frame in frames[:10]] == [n == 0] + [False] * 9
        rates[n, bitrate] = kbit(frames[50:])
    for (_, bitrate), rate in rates.items():
        assert rate == pytest.approx(bitrate / 1000, rel=0.35)


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_a_rate_that_is_far_away_takes_another_encoder_and_a_keyframe(codec: VideoCodec) -> None:
    encoder = LayeredEncoder(source(codec))
    film(encoder, 0, 30)
    encoder.set_bitrates((30_000,))
    down = film(encoder, 30, 10)
    assert [frame.keyframe for frame in down] == [True] + [False] * 9
    encoder.set_bitrates((300_000,))
    soon = film(encoder, 40, 10)
    assert not any(frame.keyframe for frame in soon), "upwards not so soon again"
    later = film(encoder, 60, 10)
    assert [frame.keyframe for frame in later] == [True] + [False] * 9


async def run(publisher: VideoPublisher) -> None:
    await publisher.run(Schedule(Timeline(asyncio.get_running_loop().time() - 10), 0.04))


def test_a_layer_without_bits_is_not_sent_and_comes_back_with_a_keyframe() -> None:
    sent: list[EncodedVideo] = []
    with ThreadPoolExecutor(1) as pool:
        small = VideoSource([grain(n) for n in range(3)], 160, 96, Fraction(25), 100_000)
        publisher = VideoPublisher(small, sent.append, pool)
        publisher.set_rate(PictureRate((0,)))
        asyncio.run(run(publisher))
        assert sent == []
        again = VideoPublisher(small, sent.append, pool)
        again.set_rate(PictureRate((0,)))
        again.set_rate(PictureRate((90_000,)))
        asyncio.run(run(again))
        assert [frame.keyframe for frame in sent] == [True, False, False]


def test_a_source_goes_on_at_its_pace_while_nobody_wants_it() -> None:
    taken: list[int] = []
    sent: list[EncodedVideo] = []

    def pictures() -> Iterator[Any]:
        for n in range(1000):
            taken.append(n)
            yield GRAIN

    async def main() -> None:
        began, has_come = asyncio.get_running_loop().time(), asyncio.Event()

        def send(frame: EncodedVideo) -> None:
            sent.append(frame)
            has_come.set()

        publisher = VideoPublisher(VideoSource(pictures(), 160, 96, Fraction(25), 100_000), send, pool)
        publisher.want_layers((-1,))
        running = asyncio.create_task(publisher.run(Schedule(Timeline(began), 0.04)))
        await asyncio.sleep(0.3)
        passed = asyncio.get_running_loop().time() - began
        assert sent == []
        assert len(taken) <= 25 * passed + 2, "it is not run through"
        publisher.want_layers((7,))
        async with asyncio.timeout(10):
            await has_come.wait()
        assert sent[0].keyframe
        assert (sent[0].timestamp or 0) / 90_000 <= asyncio.get_running_loop().time() - began + 0.04
        running.cancel()
        await asyncio.wait((running,))

    with ThreadPoolExecutor(1) as pool:
        asyncio.run(main())


def test_no_picture_is_encoded_while_others_wait() -> None:
    sent: list[EncodedVideo] = []
    with ThreadPoolExecutor(1) as pool:
        pictures = VideoSource((grain(n) for n in range(4)), 160, 96, Fraction(25), 100_000)
        behind = iter((False, True, True, False))
        publisher = VideoPublisher(pictures, sent.append, pool, lambda: next(behind))
        asyncio.run(run(publisher))
    assert len(sent) == 2
    assert publisher.held_back == 2


def test_what_the_caller_encodes_is_left_out_where_there_are_no_bits() -> None:
    sent: list[EncodedVideo] = []
    with ThreadPoolExecutor(1) as pool:
        frames = [EncodedVideo(b"key", n == 0, 3600 * n) for n in range(2)]
        mine = EncodedVideoSource(frames, 160, 96)
        publisher = VideoPublisher(mine, sent.append, pool)
        publisher.set_rate(PictureRate((50_000,)))
        asyncio.run(run(publisher))
    assert len(sent) == 2
