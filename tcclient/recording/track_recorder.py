"""Records a room: packets of its tracks go into the recording, which a worker thread writes from time to time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

from tcclient.core.media.packet import VideoPacket
from tcclient.recording.recording import ClockMapping, Failure, RoomRecording
from tcclient.recording.take import Take
from tcclient.track import Track
from tcproto.messages import Kind, Source

FLUSH_INTERVAL = 0.5
"""Seconds between writes of a recording. So much later, at most, a failure is reported."""


class TrackRecorder:
    """Records the tracks of the room ``name`` into a directory, which is made.

    Raises ``RecordingError`` when made, if that is not possible. ``mapping`` returns how the timestamps of a track
    relate to its sender's clock, once that is known. ``failed`` is called on the event loop for each recording that
    fails.
    """

    def __init__(
        self,
        directory: Path,
        name: str,
        pool: Executor,
        mapping: Callable[[Track], ClockMapping | None],
        failed: Callable[[Failure], None],
    ) -> None:
        date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.recording = RoomRecording(directory, room=name, began=time.monotonic(), date=date)
        self._pool = pool
        self._mapping = mapping
        self._failed = failed
        self._takes: dict[Track, Take] = {}

    def add(self, track: Track) -> None:
        """Record a track, unless it is our own."""
        if track.participant.is_me:
            return
        video, who = track.kind is Kind.VIDEO, track.participant
        screen = track.source in (Source.SCREEN, Source.SCREEN_AUDIO)
        speaker = self.recording.take(who.id, who.account, video=video, screen=screen, label=who.label)
        self._takes[track] = speaker
        if track.kind is Kind.AUDIO:
            track.on_audio.append(speaker.add_audio)
        elif video:

            def seen(frame: VideoPacket) -> None:
                speaker.add_video(frame, time.monotonic())

            speaker.expect_video("h264" if track.codec == "h264" else "vp8", *track.size)
            track.on_video.append(seen)

    def remove(self, track: Track) -> None:
        """Close the file of a track that ended."""
        speaker = self._takes.pop(track, None)
        if speaker is not None:
            self.recording.end(speaker, video=track.kind is Kind.VIDEO)

    def map_clocks(self) -> None:
        """Give the recording what is known of the senders' clocks."""
        for track, speaker in self._takes.items():
            if (mapping := self._mapping(track)) is not None:
                speaker.map_clock(video=track.kind is Kind.VIDEO, mapping=mapping)

    async def run(self) -> None:
        """Write until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(FLUSH_INTERVAL)
            self.map_clocks()
            for failure in await loop.run_in_executor(self._pool, self.recording.flush, time.monotonic()):
                self._failed(failure)

    async def close(self) -> None:
        """Write the rest, and close the files. Raises the first ``RecordingError`` of the whole recording."""
        await asyncio.get_running_loop().run_in_executor(self._pool, self.recording.close)
