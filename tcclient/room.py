"""A seat in a room, as an object to work with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tcclient import events as told
from tcclient.audio.gate import GateMode
from tcclient.capture.pacing import Timeline
from tcclient.core import events as core
from tcclient.core.media.packet import MediaPacket
from tcclient.core.media.statistics import NetworkStatistics, PathStatistics
from tcclient.core.session import Session
from tcclient.errors import RequestRefused, RoomClosed, SourceError
from tcclient.participant import Participant
from tcclient.playout.stream_queue import StreamQueue
from tcclient.recording.recording import ClockMapping, Failure, RoomRecording
from tcclient.recording.track_recorder import TrackRecorder
from tcclient.sources import AnySource, codec_of
from tcclient.track import Track
from tcclient.transport.connection import Connection
from tcclient.transport.loop import shut_down
from tcclient.trust.device_watch import DeviceWatch
from tcclient.trust.known_devices import KnownDevices
from tcclient.verbs import RoomVerbs
from tcproto.errors import CODES, ErrorCode, Refusal
from tcproto.membership import safety_code
from tcproto.messages import Kind, PublicationInfo, RoomInfo, Source
from tcproto.packet import AUDIO_CLOCK, VIDEO_CLOCK, Header

if TYPE_CHECKING:
    from tcclient.playout.listener import Listener
    from tcclient.publication import Publication

QUEUED_EVENTS = 1024
"""Events that wait for a reader: a room of 500 coming in at once; the oldest go first."""
LEAD = 0.05
"""Seconds between the start of several sources together and their first frame: the encoders get going."""
TEND_INTERVAL = 0.1
"""Seconds between looks for pictures that wait too long."""
WORKERS = 2
"""Threads for codecs and files: one may be in a long encoder call while sound goes on in the other."""


class Room(RoomVerbs):
    """A seat in a room; made by ``connect``. Everything here is to be called on the event loop."""

    def __init__(self, session: Session, known_devices: KnownDevices, receive_interval: float = 0.0) -> None:
        self.participants: dict[int, Participant] = {}
        self.publications: dict[int, Publication] = {}
        self.path = core.PathState.UNKNOWN
        self.permissions = 0
        super().__init__(Connection(session, self._event, self._media, receive_interval))
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="media")
        self._tracks: dict[tuple[int, int], Track] = {}
        self._early: StreamQueue[told.Event] | None = StreamQueue(QUEUED_EVENTS)
        """What has happened before anybody read."""
        self._readers: list[StreamQueue[told.Event]] = [self._early]
        self._devices = DeviceWatch(known_devices, self._pool, self._tell)
        self._entered = False
        """Whether who comes in is news; who was there before stands in ``participants``."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._recorder: TrackRecorder | None = None
        self._listener: Listener | None = None
        self._info: RoomInfo | None = None
        self._own_id = 0
        self._me: Participant | None = None

    # Who and what

    @property
    def info(self) -> RoomInfo:
        """Name, title and mode of the room."""
        if self._info is None:
            raise RoomClosed("not in a room", ErrorCode.NOT_IN_ROOM)
        return self._info

    @property
    def me(self) -> Participant:
        """Ourselves; the same object also after the end. Raises ``RoomClosed`` before the room is entered."""
        if self._me is None:
            raise RoomClosed("not in a room", ErrorCode.NOT_IN_ROOM)
        return self._me

    @property
    def connection(self) -> Connection:
        """The connection below."""
        return self._connection

    @property
    def tracks(self) -> list[Track]:
        """The tracks of all others."""
        return [track for track in self._tracks.values() if not track.participant.me]

    @property
    def path_is_ok(self) -> bool:
        """Whether UDP is proved in both directions."""
        return self.path is core.PathState.OK

    @property
    def safety_code(self) -> str:
        """30 digits that are equal for all who see the same room, mode, server and devices: to be read aloud."""
        session = self._connection.session
        members = [(p.account, p.device_key) for p in self.participants.values()]
        return safety_code(self.info.life, self.info.name, self.info.e2ee, session.server_fingerprint, members)

    @property
    def path_statistics(self) -> PathStatistics:
        """What was measured on the path to the server; raises ``RoomClosed`` when the seat is gone."""
        self._check_open()
        return self._connection.session.seat.path.statistics

    @property
    def network(self) -> NetworkStatistics:
        """How the network does, in both directions; raises ``RoomClosed`` when the seat is gone."""
        self._check_open()
        return self._connection.session.network_statistics()

    def capture_time(self, track: Track, timestamp: int) -> float | None:
        """Return when the sample of a timestamp was captured, in seconds of the sender's monotonic clock, if known."""
        mapping = self._mapping(track)
        if mapping is None:
            return None
        return mapping.time_of(timestamp, AUDIO_CLOCK if track.kind is Kind.AUDIO else VIDEO_CLOCK) / 1e6

    # What happens

    async def events(self) -> AsyncIterator[told.Event]:
        """Iterate over what happens, until ``Closed``; a slow reader misses the oldest.

        The first iteration begins with what has happened since the seat was taken, a further one with what happens
        from then on. Who and what was there when ``connect`` returned is in ``participants``, with its marks; that is
        told as no event.
        """
        queue, self._early = self._early or StreamQueue(QUEUED_EVENTS), None
        if queue not in self._readers:
            self._readers.append(queue)
            if self._closed is not None:
                queue.put(self._closed)
                queue.end()
        try:
            async for event in queue:
                yield event
        finally:
            self._readers.remove(queue)

    # What we do

    async def publish(
        self, *sources: AnySource, gate: GateMode = GateMode.OPEN, muted: bool = False
    ) -> list[Publication]:
        """Publish sources that begin together, in step; ``muted`` from the first frame on, if wanted.

        ``gate`` is that of microphones; what a screen plays is always sent.

        Raises ``SourceError`` for what cannot be sent, and as all verbs do. A source that fails later is told by the
        event ``PublicationFailed``.

        Returns when the first frames are about to be sent: streams are granted, and everybody who is here has the
        keys. They are sent whatever the state of the path: see ``path``.
        """
        from tcclient.capture.intake import check_source
        from tcclient.publication import Publication

        for source in sources:
            check_source(source)
        publications = [
            Publication(
                source,
                self._connection,
                gate if source.source is Source.MICROPHONE else GateMode.OPEN,
                self._forget,
                self._publication_failed,
            )
            for source in sources
        ]
        try:
            await asyncio.gather(*(publication.look() for publication in publications))
            for publication in publications:
                self._announce(publication)
            await self._until(lambda: any(p.refused for p in publications) or self._can_send(publications))
            if refused := next((p.refused for p in publications if p.refused), None):
                raise refused
        except BaseException:
            for publication in publications:
                await publication.stop()
            raise
        timeline = Timeline(time.monotonic() + LEAD)
        for publication in publications:
            if muted:
                publication.mute()
            publication.start(timeline)
        return publications

    def _can_send(self, publications: list[Publication]) -> bool:
        session = self._connection.session
        return session.seated and all(session.seat.publications.can_send(p.number) for p in publications)

    # Hearing and recording

    def listen(self) -> Listener:
        """Play out what the room says; the listener gives the mix. Raises ``OpusUnavailable``."""
        from tcclient.playout.listener import Listener

        if self._listener is None:
            self._listener = Listener(self._pool)
            for track in self.tracks:
                self._listener.add(track)
            self._spawn(self._listener.run())
        return self._listener

    def record(self, directory: Path | str) -> RoomRecording:
        """Record everybody into a directory, until the room is left; raises ``RecordingError``.

        What fails later is told by the event ``RecordingFailed``; a further call lets what failed begin anew.
        """
        if self._recorder is not None:
            self._recorder.recording.retry()
        else:
            self._recorder = TrackRecorder(
                Path(directory), self.info.name, self._pool, self._mapping, self._recording_failed
            )
            for track in self.tracks:
                self._recorder.add(track)
            self._spawn(self._recorder.run())
        return self._recorder.recording

    # Life

    async def open(self, enter: Callable[[Connection], Awaitable[core.Joined]]) -> None:
        """Connect, log in and sit down, by ``enter``."""
        joined = await enter(self._connection)
        self._info = joined.room
        self.permissions = joined.permissions
        self._entered = True
        self._spawn(self._tend())
        self._spawn(self._devices.run())

    async def close(self) -> None:
        """Leave the room and the server; nothing stays behind: no task, socket or thread."""
        async with AsyncExitStack() as ends:
            ends.push_async_callback(shut_down, self._pool)
            ends.push_async_callback(self._devices.save)
            if self._recorder is not None:
                ends.push_async_callback(self._recorder.close)
            ends.callback(self._end_iterations)
            ends.push_async_callback(self._connection.close)
            if self._recorder is not None:
                ends.callback(self._recorder.map_clocks)
            ends.push_async_callback(self._end_tasks)
            for publication in list(self.publications.values()):
                ends.push_async_callback(publication.stop)

    async def _end_tasks(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _end_iterations(self) -> None:
        for track in self._tracks.values():
            track.end()
        for reader in self._readers:
            reader.end()

    # Inside: events of the session

    def _event(self, event: core.Event) -> None:
        match event:
            case core.Joined(own_id):
                self._own_id = own_id
            case core.ParticipantJoined(member):
                self._participant_joined(member)
            case core.ParticipantUpdated(member):
                self.participants[member.id].update(member)
                if member.id == self._own_id:
                    self.permissions = member.member.permissions
                self._tell(told.ParticipantUpdated(self.participants[member.id]))
                self._devices.look(self.participants[member.id], self._connection.session.server_fingerprint)
            case core.ParticipantLeft(member, code):
                participant = self.participants.pop(member.id)
                self._tell(told.ParticipantLeft(participant, code))
            case core.TrackPublished() | core.TrackUpdated() | core.TrackUnpublished():
                self._track_event(event)
            case core.Speakers(_, _, dominant):
                self._speakers(event, dominant)
            case core.ChatReceived():
                sender = self.participants.get(event.participant)
                chat = told.ChatReceived(event.name, event.text, event.scope, event.sent_at, sender, event.sealed)
                self._tell(chat)
            case _:
                self._other_event(event)

    def _track_event(self, event: core.TrackPublished | core.TrackUpdated | core.TrackUnpublished) -> None:
        match event:
            case core.TrackPublished(info):
                self._track_published(info)
            case core.TrackUpdated(info):
                track = self._tracks[info.participant, info.number]
                track.update(info)
                self._tell(told.TrackUpdated(track))
            case core.TrackUnpublished(info):
                self._track_unpublished(info)

    def _about(self, event: core.Event) -> bool:
        """Tell what has become doubtful, or is no longer, about a participant; return whether that was it."""
        match event:
            case (
                core.MembershipMismatch(who)
                | core.MembershipAgreed(who)
                | core.MemberSilent(who)
                | core.MemberHeard(who)
                | core.CommitmentMismatch(who)
            ):
                self._tell(self.participants[who].mark(event))
            case core.TextMissing(who):
                self._tell(told.TextMissing(self.participants[who]))
            case _:
                return False
        return True

    def _other_event(self, event: core.Event) -> None:
        match event:
            case _ if self._about(event):
                pass
            case core.PathChanged(state):
                self.path = state
                self._tell(told.PathChanged(state))
            case core.RoomUpdated(info):
                self._info = info
                self._tell(told.RoomUpdated())
            case core.KeyframeRequested(number, _):
                if publication := self.publications.get(number):
                    publication.want_keyframe()
            case core.RequestDone(key) | core.ChatSent(key):
                self._replies.settle(key)
            case core.RequestFailed(key) | core.ChatFailed(key):
                self._replies.settle(key, RequestRefused(event.text, event.code))
            case core.Published() | core.PublishFailed():
                self._publication_answered(event)
            case core.Evicted(code, text):
                self._end(told.Closed(code, text or CODES[code].text, CODES[code].action, 0))
            case core.Closed(code, text, action, retry, distrust):
                self._end(told.Closed(code, text or (CODES[code].text if code else ""), action, retry, distrust))

    def _participant_joined(self, member: core.Participant) -> None:
        self.participants[member.id] = participant = Participant(member, me=member.id == self._own_id, room=self)
        if participant.me:
            self._me = participant
        if self._entered:
            self._tell(told.ParticipantJoined(participant))
        self._devices.look(participant, self._connection.session.server_fingerprint)

    def _tell(self, event: told.Event) -> None:
        for reader in self._readers:
            reader.put(event)

    def tell_fault(self, text: str) -> None:
        """Tell of a file that cannot be trusted in part."""
        self._tell(told.TrustFault(text))

    def _end(self, closed: told.Closed) -> None:
        if self._closed is not None:
            return
        self._closed = closed
        self._tell(closed)
        self._end_iterations()
        self._replies.give_up(closed.error())

    def _track_published(self, info: PublicationInfo) -> None:
        participant = self.participants[info.participant]
        track = Track(info, participant, self._pool, self._ask_keyframe)
        self._tracks[info.participant, info.number] = participant.tracks[info.number] = track
        if self._listener is not None:
            self._listener.add(track)
        if self._recorder is not None:
            self._recorder.add(track)
        if self._entered:
            self._tell(told.TrackPublished(track))

    def _track_unpublished(self, info: PublicationInfo) -> None:
        track = self._tracks.pop((info.participant, info.number))
        if track.participant.me and info.number in self.publications:
            text = "the server has ended the publication"
            self._publication_answered(core.PublishFailed(info.number, ErrorCode.NOT_PERMITTED, text))
        track.participant.tracks.pop(info.number, None)
        if self._listener is not None:
            self._listener.remove(track)
        if self._recorder is not None:
            self._recorder.remove(track)
        track.end()
        self._tell(told.TrackUnpublished(track))

    def _speakers(self, event: core.Speakers, dominant: int) -> None:
        for ids, speaking in ((event.started, True), (event.stopped, False)):
            for i in ids:
                if participant := self.participants.get(i):
                    participant.speaking = speaking
        now = tuple(p for p in self.participants.values() if p.speaking)
        self._tell(told.SpeakersChanged(now, self.participants.get(dominant)))

    def _media(self, packets: list[MediaPacket[Header]]) -> None:
        now = time.monotonic()
        for packet in packets:
            track = self._tracks.get((packet.participant, packet.publication))
            if track is not None:
                track.receive(packet, now)

    # Inside: requests

    def _announce(self, publication: Publication) -> None:
        kind, source, codec, width, height = codec_of(publication.source)
        publication.number = self._do(
            lambda: self._connection.session.seat.publish(
                kind, source, codec, time.monotonic(), width=width, height=height
            )
        )
        self.publications[publication.number] = publication

    def _publication_answered(self, answer: core.Published | core.PublishFailed) -> None:
        publication = self.publications.get(answer.number)
        if publication is not None:
            publication.answer = answer
            if publication.refused and publication.started:
                self._publication_failed(publication, SourceError(str(publication.refused)))

    def _publication_failed(self, publication: Publication, error: Exception) -> None:
        from tcclient.publication import described

        self._tell(told.PublicationFailed(publication, described(error)))
        self._spawn(publication.stop())

    def _recording_failed(self, failure: Failure) -> None:
        self._tell(told.RecordingFailed(failure.account, str(failure.error)))

    def _forget(self, publication: Publication) -> None:
        self.publications.pop(publication.number, None)

    def _ask_keyframe(self, stream: int) -> bool:
        try:
            asked = self._connection.session.seat.request_keyframe(stream, 0, time.monotonic())
        except Refusal:  # the seat is gone, and its last events are being delivered
            return False
        self._connection.pump()
        return asked

    # Inside: tasks

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _tend(self) -> None:
        while self._closed is None:
            await asyncio.sleep(TEND_INTERVAL)
            now = time.monotonic()
            for track in list(self._tracks.values()):
                track.tend(now)

    def _mapping(self, track: Track) -> ClockMapping | None:
        session = self._connection.session
        peer = session.seat.peers.get(track.participant.id) if session.seated else None
        clock = peer.clocks.get(track.stream) if peer is not None else None
        return ClockMapping(clock.timestamp, clock.time) if clock is not None else None
