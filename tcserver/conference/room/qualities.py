"""How good the connections of a room's participants are, told to everybody."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from tcproto.messages import MemberQualities, MemberQuality, Quality
from tcserver.conference.room.seat import Seat
from tcserver.conference.timers import Timers

QUALITY_INTERVAL = 1.0
"""Seconds between two messages to a participant, whatever participants report."""


class Qualities:
    """Collects what has changed. A participant tells of its own connection; whether it is lost is seen here."""

    def __init__(self, timers: Timers, key: Hashable, seats: Mapping[int, Seat]) -> None:
        self._timers = timers
        self._key = ("qualities", key)
        self._seats = seats
        self._changed: dict[int, Quality] = {}
        """What the others were told before, by participant."""
        self._sent_at = float("-inf")

    def reported(self, seat: Seat, quality: Quality, now: float) -> bool:
        """A participant finds its connection so good; return whether it alone makes a message to everybody."""
        return self._change(seat, now, reported=quality)

    def silent(self, seat: Seat, silent: bool, now: float) -> None:
        """Nothing comes from a participant any more, or something comes again."""
        self._change(seat, now, silent=silent)

    def send_all(self, seat: Seat) -> None:
        """Tell a participant of all whose connection is known."""
        known = tuple(
            MemberQuality(other.participant, other.quality)
            for other in self._seats.values()
            if other.quality is not Quality.UNKNOWN
        )
        if known:
            seat.channel.send(MemberQualities(known))

    def close(self) -> None:
        """Send nothing any more."""
        self._timers.cancel(self._key)

    def _change(self, seat: Seat, now: float, reported: Quality | None = None, silent: bool | None = None) -> bool:
        before = seat.quality
        seat.reported_quality = seat.reported_quality if reported is None else reported
        seat.is_silent = seat.is_silent if silent is None else silent
        if seat.quality is before:
            return False
        is_first = not self._changed
        self._changed.setdefault(seat.participant, before)
        if (due := self._sent_at + QUALITY_INTERVAL) <= now:
            self._send(now)
        else:
            self._timers.set(self._key, due, self._send)
        return is_first

    def _send(self, now: float) -> None:
        self._timers.cancel(self._key)
        changed, self._changed = self._changed, {}
        news = tuple(
            MemberQuality(participant, self._seats[participant].quality)
            for participant, before in changed.items()
            if participant in self._seats and self._seats[participant].quality is not before
        )
        if news:
            self._sent_at = now
            message = MemberQualities(news)  # one object for all, which is encoded once
            for seat in self._seats.values():
                seat.channel.send(message)
