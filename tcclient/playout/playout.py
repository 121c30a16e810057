"""Turns the packets of all speakers into one block of sound for each tick. Pure; runs in a worker thread."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import NamedTuple

from tcclient.audio.decoder import Sound, SpeakerDecoder
from tcclient.audio.delay import START_TARGET
from tcclient.audio.jitter_statistics import JitterStatistics
from tcclient.audio.mixer import Mixer, Voice
from tcclient.audio.opus import Pcm
from tcclient.core.media.packet import AudioPacket

TICK_SAMPLES = 960
"""Samples of a tick: 20 ms at 48 kHz."""


class Mix(NamedTuple):
    """What one tick plays: the mix, and the block of each speaker in it."""

    pcm: Pcm
    sounds: dict[Hashable, Sound]


class Playout:
    """Jitter buffers, decoders and mixer of a listener. A speaker appears with its first packet."""

    def __init__(self) -> None:
        self.volumes: Mapping[Hashable, float] = {}
        """Factor of the amplitude by speaker; 1 if none is set. Replace it between ticks only."""
        self.priority: Collection[Hashable] = ()
        """Speakers for whom the others are lowered. Replace it between ticks only."""
        self.start = START_TARGET
        """Seconds of delay with which a speaker of packets of 20 ms begins. Change it between ticks only."""
        self._speakers: dict[Hashable, SpeakerDecoder] = {}
        self._mixer = Mixer()

    def tick(self, now: float, arrivals: Sequence[tuple[Hashable, AudioPacket]], gone: Sequence[Hashable] = ()) -> Mix:
        """Take packets, each with the key of its speaker, and return the next ``TICK_SAMPLES`` samples.

        The speakers in ``gone`` are forgotten first.
        """
        for speaker in gone:
            self._speakers.pop(speaker, None)
        for speaker, packet in arrivals:
            decoder = self._speakers.get(speaker)
            if decoder is None:
                decoder = self._speakers[speaker] = SpeakerDecoder(self.start, packet.header.duration_ms / 1000)
            decoder.put(packet)
        sounds = {speaker: decoder.pcm(now, TICK_SAMPLES) for speaker, decoder in self._speakers.items()}
        voices = [
            Voice(sound.pcm, self.volumes.get(speaker, 1.0), speaker in self.priority)
            for speaker, sound in sounds.items()
        ]
        return Mix(self._mixer.mix(voices, TICK_SAMPLES), sounds)

    def statistics(self) -> dict[Hashable, JitterStatistics]:
        """Return the statistics of each speaker's jitter buffer."""
        return {speaker: decoder.statistics for speaker, decoder in self._speakers.items()}
