"""A meeting in virtual time: some talk, some show pictures, and others listen behind lines that may change.

The cores are the real ones, as in ``virtual_call``. Cameras send packets of the right sizes and no pictures that could
be seen; a receiver puts them together as a track does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, cast

import numpy as np

from benchmarks.harness.signal_comparison import Sound
from benchmarks.harness.virtual_call import TICK, Spoken, encoded, gentle, say
from tcclient.audio.delay import START_TARGET
from tcclient.audio.frame import FrameKind
from tcclient.core.media.packet import AudioPacket
from tcclient.playout.playout import TICK_SAMPLES, Playout
from tcproto.packet import AUDIO_CLOCK, AudioHeader
from tests.support.simulation.client import Client
from tests.support.simulation.film import Camera, Simulcast, Viewer
from tests.support.simulation.network import LAN, Conditions
from tests.support.simulation.world import World

FRAME_MS = 20
BITRATE = 25_200
"""Bit/s of a voice."""
KEYFRAME = 6
"""Size of a keyframe, of other pictures."""
SETTLE = 1.0
"""Seconds on their lines before the first picture."""
INVENTED = (FrameKind.CONCEAL, FrameKind.LATE, FrameKind.LOST)


class Talker(NamedTuple):
    """Somebody who talks without end, or shows pictures, or both."""

    sound: Sound | None
    """int16, 48 kHz; None: silent."""
    picture: int = 0
    """Bytes of a picture, 25 of which are shown in a second; 0: no camera. Of two layers, those of ``Simulcast``."""
    layers: int = 1


class Change(NamedTuple):
    """The line from some time on."""

    at: float
    """Seconds from the first word."""
    down: Conditions


class Listener(NamedTuple):
    """Somebody who listens."""

    down: Conditions
    changes: Sequence[Change] = ()


@dataclass
class Heard:
    """What a listener got. Times in seconds from the first word."""

    voices: defaultdict[int, list[Sound]] = field(default_factory=lambda: defaultdict(list))
    """By number of the voice: what was played, 20 ms each."""
    came: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Samples of each of these that were of a packet."""
    invented: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Samples of each of these that were concealed, or silent for want of packets."""
    pictures: dict[int, list[tuple[float, int]]] = field(default_factory=dict)
    """By number of the camera: when a picture could be shown, and of which layer."""
    queue: list[tuple[float, float]] = field(default_factory=list)
    """Time, and seconds for which the line holds datagrams then."""
    steps: list[tuple[float, int, int]] = field(default_factory=list)
    """Time, how many voices are asked for at most (0: all) and layers of pictures given up, where that changes."""

    def voice(self, number: int, since: float = 0.0) -> Sound:
        """Return what was played of a voice from then on."""
        return np.concatenate(self.voices[number][round(since / TICK) :])

    def share(self, number: int, since: float = 0.0) -> float:
        """Return the share of the time in which a voice came."""
        ticks = self.came[number][round(since / TICK) :]
        return sum(ticks) / (len(ticks) * TICK_SAMPLES)

    def queue_p95(self, since: float) -> float:
        """Return the 95th percentile of the queue from then on, seconds."""
        return float(np.percentile([wait for at, wait in self.queue if at >= since], 95))

    def concealed(self, number: int, since: float = 0.0, until: float | None = None) -> float:
        """Return the share of a voice that was invented."""
        ticks = self.invented[number][round(since / TICK) : None if until is None else round(until / TICK)]
        return sum(ticks) / (len(ticks) * TICK_SAMPLES)

    def frame_rate(self, camera: int, since: float, until: float) -> float:
        """Return the pictures per second of a camera that could be shown."""
        return sum(since <= at < until for at, _ in self.pictures[camera]) / (until - since)


def hold(talkers: Sequence[Talker], listeners: Sequence[Listener], seconds: float, seed: int) -> list[Heard]:
    """Hold a meeting; return what each of the listeners got."""
    world = World(seed)
    speakers = [world.client(f"talker {n}", LAN, account=f"agency-{n}") for n in range(len(talkers))]
    receivers = [
        world.client(f"listener {n}", Conditions(delay=listener.down.delay), down=gentle(listener.down),
                     microphone=False, account=f"office-{n}")
        for n, listener in enumerate(listeners)
    ]  # fmt: skip
    world.until(lambda: world.ready(*speakers, *receivers))
    for receiver, listener in zip(receivers, listeners, strict=True):
        receiver.down.conditions = listener.down
    world.run(SETTLE)
    cameras = [
        _camera(world, client, talker) for client, talker in zip(speakers, talkers, strict=True) if talker.picture
    ]
    viewers = [[Viewer(world, receiver, camera) for camera in cameras] for receiver in receivers]
    begin = world.now
    found = [Heard() for _ in receivers]
    names = [client.name for client, talker in zip(speakers, talkers, strict=True) if talker.sound is not None]
    for receiver, listener, heard in zip(receivers, listeners, found, strict=True):
        for change in listener.changes:
            world.clock.at(begin + change.at, partial(setattr, receiver.down, "conditions", change.down))
        _Ear(receiver, names, heard, begin).listen(begin + world.rng.random() * TICK)
    for client, talker in zip(speakers, talkers, strict=True):
        if talker.sound is not None:
            _speak(client, talker.sound, seconds, begin)
    world.run(seconds)
    for heard, looks in zip(found, viewers, strict=True):
        for number, view in enumerate(looks):
            shown = zip(view.shown, view.layers, strict=True)
            heard.pictures[number] = [(at - begin, layer) for (at, _), layer in shown]
    return found


def _camera(world: World, client: Client, talker: Talker) -> Camera:
    if talker.layers > 1:
        return Simulcast(world, client, talker.picture)
    return Camera(world, client, talker.picture, key_size=talker.picture * KEYFRAME)


def _speak(client: Client, sound: Sound, seconds: float, begin: float) -> None:
    frame = FRAME_MS / 1000
    for n, coded in enumerate(encoded(sound.tobytes(), FRAME_MS, BITRATE)[: round(seconds / frame)]):
        spoken = Spoken(begin + (n + 1) * frame, n * FRAME_MS * AUDIO_CLOCK // 1000, coded)
        client.clock.at(spoken.at, lambda spoken=spoken: say(client, spoken.frame, spoken.timestamp))  # type: ignore[misc]


class _Ear:
    """Plays each voice, a tick each 20 ms, and notes the state of line and ladder."""

    def __init__(self, client: Client, names: Sequence[str], heard: Heard, begin: float) -> None:
        self._client, self._names, self._heard, self._begin = client, names, heard, begin
        self._playout = Playout()
        self._taken = 0

    def listen(self, due: float) -> None:
        """Play a tick at ``due``, and go on."""
        self._client.clock.at(due, lambda: self._tick(due))

    def _tick(self, due: float) -> None:
        self.listen(due + TICK)
        client, heard, at = self._client, self._heard, due - self._begin
        heard.queue.append((at, client.down.queue))
        ladder = client.session.seat.downlink.subscription.ladder
        step = ladder.voices, len(ladder.given_up)
        if not heard.steps or heard.steps[-1][1:] != step:
            heard.steps.append((at, *step))
        news = client.heard[self._taken :]
        self._taken += len(news)
        arrivals: list[tuple[Hashable, AudioPacket]] = [
            (each.speaker, cast(AudioPacket, each.packet))
            for each in news
            if isinstance(each.packet.header, AudioHeader)
        ]
        self._playout.start = max(START_TARGET, client.session.seat.downlink.losses.start_delay())
        sounds = self._playout.tick(due, arrivals).sounds
        for number, name in enumerate(self._names):
            sound = sounds.get(name)
            heard.voices[number].append(sound.pcm if sound else np.zeros(TICK_SAMPLES, np.int16))
            labels = sound.labels if sound else ()
            heard.came[number].append(sum(samples for kind, samples in labels if kind is FrameKind.PACKET))
            heard.invented[number].append(sum(samples for kind, samples in labels if kind in INVENTED))
