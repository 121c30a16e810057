"""What a room decides by itself: one interface for all of it."""

from __future__ import annotations

from collections.abc import Sequence

from tcproto.messages import Join, Publish, Role
from tcserver.conference.login.connection import Request
from tcserver.conference.room.seat import Seat, Stream


class RoomPolicy:
    """One thing that a room decides by itself; the methods do nothing where a policy has no use for them.

    A room makes one object of each policy in its list (``POLICIES``), with itself as the argument. It tells all of them
    what happens, in the order of the list. A policy may use every method of its room. ``now`` is monotonic time in
    seconds.
    """

    # What a policy may refuse

    def check_join(self, request: Request[Join]) -> None:
        """Refuse a seat to somebody who asks for one, by raising ``Refusal``."""

    def check_publish(self, seat: Seat, message: Publish) -> None:
        """Refuse a publication of a participant, by raising ``Refusal``."""

    # Participants

    def opening(self, seat: Seat) -> None:
        """Follow that the media plane was told to open a seat: for a join, or again after a worker was replaced."""

    def admitted(self, seat: Seat, now: float) -> None:
        """Follow that a seat is open; nobody has been told of it yet."""

    def entered(self, seat: Seat, now: float) -> None:
        """Follow that a participant is in the room, and everybody was told."""

    def left(self, seat: Seat, now: float) -> None:
        """Follow that a participant has left the room, and everybody was told."""

    def role_given(self, seat: Seat, role: Role, rank: int, now: float) -> None:
        """Follow that a participant is given a role and a rank by another, before anybody is told."""

    def spoke(self, participants: Sequence[int], now: float) -> None:
        """Follow that participants began to speak; the dominant speaker stands last."""

    # Publications

    def published(self, stream: Stream, now: float) -> None:
        """Follow that a publication has begun."""

    def unpublished(self, stream: Stream, now: float) -> None:
        """Follow that a participant who stays in the room has ended a publication, or may no longer have it."""

    # Settings

    def settings_changed(self, now: float) -> None:
        """Follow a change of the stored room, which is ``room.record``."""

    def camera_cap_changed(self, now: float) -> None:
        """Follow a change of the cameras that the server can bear."""

    # Media workers and keys

    def worker_added(self, slot: int, now: float) -> None:
        """Follow that a media worker is about to get its first seat of the room."""

    def worker_replaced(self, slot: int, now: float) -> None:
        """Follow that the worker in a slot has ended and another took its place; its seats are not moved yet."""

    def restarted(self, now: float) -> None:
        """Follow that all seats of a replaced worker have moved to the new one."""

    def rekey_due(self, sealer: int, now: float) -> None:
        """Follow that the key of a sealer is to be replaced."""

    def closed(self, now: float) -> None:
        """Follow that this life of the room is over."""
