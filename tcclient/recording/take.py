"""The files of one take of a speaker. Packets are put in order and on one clock, and written as they come."""

from __future__ import annotations

import contextlib
import heapq
from collections import deque
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tcclient.core.media.packet import AudioPacket, VideoPacket
from tcclient.core.media.repair import RECORDING_PATIENCE
from tcclient.errors import RecordingError
from tcclient.recording.clock import ClockMapping, MediaClock, Unwrapper
from tcclient.recording.folder import Index, file_in, free_names
from tcclient.recording.writers import MatroskaWriter, OggOpusWriter, recorded_sound
from tcclient.video.bitstream import Codec
from tcproto.packet import AUDIO_CLOCK, VIDEO_CLOCK
from tcproto.serial import wrapped

PATIENCE = 0.3
"""Seconds for which entries wait for earlier ones, so that they are written in order."""
GAP_PATIENCE = RECORDING_PATIENCE + 0.3
"""Seconds for which sound behind a gap waits, while the missing packets are asked for. Pictures wait with it."""
CLOCK_PATIENCE = 3.0
"""Seconds for which a stream waits for its clock mapping. After that the time of arrival is used."""
MAX_ENTRIES = 20_000
"""Entries of a speaker that wait: minutes of sound and pictures. Beyond it they are written out of order."""
ENDINGS = (".ogg", ".mkv")

Admit = Callable[["Take", float], float]
"""Allows one more file, for the time of its first packet (monotonic seconds), and returns where it begins, in seconds.
"""


class _Entry(NamedTuple):
    order: int
    """The key to sort by: the sequence number of sound, or µs of a picture."""
    tie: int
    at: float
    ticks: int
    """Timestamp, unwrapped."""
    data: bytes
    video: bool
    keyframe: bool


_Writer = OggOpusWriter | MatroskaWriter
AnyWriter = TypeVar("AnyWriter", OggOpusWriter, MatroskaWriter)


class _File(NamedTuple):
    path: Path
    entry: dict[str, Any]


class Take:
    """The files of one participant: ``NAME.ogg``, and ``NAME.mkv`` if there are pictures. Made when something comes.

    All times in the files are on this machine's clock: the sender's clock, moved by a constant.
    """

    def __init__(
        self,
        directory: Path,
        stem: str,
        *,
        account: str = "",
        label: str = "",
        participant: int = 0,
        screen: bool = False,
        admit: Admit = lambda recording, at: at,
        index: Index | None = None,
    ) -> None:
        self.account, self.label, self.participant = account or stem, label or account or stem, participant
        self.screen = screen
        """Whether the pictures and sound are of a screen."""
        self.frames_written = 0
        self.packets_written = 0
        self.paths: list[Path] = []
        """The files that were made."""
        self.failed = False
        self._directory, self._stem, self._admit = directory, stem, admit
        self._index = index if index is not None else Index(directory, {})
        self._written: dict[_Writer, _File] = {}
        self._name: str | None = None
        self._ogg: OggOpusWriter | None = None
        self._mkv: MatroskaWriter | None = None
        self._video: tuple[Codec, int, int] | None = None
        self._unwrap = {False: Unwrapper(AUDIO_CLOCK), True: Unwrapper(VIDEO_CLOCK)}
        self._clocks = {False: MediaClock(AUDIO_CLOCK), True: MediaClock(VIDEO_CLOCK)}
        """Clocks as the sender reports them."""
        self._assumed = {False: MediaClock(AUDIO_CLOCK), True: MediaClock(VIDEO_CLOCK)}
        """Clocks by the time of arrival, until the sender has reported."""
        self._shift: int | None = None
        """µs by which the sender's clock is ahead of ours."""
        self._sound_begin = 0
        """Ticks of the first packet in the Ogg file."""
        self._newest_sound: _Entry | None = None
        self._sound: list[_Entry] = []
        self._movie: list[_Entry] = []
        self._unplaced: deque[_Entry] = deque()
        """Filled on the event loop while a worker writes, and so are the heaps: their operations are atomic."""
        self._ended = {False: False, True: False}
        self._expected = {False: False, True: False}
        self._ties = count()

    @property
    def open_files(self) -> int:
        """How many files are being written."""
        return (self._ogg is not None) + (self._mkv is not None)

    @property
    def done(self) -> bool:
        """Whether all tracks of the take have ended and are written."""
        ended = all(self._ended[kind] or not self._expected[kind] for kind in (False, True)) and any(
            self._ended.values()
        )
        return ended and not (self.open_files or self._sound or self._movie or self._unplaced)

    def expect_video(self, codec: Codec, width: int, height: int) -> None:
        """Note that pictures of a size will come."""
        self._video = (codec, width or 16, height or 16)

    def map_clock(self, *, video: bool, mapping: ClockMapping) -> None:
        """Take the clock mapping of the sender's newest beacon."""
        self._clocks[video].map(mapping)

    def add_audio(self, packet: AudioPacket) -> None:
        """Take an Opus packet. Its sequence number does not wrap within a recording."""
        if not self.failed:
            header, at = packet.header, packet.received_at - packet.held_ms / 1000
            ticks = self._unwrap[False].ticks(header.timestamp, at)
            heapq.heappush(
                self._sound, _Entry(header.sequence, next(self._ties), at, ticks, packet.payload, False, False)
            )

    def add_video(self, frame: VideoPacket, at: float) -> None:
        """Take a complete picture."""
        if not self.failed:
            header = frame.header
            ticks = self._unwrap[True].ticks(header.timestamp, at)
            self._unplaced.append(_Entry(0, next(self._ties), at, ticks, frame.payload, True, header.keyframe))

    def expect(self, *, video: bool) -> None:
        """Note that a track begins."""
        self._expected[video] = True

    def end(self, *, video: bool) -> None:
        """Note that a track has ended: its file is closed after all of it is written."""
        self._ended[video] = True

    def flush(self, now: float) -> None:
        """Write the entries that have waited long enough. Raises ``RecordingError``."""
        self._write(now, now - PATIENCE)
        for writer in (self._ogg, self._mkv):
            if writer is not None:
                writer.check()
        if self._ended[False] and not self._sound and self._ogg is not None:
            ogg, self._ogg = self._ogg, None
            self._end_file(ogg)
        if self._ended[True] and not (self._movie or self._unplaced) and self._mkv is not None:
            mkv, self._mkv = self._mkv, None
            self._end_file(mkv)

    def close(self) -> None:
        """Write everything and close the files. Raises ``RecordingError``."""
        try:
            self._write(float("inf"), float("inf"))
        finally:
            ogg, mkv, self._ogg, self._mkv = self._ogg, self._mkv, None, None
            try:
                self._end_file(ogg)
            finally:
                self._end_file(mkv)

    def fail(self, error: Exception) -> None:
        """Give up after an error: close what is open, and take no more."""
        self.failed = True
        ogg, mkv, self._ogg, self._mkv = self._ogg, self._mkv, None, None
        for writer in (ogg, mkv):
            with contextlib.suppress(RecordingError):
                self._end_file(writer, str(error))
        self._sound.clear()
        self._movie.clear()
        self._unplaced.clear()

    def retry(self) -> None:
        """Begin further files, if this take failed."""
        if self.failed:
            self.failed, self._name, self._newest_sound = False, None, None

    def _write(self, now: float, until: float) -> None:
        while (entry := self._next_sound(until)) is not None:
            self._write_sound(entry, now)
        self._place(now)
        if self._unplaced and not self._movie:
            return
        for entry in _taken(self._movie, min(until, self._sound[0].at) if self._sound else until):
            self._write_picture(entry)

    def _next_sound(self, until: float) -> _Entry | None:
        """Remove the next packet that is to be written, and return it; behind a gap it waits longer."""
        if not self._sound:
            return None
        first = self._sound[0]
        if not self._ended[False] and self._newest_sound is not None and first.order > self._newest_sound.order + 1:
            until -= GAP_PATIENCE - PATIENCE
        return heapq.heappop(self._sound) if first.at <= until or len(self._sound) > MAX_ENTRIES else None

    def _place(self, now: float) -> None:
        """Set the time of pictures as soon as the sender's clock is known."""
        for _ in range(len(self._unplaced)):
            entry = self._unplaced.popleft()
            time = self._time(entry, now)
            if time is None:
                self._unplaced.append(entry)
            else:
                heapq.heappush(self._movie, entry._replace(order=time))

    def _time(self, entry: _Entry, now: float) -> int | None:
        """Return when an entry was captured, in µs of our clock. None while the sender may still report its clock."""
        clock, assumed = self._clocks[entry.video], self._assumed[entry.video]
        at = int(entry.at * 1e6)
        if clock.known:
            time = clock.time_of(entry.ticks)
            if self._shift is None:
                self._shift = time - (assumed.time_of(entry.ticks) if assumed.known else at)
            return time - self._shift
        if not assumed.known:
            if now - entry.at <= CLOCK_PATIENCE:
                return None
            assumed.map(ClockMapping(wrapped(entry.ticks), at))
        return assumed.time_of(entry.ticks)

    def _write_sound(self, entry: _Entry, now: float) -> None:
        if self._ogg is None:
            time = self._time(entry, now)
            begin = self._admit(self, entry.at if time is None else time / 1e6)
            tags = {"TITLE": self.account, "ARTIST": self.label, "OFFSET": f"{begin:.3f}"}
            self._ogg = self._create(".ogg", lambda path: OggOpusWriter(path, tags=tags), begin)
            self._sound_begin = entry.ticks
        if self._ogg.write(entry.data, wrapped(entry.ticks), entry.at):
            self.packets_written += 1
            self._newest_sound = entry
        if self._mkv is not None:
            # The film must not wait for the clock of the sound. If nothing else is known, the time of arrival is used.
            time = self._time(entry, float("inf"))
            assert time is not None
            self._mkv.write_audio(entry.data, time)

    def _write_picture(self, entry: _Entry) -> None:
        if self._mkv is None:
            assert self._video is not None
            if not entry.keyframe:
                return
            self._begin_film(entry, *self._video)
        if self._mkv is not None:
            self.frames_written += self._mkv.write_video(entry.data, entry.order, entry.keyframe)

    def _begin_film(self, entry: _Entry, codec: Codec, width: int, height: int) -> None:
        """Begin the film with a keyframe, and with all the sound that is in the Ogg file."""
        newest = self._newest_sound if self._ogg is not None else None
        start = entry.order
        if newest is not None:
            begun = newest._replace(ticks=self._sound_begin)
            time = self._time(begun, float("inf"))
            assert time is not None
            start = time
        base = min(start, entry.order)
        mkv = self._create(
            ".mkv",
            lambda path: MatroskaWriter(
                path, video_codec=codec, width=width, height=height, start=base, title=self.account
            ),
            self._admit(self, base / 1e6),
        )
        self._mkv = mkv
        if not mkv.begin(entry.data, entry.order):
            return
        if newest is not None and self._ogg is not None:
            self._ogg.sync()
            for offset, packet in recorded_sound(self._written[self._ogg].path):
                mkv.write_audio(packet, start + offset)
            time = self._time(newest, float("inf"))
            assert time is not None
            mkv.write_audio(newest.data, time)

    def _create(self, ending: str, make: Callable[[Path], AnyWriter], begin: float) -> AnyWriter:
        """Make a file with an unused name. Both files of a take have one name, if possible."""
        names = free_names(self._directory, self._stem, ENDINGS)
        name = self._name or next(names)
        while True:
            path = file_in(self._directory, name + ending)
            try:
                writer = make(path)
            except RecordingError as error:
                if not isinstance(error.__cause__, FileExistsError):
                    raise
                name = next(names)  # another program records here, too
                continue
            self._name = name
            self.paths.append(path)
            entry = self._index.add(
                file=name + ending,
                account=self.account,
                name=self.label,
                participant=f"{self.participant:08x}",
                kind="video" if ending == ".mkv" else "audio",
                offset=round(begin, 3),
                duration=None,
                complete=False,
                **({"screen": True} if self.screen else {}),
            )
            self._written[writer] = _File(path, entry)
            return writer

    def _end_file(self, writer: _Writer | None, problem: str = "") -> None:
        if writer is None:
            return
        entry = self._written.pop(writer).entry
        entry["duration"] = round(writer.duration, 3)
        entry |= {"problem": problem} if problem else {}
        self._index.touch()
        writer.close()
        entry["complete"] = not problem


def _taken(entries: list[_Entry], until: float) -> list[_Entry]:
    """Remove the entries before the first one that came after ``until``, and return them in order."""
    taken = []
    while entries and (entries[0].at <= until or len(entries) > MAX_ENTRIES):
        taken.append(heapq.heappop(entries))
    return taken
