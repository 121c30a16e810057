"""What we publish: from the announcement to the last frame."""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tcclient.audio.gate import GateMode
from tcclient.capture.pacing import Schedule, Timeline
from tcclient.capture.publisher import AudioPublisher, VideoPublisher
from tcclient.core import events as core
from tcclient.core.rate.allocation import PictureRate, Rate, SoundRate
from tcclient.core.seat import Seat
from tcclient.errors import MediaError, RequestRefused, SourceError
from tcclient.sources import AnySource, AudioSource, EncodedAudio, EncodedAudioSource, EncodedVideo, demand_of
from tcclient.transport.connection import Connection
from tcclient.transport.loop import shut_down
from tcproto.errors import Refusal
from tcproto.messages import Kind
from tcproto.packet import AUDIO_CLOCK

LEAD = 0.05
"""Seconds between the start of publications and their first frame: the encoders get going."""
MAX_BACKLOG = 0.15
"""Seconds for which pictures may wait to be sent until no more are encoded. A keyframe on a thin line waits longer."""
Payload = bytes
"""For the class that has a field of that name."""


@dataclass(slots=True)
class SentStatistics:
    """What was sent of a publication."""

    packets: int = 0
    frames: int = 0
    keyframes: int = 0
    bytes: int = 0
    """Of payload, without any header."""
    unsent: int = 0
    """Frames that could not be sent: muted, or without a key that all have."""
    checksum: int = 0
    """CRC-32 over all frames in the order in which they were sent: equal to that of a recording without a fault."""
    began: float = 0.0
    latest: float = 0.0

    @property
    def bitrate(self) -> float:
        """Bit/s of payload from the first frame to the latest."""
        return self.bytes * 8 / (self.latest - self.began) if self.latest > self.began else 0.0

    def count(self, packets: int, data: Payload, now: float) -> None:
        """Count a frame; ``packets`` is 0 where it was not sent."""
        if not packets:
            self.unsent += 1
            return
        if not self.frames:
            self.began = now
        self.packets += packets
        self.frames += 1
        self.bytes += len(data)
        self.checksum = zlib.crc32(data, self.checksum)
        self.latest = now


class Publication:
    """A source that is being published; made by ``Room.publish``."""

    def __init__(
        self,
        source: AnySource,
        connection: Connection,
        gate: GateMode,
        ended: Callable[[Publication], None],
        failed: Callable[[Publication, Exception], None],
    ) -> None:
        self.source = source
        self.number = 0
        self.stream = 0
        """The stream id in this room, 0 before it is granted."""
        self.refusal: RequestRefused | None = None
        """Why the server did not grant it, or has ended it; None while it has not."""
        self.muted = False
        """The mute flag, as ``mute`` set it."""
        self.held = False
        """Whether a chair holds it muted, so that it cannot be unmuted here."""
        self.failure: Exception | None = None
        """What the source raised; nothing more is sent then."""
        self.statistics = SentStatistics()
        self._connection = connection
        self._ended = ended
        self._failed = failed
        self._seat: Seat | None = None
        """The seat that it was announced in. After a loss of that the same source goes on in another one."""
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="publication")
        self._task: asyncio.Task[None] | None = None
        self._schedule: Schedule | None = None
        self._publisher: AudioPublisher | VideoPublisher
        if isinstance(source, AudioSource | EncodedAudioSource):
            self._publisher = AudioPublisher(source, self._send_audio, self._pool, gate, self._send_low_rate)
        else:
            self._publisher = VideoPublisher(source, self._send_video, self._pool, self._is_held)

    @property
    def kind(self) -> Kind:
        """Audio or video."""
        return Kind.AUDIO if isinstance(self._publisher, AudioPublisher) else Kind.VIDEO

    @property
    def open(self) -> bool:
        """Whether frames are sent, or would be if somebody spoke: it not muted, and not waiting for push-to-talk."""
        gate = self._publisher.gate if isinstance(self._publisher, AudioPublisher) else None
        waits = gate is not None and gate.mode is GateMode.PUSH_TO_TALK and not gate.talk_pressed
        return not self.muted and not waits

    @property
    def started(self) -> bool:
        """Whether frames have begun to be sent."""
        return self._task is not None

    @property
    def ended(self) -> bool:
        """Whether the source has ended."""
        return self._task is not None and self._task.done()

    @property
    def left_out(self) -> int:
        """Pictures that were left out because the machine was too slow for them."""
        return self._publisher.left_out if isinstance(self._publisher, VideoPublisher) else 0

    @property
    def period(self) -> float:
        """Seconds between frames."""
        if isinstance(self.source, AudioSource):
            return self.source.frame_ms / 1000
        rate = getattr(self.source, "frame_rate", None)
        return float(1 / rate) if rate else 0.02

    def announced(self, number: int, seat: Seat) -> None:
        """Take the number under which it was announced in a seat, the first or the next one."""
        if isinstance(self._publisher, AudioPublisher):
            self._publisher.want_low_rate(False)
        elif self._seat is not None:
            self._publisher.begin_again()
        self.number, self.stream, self._seat = number, 0, seat

    @property
    def _announced(self) -> bool:
        """Whether the present seat knows of it."""
        session = self._connection.session
        return session.seated and session.seat is self._seat

    async def look(self) -> None:
        """Make the first frame, where the source does not set the time itself; raises ``SourceError`` if it cannot."""
        if self._publisher.live:
            return
        session, demand = self._connection.session, demand_of(self.source)
        if demand is not None and session.seated:
            self._use(session.seat.sharing.first(demand, time.monotonic()))
        try:
            await self._publisher.puller.look()
        except MediaError:
            raise
        except Exception as error:  # the source is not ours, and may raise what it likes
            raise SourceError(described(error)) from error

    def start(self, timeline: Timeline) -> None:
        """Send the frames at their times on a timeline, which other publications may share."""
        self._schedule = Schedule(timeline, self.period, follows=self.kind is Kind.VIDEO)
        self._task = asyncio.create_task(self._run(self._schedule))

    async def wait(self) -> None:
        """Return when the source has ended; raises what the source raised."""
        if self._task is not None:
            await asyncio.shield(self._task)
        if self.failure is not None:
            raise self.failure

    def mute(self, muted: bool = True) -> None:
        """Set the mute flag: no sound or picture leaves from this moment on.

        While the seat is lost, it is set for the next one. Raises ``RequestRefused`` once ended, and to unmute what a
        chair holds muted.
        """
        if muted:
            self._shut(True)
        if self._announced or self._connection.given_up:
            try:
                self._connection.session.seat.publishing.set_muted(self.number, muted)
            except Refusal as refusal:
                raise RequestRefused(refusal.text, refusal.code) from None
        self._shut(muted)
        self.muted = muted
        self._connection.pump()

    def receive(self, event: core.PublicationEvent) -> None:
        """Take what the session tells of this publication."""
        match event:
            case core.Published(_, stream):
                self.stream = stream
            case core.HoldChanged(_, held):
                self._hold(held)
            case core.KeyframeRequested(_, layer) if isinstance(self._publisher, VideoPublisher):
                self._publisher.want_keyframe(layer)
            case core.LayersWanted(_, layers) if isinstance(self._publisher, VideoPublisher):
                self._publisher.want_layers(layers)
            case core.LayersWanted(_, (highest,)) if isinstance(self._publisher, AudioPublisher):
                self._publisher.want_low_rate(highest >= 0)
            case core.RateChanged(_, rate):
                self._use(rate)
            case core.PublishFailed(_, code, text):
                self.refusal = RequestRefused(text, code)

    def _use(self, rate: Rate) -> None:
        """Encode in another way."""
        if isinstance(self._publisher, AudioPublisher) and isinstance(rate, SoundRate):
            self._publisher.set_rate(rate)
            if self._schedule is not None:
                self._schedule.period = rate.frame_ms / 1000
        elif isinstance(self._publisher, VideoPublisher) and isinstance(rate, PictureRate):
            self._publisher.set_rate(rate)

    def _is_held(self) -> bool:
        """Return whether pictures could not be sent, or those before still wait to be.

        Called in the thread of the encoder, so it only reads.
        """
        if self._seat is None:
            return False  # the first picture shows whether the source works
        return self.muted or not self._announced or self._seat.egress.backlog > MAX_BACKLOG

    def _hold(self, held: bool) -> None:
        """Stay muted from now on: while a chair holds it, and after that until ``mute(False)``."""
        self.held = held
        if held:
            self._shut(True)
            self.muted = True

    def _shut(self, shut: bool) -> None:
        """Shut or open the gate of a microphone. A camera that is opened begins with keyframes."""
        if isinstance(self._publisher, VideoPublisher):
            if not shut:
                self._publisher.want_keyframes()
            return
        self._publisher.gate.muted = shut
        if shut:
            self._publisher.end_talk()

    def talk(self, pressed: bool) -> None:
        """Open or shut the gate of a microphone in push-to-talk mode; raises ``RequestRefused`` in any other."""
        if not isinstance(self._publisher, AudioPublisher):
            raise RequestRefused("push-to-talk is for sound")
        if self._publisher.gate.mode is not GateMode.PUSH_TO_TALK:
            raise RequestRefused("push-to-talk is off, so this changes nothing: mute what nobody shall hear")
        self._publisher.gate.talk_pressed = pressed

    async def pause(self) -> None:
        """Send no more frames; the publication stays."""
        if self._task is None:
            await self._publisher.puller.close()
        elif not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,))
        if isinstance(self._publisher, AudioPublisher):
            self._publisher.end_talk()

    async def stop(self) -> None:
        """End the publication."""
        try:
            await self.pause()
            if self._announced:  # else the seat is gone, and the publication with it
                with contextlib.suppress(Refusal):
                    self._connection.session.seat.publishing.unpublish(self.number)
                self._connection.pump()
        finally:
            self._ended(self)
            await shut_down(self._pool)

    async def _run(self, schedule: Schedule) -> None:
        try:
            await self._publisher.run(schedule)
        except Exception as error:  # the source is not ours, and may raise what it likes
            self.failure = error
            self._failed(self, error)

    def _send_audio(self, frame: EncodedAudio, timestamp: int) -> None:
        sent = self._announced and self._send_sound(self.number, frame, timestamp)
        self.statistics.count(int(sent), frame.payload, time.monotonic())

    def _send_low_rate(self, frame: EncodedAudio, timestamp: int) -> None:
        if self._announced and (low := self._connection.session.seat.publications.low_rate(self.number)) is not None:
            self._send_sound(low.number, frame, timestamp)

    def _send_sound(self, number: int, frame: EncodedAudio, timestamp: int) -> bool:
        now = time.monotonic()
        sent = self._connection.session.seat.publications.send_audio(
            number,
            frame.payload,
            timestamp,
            now,
            duration_ms=frame.duration_ms,
            level=frame.level,
            voice=frame.voice,
            end_of_talk=frame.end_of_talk,
            comfort=frame.comfort,
            captured_at=self._captured(timestamp / AUDIO_CLOCK, now - frame.duration_ms / 1000),
        )
        self._connection.pump()
        return sent

    def _send_video(self, frame: EncodedVideo) -> None:
        now, session = time.monotonic(), self._connection.session
        assert isinstance(self._publisher, VideoPublisher)
        packets = self._announced and session.seat.publications.send_video(
            self.number,
            frame.data,
            frame.timestamp,
            now,
            keyframe=frame.keyframe,
            discardable=frame.discardable,
            spatial=frame.spatial_id,
            temporal=frame.temporal_id,
            captured_at=self._captured(self._publisher.media_time(frame.timestamp), now),
        )
        self._connection.pump()
        self.statistics.count(packets, frame.data, now)
        self.statistics.keyframes += frame.keyframe

    def _captured(self, media_time: float, otherwise: float) -> float:
        """Return when a frame's first sample was captured: by the schedule, or by the clock for a live source."""
        if self._schedule is None or self._publisher.live:
            return otherwise
        return self._schedule.timeline.start + media_time


async def begin_together(
    publications: Sequence[Publication],
    announce: Callable[[Sequence[Publication]], Awaitable[None]],
    *,
    muted: bool = False,
) -> None:
    """Start publications that send in step, once ``announce`` has got them granted; stop all of them if one fails.

    Raises the errors of ``Publication.look`` and ``announce``, and the refusal of a publication that ended meanwhile.
    """
    try:
        await asyncio.gather(*(publication.look() for publication in publications))
        await announce(publications)
        if refusal := next((p.refusal for p in publications if p.refusal), None):
            raise refusal  # it ended while the others waited
    except BaseException:
        for publication in publications:
            await publication.stop()
        raise
    timeline = Timeline(time.monotonic() + LEAD)
    for publication in publications:
        if muted:
            publication.mute()
        publication.start(timeline)


def described(error: Exception) -> str:
    """Return one line about an error of a source."""
    text = " ".join(str(error).split())
    if isinstance(error, MediaError) and text:
        return text
    return f"the source failed: {text or type(error).__name__}"
