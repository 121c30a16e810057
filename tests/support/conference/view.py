"""What a client knows of its room, from the pages and changes that it was sent."""

from __future__ import annotations

from dataclasses import dataclass, field

from tcproto import messages as m
from tcproto.messages import ChangeKind


@dataclass
class View:
    """What a client knows of its room."""

    joined: m.Joined
    media_id: int = 0
    sealers: set[int] = field(default_factory=set)
    number: int = -1
    info: m.RoomInfo | None = None
    complete: bool = False
    members: dict[int, m.Member] = field(default_factory=dict)
    publications: dict[tuple[int, int], m.PublicationInfo] = field(default_factory=dict)

    def take_page(self, page: m.Snapshot) -> None:
        if self.complete:
            self.members, self.publications, self.complete = {}, {}, False
        self.number, self.info = page.number, page.room
        self.members.update({member.participant: member for member in page.members})
        self.publications.update({(p.participant, p.number): p for p in page.publications})
        self.complete = page.last

    def take_changes(self, changes: m.RoomChanges) -> None:
        assert self.complete
        assert changes.first == self.number + 1, "changes have no gap"
        for change in changes.changes:
            self.number += 1
            self._apply(change)

    def _apply(self, change: m.Change) -> None:
        match change.what:
            case ChangeKind.MEMBER_JOINED:
                assert change.member.participant not in self.members
                self.members[change.member.participant] = change.member
            case ChangeKind.MEMBER_UPDATED:
                assert change.member.participant in self.members
                self.members[change.member.participant] = change.member
            case ChangeKind.MEMBER_LEFT:
                del self.members[change.participant]
                for key in [key for key in self.publications if key[0] == change.participant]:
                    del self.publications[key]
            case ChangeKind.PUBLISHED:
                key = (change.publication.participant, change.publication.number)
                assert key not in self.publications
                self.publications[key] = change.publication
            case ChangeKind.PUBLICATION_UPDATED:
                key = (change.publication.participant, change.publication.number)
                assert key in self.publications
                self.publications[key] = change.publication
            case ChangeKind.UNPUBLISHED:
                del self.publications[change.participant, change.number]
            case ChangeKind.ROOM_UPDATED:
                self.info = change.room
            case _:
                raise AssertionError(change)
