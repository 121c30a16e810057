"""Records a room without transcoding: an Ogg Opus file for each speaker, and a Matroska file where there are pictures.

Packets are handed over as they come; ``flush`` and ``close`` write, and are called from a worker thread.
"""

from __future__ import annotations

import heapq
import re
import threading
from collections import deque
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

from tcclient.media.recorder import MatroskaWriter, OggOpusWriter
from tcclient.video.bitstream import Codec

PATIENCE = 0.3
"""Seconds for which entries wait for earlier ones, so that they are written in order."""
CLOCK_PATIENCE = 3.0
"""Seconds for which a stream waits for its clock mapping; then the time of arrival has to do."""
MAX_ENTRIES = 20_000
"""Entries of a speaker that wait: minutes of sound and pictures; beyond it they are written out of order."""
AUDIO_RATE = 48_000
VIDEO_RATE = 90_000
_WRAP = 1 << 32
_HALF = 1 << 31


class ClockMapping(NamedTuple):
    """A media timestamp and the sender's monotonic time, in µs, at which its sample was captured."""

    timestamp: int
    microseconds: int

    def time_of(self, timestamp: int, rate: int) -> int:
        """Return the time, in µs, of a timestamp near this one, in ticks of ``rate`` per second."""
        return self.microseconds + ((timestamp - self.timestamp + _HALF) % _WRAP - _HALF) * 1_000_000 // rate


class _Entry(NamedTuple):
    order: int
    """Unwrapped sequence of the stream, or µs: what to sort by."""
    tie: int
    at: float
    timestamp: int
    data: bytes
    video: bool
    keyframe: bool


class SpeakerRecording:
    """The files of one participant: ``NAME.ogg``, and ``NAME.mkv`` if it shows pictures."""

    def __init__(self, directory: Path, name: str) -> None:
        self.frames_written = 0
        self.packets_written = 0
        self._stem = directory / name
        self._ogg: OggOpusWriter | None = None
        self._mkv: MatroskaWriter | None = None
        self._video: tuple[Codec, int, int] | None = None
        self._clocks: dict[bool, ClockMapping] = {}
        self._sound: list[_Entry] = []
        self._movie: list[_Entry] = []
        self._unplaced: deque[_Entry] = deque()
        """Filled on the event loop while a worker writes, as the heaps are: their operations are atomic."""
        self._ties = count()

    @property
    def paths(self) -> list[Path]:
        """The files that exist."""
        files = ((self._ogg, ".ogg"), (self._mkv, ".mkv"))
        return [self._stem.with_name(self._stem.name + suffix) for writer, suffix in files if writer is not None]

    def expect_video(self, codec: Codec, width: int, height: int) -> None:
        """Say that pictures will come, so that sound is recorded beside them."""
        self._video = (codec, width or 16, height or 16)

    def map_clock(self, *, video: bool, mapping: ClockMapping) -> None:
        """Take what the sender says of its clock; the first mapping holds, so that time never jumps in a file."""
        self._clocks.setdefault(video, mapping)

    def add_audio(self, sequence: int, timestamp: int, payload: bytes, at: float) -> None:
        """Take an Opus packet; ``sequence`` does not wrap within a recording."""
        entry = _Entry(sequence, next(self._ties), at, timestamp, payload, False, False)
        heapq.heappush(self._sound, entry)
        if self._video is not None:
            self._unplaced.append(entry)

    def add_video(self, timestamp: int, data: bytes, keyframe: bool, at: float) -> None:
        """Take a complete picture."""
        self._unplaced.append(_Entry(0, next(self._ties), at, timestamp, data, True, keyframe))

    def flush(self, now: float) -> None:
        """Write what has waited long enough; raises ``RecordingError``."""
        self._place(now)
        self._write(now - PATIENCE)

    def close(self) -> None:
        """Write everything and close the files; raises ``RecordingError``."""
        try:
            self._place(float("inf"))
            self._write(float("inf"))
        finally:
            for writer in (self._ogg, self._mkv):
                if writer is not None:
                    writer.close()

    def _place(self, now: float) -> None:
        """Give entries of the film their time on the sender's clock, as soon as that is known."""
        for _ in range(len(self._unplaced)):
            entry = self._unplaced.popleft()
            mapping = self._clocks.get(entry.video)
            if mapping is None and now - entry.at > CLOCK_PATIENCE:
                mapping = self._clocks[entry.video] = ClockMapping(entry.timestamp, int(entry.at * 1e6))
            if mapping is None:
                self._unplaced.append(entry)
            else:
                time = mapping.time_of(entry.timestamp, VIDEO_RATE if entry.video else AUDIO_RATE)
                heapq.heappush(self._movie, entry._replace(order=time))

    def _write(self, until: float) -> None:
        for entry in _taken(self._sound, until):
            if self._ogg is None:
                self._ogg = OggOpusWriter(self._stem.with_name(self._stem.name + ".ogg"), overwrite=True)
            self.packets_written += self._ogg.write(entry.data, entry.timestamp, entry.at)
        if self._unplaced and not self._movie:
            return
        for entry in _taken(self._movie, until):
            if self._mkv is None:
                assert self._video is not None
                codec, width, height = self._video
                path = self._stem.with_name(self._stem.name + ".mkv")
                self._mkv = MatroskaWriter(path, video_codec=codec, width=width, height=height, overwrite=True)
            if entry.video:
                self.frames_written += self._mkv.write_video(entry.data, entry.order, entry.keyframe)
            else:
                self._mkv.write_audio(entry.data, entry.order)


def _taken(entries: list[_Entry], until: float) -> list[_Entry]:
    """Remove and return, in order, the entries before the first one that came after ``until``."""
    taken = []
    while entries and (entries[0].at <= until or len(entries) > MAX_ENTRIES):
        taken.append(heapq.heappop(entries))
    return taken


class RoomRecording:
    """The recordings of everybody in a room, in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._speakers: dict[int, SpeakerRecording] = {}
        self._takes: list[SpeakerRecording] = []
        self._heard: set[tuple[SpeakerRecording, bool]] = set()
        self._names: set[str] = set()
        self._failure: Exception | None = None
        self._writing = threading.Lock()

    def speaker(self, participant: int, account: str) -> SpeakerRecording:
        """Return the recording of a participant, made at the first call."""
        recording = self._speakers.get(participant)
        if recording is None:
            recording = self._speakers[participant] = self._begin(safe_name(account))
        return recording

    def take(self, participant: int, account: str, *, video: bool) -> SpeakerRecording:
        """Return where to record one more track of a participant.

        A file holds one track of each kind: a screen beside the camera, or a microphone that begins anew with clock
        and numbers of its own, goes to a further take, ``NAME-2``.
        """
        recording = self.speaker(participant, account)
        if (recording, video) in self._heard:
            recording = self._begin(safe_name(account))
        self._heard.add((recording, video))
        return recording

    def flush(self, now: float) -> None:
        """Write what has waited long enough; after a failure nothing more is written, and ``close`` raises it."""
        with self._writing:
            try:
                for recording in list(self._takes) if self._failure is None else ():
                    recording.flush(now)
            except Exception as error:
                self._failure = error

    def close(self) -> None:
        """Write everything and close all files; the first error is raised when all have been tried."""
        with self._writing:
            for recording in self._takes:
                try:
                    recording.close()
                except Exception as error:
                    self._failure = self._failure or error
        if self._failure is not None:
            raise self._failure

    def _begin(self, stem: str) -> SpeakerRecording:
        name = next(n for n in chain([stem], (f"{stem}-{i}" for i in count(2))) if n not in self._names)
        self._names.add(name)
        recording = SpeakerRecording(self.directory, name)
        self._takes.append(recording)
        return recording


def safe_name(account: str) -> str:
    """Return a file name for an account that a server named: nothing that leads out of the directory, or hides."""
    return re.sub(r"[^a-z0-9_-]+", "_", account.lower()).strip("_")[:64] or "participant"
