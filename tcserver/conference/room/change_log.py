"""The numbered changes of a room, sent in batches."""

from __future__ import annotations

from collections.abc import Collection, Hashable

from tcproto.messages import Change, ChangeKind, RoomChanges
from tcproto.messages.types import MAX_CHANGES
from tcserver.conference.effects import Outbox
from tcserver.conference.room.seat import Seat
from tcserver.conference.timers import Action, Timers

BATCH_INTERVAL = 0.1
"""Seconds between two batches: a storm of joins becomes ten messages a second for each member, whatever they do."""


class ChangeLog:
    """Numbers the changes of a room from 1 on, and brings each member those that its snapshot did not have."""

    def __init__(self, outbox: Outbox, timers: Timers, key: Hashable, seats: Collection[Seat]) -> None:
        self._outbox = outbox
        self._timers = timers
        self._key = ("changes", key)
        self._seats = seats
        self._unsent: list[Change] = []
        self._behind: list[Action] = []
        self._sent_at = float("-inf")
        self.number = 0
        """Of the newest change."""
        self.told: set[int] = set()
        """Participants whom the changes tell of as members."""

    def add(self, change: Change, now: float) -> None:
        """Number a change, and send it with this batch or the next."""
        self.number += 1
        if change.what is ChangeKind.MEMBER_JOINED and change.member is not None:
            self.told.add(change.member.participant)
        elif change.what is ChangeKind.MEMBER_LEFT and change.participant is not None:
            self.told.discard(change.participant)
        self._unsent.append(change)
        due = self._sent_at + BATCH_INTERVAL
        if due <= now:
            self._send(now)
        elif len(self._unsent) == 1:
            self._timers.set(self._key, due, self._send)

    def after(self, number: int, action: Action, now: float) -> None:
        """Do what makes no sense to who has not been sent change ``number``: now, or right behind its batch."""
        if number <= self.number - len(self._unsent):
            action(now)
        else:
            self._behind.append(action)

    def close(self, now: float) -> None:
        """Send what waits, and what waits for it; nothing comes after."""
        self._timers.cancel(self._key)
        self._send(now)

    def _send(self, now: float) -> None:
        changes, self._unsent = self._unsent, []
        before = self.number - len(changes)
        parts: dict[int, RoomChanges] = {}  # one object for all, which is encoded once
        for seat in self._seats:
            for start in range(max(seat.seen - before, 0), len(changes), MAX_CHANGES):
                part = parts.get(start)
                if part is None:
                    selected = tuple(changes[start : start + MAX_CHANGES])
                    part = parts[start] = RoomChanges(first=before + start + 1, changes=selected)
                self._outbox.send(seat.connection, part)
                self._sent_at = now
            seat.seen = self.number
        behind, self._behind = self._behind, []
        for action in behind:
            action(now)
