"""Whose cameras a large room shows: those of the participants who spoke last."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tcproto.messages import Source
from tcserver.conference.room import stream_states
from tcserver.conference.room.policy import RoomPolicy
from tcserver.conference.room.room import Room
from tcserver.conference.room.seat import Seat, Stream

LAST_N = ((50, 10), (30, 15), (20, 20))
"""(participants of the room, cameras): from so many participants on, no more than so many cameras."""


class LastN(RoomPolicy):
    """Forwards the cameras of the participants who spoke last, and no others, to all who have not chosen otherwise.

    How many these are follows from the size of the room and from what the server can bear.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._speakers = RecentSpeakers()

    def entered(self, seat: Seat, now: float) -> None:
        """Adapt to a room that has grown."""
        self._choose(now)

    def left(self, seat: Seat, now: float) -> None:
        """Forget a participant. Another camera may have its place."""
        self._speakers.leave(seat.participant)
        self._choose(now)

    def spoke(self, participants: Sequence[int], now: float) -> None:
        """Show the cameras of participants who began to speak."""
        for participant in participants:
            self._speakers.spoke(participant)
        self._choose(now)

    def published(self, stream: Stream, now: float) -> None:
        """Adapt to a camera that may be new."""
        self._choose(now)

    def unpublished(self, stream: Stream, now: float) -> None:
        """Adapt to a camera that may be gone."""
        self._choose(now)

    def camera_cap_changed(self, now: float) -> None:
        """Adapt to the number of cameras that the server can bear."""
        self._choose(now)

    def _choose(self, now: float) -> None:
        room = self._room
        cameras = _cameras(room)
        limits = (camera_limit(len(room.seats)), room.context.camera_cap.limit, len(cameras))
        chosen = self._speakers.choose(cameras, min(limit for limit in limits if limit is not None))
        changed = []
        for participant, streams in cameras.items():
            for stream in streams:
                if stream.beyond_last_n == (participant in chosen):
                    stream.beyond_last_n = participant not in chosen
                    room.forwarding.reconsider(stream, room.seats.values(), now)
                    changed.append(stream)
        if news := stream_states.messages(changed):
            log = room.change_log  # the streams are known before anything is told of them
            log.after(log.number, lambda _: stream_states.send(news, room.seats.values()), now)


def camera_limit(participants: int) -> int | None:
    """Return how many cameras a room of a size shows; None: all."""
    return next((cameras for size, cameras in LAST_N if participants >= size), None)


def cameras_shown(room: Room) -> int:
    """Return the number of participants whose cameras are forwarded to all who have not chosen otherwise."""
    return sum(not all(stream.beyond_last_n for stream in streams) for streams in _cameras(room).values())


def _cameras(room: Room) -> dict[int, list[Stream]]:
    """Return the cameras of a room by participant."""
    cameras: dict[int, list[Stream]] = {}
    for seat in room.seats.values():
        for stream in seat.publications.values():
            if stream.info is not None and stream.info.source is Source.CAMERA:
                cameras.setdefault(seat.participant, []).append(stream)
    return cameras


class RecentSpeakers:
    """The participants of a room by when they spoke last."""

    def __init__(self) -> None:
        self._spoke: dict[int, None] = {}
        """The one who spoke last stands last."""

    def spoke(self, participant: int) -> None:
        """Note that a participant began to speak."""
        self._spoke.pop(participant, None)
        self._spoke[participant] = None

    def leave(self, participant: int) -> None:
        """Forget a participant who has left."""
        self._spoke.pop(participant, None)

    def choose(self, candidates: Collection[int], most: int) -> set[int]:
        """Return at most ``most`` of the candidates: those who spoke last, then those who were there first."""
        chosen: set[int] = set()
        for participant in (*reversed(self._spoke), *candidates):
            if len(chosen) >= most:
                break
            if participant in candidates:
                chosen.add(participant)
        return chosen
