"""Records a room: what its tracks bring goes into the recording, which is written by a worker thread now and then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

from tcclient.recording import ClockMapping, RoomRecording, SpeakerRecording
from tcclient.track import Track
from tcproto.messages import Kind

FLUSH_INTERVAL = 0.5
"""Seconds between writes of a recording."""


class TrackRecorder:
    """Records tracks into a directory, which is made. Raises ``OSError`` when made where that is not possible.

    ``mapping`` tells how the timestamps of a track are those of its sender's clock, once that is known.
    """

    def __init__(self, directory: Path, pool: Executor, mapping: Callable[[Track], ClockMapping | None]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.recording = RoomRecording(directory)
        self._pool = pool
        self._mapping = mapping
        self._takes: dict[Track, SpeakerRecording] = {}

    def add(self, track: Track) -> None:
        """Record a track, unless it is our own."""
        if track.participant.me:
            return
        video = track.kind is Kind.VIDEO
        speaker = self.recording.take(track.participant.id, track.participant.account, video=video)
        self._takes[track] = speaker
        if track.kind is Kind.AUDIO:
            track.on_audio.append(lambda f: speaker.add_audio(f.sequence, f.timestamp, f.payload, f.received_at))
        elif video:
            speaker.expect_video("h264" if track.codec == "h264" else "vp8", *track.size)
            track.on_video.append(lambda f: speaker.add_video(f.timestamp, f.data, f.keyframe, time.monotonic()))

    def remove(self, track: Track) -> None:
        """Forget a track that ended."""
        self._takes.pop(track, None)

    def map_clocks(self) -> None:
        """Tell the recording what is known of the senders' clocks."""
        for track, speaker in self._takes.items():
            if (mapping := self._mapping(track)) is not None:
                speaker.map_clock(video=track.kind is Kind.VIDEO, mapping=mapping)

    async def run(self) -> None:
        """Write until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(FLUSH_INTERVAL)
            self.map_clocks()
            await loop.run_in_executor(self._pool, self.recording.flush, time.monotonic())

    async def close(self) -> None:
        """Write what is left, and close the files."""
        await asyncio.get_running_loop().run_in_executor(self._pool, self.recording.close)
