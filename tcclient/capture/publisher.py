"""Takes the frames of a source, encodes them off the loop, and sends each frame when it is due."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Executor
from fractions import Fraction
from typing import Any

import numpy as np

from tcclient.audio.gate import ComfortThinner, Decision, GateMode, MicrophoneGate
from tcclient.audio.opus import BitrateMode, OpusEncoder, Pcm
from tcclient.audio.speech import VoiceDetector, audio_level
from tcclient.capture.intake import PictureIntake, take_audio, take_pcm, take_video
from tcclient.capture.low_rate import LowRateEncoding
from tcclient.capture.pacing import Schedule
from tcclient.capture.simulcast import ALL_TEMPORAL, LayeredEncoder
from tcclient.core.rate.allocation import LOW_RATE, PictureRate, SoundRate
from tcclient.sources import (
    AudioSource,
    EncodedAudio,
    EncodedAudioSource,
    EncodedVideo,
    EncodedVideoSource,
    VideoSource,
    has_low_rate,
)
from tcproto.packet import AUDIO_CLOCK, VIDEO_CLOCK

QUEUED_FRAMES = 2
"""Encoded frames that may wait for their time: enough to hide a slow call of the encoder, few enough to stay live."""
TICKS_PER_MS = AUDIO_CLOCK // 1000
"""Ticks of an audio timestamp in a millisecond."""
NOT_CODED = 2
"""Largest size, in bytes, of an Opus packet without a coded frame; a decoder makes up its sound (RFC 6716, section
2.1.9)."""
SILENT_FRAMES = {
    10: b"\xf0\xff\xfe",
    20: b"\xf8\xff\xfe",
    40: b"\xf9\xff\xfe\xff\xfe",
    60: b"\xfb\x03\xff\xfe\xff\xfe\xff\xfe",
}
"""Digital silence by frame length (ms): CELT frames of 10 or 20 ms whose first symbol means silence (RFC 6716, sections
3.1 and 4.3)."""


class _Puller:
    """Gets encoded frames out of an iterable, synchronous or not. The code that makes them runs in the executor."""

    def __init__(
        self, frames: Iterable[Any] | AsyncIterable[Any], encode: Callable[[Any], list[Any]], pool: Executor
    ) -> None:
        self._first: list[Any] | None = []
        """Frames that were pulled ahead of time."""
        self._frames: Iterator[Any] | AsyncIterator[Any] = (
            aiter(frames) if isinstance(frames, AsyncIterable) else iter(frames)
        )
        self._encode = encode
        self._pool = pool

    async def look(self) -> None:
        """Pull the first frames ahead of time, so that a fault of them shows before anything is sent."""
        self._first = await self.pull()

    async def pull(self) -> list[Any] | None:
        """Return the next encoded frames, perhaps none yet, or None at the end."""
        if self._first != []:
            first, self._first = self._first, []
            return first
        loop = asyncio.get_running_loop()
        if isinstance(self._frames, AsyncIterator):
            try:
                raw = await anext(self._frames)
            except StopAsyncIteration:
                return None
            return await loop.run_in_executor(self._pool, self._encode, raw)
        return await loop.run_in_executor(self._pool, self._next)

    async def close(self) -> None:
        """Close the iterator of the frames, after the call that may still run in the executor."""
        if isinstance(self._frames, AsyncGenerator):
            await self._frames.aclose()
        elif (close := getattr(self._frames, "close", None)) is not None:
            self._pool.submit(close)

    def _next(self) -> list[Any] | None:
        assert isinstance(self._frames, Iterator)
        for raw in self._frames:
            return self._encode(raw)
        return None


class AudioEncoding:
    """Turns PCM in pieces of any length into Opus packets with level and voice flag. Runs in the executor.

    Without in-band FEC, which takes its bits from the voice: beside copies and retransmissions speech over a line that
    loses a tenth has a PESQ-WB of 4.26 without it and of 3.95 with it (``benchmarks/README.md``, speech).
    """

    def __init__(self, source: AudioSource) -> None:
        mode = BitrateMode.CONSTRAINED_VBR if source.dtx else BitrateMode.CBR
        self._rate = self._wanted = SoundRate(source.bitrate, source.frame_ms)
        self._encoder = OpusEncoder(bitrate=source.bitrate, frame_ms=source.frame_ms, mode=mode, dtx=source.dtx)
        self._detector = VoiceDetector()
        self._rest: Pcm = np.zeros(0, np.int16)

    def set_rate(self, rate: SoundRate) -> None:
        """Encode in another way from the next frame on. May be called from another thread."""
        self._wanted = rate

    def encode(self, pcm: Pcm) -> list[EncodedAudio]:
        """Return the packets that this piece completes."""
        pcm = take_pcm(pcm)
        samples = np.concatenate((self._rest, pcm)) if len(self._rest) else pcm
        frames: list[EncodedAudio] = []
        self._use(self._wanted)
        while len(samples) >= (size := self._encoder.frame_samples):
            frames.append(self._frame(samples[:size]))
            samples = samples[size:]
            self._use(self._wanted)
        self._rest = samples
        return frames

    def _use(self, rate: SoundRate) -> None:
        if rate != self._rate:
            self._rate = rate
            self._encoder.set_frame(rate.frame_ms)
            self._encoder.set_bitrate(rate.bitrate)

    def _frame(self, pcm: Pcm) -> EncodedAudio:
        payload = self._encoder.encode(pcm)
        comfort = len(payload) <= NOT_CODED or self._encoder.in_dtx
        voice = self._detector.detect(pcm) and not comfort
        return EncodedAudio(payload, self._rate.frame_ms, audio_level(pcm), voice, comfort=comfort)


class AudioPublisher:
    """Sends one source of sound. ``send`` takes the frame and its timestamp (48 kHz).

    ``send_low_rate`` takes those of its low rate, if the source has one and somebody wants it: the sound between the
    same pauses.
    """

    def __init__(
        self,
        source: AudioSource | EncodedAudioSource,
        send: Callable[[EncodedAudio, int], None],
        pool: Executor,
        mode: GateMode = GateMode.OPEN,
        send_low_rate: Callable[[EncodedAudio, int], None] = lambda frame, timestamp: None,
    ) -> None:
        self.gate = MicrophoneGate(mode)
        self._thinner = ComfortThinner()
        self._send = send
        self._send_low_rate = send_low_rate
        self._timestamp = 0
        self._inserted = 0
        """Ticks of silence that was inserted between the frames of the source."""
        self._talking = False
        self._open_since: int | None = None
        """Timestamp from which on the gate was open; None: it is shut."""
        self._sound_until = 0
        """Timestamp of the end of the last frame that was sent with its sound."""
        self._low_rate_talking = False
        self.live = isinstance(source.frames, AsyncIterable) or getattr(source, "live", False)
        """Whether frames come at their own times."""
        self._encoding = AudioEncoding(source) if isinstance(source, AudioSource) else None
        self._low_rate = LowRateEncoding() if has_low_rate(source) else None
        encode = self._encode if self._encoding is not None else lambda frame: [take_audio(frame)]
        self.puller = _Puller(source.frames, encode, pool)

    def set_rate(self, rate: SoundRate) -> None:
        """Encode in another way from the next frame on; what the caller encodes stays as it is."""
        if self._encoding is not None:
            self._encoding.set_rate(rate)
        if self._low_rate is not None:
            self._low_rate.of_use = rate != LOW_RATE

    def want_low_rate(self, wanted: bool) -> None:
        """Send the low rate as well from now on, or no more."""
        if self._low_rate is not None:
            self._low_rate.wanted = wanted

    def _encode(self, pcm: Pcm) -> list[EncodedAudio]:
        """Return the encoded frames of a piece of sound. Runs in the executor."""
        assert self._encoding is not None
        if self._low_rate is not None:
            self._low_rate.encode(take_pcm(pcm))
        return self._encoding.encode(pcm)

    async def run(self, schedule: Schedule) -> None:
        """Send all frames. Unless the source is live, each is sent at its time in ``schedule``.

        A frame is due when its last sample would have been captured.
        """
        await _run(self.puller, self._due, self._pass, None if self.live else schedule)
        self.end_talk()

    def end_talk(self) -> None:
        """Mark the end of a talk, so that no listener conceals sound that does not follow."""
        if self._talking:
            self._send_silence(20, end_of_talk=True)
            self._end_low_rate(self._timestamp)

    def _due(self, frame: EncodedAudio) -> float:
        return (self._timestamp + frame.duration_ms * TICKS_PER_MS) / AUDIO_CLOCK

    def _pass(self, frame: EncodedAudio) -> None:
        timestamp, samples = self._timestamp, frame.duration_ms * TICKS_PER_MS
        self._timestamp += samples
        decision = self.gate.decide(frame.voice, samples)
        if decision is not Decision.SEND:
            self._open_since = None
        elif self._open_since is None:
            self._open_since = timestamp
        if decision is Decision.SEND:
            decision = self._thinner.decide(frame.comfort, len(frame.payload) > NOT_CODED, samples)
        match decision:
            case Decision.SEND | Decision.LAST | Decision.COMFORT:
                self._talking = decision is Decision.SEND
                last = decision is Decision.LAST or frame.end_of_talk
                self._send(frame._replace(end_of_talk=last), timestamp)
            case Decision.END | Decision.SILENCE:
                self._send_silence(frame.duration_ms, end_of_talk=decision is Decision.END, timestamp=timestamp)
        if decision is Decision.SEND:
            self._sound_until = self._timestamp
        if self._low_rate is not None:
            self._follow(self._low_rate)

    def _follow(self, low_rate: LowRateEncoding) -> None:
        """Send the low rate up to here: the frames in which the gate was open all the time, and some sound was sent."""
        for position, frame in low_rate.take(self._timestamp - self._inserted):
            timestamp = position + self._inserted
            if self._open_since is not None and self._open_since <= timestamp < self._sound_until:
                self._low_rate_talking = True
                self._send_low_rate(frame, timestamp)
            else:
                self._end_low_rate(timestamp)

    def _end_low_rate(self, timestamp: int) -> None:
        if self._low_rate_talking:
            self._low_rate_talking = False
            self._send_low_rate(_silence(LOW_RATE.frame_ms, end_of_talk=True), timestamp)

    def _send_silence(self, duration_ms: int, *, end_of_talk: bool, timestamp: int | None = None) -> None:
        self._talking = False
        if timestamp is None:
            timestamp, self._open_since = self._timestamp, None
            self._timestamp += duration_ms * TICKS_PER_MS
            self._inserted += duration_ms * TICKS_PER_MS
        self._send(_silence(duration_ms, end_of_talk=end_of_talk), timestamp)


def _silence(duration_ms: int, *, end_of_talk: bool) -> EncodedAudio:
    return EncodedAudio(SILENT_FRAMES[duration_ms], duration_ms, voice=False, end_of_talk=end_of_talk, comfort=True)


class VideoPublisher:
    """Sends one source of pictures. ``send`` takes the frame, whose timestamp is at 90 kHz.

    Layers that nobody wants, or that the way up does not carry, are left out. What follows such a pause begins with a
    keyframe. While ``is_held`` returns True, no picture is encoded: it could not be sent, at least not now.
    """

    def __init__(
        self,
        source: VideoSource | EncodedVideoSource,
        send: Callable[[EncodedVideo], None],
        pool: Executor,
        is_held: Callable[[], bool] = lambda: False,
    ) -> None:
        self.live = isinstance(source.frames, AsyncIterable) or getattr(source, "live", False)
        """Whether frames come at their own times."""
        self.left_out = 0
        """Pictures that were not encoded because they were too late."""
        self.held_back = 0
        """Pictures that were not encoded because ``is_held`` said so."""
        self._is_held = is_held
        self._source = source
        self._send = send
        self._first: int | None = None
        self._reached = 0.0
        """Media time of the last picture that was taken from the source, in seconds."""
        self._asked: tuple[int, ...] = (ALL_TEMPORAL,)
        """The highest temporal layer that others want of each spatial one; -1: none."""
        self._wanted: tuple[int, ...] = self._asked
        """The same of what is sent."""
        self._bitrates: tuple[int, ...] = ()
        """Bits per second of each spatial layer, 0 where the way up does not carry it; empty: nobody said so."""
        self._lacking: set[int] = set()
        """Spatial layers of which something was left out: the next that is sent is a keyframe."""
        self._schedule: Schedule | None = None
        self._encoder: LayeredEncoder | None = None
        if isinstance(source, VideoSource):
            self._encoder = LayeredEncoder(source)
            self._asked = self._wanted = self._asked * len(self._encoder.layers)
            self._intake = PictureIntake(source.frame_rate, live=self.live)
            if source.begin is not None:
                self._first = round(source.begin * VIDEO_CLOCK)
        encode = self._encode if self._encoder is not None else lambda frame: [take_video(frame)]
        self.puller = _Puller(source.frames, encode, pool)

    def want_layers(self, layers: tuple[int, ...]) -> None:
        """Send these layers from now on: the highest temporal layer of each spatial one, -1 for none."""
        self._asked = layers
        self._choose()

    def set_rate(self, rate: PictureRate) -> None:
        """Encode at these bitrates from the next picture on."""
        self._bitrates = rate.bitrates
        if self._encoder is not None:
            self._encoder.set_bitrates(rate.bitrates)
            self._choose()

    def begin_again(self) -> None:
        """Send all layers from now on, each from a keyframe on: nobody has had anything yet."""
        self._bitrates = ()
        self.want_layers((ALL_TEMPORAL,) * len(self._wanted))
        self.want_keyframes()

    def _choose(self) -> None:
        bitrates = self._bitrates or (1,) * len(self._asked)
        before = self._wanted
        self._wanted = tuple(asked if bits else -1 for asked, bits in zip(self._asked, bitrates, strict=True))
        if self._encoder is not None:
            self._encoder.want(self._wanted)
        for layer, (old, new) in enumerate(zip(before, self._wanted, strict=True)):
            if old < 0 <= new:
                self.want_keyframe(layer)

    def want_keyframes(self) -> None:
        """Make the next picture of each layer a keyframe, or ask the caller for one."""
        for layer in range(len(self._wanted)):
            self.want_keyframe(layer)

    def want_keyframe(self, layer: int) -> None:
        """Make the next picture of a spatial layer a keyframe, or ask the caller for one."""
        if self._encoder is not None:
            self._encoder.want_keyframe(layer)
        elif isinstance(self._source, EncodedVideoSource) and self._source.keyframe_wanted is not None:
            self._source.keyframe_wanted()

    async def run(self, schedule: Schedule) -> None:
        """Send all frames.

        Unless the source is live, each is sent at its time in ``schedule``, or left out if it is too late. While
        nothing is wanted, the source goes on at the same pace.
        """
        self._schedule = None if self.live else schedule
        await _run(
            self.puller,
            lambda frame: self.media_time(frame.timestamp),
            self._pass,
            self._schedule,
            lambda: self._reached,
        )

    def media_time(self, timestamp: int) -> float:
        """Return the time of a timestamp in seconds from the beginning of the source."""
        if self._first is None:
            self._first = timestamp
        return (timestamp - self._first) / VIDEO_CLOCK

    def _pass(self, frame: EncodedVideo) -> None:
        layer = frame.spatial_id
        if self._wanted[layer] < 0:
            self._lacking.add(layer)
        elif frame.temporal_id <= self._wanted[layer] and (frame.keyframe or layer not in self._lacking):
            self._lacking.discard(layer)
            self._send(frame)

    def _encode(self, picture: Any) -> list[EncodedVideo]:
        """Return the encoded picture, or nothing if it would come too late. Runs in the executor."""
        assert self._encoder is not None
        picture = self._intake.take(picture, time.monotonic())
        timestamp = round((picture.pts or 0) * (picture.time_base or Fraction(1, VIDEO_CLOCK)) * VIDEO_CLOCK)
        self._reached = self.media_time(timestamp)
        if self._schedule is not None and self._schedule.too_late(self._reached, time.monotonic()):
            self.left_out += 1
            return []
        if self._is_held():
            self.held_back += 1
            return []
        return self._encoder.encode(picture, timestamp)


async def _run(
    puller: _Puller,
    due: Callable[[Any], float],
    send: Callable[[Any], None],
    schedule: Schedule | None,
    reached: Callable[[], float] | None = None,
) -> None:
    """Pull and send side by side, with a short queue between the two.

    Where nothing comes out of what was pulled, the next is pulled when the media time that is ``reached`` is due.
    """
    queue: asyncio.Queue[Any] = asyncio.Queue(QUEUED_FRAMES)

    async def pull() -> None:
        while (frames := await puller.pull()) is not None:
            for frame in frames:
                await queue.put(frame)
            if not frames and schedule is not None and reached is not None:
                await asyncio.sleep(schedule.wait(reached(), time.monotonic()))
        await queue.put(None)

    async def pace() -> None:
        while (frame := await queue.get()) is not None:
            if schedule is not None and (wait := schedule.wait(due(frame), time.monotonic())) > 0:
                await asyncio.sleep(wait)
            send(frame)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(pull())
            group.create_task(pace())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    finally:
        await puller.close()
