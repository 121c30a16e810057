"""Mixes a recording of a room into one file of sound: all speakers, each from the time at which it began."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from tcclient.audio.mixer import Mixer, Voice
from tcclient.audio.opus import Application, BitrateMode, OpusEncoder, Pcm
from tcclient.capture.reader import open_audio
from tcclient.errors import MediaFileError, one_line
from tcclient.recording.writers import OggOpusWriter
from tcproto.packet import AUDIO_CLOCK
from tcproto.serial import wrapped

BLOCK = 960
"""Samples that are mixed at once, 20 ms. Files begin at the nearest block: the index is less exact than that."""
BITRATE = 48_000
"""Bit/s of the mix: several people at once need more than one."""
LONGEST = 7 * 24 * 3600.0
"""Seconds into a recording at which a file may begin. A later one is taken as damage of the index."""


class Part(NamedTuple):
    """A file of a recording, and the block with which it begins."""

    path: Path
    begins: int


class Recorded(NamedTuple):
    """What an index tells of a recording."""

    room: str
    began: str
    parts: tuple[Part, ...]


def read_index(path: Path) -> Recorded:
    """Return the sound of a recording. Raises ``MediaFileError`` for what is no index of one."""
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        entries = [entry for entry in index["files"] if entry["kind"] == "audio"]
        parts = tuple(_part(path.parent, entry) for entry in entries)
        return Recorded(str(index["room"]), str(index["began"]), parts)
    except OSError as error:
        raise MediaFileError(one_line(path, error)) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MediaFileError(one_line(path, "this is no index of a recording")) from error


def _part(folder: Path, entry: dict[str, Any]) -> Part:
    name, offset = entry["file"], float(entry["offset"])
    if Path(name).name != name or not 0 <= offset <= LONGEST:
        raise ValueError(name)
    return Part(folder / name, round(offset * AUDIO_CLOCK / BLOCK))


def mixed(parts: Sequence[Part], left_out: Callable[[MediaFileError], None]) -> Iterator[Pcm]:
    """Iterate over the blocks of the mix. ``left_out`` is told of each file of which nothing more can be read."""
    waiting = sorted(parts, key=lambda part: part.begins, reverse=True)
    playing: list[Iterator[Pcm]] = []
    mixer, block = Mixer(), 0
    while waiting or playing:
        while waiting and waiting[-1].begins <= block:
            playing.append(_sound(waiting.pop().path, left_out))
        found = [(file, next(file, None)) for file in playing]
        playing = [file for file, sound in found if sound is not None]
        if playing or waiting:
            yield mixer.mix([Voice(sound) for _, sound in found if sound is not None], BLOCK)
        block += 1


def _sound(path: Path, left_out: Callable[[MediaFileError], None]) -> Iterator[Pcm]:
    try:
        yield from open_audio(path, samples=BLOCK)
    except MediaFileError as error:
        left_out(error)


def mix_down(index: Path, output: Path, left_out: Callable[[MediaFileError], None]) -> float:
    """Write the mix of a recording as Ogg Opus; return its seconds.

    Raises ``MediaFileError`` for what is no index, or has no sound in it, ``RecordingError`` if the file exists or
    cannot be written, and ``OpusUnavailable``.
    """
    recorded = read_index(index)
    if not recorded.parts:
        raise MediaFileError(one_line(index, "nobody is heard in this recording"))
    encoder = OpusEncoder(bitrate=BITRATE, mode=BitrateMode.VBR, application=Application.AUDIO)
    tags = {"TITLE": recorded.room, "DATE": recorded.began}
    with OggOpusWriter(output, tags=tags, start=(0, 0.0)) as writer:
        for number, block in enumerate(mixed(recorded.parts, left_out)):
            writer.write(encoder.encode(block), wrapped(number * BLOCK), inf)
        return writer.duration
