"""Opens media files, and returns their packets on one time line, which begins with the file and never goes back."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

import av
import av.logging
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from tcclient.capture import chain
from tcclient.capture.pipe import Pipe
from tcclient.capture.splice import Splice
from tcclient.errors import MediaFileError, one_line

FORMATS = "wav,ogg,mp3,mov,matroska,webm,flac"
"""Containers that are opened. Others, such as playlists, could make the library fetch a file that they name."""

MAX_DAMAGED = 1000
"""Unreadable pieces of a container in a row. Beyond it the rest of the file counts as lost: half a minute of sound."""

av.logging.set_level(None)  # libraries print about each broken packet; here every failure is an exception

MediaStream = AudioStream | VideoStream
AnyStream = TypeVar("AnyStream", AudioStream, VideoStream)


class Placed(NamedTuple):
    """A packet, its stream, and the seconds by which its timestamps are moved."""

    stream: MediaStream
    packet: av.Packet[MediaStream]
    shift: float


class MediaFile:
    """A file with its first sound and its first pictures, or one of the two.

    ``want`` ("audio" or "video") must be in it. Time 0 is the beginning of the earlier of the two. Holes and later
    beginnings keep their length. Each call of ``packets`` with the same ``Splice`` continues where the call before
    ended. So two readers of one file, one for the sound and one for the pictures, agree, however often they begin
    again. A pipe can be read once. Raises ``MediaFileError``.
    """

    def __init__(self, path: Path, want: str) -> None:
        self.path, self.want = path, want
        self.damaged = 0
        """Pieces that could not be read, in all rounds."""
        self.duration: float | None = None
        """Where the wanted stream ends, in seconds from the beginning of the file; known once packets came, or never.
        """
        self._links: list[tuple[int, int]] = []
        self._once: InputContainer | None = None
        self.is_pipe = self._look()
        if self.is_pipe:
            self._once = self._open(Pipe(path))

    def close(self) -> None:
        """Close a pipe that was not read."""
        if self._once is not None:
            self._once.close()

    def packets(self, splice: Splice) -> Iterator[Placed]:
        """Read the file once."""
        if self.is_pipe:
            container, self._once = self._once, None
            if container is None:
                raise MediaFileError(one_line(self.path, "a pipe can be read only once"))
            yield from self._round(container, splice)
        for start, end in self._links:
            yield from self._round(self._open(chain.Link(self.path, start, end)), splice)
        if not self.is_pipe and not self._links:
            yield from self._round(self._open(f"file:{self.path}"), splice)

    def _look(self) -> bool:
        """Look at what kind of file it is. Return whether it can be read only once."""
        try:
            mode = self.path.stat().st_mode
            if stat.S_ISREG(mode):
                with self.path.open("rb") as file:
                    found = chain.links(file)
                self._links = found if len(found) > 1 else []
        except (OSError, ValueError) as error:
            raise MediaFileError(one_line(self.path, error)) from error
        if stat.S_ISDIR(mode):
            raise MediaFileError(one_line(self.path, "is a directory"))
        if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
            raise MediaFileError(one_line(self.path, "is neither a file nor a pipe"))
        return stat.S_ISFIFO(mode)

    def _open(self, source: str | Pipe | chain.Link) -> InputContainer:
        try:
            return av.open(
                source,
                "r",
                options={"format_whitelist": FORMATS, "protocol_whitelist": "file"},
                metadata_errors="replace",  # nobody asked for the title
            )
        except MediaFileError:
            raise
        except av.ArgumentError as error:
            raise MediaFileError(one_line(self.path, "not WAV, Ogg, FLAC, MP3, MP4 or Matroska")) from error
        except (av.FFmpegError, OSError, ValueError) as error:
            raise MediaFileError(one_line(self.path, error)) from error

    def _round(self, container: InputContainer, splice: Splice) -> Iterator[Placed]:
        with closing(container):
            streams = chosen(container)
            wanted = next((stream for stream in streams if stream.type == self.want), None)
            if wanted is None:
                raise MediaFileError(one_line(self.path, f"no {self.want} in it"))
            if not is_known(wanted):
                raise MediaFileError(one_line(self.path, f"the {self.want} in it is of a codec that is not known here"))
            wanted.codec_context.thread_count = (
                1  # threads of a decoder would delay the first picture, and starve the encoder
            )
            start = min(_start(stream) for stream in streams)
            self.duration = None if self._links else _duration(container, wanted, start)
            splice.begin(start)
            for packet in self._demux(container, streams):
                shift = _place(packet, splice)
                if packet.stream.index == wanted.index:
                    yield Placed(wanted, packet, shift)

    def _demux(self, container: InputContainer, streams: list[MediaStream]) -> Iterator[av.Packet[MediaStream]]:
        """Iterate over packets, and pass over places that cannot be read."""
        failures = 0
        while True:
            try:
                for packet in cast("Iterator[av.Packet[MediaStream]]", container.demux(*streams)):
                    failures = 0
                    yield packet
                return
            except (av.FFmpegError, OSError, ValueError) as error:
                failures += 1
                self.damaged += 1
                if failures > MAX_DAMAGED or not isinstance(error, av.InvalidDataError):
                    raise MediaFileError(one_line(self.path, error)) from error


def chosen(container: InputContainer) -> list[MediaStream]:
    """Return the first sound and the first pictures that can be decoded. The picture of a cover does not count.

    Phones write several tracks of one sound, some of them with a codec of their own. If none can be decoded, the first
    one is returned.
    """
    films = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    return [*_best(container.streams.audio), *_best(films)]


def _best(streams: Sequence[AnyStream]) -> list[AnyStream]:
    return sorted(streams, key=lambda stream: not is_known(stream))[:1]


def is_known(stream: MediaStream) -> bool:
    """Tell whether there is a decoder for a stream: without one PyAV gives no context."""
    return stream.codec_context is not None


def _start(stream: MediaStream) -> float:
    if stream.start_time is None or stream.time_base is None:
        return 0.0
    return float(stream.start_time * stream.time_base)


def _place(packet: av.Packet[MediaStream], splice: Splice) -> float:
    shown = packet.pts if packet.pts is not None else packet.dts
    if not packet.size or shown is None:
        return 0.0
    base = packet.time_base
    decoded = float(packet.dts * base) if packet.dts is not None else None
    return splice.place(packet.stream.index, decoded, float(shown * base), float((packet.duration or 0) * base))


def _duration(container: InputContainer, stream: MediaStream, start: float) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return _start(stream) - start + float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration is not None else None
