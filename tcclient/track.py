"""What a participant publishes, as this client receives it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, aclosing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

from tcclient.core.downlink.cause import UNLIMITED
from tcclient.core.media.packet import AudioPacket, MediaPacket, VideoPacket
from tcclient.errors import WrongValue
from tcclient.participant import Participant
from tcclient.playout.stream_queue import StreamQueue
from tcclient.video.layers import PictureLayers
from tcproto.messages import Kind, PublicationInfo, Source
from tcproto.packet import AudioHeader, Header, VideoHeader

if TYPE_CHECKING:
    import av

    from tcclient.audio.decoder import Sound
    from tcclient.audio.opus import Pcm

QUEUED_AUDIO = 100
"""Encoded audio frames that wait for a reader: two seconds."""
QUEUED_VIDEO = 60
"""Encoded pictures that wait for a reader: two seconds."""
QUEUED_BLOCKS = 5
"""Blocks of 20 ms of decoded sound that wait for a reader: 100 ms."""


Payload = bytes
"""For the classes that have a field of that name."""


@dataclass(slots=True)
class TrackStatistics:
    """What came of a track."""

    packets: int = 0
    frames: int = 0
    """Audio frames, or complete pictures that can be decoded."""
    bytes: int = 0
    """Of payload, without any header."""
    checksum: int = 0
    """CRC-32 over all frames as they came: equal to the sender's where none was lost or came out of order."""
    first: int = -1
    """Lowest sequence number of the publisher."""
    highest: int = -1
    lost: int = 0
    """Packets lost on the way from the server. Packets that did not reach the server, or were not forwarded (too
    frequent silence, speakers that are not among the loudest), are missing in the sequence numbers and do not count
    here."""
    keyframe_requests: int = 0
    began: float = 0.0
    """Monotonic seconds of the first packet."""
    latest: float = 0.0

    @property
    def bitrate(self) -> float:
        """Bit/s of payload from the first packet to the latest."""
        return self.bytes * 8 / (self.latest - self.began) if self.latest > self.began else 0.0

    def count(self, sequence: int, size: int, now: float) -> None:
        """Count a packet; each sequence number comes once."""
        if not self.packets:
            self.first = self.highest = sequence
            self.began = now
        self.first = min(self.first, sequence)
        self.highest = max(self.highest, sequence)
        self.packets += 1
        self.bytes += size
        self.latest = now

    def add_frame(self, data: Payload) -> None:
        """Count a whole frame."""
        self.frames += 1
        self.checksum = zlib.crc32(data, self.checksum)


class TrackLayers(Protocol):
    """Which spatial layers of streams may be shown, and which are."""

    def is_welcome(self, stream: int, layer: int) -> bool:
        """Return whether a layer is shown, or may be from its next keyframe on."""

    def shown(self, stream: int, layer: int, now: float) -> None:
        """Take that a picture of a layer is shown."""


class Track:
    """A publication of another participant, or of ourselves (which has no media).

    ``decode`` plays the track by itself for the length of a block, and hands on its sound. ``request_keyframe``
    requests a keyframe of a layer of a stream, and returns whether it did. ``layers`` tells which layers may be shown,
    and is told which are.
    """

    def __init__(
        self,
        info: PublicationInfo,
        participant: Participant,
        pool: Executor,
        request_keyframe: Callable[[int, int], bool],
        decode: Callable[[Track, Callable[[Sound], None]], AbstractContextManager[None]],
        layers: TrackLayers,
    ) -> None:
        self.participant = participant
        self.statistics = TrackStatistics()
        self.limit = UNLIMITED
        """Why less of it comes than there is, if that is so: as ``TrackLimited`` told last."""
        self.on_audio: list[Callable[[AudioPacket], None]] = []
        """Called with each frame of sound, on the event loop."""
        self.on_video: list[Callable[[VideoPacket], None]] = []
        """Called with each complete picture that can be decoded, on the event loop."""
        self._info = info
        self._pool = pool
        self._request_keyframe = request_keyframe
        self._decode = decode
        self._queues: list[StreamQueue[Any]] = []
        self._pictures: PictureLayers | None = None
        if info.kind is Kind.VIDEO and not participant.is_me:
            self._pictures = PictureLayers(partial(layers.is_welcome, self.stream), partial(layers.shown, self.stream))

    @property
    def info(self) -> PublicationInfo:
        """The publication as the roster shows it."""
        return self._info

    @property
    def number(self) -> int:
        """The publisher's number of the publication."""
        return self._info.number

    @property
    def stream(self) -> int:
        """The stream id in this room."""
        return self._info.stream

    @property
    def kind(self) -> Kind:
        """Audio or video."""
        return self._info.kind

    @property
    def source(self) -> Source:
        """Microphone, camera or screen."""
        return self._info.source

    @property
    def codec(self) -> str:
        """The codec's name, such as ``opus`` or ``vp8``."""
        return self._info.codec

    @property
    def muted(self) -> bool:
        """Whether the publisher, or the server, has muted it."""
        return self._info.muted

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures."""
        return self._info.width, self._info.height

    @property
    def incomplete(self) -> int:
        """Pictures given up because packets were missing."""
        return self._pictures.incomplete if self._pictures is not None else 0

    async def frames(self) -> AsyncIterator[AudioPacket | VideoPacket]:
        """Iterate over encoded frames as they come; a slow reader misses the oldest."""
        with self._followed() as queue:
            async for frame in queue:
                yield frame

    async def audio(self) -> AsyncIterator[Pcm]:
        """Iterate over the decoded sound, for audio tracks: int16 blocks of 960 samples, 48 kHz, mono.

        There is one block each 20 ms, from the first packet to the end of the track. Lost packets are concealed, and a
        pause is silence. A reader that is more than 100 ms late misses the oldest blocks. Raises ``OpusUnavailable``,
        and ``WrongValue`` for a track of pictures.
        """
        async with aclosing(self.labelled_audio()) as sounds:
            async for sound in sounds:
                yield sound.pcm

    async def labelled_audio(self) -> AsyncGenerator[Sound]:
        """Iterate over the same blocks as ``audio``, each with the origin of its samples.

        ``labels`` tell what came in a packet, what was lost and recovered or invented, and where silence was expected.
        """
        if self.kind is not Kind.AUDIO:
            raise WrongValue("a track of pictures has no sound")
        queue: StreamQueue[Sound] = StreamQueue(QUEUED_BLOCKS)
        self._queues.append(queue)
        try:
            with self._decode(self, queue.put):
                async for block in queue:
                    yield block
        finally:
            self._queues.remove(queue)

    async def pictures(self) -> AsyncIterator[av.VideoFrame]:
        """Iterate over decoded pictures; one that cannot be decoded is never shown. For video tracks.

        A slow reader misses pictures up to the next keyframe.
        """
        from tcclient.video.codec import VideoDecoder, VideoError

        loop = asyncio.get_running_loop()
        decoder = VideoDecoder("h264" if self.codec == "h264" else "vp8")
        assert self._pictures is not None
        self._pictures.broken()  # the decoder is new: begin with a keyframe
        missed = 0
        with self._followed() as queue:
            async for frame in queue:
                if queue.dropped != missed:  # what follows refers to them
                    missed = queue.dropped
                    decoder.reset()
                    self._pictures.broken()
                try:
                    picture = await loop.run_in_executor(self._pool, decoder.decode, frame.payload)
                except VideoError:
                    self._pictures.broken()
                    continue
                if picture is not None:
                    yield picture

    @contextmanager
    def _followed(self) -> Iterator[StreamQueue[Any]]:
        """Yield a queue of the encoded frames that come from now on."""
        callbacks: list[Any] = self.on_audio if self.kind is Kind.AUDIO else self.on_video
        queue: StreamQueue[Any] = StreamQueue(QUEUED_AUDIO if self.kind is Kind.AUDIO else QUEUED_VIDEO)
        callbacks.append(queue.put)
        self._queues.append(queue)
        try:
            yield queue
        finally:
            callbacks.remove(queue.put)
            self._queues.remove(queue)

    # Fed by the room.

    def update(self, info: PublicationInfo) -> None:
        """Take what the roster says now."""
        self._info = info

    def receive(self, packet: MediaPacket[Header], now: float) -> None:
        """Take a packet."""
        header = packet.header
        self.statistics.count(header.sequence, len(packet.payload), packet.received_at)
        self.statistics.lost = packet.lost
        if isinstance(header, AudioHeader):
            self.statistics.add_frame(packet.payload)
            for callback in self.on_audio:
                callback(cast(AudioPacket, packet))
        elif isinstance(header, VideoHeader) and self._pictures is not None:
            self._deliver_video(self._pictures.push(cast(VideoPacket, packet), now))

    def tend(self, now: float) -> None:
        """Give up pictures that wait too long, and ask for a keyframe if one is needed."""
        if self._pictures is None:
            return
        self._deliver_video(self._pictures.tend(now))
        if not self.muted:
            for layer in self._pictures.keyframes_due(now):
                self.statistics.keyframe_requests += self._request_keyframe(self.stream, layer)

    def end(self) -> None:
        """No more will come: let all iterations end."""
        for queue in self._queues:
            queue.end()

    def _deliver_video(self, frames: list[VideoPacket]) -> None:
        for frame in frames:
            self.statistics.add_frame(frame.payload)
            for callback in self.on_video:
                callback(frame)
