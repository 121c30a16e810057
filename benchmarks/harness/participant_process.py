"""Participants of a meeting that are clients of the library, in a process of their own.

Started as ``python -m benchmarks.harness.participant_process``.

Reads its ``Task``s as a line of JSON. A receiver hears and sees everything for the seconds of its task, and prints what
that cost. All others, who may share a process, publish what they have, print a line when everything is on its way,
print for each line of their input what has come to each of them, and end with their input.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
import uvloop

import tcclient
from benchmarks.harness.report import BenchmarkError
from tcclient.capture import SPEECH
from tcclient.capture.picture import TestPicture
from tcclient.core import AUDIO_ONLY, DEFAULT_SOURCES
from tcclient.core.media.packet import VideoPacket
from tcclient.events import TrackPublished
from tcclient.playout.playout import Mix
from tcclient.room import Room
from tcclient.sources import AnySource, EncodedVideo, EncodedVideoSource, audio_file
from tcclient.track import Track
from tcclient.video.codec import EncodedFrame, VideoDecoder, VideoEncoder
from tcproto.messages import Kind

WIDTH, HEIGHT, RATE, BITRATE = 640, 360, 25, 600_000
LOOP = 50
"""Pictures that are encoded beforehand and sent again and again, the first a keyframe."""
BLOCKS = 50
"""Blocks of sound that are played in a second."""
SETTLE = 3.0
"""Seconds from the first picture or sound until everything runs evenly: keys, keyframes, jitter buffers."""
FIRST_LIMIT = 20.0
"""Seconds for the first sound and picture."""
END_LIMIT = 60.0
"""Seconds that a participant may take in addition to the measurement."""


@dataclass(frozen=True)
class Task:
    """What a participant does. With neither voices nor pictures, and with seconds, it is a receiver."""

    link: str
    user: str
    password: str
    data: str
    name: str = ""
    """Empty: that of the user."""
    voices: int = 0
    pictures: int = 0
    hear: bool = False
    see: bool = False
    only_sound: bool = False
    """Not even want pictures."""
    interval: float = 0.0
    """Seconds between two looks at the network; 0: at once."""
    seconds: float = 0.0

    @property
    def receives(self) -> bool:
        """Whether this is the task of a receiver."""
        return bool(self.seconds and not self.voices and not self.pictures)


def write_tasks(tasks: Sequence[Task]) -> str:
    """Return the line that tells the participants of a process what to do."""
    return json.dumps([asdict(task) for task in tasks])


def read_tasks(line: str) -> list[Task]:
    """Return what ``write_tasks`` was given."""
    return [Task(**row) for row in json.loads(line)]


class Participant:
    """A participant in a process of its own, or several in one, for who starts it."""

    def __init__(self, *tasks: Task) -> None:
        self.tasks = tasks
        self._limit = END_LIMIT + max(task.seconds for task in tasks)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.harness.participant_process"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._say(write_tasks(tasks))

    def line(self) -> str:
        """Return what it prints; raises ``BenchmarkError`` if it ends without."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            words = self._process.stderr.read().strip().splitlines()
            raise BenchmarkError(f"a participant failed: {words[-1] if words else 'it says nothing'}")
        return line

    def attended(self) -> list[Attended]:
        """Return what has come so far to each participant, of whom none is a receiver."""
        self._say("")
        return [Attended([Came(*row) for row in rows], loudness) for rows, loudness in json.loads(self.line())]

    def end(self) -> None:
        """Have it leave; may be called again."""
        if self._process.poll() is None:
            try:
                self._process.communicate(timeout=self._limit)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


@dataclass
class Result:
    """What a receiver found out."""

    cpu: float = 0.0
    """Share of a core."""
    blocks: int = 0
    """Blocks of 20 ms that were mixed in the time of the measurement."""
    pictures: int = 0
    """Pictures that were decoded in it."""
    lost: int = 0
    """Packets, since the beginning."""
    first_sound: float | None = None
    """Seconds from the seat to the first block that is not silent."""
    first_picture: float | None = None
    """Seconds from the seat to the first decoded picture."""


class Observer:
    """Hears and sees everything, and counts it."""

    def __init__(self, room: Room) -> None:
        self.result = Result()
        self._room = room
        self._seated = time.monotonic()
        self._heard, self._seen = asyncio.Event(), asyncio.Event()
        self._tracks: list[Track] = []

    def hear(self) -> None:
        """Play out all sound, into nothing."""
        self._room.listen().on_mix.append(self._played)

    async def see(self) -> None:
        """Decode all pictures, until cancelled."""
        for track in self._room.tracks:
            self._watch(track)
        async for event in self._room.events():
            if isinstance(event, TrackPublished):
                self._watch(event.track)

    async def first(self, hear: bool, see: bool) -> None:
        """Wait for what is to come; raises ``TimeoutError``."""
        async with asyncio.timeout(FIRST_LIMIT):
            if hear:
                await self._heard.wait()
            if see:
                await self._seen.wait()

    def finish(self) -> Result:
        """Return the result, with what was lost."""
        self.result.lost = sum(track.statistics.lost for track in self._room.tracks)
        return self.result

    def _watch(self, track: Track) -> None:
        if track.kind is not Kind.VIDEO or track in self._tracks:
            return
        self._tracks.append(track)
        decoder = VideoDecoder("vp8")

        def decode(frame: VideoPacket) -> None:
            if decoder.decode(frame.payload) is not None:
                self.result.pictures += 1
                if self.result.first_picture is None:
                    self.result.first_picture = time.monotonic() - self._seated
                    self._seen.set()

        track.on_video.append(decode)

    def _played(self, mix: Mix, _: float) -> None:
        self.result.blocks += 1
        if self.result.first_sound is None and mix.pcm.any():
            self.result.first_sound = time.monotonic() - self._seated
            self._heard.set()


class Came(NamedTuple):
    """What came of a track."""

    name: str
    """Of its publisher."""
    kind: str
    packets: int
    lost: int
    """Packets that the server has sent and that did not come."""
    age: float
    """Seconds since the latest packet."""
    limit: str | None
    """Why no more is asked for, as ``tcclient.core.downlink.cause`` names it; None: all comes that is wanted."""


class Attended(NamedTuple):
    """What has come to a participant."""

    tracks: list[Came]
    played: list[float]
    """RMS of each second that it has played since it was asked last, in steps of 16 bits; none if it does not hear."""


class Ear:
    """Plays all sound out, into nothing, and notes how loud it was."""

    def __init__(self, room: Room) -> None:
        self._squares: list[float] = []
        room.listen().on_mix.append(self._played)

    def take(self) -> list[float]:
        """Return the RMS of each whole second since the last call."""
        squares = self._squares[: len(self._squares) // BLOCKS * BLOCKS]
        self._squares = []
        return [float(np.sqrt(np.mean(squares[at : at + BLOCKS]))) for at in range(0, len(squares), BLOCKS)]

    def _played(self, mix: Mix, _: float) -> None:
        self._squares.append(float(np.mean(np.square(mix.pcm, dtype=np.float64))))


async def take_part(rooms: Sequence[Room], tasks: Sequence[Task]) -> None:
    """Publish everything, and print what came for each line of the input, until that ends."""
    ears = [Ear(room) if task.hear else None for room, task in zip(rooms, tasks, strict=True)]
    for room, task in zip(rooms, tasks, strict=True):
        if sources := _sources(task):
            await room.publish_together(*sources)
    print("take part", flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        attended = [
            Attended(_came(room), ear.take() if ear is not None else []) for room, ear in zip(rooms, ears, strict=True)
        ]
        print(json.dumps(attended), flush=True)


def _came(room: Room) -> list[Came]:
    now = time.monotonic()
    return [
        Came(
            track.participant.label.rpartition(" / ")[2],
            str(track.kind),
            came.packets,
            came.lost,
            now - came.latest,
            None if track.limit.cause is None else str(track.limit.cause),
        )
        for track in room.tracks
        if (came := track.statistics).packets
    ]


async def receive(room: Room, task: Task) -> Result:
    """Receive everything for a while."""
    observer = Observer(room)
    if task.hear:
        observer.hear()
    seeing = asyncio.create_task(observer.see())
    try:
        await observer.first(task.hear, task.see)
        await asyncio.sleep(SETTLE)
        result = observer.result
        result.blocks = result.pictures = 0
        cpu, began = time.process_time(), time.monotonic()
        await asyncio.sleep(task.seconds)
        result.cpu = (time.process_time() - cpu) / (time.monotonic() - began)
        return observer.finish()
    finally:
        seeing.cancel()


async def main() -> None:
    """Carry the tasks out. The participants come in one after the other."""
    tasks = read_tasks(sys.stdin.readline())
    async with AsyncExitStack() as stack:
        rooms = [await stack.enter_async_context(_connect(task)) for task in tasks]
        if tasks[0].receives:
            print(json.dumps(asdict(await receive(rooms[0], tasks[0]))), flush=True)
        else:
            await take_part(rooms, tasks)


def _connect(task: Task) -> AbstractAsyncContextManager[Room]:
    return tcclient.connect(
        task.link,
        user=task.user,
        password=task.password,
        name=task.name or task.user,
        data=Path(task.data),
        sources=AUDIO_ONLY if task.only_sound else DEFAULT_SOURCES,
        receive_interval=task.interval,
    )


def _sources(task: Task) -> list[AnySource]:
    encoded = _encoded() if task.pictures else []
    sources: list[AnySource] = [audio_file(SPEECH, loop=True) for _ in range(task.voices)]
    for _ in range(task.pictures):
        pictures = Loop(encoded)
        sources.append(EncodedVideoSource(pictures, WIDTH, HEIGHT, keyframe_wanted=pictures.keyframe_wanted))
    return sources


def _encoded() -> list[EncodedFrame]:
    encoder = VideoEncoder("vp8", WIDTH, HEIGHT, Fraction(RATE), BITRATE)
    pictures = zip(range(LOOP), TestPicture(WIDTH, HEIGHT, RATE), strict=False)
    return [encoder.encode(picture, timestamp=n * 90_000 // RATE, keyframe=not n) for n, picture in pictures]


class Loop:
    """Pictures again and again. It begins again, with the keyframe, when one is wanted."""

    def __init__(self, encoded: Sequence[EncodedFrame]) -> None:
        self._encoded = encoded
        self._wanted = False

    def keyframe_wanted(self) -> None:
        """Begin again. It is called in another thread than the thread that takes pictures."""
        self._wanted = True

    def __iter__(self) -> Iterator[EncodedVideo]:
        start = 0
        for n in count():
            if self._wanted:
                self._wanted, start = False, n
            frame = self._encoded[(n - start) % len(self._encoded)]
            yield EncodedVideo(frame.data, frame.keyframe, n * 90_000 // RATE & 0xFFFFFFFF)


if __name__ == "__main__":
    uvloop.run(main())
