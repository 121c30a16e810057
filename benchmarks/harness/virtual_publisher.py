"""One who speaks and films over a narrow way up, in virtual time: the real cores and encoders, a simulated line."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from benchmarks.harness.signal_comparison import Sound
from benchmarks.harness.virtual_call import AFTER, TICK, Ear, say
from tcclient.capture.publisher import TICKS_PER_MS, AudioEncoding
from tcclient.capture.simulcast import ALL_TEMPORAL, LayeredEncoder
from tcclient.core import events
from tcclient.core.rate.allocation import PictureRate, SoundRate
from tcclient.playout.playout import TICK_SAMPLES
from tcclient.publication import MAX_BACKLOG
from tcclient.sources import AudioSource, VideoSource, codec_of, demand_of
from tcproto.packet import VIDEO_CLOCK
from tests.support.simulation.client import Client
from tests.support.simulation.network import HEADERS, Conditions
from tests.support.simulation.world import World

WIDTH, HEIGHT, PICTURES_PER_SECOND = 640, 360, 25
GRAIN = 30
"""Brightness by which the grain of a picture varies: a camera in a dim room. More than any line here carries."""
PRINTS = 7
"""Pictures of grain that follow each other again and again."""
LOOK = 0.01
"""Seconds between looks at the queue of the line."""


class Phase(NamedTuple):
    """What the way up is like from some time on, in seconds from the first word."""

    start: float
    line: Conditions


class Sample(NamedTuple):
    """A look at the way up."""

    at: float
    queue: float
    """Seconds that a datagram waits in front of the line."""
    bits: int
    """What has arrived until now."""
    frame_ms: int
    """Of the sound that is sent."""


@dataclass
class Meeting:
    """What became of it. The sound is mono, int16, 48 kHz."""

    mix: Sound
    """What the listener heard."""
    samples: list[Sample]
    pictures: int = 0
    """Pictures that were sent."""
    held_back: int = 0
    """Pictures that were not encoded, since others waited."""
    keyframes: int = 0
    mouth_to_ear: list[float] = field(default_factory=list)
    steps: Counter[SoundRate] = field(default_factory=Counter)
    """How often sound was told to be encoded so."""

    def rate(self, start: float, end: float) -> float:
        """Return the bits per second that arrived in a span of time."""
        bits = [sample.bits for sample in self.samples if start <= sample.at < end]
        return (bits[-1] - bits[0]) / (end - start)

    def queues(self, start: float, end: float) -> list[float]:
        """Return the seconds of queue in a span of time."""
        return [sample.queue for sample in self.samples if start <= sample.at < end]


def hold(sound: Sound, bitrate: int, phases: Sequence[Phase], seed: int) -> Meeting:
    """Let one speak and film, at ``bitrate`` where there is room, and another one listen on a good line."""
    world = World(seed)
    ada = world.client("publisher", phases[0].line, microphone=False)
    ben = world.client("listener", Conditions(delay=0.04), microphone=False)
    world.until(lambda: world.ready(ada, ben))
    publisher = _Publisher(world, ada, sound, bitrate)
    with tempfile.TemporaryDirectory(prefix="tcbench-") as folder:
        ear = Ear(ben, Path(folder) / "recording", world.rng.random() * TICK)
        begin = world.now
        ear.listen(begin)
        publisher.begin()
        for phase in phases[1:]:
            world.clock.at(begin + phase.start, lambda line=phase.line: _set(ada, line))  # type: ignore[misc]
        world.run(len(sound) / 48000)
        world.run(AFTER)
        mix = ear.mix()
        ear.close()
    meeting = publisher.meeting
    meeting.mix, meeting.mouth_to_ear = mix, ear.mouth_to_ear
    return meeting


def _set(client: Client, line: Conditions) -> None:
    client.up.conditions = line


class _Publisher:
    """Does what the library does: encodes as it is told, and leaves pictures out while others wait."""

    def __init__(self, world: World, client: Client, sound: Sound, bitrate: int) -> None:
        self.meeting = Meeting(np.zeros(0, np.int16), [])
        self._world = world
        self._client = client
        self._sound = sound
        voice = AudioSource(())
        film = VideoSource((), WIDTH, HEIGHT, Fraction(PICTURES_PER_SECOND), bitrate)
        self._numbers: list[int] = []
        for source in (voice, film):
            kind, what, codec, width, height, layers = codec_of(source)
            demand = demand_of(source)
            more = {"layers": layers, "width": width, "height": height, "demand": demand}
            self._numbers.append(client.publish(kind, what, codec, **more))
        client.microphone = self._numbers[0]
        self._voice, self._film = AudioEncoding(voice), LayeredEncoder(film)
        self._rates: dict[int, SoundRate | PictureRate] = {}
        self._heeded = 0
        self._timestamp = 0
        self._grain = _grain()
        self._lost = 0

    def begin(self) -> None:
        """Speak and film from now on."""
        self._begin = self._world.now
        before = self._client.up.bytes
        self._client.up.on_loss = self._lose
        self._look(before)
        self._speak(0)
        self._picture(0)

    def _lose(self, data: bytes) -> None:
        self._lost += len(data) + HEADERS

    def _look(self, before: int) -> None:
        up, now = self._client.up, self._world.now
        rate = self._rates.get(self._numbers[0])
        bits = 8 * (up.bytes - before - self._lost)
        frame_ms = rate.frame_ms if isinstance(rate, SoundRate) else 0
        self.meeting.samples.append(Sample(now - self._begin, up.wait, bits, frame_ms))
        self._world.clock.at(now + LOOK, lambda: self._look(before))

    def _heed(self) -> None:
        """Do what the session says."""
        for event in self._client.events[self._heeded :]:
            if isinstance(event, events.RateChanged):
                self._rates[event.number] = event.rate
                if isinstance(event.rate, SoundRate):
                    self._voice.set_rate(event.rate)
                    self.meeting.steps[event.rate] += 1
                else:
                    self._film.set_bitrates(event.rate.bitrates)
                    self._film.want(tuple(ALL_TEMPORAL if bits else -1 for bits in event.rate.bitrates))
            elif isinstance(event, events.KeyframeRequested):
                self._film.want_keyframe(event.spatial)
        self._heeded = len(self._client.events)

    def _speak(self, tick: int) -> None:
        self._heed()
        piece = self._sound[tick * TICK_SAMPLES : (tick + 1) * TICK_SAMPLES]
        if not len(piece):
            return
        for frame in self._voice.encode(piece):
            say(self._client, frame, self._timestamp)
            self._timestamp += frame.duration_ms * TICKS_PER_MS
        self._world.clock.at(self._begin + (tick + 1) * TICK, lambda: self._speak(tick + 1))

    def _picture(self, number: int) -> None:
        self._heed()
        if number / PICTURES_PER_SECOND >= len(self._sound) / 48000:
            return
        if self._client.session.seat.egress.backlog > MAX_BACKLOG:
            self.meeting.held_back += 1
        else:
            timestamp = number * VIDEO_CLOCK // PICTURES_PER_SECOND
            for frame in self._film.encode(next(self._grain), timestamp):
                self.meeting.pictures += 1
                self.meeting.keyframes += frame.keyframe
                self._client.show(self._numbers[1], frame.data, timestamp, keyframe=frame.keyframe)
        following = self._begin + (number + 1) / PICTURES_PER_SECOND
        self._world.clock.at(following, lambda: self._picture(number + 1))


def _grain() -> Iterator[av.VideoFrame]:
    """Yield pictures that no rate here shows well: a gradient that moves, with grain."""
    rng = np.random.default_rng(1)
    prints = [rng.integers(0, GRAIN, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(PRINTS)]
    gradient = np.arange(WIDTH, dtype=np.uint8)[None, :, None] // 4
    number = 0
    while True:
        picture = np.roll(prints[number % PRINTS] + gradient, 3 * number, axis=1)
        yield av.VideoFrame.from_ndarray(picture, format="rgb24")
        number += 1
