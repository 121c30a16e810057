"""What participants are told of their room: a snapshot of its state, and the numbered changes after it, in batches."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from itertools import chain

from tcproto.messages import Change, ChangeKind, RoomChanges, RoomInfo, Snapshot
from tcproto.messages.types import MAX_CHANGES, MEMBERS_PER_PAGE, PUBLICATIONS_PER_PAGE
from tcserver.conference.room.seat import Seat
from tcserver.conference.timers import Action, Timers

BATCH_INTERVAL = 0.1
"""Seconds between two batches. In a storm of joins each participant gets ten messages a second, not one a join."""

Subject = tuple[ChangeKind, int, int]
"""What an update is about: its kind, participant, and publication or 0."""


class ChangeLog:
    """Numbers the changes of a room from 1 on, and sends each participant those that its snapshot did not have."""

    def __init__(self, timers: Timers, key: Hashable, seats: Collection[Seat]) -> None:
        self._timers = timers
        self._key = ("changes", key)
        self._seats = seats
        self._unsent: list[Change] = []
        self._places: dict[Subject, int] = {}
        """Where in it the newest state of a participant or a publication stands, if it was updated."""
        self._behind: list[Action] = []
        self._sent_at = float("-inf")
        self.number = 0
        """Number of the newest change."""
        self.told: set[int] = set()
        """Participants who are in the room by what the changes say."""

    def add(self, change: Change, now: float) -> None:
        """Number a change, and send it with this batch or the next.

        A further update takes the place of one that nobody was sent yet: who mutes and unmutes all the time must not
        take more of the lines of others than a batch bears.
        """
        subject = _subject(change)
        place = self._places.get(subject) if subject is not None else None
        if place is not None and self._is_untold(place):
            self._unsent[place] = change
            return
        if subject is not None:
            self._places[subject] = len(self._unsent)
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

    def _is_untold(self, place: int) -> bool:
        """Tell whether a change that waits is in no snapshot either."""
        number = self.number - len(self._unsent) + place + 1
        return all(seat.seen < number for seat in self._seats)

    def after(self, number: int, action: Action, now: float) -> None:
        """Do something when everybody was sent change ``number``: now, or right behind the batch that has it."""
        if number <= self.number - len(self._unsent):
            action(now)
        else:
            self._behind.append(action)

    def close(self, now: float) -> None:
        """Send the changes that wait, and call the actions that wait for them. Nothing is sent after that."""
        self._timers.cancel(self._key)
        self._send(now)

    def _send(self, now: float) -> None:
        changes, self._unsent = self._unsent, []
        self._places.clear()
        before = self.number - len(changes)
        parts: dict[int, RoomChanges] = {}  # one object for all, which is encoded once
        for seat in self._seats:
            for start in range(max(seat.seen - before, 0), len(changes), MAX_CHANGES):
                part = parts.get(start)
                if part is None:
                    selected = tuple(changes[start : start + MAX_CHANGES])
                    part = parts[start] = RoomChanges(first=before + start + 1, changes=selected)
                seat.channel.send(part)
                self._sent_at = now
            seat.seen = self.number
        behind, self._behind = self._behind, []
        for action in behind:
            action(now)


def _subject(change: Change) -> Subject | None:
    """Return what is updated; None where something begins or ends."""
    if change.what is ChangeKind.MEMBER_UPDATED and change.member is not None:
        return change.what, change.member.participant, 0
    if change.what is ChangeKind.PUBLICATION_UPDATED and change.publication is not None:
        return change.what, change.publication.participant, change.publication.number
    return None


def snapshot(number: int, room: RoomInfo, seats: Collection[Seat]) -> list[Snapshot]:
    """Return the pages of a room with at least one participant, as of a change ``number``."""
    members = [seat.member() for seat in seats]
    streams = chain.from_iterable(seat.publications.values() for seat in seats)
    publications = [stream.info for stream in streams if stream.info is not None]
    count = max(-(-len(members) // MEMBERS_PER_PAGE), -(-len(publications) // PUBLICATIONS_PER_PAGE))
    return [
        Snapshot(
            number=number,
            room=room,
            members=tuple(members[page * MEMBERS_PER_PAGE : (page + 1) * MEMBERS_PER_PAGE]),
            publications=tuple(publications[page * PUBLICATIONS_PER_PAGE : (page + 1) * PUBLICATIONS_PER_PAGE]),
            last=page == count - 1,
        )
        for page in range(count)
    ]
