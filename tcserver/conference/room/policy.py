"""What a room decides by itself: one interface for all of it."""

from __future__ import annotations

from collections.abc import Sequence

from tcproto.messages import Join, Publish, Role, Source
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
        """React to a command that opens a seat in the media plane: for a join, or after a worker was replaced."""

    def admitted(self, seat: Seat, now: float) -> None:
        """React to a seat that is open now. Nobody was told of it yet."""

    def entered(self, seat: Seat, now: float) -> None:
        """React to a participant who has entered. Everybody was told."""

    def left(self, seat: Seat, now: float) -> None:
        """React to a participant who has left. Everybody was told."""

    def role_given(self, seat: Seat, role: Role, rank: int, now: float) -> None:
        """React to a role and a rank that a participant was given by another. Nobody was told yet."""

    def source_held(self, seat: Seat, source: Source, held: bool, now: float) -> None:
        """React to a participant who holds a source of another muted, or lets go of it. Nobody was told yet."""

    def spoke(self, participants: Sequence[int], now: float) -> None:
        """React to participants who began to speak. The dominant speaker stands last."""

    # Publications

    def published(self, stream: Stream, now: float) -> None:
        """React to a publication that has begun."""

    def unpublished(self, stream: Stream, now: float) -> None:
        """React to the end of a publication of a participant who stays in the room."""

    # Settings

    def settings_changed(self, now: float) -> None:
        """React to a change of ``room.record``."""

    def camera_cap_changed(self, now: float) -> None:
        """React to a change of the number of cameras that the server can bear."""

    # Media workers and keys

    def worker_added(self, worker: int, now: float) -> None:
        """React to a media worker that is about to get its first seat of the room."""

    def worker_replaced(self, worker: int, now: float) -> None:
        """React to a media worker that was replaced. Its seats are not moved yet."""

    def restarted(self, now: float) -> None:
        """React to the move of all seats of a replaced worker to the new one."""

    def rekey_due(self, sealer: int, now: float) -> None:
        """React to a sealer whose key is to be replaced."""

    def closed(self, now: float) -> None:
        """React to the end of this life of the room."""
