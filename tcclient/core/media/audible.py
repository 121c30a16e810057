"""Who speaks: told when a participant begins and when it stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tcclient.core import events
from tcclient.core.events import Event
from tcclient.core.media.packet import MediaPacket
from tcclient.core.media.speaking import Speaking, Unmuted
from tcclient.core.membership.roster import RoomState
from tcproto.packet import AudioHeader, Header


class Audible:
    """Reports who speaks, and which tracks carry sound although the server calls them muted."""

    def __init__(self, room: RoomState, emit: Callable[[Event], None]) -> None:
        self._room = room
        self._emit = emit
        self._speaking = Speaking()
        self._unmuted = Unmuted()

    @property
    def next_deadline(self) -> float:
        """When ``handle_timeout`` is due."""
        return self._speaking.next_deadline

    @property
    def dominant(self) -> int:
        """The dominant speaker, perhaps ourselves; 0 before anybody spoke."""
        return self._speaking.dominant

    def received(self, packet: MediaPacket[Header], now: float) -> None:
        """Take a packet of another participant that opened."""
        if isinstance(packet.header, AudioHeader):
            self.heard(packet.participant, packet.header, now)
        track = (packet.participant, packet.publication)
        if self._unmuted.came(track, now):
            self._emit(events.TrackUpdated(replace(self._room.publications[track], muted=False)))

    def heard(self, participant: int, header: AudioHeader, now: float) -> None:
        """Take the header of sound of a participant, or of ourselves."""
        if self._speaking.heard(participant, header, now):
            self._emit(events.Speakers((participant,), (), self._speaking.dominant))

    def roster_changed(self, changed: list[Event], now: float) -> None:
        """Take the tracks of the roster, and the participants that left."""
        for event in changed:
            match event:
                case events.TrackPublished(info) | events.TrackUpdated(info):
                    self._unmuted.said((info.participant, info.number), info.muted, now)
                case events.TrackUnpublished(info):
                    self._unmuted.ended((info.participant, info.number))
                case events.ParticipantLeft(participant):
                    if self._speaking.left(participant.id):
                        self._emit(events.Speakers((), (participant.id,), self._speaking.dominant))

    def handle_timeout(self, now: float) -> None:
        """Report which participants have stopped speaking."""
        if stopped := self._speaking.handle_timeout(now):
            self._emit(events.Speakers((), stopped, self._speaking.dominant))
