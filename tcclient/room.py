"""A seat in a room, as an object to work with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tcclient.attendance import Attendance, ComeBack
from tcclient.core import events as core
from tcclient.core.downlink.cause import Limit
from tcclient.core.downlink.data_meter import MAX_CAP, DataUse
from tcclient.core.media.packet import MediaPacket
from tcclient.core.media.quality import Advice
from tcclient.core.membership.roster_entry import RosterEntry
from tcclient.core.path.proof import PathState, Way
from tcclient.core.path.statistics import NetworkStatistics, PathStatistics
from tcclient.core.session import Session
from tcclient.errors import RoomClosed, SourceError, WrongValue
from tcclient.events import (
    Closed,
    Event,
    ParticipantJoined,
    PublicationFailed,
    PublicationHeld,
    RecordingFailed,
    SpeakersChanged,
    TrustFault,
)
from tcclient.participant import Participant
from tcclient.playout.reception import TrackReception
from tcclient.playout.stream_queue import Broadcast
from tcclient.recording.recording import Failure, RoomRecording
from tcclient.track import Track
from tcclient.transport.connection import Connection, PathChoice
from tcclient.transport.loop import shut_down
from tcclient.trust.device_watch import DeviceWatch
from tcclient.trust.known_devices import KnownDevices
from tcclient.verbs import RoomVerbs
from tcproto.errors import CODES, ErrorCode
from tcproto.membership import safety_code
from tcproto.messages import PublicationInfo, RoomInfo, Source
from tcproto.packet import Header

if TYPE_CHECKING:
    from tcclient.playout.listener import Listener
    from tcclient.publication import Publication

QUEUED_EVENTS = 1024
"""Events that wait for a reader: a room of 500 coming in at once; the oldest go first."""
WORKERS = 2
"""Threads for codecs and files: one may be in a long encoder call while sound goes on in the other."""


class Room(RoomVerbs):
    """A seat in a room; made by ``connect``. Everything here is to be called on the event loop."""

    def __init__(
        self,
        session: Session,
        known_devices: KnownDevices,
        receive_interval: float = 0.0,
        path: PathChoice = "auto",
    ) -> None:
        self.participants: dict[int, Participant] = {}
        """The other participants, by id; ``me`` is our own."""
        self.path = PathState.UNKNOWN
        """State of the way that datagrams take."""
        self.way = Way.UDP
        """The way that datagrams take."""
        self.advice: Advice | None = None
        """What could be done about our connection, if it is poor."""
        self.permissions = 0
        super().__init__(
            Connection(session, self._event, self._receive, receive_interval, path), self._publication_failed
        )
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="media")
        self._reception = TrackReception(self._connection, self._pool, self._spawn, self._recording_failed)
        self._history: Broadcast[Event] = Broadcast(QUEUED_EVENTS)
        self._devices = DeviceWatch(known_devices, self._pool, self._tell)
        self._entered = False
        """Whether a new participant is an event. Those that were there before are in ``participants`` without one."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._info: RoomInfo | None = None
        self._own_id = 0
        self._everybody: dict[int, Participant] = {}
        """``participants`` and ``me``."""
        self._me: Participant | None = None
        self._attendance = Attendance(self._connection, self._spawn, self._tell, self._end, self._ask_again)

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
    def everybody(self) -> list[Participant]:
        """All participants, ourselves included, in the order of the roster."""
        return list(self._everybody.values())

    @property
    def hands(self) -> list[Participant]:
        """Those who have raised their hands, perhaps ourselves, the first in line first."""
        return sorted((who for who in self._everybody.values() if who.hand), key=lambda who: who.hand)

    @property
    def connection(self) -> Connection:
        """The connection below."""
        return self._connection

    @property
    def seated(self) -> bool:
        """Whether there is a seat: not while the room is being entered again after a loss, nor after the end."""
        return self._closed is None and self._connection.session.seated

    @property
    def tracks(self) -> list[Track]:
        """The tracks of all others."""
        return [track for track in self._reception.tracks.values() if not track.participant.is_me]

    def tracks_of(self, participant: Participant) -> list[Track]:
        """Return the tracks of one participant; our own, which have no media, where that is ``me``."""
        return [track for track in self._reception.tracks.values() if track.participant is participant]

    @property
    def path_is_ok(self) -> bool:
        """Whether the way of the datagrams is proved in both directions."""
        return self.path is PathState.OK

    @property
    def safety_code(self) -> str:
        """30 digits that are equal for all who see the same room, mode, server and devices: to be read aloud."""
        session = self._connection.session
        members = [(p.account, p.device_key) for p in self._everybody.values()]
        return safety_code(self.info.life, self.info.name, self.info.e2ee, session.server_fingerprint, members)

    @property
    def path_statistics(self) -> PathStatistics:
        """What was measured on the path to the server; raises as all verbs do when there is no seat."""
        return self._do(lambda: self._connection.session.seat.path.statistics)

    @property
    def network(self) -> NetworkStatistics:
        """How the network does, in both directions; raises as all verbs do when there is no seat."""
        return self._do(self._connection.session.network_statistics)

    @property
    def data_used(self) -> DataUse:
        """The data that the meeting has taken of the line until now, in all seats."""
        return self._connection.session.data.use(time.monotonic())

    @property
    def data_cap(self) -> int:
        """Bytes that the meeting may take of the line, both directions together; 0: any.

        At 80 % no pictures come or go any more, at 100 % sound takes as little as possible. Nothing is cut off.
        """
        return self._connection.session.data.cap

    @data_cap.setter
    def data_cap(self, size: int) -> None:
        if not 0 <= size <= MAX_CAP:
            raise WrongValue(f"a cap of data is from 0, for none, to {MAX_CAP} bytes, not {size}")
        self._connection.session.data.cap = size

    def capture_time(self, track: Track, timestamp: int) -> float | None:
        """Return when the sample of a timestamp was captured, in seconds of the sender's monotonic clock, if known."""
        return self._reception.capture_time(track, timestamp)

    # What happens

    async def events(self) -> AsyncIterator[Event]:
        """Iterate over events, until ``Closed``. A slow reader misses the oldest.

        The first iteration begins with the events since the seat was taken, a further one with those from its call on.
        Participants and tracks that were there when ``connect`` returned are in ``participants`` and ``tracks``; they
        give no events.
        """
        async for event in self._history.read():
            yield event

    # What we do

    async def call_next(self) -> Participant | None:
        """Give the turn to the first in line, and return who that is; None while no hand is raised.

        A hold of the microphone ends, its owner is asked to unmute, and the hand is lowered. For a chair; raises as all
        verbs do. Our own hand is only lowered.
        """
        first = next(iter(self.hands), None)
        if first is not None:
            if not first.is_me:
                await first.release()
                await first.ask_to_unmute()
            await first.lower_hand()
        return first

    async def wait_connected(self) -> None:
        """Return when datagrams have a way in both directions, however long that takes; raises ``RoomClosed``."""
        self._check_open()
        if not self.path_is_ok:
            await self._connection.expect(_path_is_ok)

    # Hearing and recording

    def listen(self) -> Listener:
        """Play out the sound of the room; the listener gives the mix. Raises ``OpusUnavailable``."""
        return self._reception.listen()

    def record(self, directory: Path | str) -> RoomRecording:
        """Record everybody into a directory, until the room is left. Raises ``RecordingError``.

        If a recording fails later, the event ``RecordingFailed`` reports it. A further call lets failed recordings
        begin again.
        """
        return self._reception.record(Path(directory), self.info.name)

    # Life

    def hint_network_changed(self) -> None:
        """Look at once whether the connection still works, and come back at once if it does not.

        For programs that the system tells of another network; without it that takes up to 15 s.
        """
        self._check_open()
        self._attendance.hurry()
        self._connection.hint_network_changed()

    async def open(
        self, enter: Callable[[Connection], Awaitable[core.Joined]], come_back: ComeBack | None = None
    ) -> None:
        """Connect, log in and sit down, by ``enter``; after a loss of the connection come back, by ``come_back``."""
        joined = await enter(self._connection)
        self._info = joined.room
        self.permissions = joined.permissions
        self._entered = True
        self._attendance.come_back = come_back
        self._spawn(self._reception.tend())
        self._spawn(self._devices.run())

    async def close(self) -> None:
        """Leave the room and the server; nothing stays behind: no task, socket or thread."""
        async with AsyncExitStack() as ends:
            ends.push_async_callback(shut_down, self._pool)
            ends.push_async_callback(self._devices.save)
            recorder = self._reception.recorder
            if recorder is not None:
                ends.push_async_callback(recorder.close)
            ends.callback(self._reception.end)
            ends.callback(self._history.end)
            ends.push_async_callback(self._connection.close)
            if recorder is not None:
                ends.callback(recorder.map_clocks)
            ends.push_async_callback(self._end_tasks)
            for publication in list(self.publications.values()):
                ends.push_async_callback(publication.stop)

    async def _end_tasks(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Inside: what the session tells

    def _event(self, event: core.Event) -> None:
        match event:
            case core.ParticipantJoined(entry):
                self._participant_joined(entry)
            case core.ParticipantUpdated(entry) | core.HandChanged(entry):
                self._participant_updated(event, entry)
            case core.ParticipantLeft(entry):
                self.participants.pop(entry.id, None)
                self._tell(event.about(self._everybody.pop(entry.id)))
            case core.TrackEvent():
                if event.track.source is not Source.MICROPHONE_LOW:  # it is a part of the microphone
                    self._track_event(event)
            case core.Speakers(_, _, dominant):
                self._speakers(event, dominant)
            case core.ChatReceived(sender):
                self._tell(event.about(self._everybody.get(sender)))
            case core.ParticipantEvent(who):
                self._everybody[who].mark(event)
                self._tell(event.about(self._everybody[who]))
            case (
                core.Published()
                | core.PublishFailed()
                | core.HoldChanged()
                | core.KeyframeRequested()
                | core.LayersWanted()
                | core.RateChanged()
            ):
                self._publication_event(event)
            case _:
                self._seat_event(event)

    def _seat_event(self, event: core.Event) -> None:
        match event:
            case core.Joined(own_id):
                if self._entered:
                    self._leave_behind(event)
                self._own_id = own_id
            case core.PathChanged(state, way):
                self.path, self.way = state, way
                self._tell(event)
                if self.path_is_ok:
                    self._attendance.hurry()
            case core.ResumeFailed():
                self._attendance.seat_lost()
            case core.RoomUpdated(info):
                self._info = info
                self._tell(event)
            case core.SendingLimited():
                self._tell(event)
            case core.ConnectionAdvice(advice):
                self.advice = advice
                self._tell(event)
            case core.DataCapReached():
                self._tell(event)
            case core.Evicted(code, text):
                self._end(Closed(code, text or CODES[code].text, CODES[code].action))
            case core.Detached() | core.Closed():
                self._attendance.lost(event)

    # Inside: losses

    def _leave_behind(self, joined: core.Joined) -> None:
        """Let everybody leave, for we sit in another seat, perhaps in another life of the room."""
        self._leave_seat(self.me.hand > 0, is_same_room=joined.room.life == self.info.life)
        self._info, self.permissions = joined.room, joined.permissions
        self.path, self.way = PathState.UNKNOWN, Way.UDP
        for track in list(self._reception.tracks.values()):
            self._tell(core.TrackUnpublished(self._reception.unpublished(track.info)))
        for participant in self.participants.values():
            self._tell(core.ParticipantLeft(participant))
        if any(participant.speaking for participant in self._everybody.values()):
            self._tell(SpeakersChanged((), None))
        self.participants.clear()
        self._everybody.clear()

    def _participant_joined(self, entry: RosterEntry) -> None:
        participant = Participant(entry, self.request, is_me=entry.id == self._own_id)
        self._everybody[entry.id] = participant
        if participant.is_me:
            self._me = participant
        else:
            self.participants[entry.id] = participant
        if self._entered and not participant.is_me:
            self._tell(ParticipantJoined(participant))
        self._devices.look(participant, self._connection.session.server_fingerprint)

    def _participant_updated(self, event: core.ParticipantEvent[RosterEntry], entry: RosterEntry) -> None:
        participant = self._everybody[entry.id]
        participant.update(entry)
        if participant.is_me:
            self.permissions = entry.member.permissions
        self._tell(event.about(participant))
        self._devices.look(participant, self._connection.session.server_fingerprint)

    def _track_event(self, event: core.TrackEvent[PublicationInfo]) -> None:
        info = event.track
        match event:
            case core.TrackPublished():
                track = self._reception.published(info, self._everybody[info.participant])
            case core.TrackUnpublished():
                track = self._reception.unpublished(info)
            case core.TrackLimited(_, cause, layer):
                track = self._reception.tracks[info.participant, info.number]
                track.limit = Limit(cause, layer)
            case _:
                track = self._reception.updated(info)
        if self._entered or not isinstance(event, core.TrackPublished):
            self._tell(event.about(track))

    def _speakers(self, event: core.Speakers, dominant: int) -> None:
        for ids, speaking in ((event.started, True), (event.stopped, False)):
            for i in ids:
                if participant := self._everybody.get(i):
                    participant.speaking = speaking
        now = tuple(p for p in self._everybody.values() if p.speaking)
        self._tell(SpeakersChanged(now, self._everybody.get(dominant)))

    def _publication_event(self, event: core.PublicationEvent) -> None:
        publication = self.publications.get(event.number)
        if publication is None:
            return
        publication.receive(event)
        match event:
            case core.HoldChanged(_, held):
                self._tell(PublicationHeld(publication, held))
            case core.PublishFailed(_, _, text) if publication.started:
                self._publication_failed(publication, SourceError(text))

    def _tell(self, event: Event) -> None:
        self._history.put(event)

    def tell_fault(self, text: str) -> None:
        """Tell of a file that cannot be trusted in part."""
        self._tell(TrustFault(text))

    def _end(self, closed: Closed) -> None:
        if self._closed is None:
            self._closed = closed
            self._history.end(closed)
            self._reception.end()
            self._connection.give_up(closed)

    def _publication_failed(self, publication: Publication, error: Exception) -> None:
        from tcclient.publication import described

        self._tell(PublicationFailed(publication, described(error)))
        self._spawn(publication.stop())

    def _recording_failed(self, failure: Failure) -> None:
        self._tell(RecordingFailed(failure.account, str(failure.error)))

    # Inside: media and tasks

    def _receive(self, packets: list[MediaPacket[Header]]) -> None:
        self._reception.receive(packets)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _path_is_ok(event: core.Event) -> bool:
    return isinstance(event, core.PathChanged) and event.state is PathState.OK
