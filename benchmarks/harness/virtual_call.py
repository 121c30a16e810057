"""A call in virtual time: real cores of server and clients, a simulated line, and the sound that is heard at its end.

The conference, the media plane and the sessions are those of ``tests/support/simulation``. Nothing waits for a clock,
so the load of the machine changes nothing, and the same seed gives the same call again.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from benchmarks.harness.signal_comparison import Sound
from tcclient.audio.delay import START_TARGET
from tcclient.audio.frame import FrameKind
from tcclient.capture.publisher import TICKS_PER_MS, AudioEncoding
from tcclient.capture.reader import open_audio
from tcclient.core.media.packet import AudioPacket
from tcclient.playout.playout import TICK_SAMPLES, Playout
from tcclient.recording.recording import RoomRecording
from tcclient.sources import AudioSource, EncodedAudio
from tcproto.packet import AUDIO_CLOCK, AudioHeader
from tests.support.simulation.client import Client
from tests.support.simulation.network import CLEAN, Conditions
from tests.support.simulation.world import World

TICK = TICK_SAMPLES / AUDIO_CLOCK
"""Seconds."""
SETTLE = 1.0
"""Seconds on the bad line before the first word."""
AFTER = 3.0
"""Seconds after the last word: what comes late is still played and recorded."""
FLUSH = 0.1
"""Seconds from one flush of the recording to the next."""
LOSSLESS = ("delay", "jitter", "shape", "ordered", "rate", "queue")


@dataclass(frozen=True)
class Line:
    """The access line of a participant."""

    up: Conditions = CLEAN
    down: Conditions = CLEAN


@dataclass
class Call:
    """What became of a call. Sounds are mono, int16, 48 kHz."""

    mix: Sound
    """What the listener heard."""
    recording: Sound | None
    """What the listener recorded; None where nothing came."""
    seconds: float
    """From the first word to the last."""
    up_bytes: int
    """On the talker's line to the server, with headers, from the first word to the last."""
    down_bytes: int
    """On the listener's line from the server."""
    unsent: int
    """Frames that the talker could not send."""
    kinds: Counter[FrameKind] = field(default_factory=Counter)
    """Samples that were played, by origin, from the first packet to the last."""
    mouth_to_ear: list[float] = field(default_factory=list)
    """Seconds from a sample at the microphone to the same in the mix, for each tick with sound of a packet."""

    @property
    def up_kbit(self) -> float:
        """Rate on the talker's line, kbit/s."""
        return self.up_bytes * 8 / 1000 / self.seconds

    @property
    def down_kbit(self) -> float:
        """Rate on the listener's line, kbit/s."""
        return self.down_bytes * 8 / 1000 / self.seconds

    @property
    def invented(self) -> float:
        """Share of the time that was concealed, or silent for want of packets."""
        gaps = sum(self.kinds[kind] for kind in (FrameKind.CONCEAL, FrameKind.LATE, FrameKind.LOST))
        return gaps / (sum(self.kinds.values()) or 1)


class Spoken(NamedTuple):
    """A frame of sound, and when it is said."""

    at: float
    """Virtual time, when the frame is captured."""
    timestamp: int
    frame: EncodedAudio


def speech(path: Path, seconds: float) -> Sound:
    """Return the sound of a file, at most so many seconds of it; raises ``MediaError``."""
    return np.concatenate(list(open_audio(path, samples=TICK_SAMPLES)))[: round(seconds * AUDIO_CLOCK)]


def call(sound: Sound, frame_ms: int, bitrate: int, talker: Line, listener: Line, seed: int) -> Call:
    """Let one speak to another, each on a line of its own."""
    frames = encoded(sound.tobytes(), frame_ms, bitrate)
    world = World(seed)
    ada = world.client("talker", gentle(talker.up), down=gentle(talker.down))
    ben = world.client("listener", gentle(listener.up), down=gentle(listener.down), microphone=False)
    world.until(lambda: world.ready(ada, ben))
    for client, line in ((ada, talker), (ben, listener)):
        client.up.conditions, client.down.conditions = line.up, line.down
    with tempfile.TemporaryDirectory(prefix="tcbench-") as folder:
        ear = Ear(ben, Path(folder) / "recording", world.rng.random() * TICK)
        world.run(SETTLE)
        begin = world.now
        bytes_before = ada.up.bytes, ben.down.bytes
        ear.listen(begin)
        for n, frame in enumerate(frames):
            spoken = Spoken(begin + (n + 1) * frame_ms / 1000, n * frame_ms * TICKS_PER_MS, frame)
            world.clock.at(spoken.at, lambda spoken=spoken: say(ada, spoken.frame, spoken.timestamp))  # type: ignore[misc]
        world.run(len(frames) * frame_ms / 1000)
        up, down = ada.up.bytes - bytes_before[0], ben.down.bytes - bytes_before[1]
        world.run(AFTER)
        recording = ear.recorded()
    seconds = len(frames) * frame_ms / 1000
    return Call(ear.mix(), recording, seconds, up, down, ada.unsent, ear.kinds, ear.mouth_to_ear)


def gentle(line: Conditions) -> Conditions:
    """Return the line as it is while they join: slow, but nothing is lost."""
    return Conditions(**{name: getattr(line, name) for name in LOSSLESS})


@cache
def encoded(sound: bytes, frame_ms: int, bitrate: int) -> Sequence[EncodedAudio]:
    """Return the frames that the client makes of a sound (int16, 48 kHz) at so many bit/s."""
    encoding = AudioEncoding(AudioSource((), bitrate=bitrate, frame_ms=frame_ms))
    return encoding.encode(np.frombuffer(sound, np.int16))


def say(client: Client, frame: EncodedAudio, timestamp: int) -> None:
    """Let a client send a frame that was just captured."""
    client.say(
        frame.payload,
        timestamp=timestamp,
        duration_ms=frame.duration_ms,
        level=frame.level,
        voice=frame.voice,
        comfort=frame.comfort,
        captured_at=client.clock.now - frame.duration_ms / 1000,
    )


class Ear:
    """Plays and records what a client receives, as the library does: a tick each 20 ms, ``phase`` s after the rest."""

    def __init__(self, client: Client, folder: Path, phase: float) -> None:
        self.kinds: Counter[FrameKind] = Counter()
        self.mouth_to_ear: list[float] = []
        client.session.begin_recording()
        self._client = client
        self._phase = phase
        self._playout = Playout()
        self._recording = RoomRecording(folder)
        self._take = self._recording.take(1, "talker", video=False)
        self._taken = 0
        self._blocks: list[Sound] = []
        self._waiting: Counter[FrameKind] = Counter()

    def listen(self, begin: float) -> None:
        """Play from now on; media time 0 is at the microphone at ``begin``."""
        self._begin = begin
        self._at(begin + self._phase)

    def mix(self) -> Sound:
        """Return what was played."""
        return np.concatenate(self._blocks)

    def recorded(self) -> Sound | None:
        """End the recording, and return its sound."""
        self.close()
        if not self._take.paths:
            return None
        return np.concatenate(list(open_audio(self._take.paths[0], samples=TICK_SAMPLES)))

    def close(self) -> None:
        """End the recording."""
        self._recording.close()

    def _at(self, due: float) -> None:
        self._client.clock.at(due, lambda: self._tick(due))

    def _tick(self, due: float) -> None:
        self._at(due + TICK)
        heard = self._client.heard[self._taken :]
        self._taken += len(heard)
        arrivals: list[tuple[Hashable, AudioPacket]] = [
            ("talker", cast(AudioPacket, each.packet)) for each in heard if isinstance(each.packet.header, AudioHeader)
        ]
        for _, packet in arrivals:
            self._take.add_audio(packet)
        if len(self._blocks) % round(FLUSH / TICK) == 0:
            self._recording.flush(due)
        self._playout.start = max(START_TARGET, self._client.session.seat.downlink.losses.start_delay())
        mix = self._playout.tick(due, arrivals)
        self._blocks.append(mix.pcm)
        for sound in mix.sounds.values():
            if sound.timestamp is not None and sound.labels[0][0] is FrameKind.PACKET:
                self.mouth_to_ear.append(due - self._begin - sound.timestamp / AUDIO_CLOCK)
            self._count(sound.labels)

    def _count(self, labels: Sequence[tuple[FrameKind, int]]) -> None:
        """Count samples. What is invented after the last packet does not count, since nothing was missed."""
        for kind, samples in labels:
            self._waiting[kind] += samples
            if kind is FrameKind.PACKET:
                self.kinds += self._waiting
                self._waiting.clear()
