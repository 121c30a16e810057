"""One participant of the meeting of ``client``, in a process of its own.

Started as ``python -m benchmarks.harness.participant_process``.

Reads a ``Task`` as a line of JSON. A receiver hears and sees everything for the seconds of its task, and prints what
that cost. Any other publishes what it has, prints a line when everything is on its way, ends with its input, and prints
what has come to it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import NamedTuple

import uvloop

import tcclient
from benchmarks.harness.report import BenchmarkError
from tcclient.capture import SPEECH
from tcclient.capture.picture import TestPicture
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
    seconds: float = 0.0

    def as_json(self) -> str:
        """Return the line that tells a participant what to do."""
        return json.dumps(asdict(self))


class Participant:
    """A participant in a process of its own, for who starts it."""

    def __init__(self, task: Task) -> None:
        self._limit = END_LIMIT + task.seconds
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.harness.participant_process"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(task.as_json() + "\n")
        self._process.stdin.flush()

    def line(self) -> str:
        """Return what it prints; raises ``BenchmarkError`` if it ends without."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            words = self._process.stderr.read().strip().splitlines()
            raise BenchmarkError(f"a participant failed: {words[-1] if words else 'it says nothing'}")
        return line

    def close_input(self) -> None:
        """Have it leave when it is neither a receiver nor has left, without waiting for it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
            self._process.stdin = None

    def end(self) -> None:
        """Have it leave; may be called again."""
        if self._process.poll() is None:
            try:
                self._process.communicate(timeout=self._limit)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()


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


async def take_part(room: Room, task: Task) -> list[Came]:
    """Publish everything, until the input ends; return what came."""
    encoded = _encoded() if task.pictures else []
    sources: list[AnySource] = [audio_file(SPEECH, loop=True) for _ in range(task.voices)]
    for _ in range(task.pictures):
        pictures = Loop(encoded)
        sources.append(EncodedVideoSource(pictures, WIDTH, HEIGHT, keyframe_wanted=pictures.keyframe_wanted))
    if sources:
        await room.publish_together(*sources)
    print("takes part", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    now = time.monotonic()
    return [
        Came(track.participant.label.rpartition(" / ")[2], str(track.kind), came.packets, came.lost, now - came.latest)
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
    """Carry the task out."""
    task = Task(**json.loads(sys.stdin.readline()))
    async with tcclient.connect(
        task.link, user=task.user, password=task.password, name=task.name or task.user, data=Path(task.data)
    ) as room:
        if task.voices or task.pictures or not task.seconds:
            print(json.dumps(await take_part(room, task)), flush=True)
        else:
            print(json.dumps(asdict(await receive(room, task))), flush=True)


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
