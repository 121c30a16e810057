"""One participant of a demonstration: ``python -m tcclient.demo.participant``.

Reads its part as a line of JSON on standard input, then the commands ``start`` and ``stop``; prints a line of JSON for
each event: ``seated``, ``progress``, ``sent``, ``report``, ``error``. Ends when standard input does. One that keeps a
visitor company needs no commands, and ends with its seat. Uses nothing but what the library offers.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from tcclient.audio.libopus import OpusUnavailable
from tcclient.connector import connect
from tcclient.demo.company import company
from tcclient.demo.plan import Part
from tcclient.errors import ClientError, MediaError, RoomClosed
from tcclient.room import Room
from tcclient.sources import AnySource, audio_file, video_file
from tcclient.track import Track, TrackStatistics
from tcclient.trust.identity import TrustFileError
from tcproto.messages import Kind

if TYPE_CHECKING:
    from tcclient.audio.jitter_statistics import JitterStatistics
    from tcclient.playout.playout import Mix
    from tcclient.publication import Publication

IDLE_INTERVAL = 0.02
"""Seconds between checks of the network if nobody listens: 35 such clients share two cores."""
SETTLE = 1.0
"""Seconds after the last frame before the packets are counted: longer than any packet takes."""


def _say(event: str, **fields: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


class _Commands(asyncio.StreamReader):
    """Lines of standard input. When they end, the conductor has gone, and there is nothing more to do."""

    def __init__(self, task: asyncio.Task[Any] | None) -> None:
        super().__init__()
        self._task = task

    def feed_eof(self) -> None:
        super().feed_eof()
        if self._task is not None:
            self._task.cancel()


async def _commands() -> asyncio.StreamReader:
    reader = _Commands(asyncio.current_task())
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


class Latencies:
    """Times from the capture of a sample to a later moment, both on this machine's monotonic clock."""

    def __init__(self) -> None:
        self._seconds: dict[Track, list[float]] = defaultdict(list)

    def add(self, track: Track, seconds: float) -> None:
        """Note one."""
        self._seconds[track].append(seconds)

    def summary(self, track: Track) -> dict[str, float] | None:
        """Return median, 95th percentile and maximum in ms."""
        return _summary(self._seconds.get(track, []))

    def total(self) -> dict[str, float] | None:
        """Return the same of all tracks."""
        return _summary([seconds for track in self._seconds.values() for seconds in track])


def _summary(seconds: list[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    ordered = sorted(seconds)
    last = len(ordered) - 1
    p50, p95, most = (round(ordered[round(last * q)] * 1000, 1) for q in (0.5, 0.95, 1.0))
    return {"p50": p50, "p95": p95, "max": most}


class Witness:
    """Counts what this participant receives, also of tracks that have ended."""

    def __init__(self, room: Room, part: Part) -> None:
        self.room = room
        self.network = Latencies()
        """From capture to arrival of the packet."""
        self.ear = Latencies()
        """From capture to play-out in the mixer."""
        self._tracks: list[Track] = []
        self._jitter: dict[Track, JitterStatistics] = {}
        self._recording = room.record(part.record)
        self._listener = room.listen() if part.decode else None
        if self._listener is not None:
            self._listener.on_mix.append(self._played)

    def watch(self) -> None:
        """Begin to count tracks that have appeared."""
        for track in self.room.tracks:
            if track not in self._tracks:
                self._tracks.append(track)
                if track.kind is Kind.AUDIO:
                    track.on_audio.append(lambda f, t=track: self._arrived(t, f.header.timestamp, f.received_at))  # type: ignore[misc]
                else:
                    track.on_video.append(lambda f, t=track: self._arrived(t, f.header.timestamp, time.monotonic()))  # type: ignore[misc]

    @property
    def statistics(self) -> list[TrackStatistics]:
        """The counts of all tracks."""
        return [track.statistics for track in self._tracks]

    def finish(self) -> None:
        """Take the last counts of the play-out."""
        if self._listener is not None:
            self._jitter = self._listener.statistics()

    def report(self) -> list[dict[str, Any]]:
        """Return a report on each track. Call it after the recordings are closed."""
        return [self._account(track) for track in self._tracks]

    def _account(self, track: Track) -> dict[str, Any]:
        counts, jitter = track.statistics, self._jitter.get(track)
        recording = self._recording.speaker(track.participant.id, track.participant.account)
        return {
            "from": track.participant.account,
            "stream": track.stream,
            "kind": str(track.kind),
            "source": str(track.source),
            "codec": track.codec,
            "packets": counts.packets,
            "lost": counts.lost,
            "frames": counts.frames,
            "incomplete": track.incomplete,
            "keyframe_requests": counts.keyframe_requests,
            "bytes": counts.bytes,
            "checksum": counts.checksum,
            "bitrate": round(counts.bitrate, 1),
            "first_sequence": counts.first,
            "last_sequence": counts.highest,
            "concealed_ms": round(jitter.concealed_ms) if jitter is not None else None,
            "late": jitter.late if jitter is not None else None,
            "jitter_target_ms": round(jitter.target_ms, 1) if jitter is not None else None,
            "latency_ms": self.network.summary(track),
            "mouth_to_ear_ms": self.ear.summary(track),
            "recordings": [str(path) for path in recording.paths],
        }

    def _arrived(self, track: Track, timestamp: int, at: float) -> None:
        captured = self.room.capture_time(track, timestamp)
        if captured is not None:
            self.network.add(track, at - captured)

    def _played(self, mix: Mix, at: float) -> None:
        for track, sound in mix.sounds.items():
            if isinstance(track, Track) and sound.timestamp is not None:
                captured = self.room.capture_time(track, sound.timestamp)
                if captured is not None:
                    self.ear.add(track, at - captured)


def _sent(publication: Publication) -> dict[str, Any]:
    counts = publication.statistics
    return {
        "stream": publication.stream,
        "kind": str(publication.kind),
        "source": str(publication.source.source),
        "packets": counts.packets,
        "frames": counts.frames,
        "keyframes": counts.keyframes,
        "unsent": counts.unsent,
        "left_out": publication.left_out,
        "bytes": counts.bytes,
        "checksum": counts.checksum,
        "bitrate": round(counts.bitrate, 1),
    }


async def _progress(witness: Witness) -> None:
    while True:
        await asyncio.sleep(1.0)
        witness.watch()
        counts = witness.statistics
        _say(
            "progress",
            packets=sum(c.packets for c in counts),
            lost=sum(c.lost for c in counts),
            speaking=[p.label for p in witness.room.everybody if p.speaking],
        )


async def _publish(room: Room, sources: list[AnySource]) -> list[Publication]:
    publications = await room.publish_together(*sources)
    await asyncio.gather(*(publication.wait() for publication in publications))
    return publications


async def _take_part(part: Part, commands: asyncio.StreamReader) -> None:
    sources: list[AnySource] = []
    if part.audio:
        sources.append(audio_file(part.audio, loop=part.loop, seconds=part.seconds))
    if part.video:
        sources.append(
            video_file(
                part.video,
                loop=part.loop,
                seconds=part.seconds,
                max_width=part.max_width,
                max_height=part.max_height,
            )
        )
    asked = time.monotonic()
    async with connect(
        part.link,
        user=part.user,
        password=part.password,
        name=part.name,
        data=Path(part.data),
        receive_interval=0.0 if part.decode else IDLE_INTERVAL,
    ) as room:
        witness = Witness(room, part)
        await room.wait_connected()
        seated_ms = round((time.monotonic() - asked) * 1000)
        _say("seated", ms=seated_ms)
        if await commands.readline() != b"start\n":
            return
        gc.collect()
        gc.freeze()
        started_cpu, started = time.process_time(), time.monotonic()
        progress = asyncio.create_task(_progress(witness))
        watcher = asyncio.create_task(_watch(witness))
        publications = await _publish(room, sources) if sources else []
        sent = [_sent(publication) for publication in publications]
        _say("sent")
        await commands.readline()
        await asyncio.sleep(SETTLE)
        witness.watch()
        witness.finish()
        for task in (progress, watcher):
            task.cancel()
        if (ended := room.closed) is not None:
            raise RoomClosed(f"the seat was lost: {ended.text}", ended.code)
        path = room.path_statistics
        cpu = time.process_time() - started_cpu
    _say(
        "report",
        user=part.user,
        name=part.name,
        sent=sent,
        received=witness.report(),
        mouth_to_ear_ms=witness.ear.total(),
        cpu_percent=round(100 * cpu / (time.monotonic() - started), 2),
        seated_ms=seated_ms,
        rtt_ms=round((path.rtt or 0) * 1000, 2),
        datagrams_lost_up=path.up_lost,
        drops={str(reason): count for reason, count in room.connection.session.drops.items()},
    )


async def _keep_company(part: Part) -> None:
    async with connect(
        part.link,
        user=part.user,
        password=part.password,
        name=part.name,
        data=Path(part.data),
        receive_interval=IDLE_INTERVAL,
    ) as room:
        await room.wait_connected()
        sources = company(part)
        if sources:
            await room.publish_together(*sources)
        _say("seated")
        async for _ in room.events():
            pass
        if (ended := room.closed) is not None:
            raise RoomClosed(ended.text, ended.code)


async def _watch(witness: Witness) -> None:
    """Begin to count new tracks at once, so that the first packets count."""
    witness.watch()
    async for _ in witness.room.events():
        witness.watch()


async def _main() -> int:
    commands = await _commands()
    line = await commands.readline()
    if not line:
        return 1
    part = Part(**json.loads(line))
    try:
        await (_take_part(part, commands) if part.record else _keep_company(part))
    except (ClientError, MediaError, TrustFileError, OpusUnavailable, OSError) as error:
        _say("error", text=str(error))
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(uvloop.run(_main()))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
