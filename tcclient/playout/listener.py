"""Plays out a room: the packets of all sound tracks go to a play-out, which runs tick by tick in a worker thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from tcclient.audio.decoder import Sound
from tcclient.audio.delay import START_TARGET
from tcclient.audio.jitter_statistics import JitterStatistics
from tcclient.audio.opus import Pcm, require_library
from tcclient.capture.pacing import Schedule, Timeline
from tcclient.core.media.packet import AudioPacket
from tcclient.playout.playout import TICK_SAMPLES, Mix, Playout
from tcclient.playout.stream_queue import StreamQueue
from tcclient.track import QUEUED_BLOCKS, Track
from tcproto.messages import Kind
from tcproto.packet import AUDIO_CLOCK

TICK = TICK_SAMPLES / AUDIO_CLOCK
"""Seconds of a tick."""
FAREWELL = 1.0
"""Seconds for which a track that has ended is still played: more than a jitter buffer holds."""


class Listener:
    """Plays out the sound of tracks. ``on_mix`` is called with each block, and the time at which it plays.

    The participant of a track determines how loud it is played, and whether the others are lowered for it. ``start``
    returns the seconds of delay with which a voice begins at least.

    Raises ``OpusUnavailable`` when made without a library.
    """

    def __init__(self, pool: Executor, start: Callable[[], float] = float) -> None:
        require_library()
        self._start = start
        self.playout = Playout()
        self.on_mix: list[Callable[[Mix, float], None]] = []
        self._pool = pool
        self._arrivals: list[tuple[Track, AudioPacket]] = []
        self._leaving: dict[Track, float] = {}
        """Tracks that have ended, and the time at which each is forgotten."""
        self._tracks: dict[Track, Callable[[AudioPacket], None]] = {}

    def add(self, track: Track) -> None:
        """Listen to a track."""
        if track.kind is not Kind.AUDIO or track in self._tracks or track.participant.is_me:
            return

        def arrived(packet: AudioPacket) -> None:
            self._arrivals.append((track, packet))

        self._tracks[track] = arrived
        track.on_audio.append(arrived)

    def remove(self, track: Track) -> None:
        """Forget a track after its last packets are played."""
        arrived = self._tracks.pop(track, None)
        if arrived is not None:
            track.on_audio.remove(arrived)
            self._leaving[track] = time.monotonic() + FAREWELL

    async def run(self) -> None:
        """Play out until cancelled."""
        loop = asyncio.get_running_loop()
        schedule = Schedule(Timeline(time.monotonic()), TICK)
        tick = 0
        while True:
            tick += 1
            if (wait := schedule.wait(tick * TICK, time.monotonic())) > 0:
                await asyncio.sleep(wait)
            arrivals, self._arrivals = self._arrivals, []
            due = schedule.timeline.start + tick * TICK
            gone = [track for track, at in self._leaving.items() if at <= due]
            for track in gone:
                del self._leaving[track]
            self._weigh()
            mix = await loop.run_in_executor(self._pool, self.playout.tick, due, arrivals, gone)
            played = time.monotonic()
            for callback in self.on_mix:
                callback(mix, played)

    def _weigh(self) -> None:
        """Hand volumes, priorities and the first delay to the play-out, between its ticks."""
        self.playout.start = max(START_TARGET, self._start())
        playing = (*self._tracks, *self._leaving)
        self.playout.volumes = {track: track.participant.volume for track in playing}
        self.playout.priority = {track for track in playing if track.participant.priority}

    async def blocks(self) -> AsyncIterator[Pcm]:
        """Iterate over the mix: int16 blocks of ``TICK_SAMPLES`` samples. A slow reader misses the oldest blocks."""
        queue: StreamQueue[Pcm] = StreamQueue(QUEUED_BLOCKS)

        def put(mix: Mix, _: float) -> None:
            queue.put(mix.pcm)

        self.on_mix.append(put)
        try:
            async for block in queue:
                yield block
        finally:
            self.on_mix.remove(put)

    def statistics(self) -> dict[Track, JitterStatistics]:
        """Return the statistics of each track's jitter buffer."""
        return {track: counts for track, counts in self.playout.statistics().items() if isinstance(track, Track)}


@contextmanager
def decoding(track: Track, pool: Executor, put: Callable[[Sound], None]) -> Iterator[None]:
    """Play one track by itself for the length of the block, and give each of its blocks of sound to ``put``."""

    def played(mix: Mix, _: float) -> None:
        if (sound := mix.sounds.get(track)) is not None:
            put(sound)

    listener = Listener(pool)
    listener.on_mix.append(played)
    listener.add(track)
    task = asyncio.create_task(listener.run())
    try:
        yield
    finally:
        task.cancel()
        listener.remove(track)
