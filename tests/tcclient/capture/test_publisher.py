"""Packets of a microphone: every frame of speech, and almost none of silence."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tcclient.audio.opus import BitrateMode, OpusEncoder
from tcclient.audio.speech import audio_level
from tcclient.audio.tone import speech_like
from tcclient.capture.pacing import Schedule, Timeline
from tcclient.capture.publisher import AudioPublisher, VideoPublisher
from tcclient.playout.playout import Playout
from tcclient.sources import AudioSource, EncodedAudio, EncodedAudioSource, EncodedVideo, EncodedVideoSource
from tests.support.packets import sound_packet

TALK = speech_like(96_000, seed=3)
AGAIN = speech_like(96_000, seed=4)


def pause(amplitude, seconds=6):
    """The noise of a quiet room."""
    return np.random.default_rng(1).normal(0, amplitude, 48_000 * seconds).astype(np.int16)


def sent(source):
    """Publish all frames of a source at once; return (timestamp, frame) of each that was sent."""
    frames = []

    async def main():
        with ThreadPoolExecutor(1) as pool:
            publisher = AudioPublisher(source, lambda frame, timestamp: frames.append((timestamp, frame)), pool)
            publisher.live = True  # not paced
            await publisher.run(Schedule(Timeline(0.0), 0.02))

    asyncio.run(main())
    return frames


def heard(frames):
    """Return what a listener hears of frames that arrive 50 ms after they were spoken, and when, in samples."""
    playout, blocks, waiting = Playout(), [], list(enumerate(frames))
    for tick in range(600):
        now, came = 0.02 * tick, []
        while waiting and waiting[0][1][0] / 48_000 + 0.05 <= now:
            number, (timestamp, frame) = waiting.pop(0)
            at = timestamp / 48_000 + 0.05
            packet = sound_packet(
                number, timestamp, frame.payload, at, end_of_talk=frame.end_of_talk, comfort=frame.comfort
            )
            came.append(("a", packet))
        blocks.append(playout.tick(now, came).pcm)
    return np.concatenate(blocks)


@pytest.mark.parametrize("frame_ms", [20, 40, 60])
@pytest.mark.parametrize("amplitude", [0, 20, 100])
def test_silence_is_told_once_in_400_ms_by_the_sender_itself(frame_ms, amplitude):
    pcm = np.concatenate((TALK, pause(amplitude), AGAIN))
    frames = sent(AudioSource([pcm], frame_ms=frame_ms, dtx=True))
    assert frames[-1][1].end_of_talk, "the source has ended"
    silent = [(timestamp, frame) for timestamp, frame in frames[:-1] if frame.comfort]
    times = [timestamp for timestamp, _ in silent]
    assert 10 <= len(silent) <= 6 / 0.4
    assert min(np.diff(times)) >= 0.4 * 48_000
    assert [frame.end_of_talk for _, frame in silent] == [True] + [False] * (len(silent) - 1)
    assert all(len(frame.payload) > 2 for _, frame in silent), "each tells what the background sounds like"
    assert not any(frame.voice for _, frame in silent)
    # Frames that are no comfort noise are all there, at their times.
    loud = [timestamp for timestamp, frame in frames if not frame.comfort]
    assert set(range(0, 96_000 - frame_ms * 48, frame_ms * 48)) <= set(loud)
    resumed = min(timestamp for timestamp in loud if timestamp > 48_000 * 7)
    assert resumed + frame_ms * 48 > 48_000 * 8 >= resumed - 960, "the first frame with speech in it"


@pytest.mark.parametrize("amplitude", [0, 20, 100])
def test_the_first_syllable_sounds_as_it_would_if_all_had_been_sent(amplitude):
    pcm = np.concatenate((TALK, pause(amplitude), AGAIN))
    frames = sent(AudioSource([pcm], dtx=True))
    encoder = OpusEncoder(mode=BitrateMode.CONSTRAINED_VBR, dtx=True)
    everything = [
        (start, EncodedAudio(encoder.encode(pcm[start : start + 960]))) for start in range(0, len(pcm) - 959, 960)
    ]
    thin, whole = heard(frames), heard(everything)
    begin, syllable = 48_000 * 8, 14_400
    # Each is played at its own delay: find the beginning.
    onsets = [begin + int(np.flatnonzero(np.abs(sound[begin:]) > 1_000)[0]) for sound in (thin, whole)]
    levels = [audio_level(sound[onset : onset + syllable]) for sound, onset in zip((thin, whole), onsets, strict=True)]
    assert levels[0] == pytest.approx(levels[1], abs=1)
    assert abs(onsets[0] - onsets[1]) <= 2 * 960


def test_comfort_that_the_caller_encoded_is_thinned_too():
    talk, empty = EncodedAudio(b"\x78" * 40), EncodedAudio(b"\x78", comfort=True)
    frames = sent(EncodedAudioSource([talk] * 5 + [empty] * 100 + [talk] * 5))
    assert [timestamp // 960 for timestamp, frame in frames if not frame.comfort] == [
        0,
        1,
        2,
        3,
        4,
        105,
        106,
        107,
        108,
        109,
    ]
    assert [timestamp // 960 for timestamp, frame in frames if frame.comfort and frame.payload == b"\x78"] == [
        5, 29, 53, 77, 101,
    ]  # fmt: skip


def test_without_dtx_every_frame_is_sent():
    """Equal packets at equal times do not reveal who speaks."""
    frames = sent(AudioSource([np.concatenate((TALK, pause(0)))]))
    assert len({len(frame.payload) for _, frame in frames[:-1]}) == 1
    assert [timestamp for timestamp, _ in frames[:-1]] == list(range(0, 960 * 400, 960))


class Film:
    """Pictures that the caller encoded: the names say which are keyframes, and ``wish`` is called before each."""

    def __init__(self, names, wishes):
        self.asked = 0
        self.sent = []
        self._names = names
        self._wishes = wishes

    def _ask(self):
        self.asked += 1

    async def _frames(self):
        for number, name in enumerate(self._names):
            if number in self._wishes:
                await asyncio.sleep(0.01)
                self._wishes[number](self.publisher)
            temporal = int(name[1:] or 0)
            yield EncodedVideo(name.encode(), name[0] == "k", number, temporal, discardable=temporal > 0)
        await asyncio.sleep(0.01)

    def show(self):
        async def main():
            with ThreadPoolExecutor(1) as pool:
                source = EncodedVideoSource(self._frames(), 64, 48, keyframe_wanted=self._ask)
                self.publisher = VideoPublisher(source, lambda frame: self.sent.append(frame.data.decode()), pool)
                await self.publisher.run(Schedule(Timeline(0.0), 0.02))

        asyncio.run(main())
        return self.sent, self.asked


def test_pictures_that_nobody_wants_are_not_sent_and_a_keyframe_follows():
    film = Film(
        ["k", "p", "p", "p", "p", "k", "p"], {2: lambda p: p.want_layers((-1,)), 4: lambda p: p.want_layers((7,))}
    )
    assert film.show() == (["k", "p", "k", "p"], 1)


def test_upper_temporal_layers_that_nobody_wants_are_left_out():
    film = Film(["k", "p1", "p", "p1", "p", "p1"], {2: lambda p: p.want_layers((0,)), 5: lambda p: p.want_layers((1,))})
    assert film.show() == (["k", "p1", "p", "p", "p1"], 0)


def test_in_another_seat_all_begins_again():
    film = Film(["k", "p", "p"], {1: lambda p: p.want_layers((-1,)), 2: lambda p: p.begin_again()})
    assert film.show()[1] == 2
