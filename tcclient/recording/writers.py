"""Recordings without transcoding: Ogg Opus for one speaker, Matroska for sound and picture in step.

Both are written as they grow. After a crash they can be read up to the last page or block, without repair. Both take
packets as they came from the network: late, repeated and broken packets are expected and left out.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

import av

from tcclient.audio.opus_packet import MIN_DURATION, lost_packets, packet_duration
from tcclient.errors import RecordingError, one_line
from tcclient.recording import matroska, ogg
from tcclient.video.bitstream import Codec
from tcproto.packet import AUDIO_CLOCK
from tcproto.serial import difference

APPLICATION = "teleconference"
"""Named as the writing program in each file."""

PRE_SKIP = 312
"""Delay of the encoder of libopus in samples of 48 kHz, except in its low-delay mode."""

PAGE_DURATION = AUDIO_CLOCK
"""Longest Ogg page, in samples: a crash can lose so much (RFC 7845, section 6 recommends one second)."""

MAX_LEAD = 10 * AUDIO_CLOCK
"""Samples by which timestamps may be ahead of the clock. Without a limit a jump would be written as hours of silence.
"""

MAX_LATE = 10 * AUDIO_CLOCK
"""Samples by which a packet may be behind and still counts as late. A longer jump back means that the sender started
again."""

MIN_CUE_DISTANCE = 1_000_000_000 // matroska.TICK
"""Least time between entries of the Matroska index: nobody seeks more finely than one second."""


class OggOpusWriter:
    """Records the Opus packets of one speaker, and keeps time: gaps are filled with packets that hold no sound.

    ``start`` is the 48 kHz timestamp, and the time of the clock, at which the recording begins; by default those of the
    first packet. ``tags`` are written as comments (RFC 7845, section 5.2.2). An existing file is refused. Raises
    ``RecordingError``, also from the methods.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        channels: int = 1,
        pre_skip: int = PRE_SKIP,
        start: tuple[int, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        if channels not in {1, 2} or not 0 <= pre_skip <= 0xFFFF:
            raise ValueError("one or two channels, and a pre-skip of 16 bits")
        self._file = _File(Path(path))
        self._stream = ogg.OggStream(int.from_bytes(os.urandom(4), "big"))
        self._stereo = channels == 2
        self._start = start
        self._granule = 0
        self._page: list[bytes] = []
        self._segments = 0
        self._page_start = 0
        self._file.append(self._stream.page([ogg.opus_head(channels, pre_skip)], 0, ogg.FIRST))
        self._file.append(self._stream.page([ogg.opus_tags(APPLICATION, tags or {})], 0))

    @property
    def duration(self) -> float:
        """Seconds recorded so far, silence included."""
        return self._granule / AUDIO_CLOCK

    def write(self, packet: bytes, timestamp: int, now: float) -> bool:
        """Record a packet.

        Its first sample has this 48 kHz timestamp (32 bits, wraps); ``now`` is in seconds, monotonic. Returns False,
        and records nothing, if it is no Opus packet, does not fit an Ogg page, or comes too late. After a timestamp
        that jumps back, or ahead of the clock, the recording continues where it is.
        """
        if packet_duration(packet) is None or self._stream.segments(packet) > ogg.MAX_SEGMENTS:
            return False
        if self._start is None:
            self._start = timestamp, now
        first, begun = self._start
        gap = difference(timestamp, first + self._granule)
        if gap < -MAX_LATE or self._granule + gap - (now - begun) * AUDIO_CLOCK > MAX_LEAD:
            self._start = timestamp - self._granule, begun
        elif gap <= -MIN_DURATION:
            return False
        else:
            # the rest, below 2.5 ms, stays a difference between the two clocks and never adds up
            for filler in lost_packets(max(gap, 0), stereo=self._stereo):
                self._put(filler)
        self._put(packet)
        return True

    def check(self) -> None:
        """Raise ``RecordingError`` if the file no longer exists: writing to it would not fail."""
        self._file.check()

    def sync(self) -> None:
        """Write all packets but the newest: the last page of a stream must end with a packet."""
        if len(self._page) > 1:
            newest = self._page.pop()
            self._granule -= packet_duration(newest) or 0
            self._flush()
            self._put(newest)

    def close(self) -> None:
        """Write the rest and end the stream. A second call does nothing."""
        if not self._file.closed:
            try:
                if not self._granule:
                    self._put(lost_packets(MIN_DURATION, stereo=self._stereo)[0])  # players refuse empty files
                self._flush(ogg.LAST)
            finally:
                self._file.close()

    def _put(self, packet: bytes) -> None:
        segments = self._stream.segments(packet)
        # not as soon as the page is full: the last page of the stream must end with a packet
        if self._segments + segments > ogg.MAX_SEGMENTS or self._granule - self._page_start >= PAGE_DURATION:
            self._flush()
        self._page.append(packet)
        self._segments += segments
        self._granule += packet_duration(packet) or 0

    def _flush(self, flags: int = 0) -> None:
        page, self._page, self._segments = self._page, [], 0
        self._page_start = self._granule
        self._file.append(self._stream.page(page, self._granule, flags))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class MatroskaWriter:
    """Records one video and one audio stream, in step; pictures begin with a keyframe.

    Times of both are microseconds of one clock, rounded to 0.1 ms. The time of the file begins at ``start``, by default
    with the first block. A track of sound is made with its first packet, if there is one. The bytes of VP8 are kept as
    they are. Of H.264 the NAL units are kept, with lengths in place of start codes. Pictures may change their size in
    the middle; ``width`` and ``height`` are those of the first. Without ``video_codec`` it records sound alone. An
    existing file is refused. Raises ``RecordingError``, also from the methods.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        video_codec: Codec | None = "vp8",
        width: int = 0,
        height: int = 0,
        audio: bool = True,
        channels: int = 1,
        pre_skip: int = PRE_SKIP,
        start: int | None = None,
        title: str = "",
    ) -> None:
        if video_codec not in {None, "vp8", "h264"} or not (audio or video_codec):
            raise ValueError("a recording has VP8 or H.264 video, or audio, or both")
        if video_codec and not (0 < width <= 0xFFFF and 0 < height <= 0xFFFF):
            raise ValueError(f"pictures of {width}x{height}")
        self._codec, self._width, self._height = video_codec, width, height
        self._audio, self._channels, self._pre_skip = audio, channels, pre_skip
        self._title = title
        self._file = _File(Path(path))
        self._base: int | None = None  # microseconds of time 0
        self._start = start
        self._sound_entry = 0  # offset of the place for a track of sound
        self._last: dict[int, int] = {}  # newest time of each track, in ticks
        self._cluster: int | None = None
        self._cues: list[tuple[int, int]] = []
        self._content = 0  # offset of the first byte of the segment's content
        self._info = 0

    def write_audio(self, packet: bytes, microseconds: int) -> bool:
        """Record an Opus packet whose first sample was captured at that time.

        Returns False, and records nothing, before the first keyframe, if it is no Opus packet, and if it comes late.
        """
        if not self._audio or packet_duration(packet) is None:
            return False
        if self._base is None:
            if self._codec:
                return False
            self._begin(b"", microseconds)
        if self._sound_entry:
            place, self._sound_entry = self._sound_entry, 0
            self._file.replace(place, self._sound())
        return self._block(matroska.AUDIO_TRACK, microseconds, True, packet)

    def begin(self, data: bytes, microseconds: int) -> bool:
        """Write the header for pictures that begin with this keyframe.

        After that sound may be written, also before the keyframe. Returns False for H.264 without SPS and PPS.
        """
        private = b""
        if self._codec == "h264":
            configuration = matroska.decoder_configuration(data)
            if configuration is None:
                return False
            private = configuration
        self._begin(private, microseconds)
        return True

    def write_video(self, data: bytes, microseconds: int, keyframe: bool) -> bool:
        """Record an encoded picture captured at that time, H.264 in Annex B form.

        Returns False, and records nothing, before the first keyframe (H.264: with SPS and PPS), and if it comes late.
        """
        if self._codec is None or not data:
            return False
        if self._base is None and not (keyframe and self.begin(data, microseconds)):
            return False
        if self._codec == "h264":
            data = matroska.length_prefixed(data)
        return self._block(matroska.VIDEO_TRACK, microseconds, keyframe, data)

    def check(self) -> None:
        """Raise ``RecordingError`` if the file no longer exists: writing to it would not fail."""
        self._file.check()

    @property
    def duration(self) -> float:
        """Seconds recorded so far."""
        return max(self._last.values(), default=0) * matroska.TICK / 1e9

    def close(self) -> None:
        """Write the index and the duration. A second call does nothing."""
        if self._file.closed:
            return
        try:
            if self._base is not None:
                if self._cues:
                    offset = self._file.size - self._content
                    self._file.append(matroska.cues(self._cues))
                    self._file.replace(self._content, matroska.seek_head(offset))
                duration = float(max(self._last.values()))
                self._file.replace(self._info, matroska.info(APPLICATION, duration, self._title))
        finally:
            self._file.close()

    def _begin(self, private: bytes, microseconds: int) -> None:
        self._base = microseconds if self._start is None else self._start
        entries = []
        if self._codec:
            entries.append(matroska.video_track(self._codec, self._width, self._height, private))
        if self._audio:
            entries.append(matroska.void(len(self._sound())))
        header = matroska.file_header()
        self._content = len(header)
        self._info = self._content + len(matroska.seek_head())
        before = header + matroska.seek_head() + matroska.info(APPLICATION, title=self._title)
        self._file.append(before + matroska.tracks(*entries))
        if self._audio:
            self._sound_entry = self._file.size - len(self._sound())

    def _sound(self) -> bytes:
        return matroska.audio_track(ogg.opus_head(self._channels, self._pre_skip), self._channels, self._pre_skip)

    def _block(self, track: int, microseconds: int, keyframe: bool, data: bytes) -> bool:
        assert self._base is not None
        time = round((microseconds - self._base) * 1000 / matroska.TICK)
        if time < 0 or time <= self._last.get(track, -1):
            return False
        cue = keyframe and track == matroska.VIDEO_TRACK
        start = b""
        if self._cluster is None or cue or not -matroska.MAX_CLUSTER <= time - self._cluster <= matroska.MAX_CLUSTER:
            if cue and (not self._cues or time - self._cues[-1][0] >= MIN_CUE_DISTANCE):
                self._cues.append((time, self._file.size - self._content))
            self._cluster = time
            start = matroska.cluster(time)
        self._last[track] = time
        self._file.append(start + matroska.simple_block(track, time - self._cluster, keyframe, data))
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _File:
    """A new file that grows, for its owner alone, without a buffer. Errors of the system become ``RecordingError``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = 0
        try:
            self._raw = io.FileIO(path, "xb", opener=_private)
        except (OSError, ValueError) as error:
            raise RecordingError(one_line(path, error)) from error

    @property
    def closed(self) -> bool:
        return self._raw.closed

    def append(self, data: bytes) -> None:
        self._write(data)
        self.size += len(data)

    def replace(self, offset: int, data: bytes) -> None:
        self._raw.seek(offset)
        self._write(data)
        self._raw.seek(self.size)

    def close(self) -> None:
        try:
            self._raw.close()
        except OSError as error:  # some file systems report a full disk only now
            raise RecordingError(one_line(self._path, error)) from error

    def check(self) -> None:
        if not self.closed and os.fstat(self._raw.fileno()).st_nlink == 0:
            self._raw.close()
            raise RecordingError(one_line(self._path, "the file was deleted while it was written"))

    def _write(self, data: bytes) -> None:
        if self._raw.closed:
            raise RecordingError(one_line(self._path, "the recording has ended"))
        view = memoryview(data)
        try:
            while view:
                view = view[self._raw.write(view) :]
        except OSError as error:
            self._raw.close()  # after a torn end nothing could be read
            if not self.size:
                with contextlib.suppress(OSError):
                    self._path.unlink()  # it is empty
            raise RecordingError(one_line(self._path, error)) from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def recorded_sound(path: Path) -> Iterator[tuple[int, bytes]]:
    """Iterate over the packets of an Ogg Opus file that is being written, as (microseconds from the first, packet)."""
    try:
        with closing(av.open(f"file:{path}", format="ogg", metadata_errors="replace")) as container:
            first: int | None = None
            for packet in container.demux(audio=0):
                if packet.size and packet.pts is not None:
                    first = packet.pts if first is None else first
                    if packet.size == 1:
                        continue  # stands for a lost packet
                    yield round((packet.pts - first) * packet.time_base * 1_000_000), bytes(packet)
    except (av.FFmpegError, OSError, ValueError):
        return  # what is not written yet, or cannot be read any more, is left out
