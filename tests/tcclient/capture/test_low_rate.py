"""The low rate of a microphone: the same sound at the same times, encoded while it is wanted, and no word of a mute."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tcclient.audio.opus import OpusDecoder
from tcclient.audio.tone import speech_like
from tcclient.capture.low_rate import SAMPLES, LowRateEncoding
from tcclient.capture.pacing import Schedule, Timeline
from tcclient.capture.publisher import AudioPublisher
from tcclient.core.rate.allocation import LOW_RATE, SoundRate
from tcclient.sources import AudioSource, has_low_rate
from tcproto.messages import Source

TALK = speech_like(96_000, seed=3)
SILENCE = np.zeros(48_000 * 3, np.int16)


class Sent:
    """What a publisher sends of a source, by timestamp. ``at`` calls something before a piece of 20 ms is taken."""

    def __init__(self, pcm, at=None, frame_ms=20, dtx=False, wanted=True, low_rate=True):
        self.usual, self.low = [], []
        self.at = at or {}

        def pieces():
            for number in range(len(pcm) // 960):
                yield pcm[number * 960 : (number + 1) * 960]

        source = AudioSource(pieces(), frame_ms=frame_ms, dtx=dtx, low_rate=low_rate)

        async def main():
            with ThreadPoolExecutor(1) as pool:
                self.publisher = AudioPublisher(
                    source, self._take, pool, send_low_rate=lambda frame, timestamp: self.low.append((timestamp, frame))
                )
                self.publisher.live = True  # not paced
                self.publisher.want_low_rate(wanted)
                await self.publisher.run(Schedule(Timeline(0.0), 0.02))

        asyncio.run(main())

    def _take(self, frame, timestamp):
        self.usual.append((timestamp, frame))
        action = self.at.pop(len(self.usual), None)
        if action is not None:
            action(self.publisher)


def spoken(frames):
    return [timestamp for timestamp, frame in frames if not frame.comfort]


@pytest.mark.parametrize("frame_ms", [20, 40, 60])
def test_it_has_all_of_the_sound_at_the_times_of_the_microphone(frame_ms):
    sent = Sent(TALK, frame_ms=frame_ms)
    times = spoken(sent.low)
    assert times == list(range(0, len(TALK) - SAMPLES + 1, SAMPLES))[: len(times)]
    assert len(times) >= len(TALK) // SAMPLES - 1
    assert all(len(frame.payload) == LOW_RATE.bitrate * LOW_RATE.frame_ms // 8000 for _, frame in sent.low[:-1])
    decoder = OpusDecoder()
    pcm = np.concatenate([decoder.decode(frame.payload) for _, frame in sent.low[:-1]])
    heard, said = np.abs(pcm.astype(float)).mean(), np.abs(TALK[: len(pcm)].astype(float)).mean()
    assert heard == pytest.approx(said, rel=0.3)


def test_nothing_is_encoded_while_nobody_wants_it():
    assert Sent(TALK, wanted=False).low == []
    encoding = LowRateEncoding()
    encoding.encode(TALK)
    assert encoding.take(len(TALK)) == []


def test_it_begins_and_ends_in_mid_talk():
    begin, end = (lambda publisher: publisher.want_low_rate(True)), (lambda publisher: publisher.want_low_rate(False))
    sent = Sent(TALK, {20: begin, 60: end}, wanted=False)
    times = spoken(sent.low)
    assert 19 * 960 <= times[0] <= 26 * 960, "soon after it is wanted"
    assert times[-1] <= 64 * 960
    assert np.diff(times).tolist() == [SAMPLES] * (len(times) - 1)


def test_a_mute_lets_no_frame_out_that_has_some_sound_after_it():
    def mute(publisher):
        publisher.gate.muted = True
        publisher.end_talk()

    sent = Sent(TALK, {31: mute})
    assert [timestamp for timestamp, _ in sent.low] == [*range(0, 30 * 960, SAMPLES), 32 * 960]
    last = sent.low[-1][1]
    assert last.comfort
    assert last.end_of_talk


def test_after_a_mute_the_times_are_those_of_the_microphone_again():
    def mute(publisher):
        publisher.gate.muted = True
        publisher.end_talk()

    def unmute(publisher):
        publisher.gate.muted = False

    sent = Sent(TALK, {31: mute, 32: unmute})
    usual, low = spoken(sent.usual), spoken(sent.low)
    assert set(low) - set(range(0, 30 * 960, SAMPLES)) <= set(usual), "each begins with a frame of the microphone"
    assert low[-1] > 60 * 960


def test_a_pause_ends_the_talk_once_and_the_next_word_is_whole():
    pcm = np.concatenate((TALK, SILENCE, TALK))
    sent = Sent(pcm, dtx=True)
    ends = [timestamp for timestamp, frame in sent.low if frame.end_of_talk]
    assert len(ends) in (1, 2), "at the pause, and perhaps at the end"
    again = [timestamp for timestamp in spoken(sent.low) if timestamp > ends[0]]
    first = next(timestamp for timestamp in spoken(sent.usual) if timestamp > ends[0])
    assert first - SAMPLES < again[0] <= first


def test_only_the_microphone_of_a_program_that_wants_it_has_one():
    assert has_low_rate(AudioSource([], low_rate=True))
    assert not has_low_rate(AudioSource([]))
    assert not has_low_rate(AudioSource([], source=Source.SCREEN_AUDIO, low_rate=True))
    assert Sent(TALK[:9600], low_rate=False).low == []


def test_frames_that_nobody_takes_are_bounded():
    encoding = LowRateEncoding()
    encoding.wanted = True
    for _ in range(100):
        encoding.encode(TALK[:SAMPLES])
    taken = encoding.take(100 * SAMPLES)
    assert 0 < len(taken) < 20
    assert taken[-1][0] == 99 * SAMPLES


def test_a_microphone_that_is_at_the_low_rate_itself_has_no_other():
    publisher_at = {1: lambda publisher: publisher.set_rate(SoundRate(*LOW_RATE))}
    times = spoken(Sent(TALK, publisher_at).low)
    assert all(timestamp < 12 * 960 for timestamp in times)
