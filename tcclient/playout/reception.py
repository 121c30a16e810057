"""The receiving side of a room: its tracks, their play-out and their recording."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tcclient.core.media.packet import MediaPacket
from tcclient.participant import Participant
from tcclient.recording.recording import ClockMapping, Failure, RoomRecording
from tcclient.recording.track_recorder import TrackRecorder
from tcclient.track import Track
from tcclient.transport.connection import Connection
from tcproto.errors import Refusal
from tcproto.messages import Kind, PublicationInfo
from tcproto.packet import Header

if TYPE_CHECKING:
    from tcclient.audio.decoder import Sound
    from tcclient.playout.listener import Listener

TEND_INTERVAL = 0.1
"""Seconds between checks for pictures that wait too long."""


class TrackReception:
    """Holds the tracks, hands them their packets, and lets them be played and recorded.

    ``pool`` runs codecs and files, ``spawn`` a task for as long as the room is open. ``failed`` is called for each
    recording that fails.
    """

    def __init__(
        self,
        connection: Connection,
        pool: Executor,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        failed: Callable[[Failure], None],
    ) -> None:
        self.tracks: dict[tuple[int, int], Track] = {}
        """By participant and number of the publication. Our own tracks, which have no media, are included."""
        self.recorder: TrackRecorder | None = None
        self._listener: Listener | None = None
        self._connection = connection
        self._pool = pool
        self._spawn = spawn
        self._failed = failed

    # What the roster says

    def published(self, info: PublicationInfo, participant: Participant) -> Track:
        """Begin a track."""
        track = Track(info, participant, self._pool, self._ask_keyframe, self._decode, self)
        self.tracks[info.participant, info.number] = track
        for user in (self._listener, self.recorder):
            if user is not None:
                user.add(track)
        return track

    def updated(self, info: PublicationInfo) -> Track:
        """Note that a track has changed."""
        track = self.tracks[info.participant, info.number]
        track.update(info)
        return track

    def unpublished(self, info: PublicationInfo) -> Track:
        """End a track."""
        track = self.tracks.pop((info.participant, info.number))
        for user in (self._listener, self.recorder):
            if user is not None:
                user.remove(track)
        track.end()
        return track

    def end(self) -> None:
        """Let all iterations over tracks end."""
        for track in self.tracks.values():
            track.end()

    # Media

    def receive(self, packets: list[MediaPacket[Header]]) -> None:
        """Give packets to their tracks."""
        now = time.monotonic()
        for packet in packets:
            track = self.tracks.get((packet.participant, packet.publication))
            if track is not None:
                track.receive(packet, now)

    async def tend(self) -> None:
        """Give up pictures that wait too long, until cancelled."""
        while True:
            await asyncio.sleep(TEND_INTERVAL)
            now = time.monotonic()
            for track in list(self.tracks.values()):
                track.tend(now)

    def listen(self) -> Listener:
        """Play out all tracks from now on. Further calls return the same listener. Raises ``OpusUnavailable``."""
        from tcclient.playout.listener import Listener

        if self._listener is None:
            self._listener = Listener(self._pool, self._start_delay)
            for track in self.tracks.values():
                self._listener.add(track)
            self._spawn(self._listener.run())
        return self._listener

    def record(self, directory: Path, room: str) -> RoomRecording:
        """Record all tracks of the room of that name. A further call lets failed recordings begin again.

        Raises ``RecordingError``.
        """
        if self.recorder is not None:
            self.recorder.recording.retry()
        else:
            self.recorder = TrackRecorder(directory, room, self._pool, self.clock_of, self._failed)
            self._connection.session.begin_recording()
            for track in self.tracks.values():
                self.recorder.add(track)
            self._spawn(self.recorder.run())
        return self.recorder.recording

    def clock_of(self, track: Track) -> ClockMapping | None:
        """Return how the timestamps of a track relate to its sender's clock, once that is known."""
        session = self._connection.session
        sender = session.seat.member_keys.get(track.participant.id) if session.seated else None
        clock = sender.clocks.get(track.stream) if sender is not None else None
        return ClockMapping(clock.timestamp, clock.time) if clock is not None else None

    def capture_time(self, track: Track, timestamp: int) -> float | None:
        """Return when a sample was captured, in seconds of the sender's monotonic clock, or None if it is not known."""
        clock = self.clock_of(track)
        if clock is None:
            return None
        return clock.time_of(timestamp, 48_000 if track.kind is Kind.AUDIO else 90_000) / 1e6

    def is_welcome(self, stream: int, layer: int) -> bool:
        """Return whether a layer of a stream is shown, or may be from its next keyframe on."""
        session = self._connection.session
        return not session.seated or session.seat.downlink.layers.is_welcome(stream, layer)

    def shown(self, stream: int, layer: int, now: float) -> None:
        """Take that a picture of a layer is shown: the other layers are not needed any more."""
        session = self._connection.session
        if session.seated and session.seat.downlink.layers.shown(stream, layer, now):
            self._connection.pump()

    def _start_delay(self) -> float:
        session = self._connection.session
        return session.seat.downlink.losses.start_delay() if session.seated else 0.0

    def _ask_keyframe(self, stream: int, layer: int) -> bool:
        try:
            asked = self._connection.session.seat.downlink.request_keyframe(stream, layer, time.monotonic())
        except Refusal:  # the seat has ended, and its last events are being delivered
            return False
        self._connection.pump()
        return asked

    def _decode(self, track: Track, put: Callable[[Sound], None]) -> AbstractContextManager[None]:
        from tcclient.playout.listener import decoding

        return decoding(track, self._pool, put)
