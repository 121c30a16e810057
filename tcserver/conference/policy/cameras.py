"""The cameras of a room that are forwarded to all who have not chosen otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tcproto.messages import Source
from tcserver.conference.context import Context
from tcserver.conference.policy.last_n import Stage, last_n
from tcserver.conference.room.forwarding import Forwarding
from tcserver.conference.room.seat import Seat, Stream


class Cameras:
    """Follows who speaks, who comes and goes, and the cap of the server."""

    def __init__(self, context: Context, seats: Mapping[int, Seat], forwarding: Forwarding) -> None:
        self._context = context
        self._seats = seats
        self._forwarding = forwarding
        self._stage = Stage()
        self.shown = 0
        """Participants whose cameras are forwarded."""

    def spoke(self, participants: Iterable[int]) -> None:
        """Participants began to speak."""
        for participant in participants:
            self._stage.spoke(participant)
        self.follow()

    def leave(self, participant: int) -> None:
        """A participant is gone."""
        self._stage.leave(participant)
        self.follow()

    def follow(self) -> None:
        """Forward the cameras that are on stage now, and no others."""
        cameras: dict[int, list[Stream]] = {}
        for seat in self._seats.values():
            for stream in seat.publications.values():
                if stream.info is not None and stream.info.source is Source.CAMERA:
                    cameras.setdefault(seat.participant, []).append(stream)
        limits = (last_n(len(self._seats)), self._context.camera_cap.limit, len(cameras))
        chosen = self._stage.choose(cameras, min(limit for limit in limits if limit is not None))
        self.shown = len(chosen)
        for participant, streams in cameras.items():
            for stream in streams:
                if stream.offstage == (participant in chosen):
                    stream.offstage = participant not in chosen
                    self._forwarding.reconsider(stream, self._seats.values())
