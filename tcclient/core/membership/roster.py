"""The room as this client knows it: a snapshot, followed by numbered changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from tcclient.core.events import (
    Event,
    HandChanged,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    RoomUpdated,
    TrackPublished,
    TrackUnpublished,
    TrackUpdated,
)
from tcclient.core.membership.distrust import Distrust
from tcclient.core.membership.lives import BoxKeys
from tcclient.core.membership.low_rate import low_rate
from tcclient.core.membership.roster_entry import RosterEntry
from tcproto.errors import ErrorCode, ProtocolError
from tcproto.keyring import PublicationId
from tcproto.membership import MemberStatement, member_set_hash, safety_code, verify_member
from tcproto.messages import Change, ChangeKind, Kind, Member, PublicationInfo, RoomChanges, RoomInfo, Snapshot
from tcproto.packet import PacketType
from tcproto.sender_key import KIND_CODES, SOURCE_CODES, Party

MAX_MEMBERS = 1024
"""Members of a room that a client holds; the server's own limits are lower."""
MAX_PUBLICATIONS = 4096
"""Publications of a room that a client holds, several for each member."""
PACKET_TYPES = {Kind.AUDIO: PacketType.AUDIO, Kind.VIDEO: PacketType.VIDEO, Kind.DATA: PacketType.DATA}
NO_PUBLICATION = PublicationId(0, 0, 0)
"""Kind of a stream of beacons, which are signed and not sealed."""


class OwnSeat(NamedTuple):
    """Our seat as we signed it. A state of the room that shows our seat otherwise is not believed."""

    participant: int
    account: str
    name: str
    device_key: bytes
    box_key: bytes
    signed_at: int
    signature: bytes


class Stream(NamedTuple):
    """What a stream id stands for in the room."""

    participant: int
    publication: PublicationId
    packet_type: int


class _Pages:
    """What the pages of a snapshot have told so far."""

    def __init__(self, number: int | None = None) -> None:
        self.number = number
        self.members: dict[int, Member] = {}
        self.publications: dict[tuple[int, int], PublicationInfo] = {}


def publication_id(info: PublicationInfo) -> PublicationId:
    """Return what the key of the publication is derived from; kinds and sources of later versions count as 0."""
    return PublicationId(info.number, KIND_CODES.get(info.kind, 0), SOURCE_CODES.get(info.source, 0))


class RoomState:
    """Members, publications and streams of the room.

    ``own`` is our seat as we signed it, ``fingerprint`` the server's, which member signatures cover, ``box_keys`` what
    was seen of this life before. ``announced`` tells whether we announced a publication that the server shows as ours.
    Give every ``Snapshot`` and ``RoomChanges`` to it. While ``needs_snapshot`` is set, changes are ignored and a
    snapshot must be requested. Both raise ``Distrust`` for a state that no honest server sends: another room, or one in
    which our seat is not as we signed it.
    """

    def __init__(
        self,
        room: RoomInfo,
        fingerprint: bytes,
        own: OwnSeat,
        box_keys: BoxKeys,
        announced: Callable[[PublicationInfo], bool],
    ) -> None:
        self.room = room
        self.own = own.participant
        self.members: dict[int, RosterEntry] = {}
        self.publications: dict[tuple[int, int], PublicationInfo] = {}
        """By participant and publication number."""
        self.streams: dict[int, Stream] = {}
        """By stream id; beacons and our own streams included."""
        self.low_rate = low_rate(())
        self.number = 0
        """Number of the newest change that was applied."""
        self.needs_snapshot = True
        self._own_seat = own
        self._box_keys = box_keys
        self._announced = announced
        self.fingerprint = fingerprint
        self._pages = _Pages()

    def receive_snapshot(self, page: Snapshot) -> list[Event] | None:
        """Take a page. Return what changed once the last page is in, and None before.

        Raises ``ProtocolError`` for a room that is larger than the bounds, ``Distrust`` as the class says.
        """
        self._check_room(page.room)
        if page.number < self.number:
            raise Distrust("the server shows the room as it was before")
        if self._pages.number != page.number:
            self._pages = _Pages(page.number)
        pages = self._pages
        pages.members |= {member.participant: member for member in page.members}
        pages.publications |= {(p.participant, p.number): p for p in page.publications}
        if len(pages.members) > MAX_MEMBERS or len(pages.publications) > MAX_PUBLICATIONS:
            raise ProtocolError(ErrorCode.BAD_MESSAGE, "the room is larger than a client holds")
        if not page.last:
            return None
        self._pages = _Pages()
        self.number = page.number
        self.needs_snapshot = False
        return self._replace(page.room, pages.members, pages.publications, {})

    def receive_changes(self, changes: RoomChanges) -> list[Event]:
        """Take changes, and return the events that follow. A gap sets ``needs_snapshot``.

        Raises ``ProtocolError`` for a room that is larger than the bounds, ``Distrust`` as the class says.
        """
        if self.needs_snapshot:
            return []
        if changes.first > self.number + 1:
            self.needs_snapshot = True
            return []
        fresh = changes.changes[self.number + 1 - changes.first :]
        if not fresh:
            return []
        room = self.room
        members = {i: participant.member for i, participant in self.members.items()}
        publications = dict(self.publications)
        codes: dict[int, ErrorCode] = {}
        for change in fresh:
            self.number += 1
            if change.room is not None and change.what is ChangeKind.ROOM_UPDATED:
                self._check_room(change.room)
                room = change.room
            else:
                _apply(change, members, publications, codes)
            if change.what is ChangeKind.MEMBER_LEFT and change.participant in self.members:
                # The box key is spent even if the same seat comes back within one message.
                self._box_keys.spend(self.members[change.participant].member.box_key, change.participant)
        if len(members) > MAX_MEMBERS or len(publications) > MAX_PUBLICATIONS:
            raise ProtocolError(ErrorCode.BAD_MESSAGE, "the room is larger than a client holds")
        same = members == {i: participant.member for i, participant in self.members.items()}
        if same and publications == self.publications and room == self.room:
            return []  # a message that changes nothing must not cost a pass over all members
        return self._replace(room, members, publications, codes)

    def verified_others(self) -> dict[int, Party]:
        """Return the keys of each verified participant other than ourselves."""
        return {
            i: Party(participant.member.device_key, participant.member.box_key)
            for i, participant in self.members.items()
            if participant.verified and i != self.own
        }

    def member_set_hash(self) -> bytes:
        """Return the hash of all seats, for beacons."""
        seats = (p.member for p in self.members.values())
        return member_set_hash(self.room.life, self.room.name, ((m.account, m.device_key, m.box_key) for m in seats))

    def safety_code(self) -> str:
        """Return the 30 digits that members read aloud to each other."""
        seats = (p.member for p in self.members.values())
        devices = [(m.account, m.device_key) for m in seats]
        return safety_code(self.room.life, self.room.name, self.room.e2ee, self.fingerprint, devices)

    def _replace(
        self,
        room: RoomInfo,
        members: dict[int, Member],
        publications: dict[tuple[int, int], PublicationInfo],
        codes: dict[int, ErrorCode],
    ) -> list[Event]:
        """Put the new state in place of the old one, and return the differences as events."""
        self._check_own(members, publications)
        old_members, old_publications = self.members, self.publications
        for i, old in old_members.items():
            if i not in members or members[i].box_key != old.member.box_key:
                self._box_keys.spend(old.member.box_key, i)
        self.members = self._verified(members)
        self.publications = {key: info for key, info in publications.items() if key[0] in members}
        self.streams = self._streams()
        self.low_rate = low_rate(self.publications.values())
        gone = [i for i, old in old_members.items() if i not in members or _party(old.member) != _party(members[i])]
        ended = [key for key in old_publications if key[0] in gone or key not in self.publications]
        events: list[Event] = [TrackUnpublished(old_publications[key]) for key in ended]
        events += [ParticipantLeft(old_members[i], codes.get(i)) for i in gone]
        for i, participant in self.members.items():
            if i not in old_members or i in gone:
                events.append(ParticipantJoined(participant))
            else:
                events += _updates(old_members[i], participant)
        for key, info in self.publications.items():
            if key not in old_publications or key in ended:
                events.append(TrackPublished(info))
            elif info != old_publications[key]:
                events.append(TrackUpdated(info))
        if room != self.room:
            self.room = room
            events.append(RoomUpdated(room))
        return events

    def _verified(self, members: dict[int, Member]) -> dict[int, RosterEntry]:
        """Check the signature of each member that is new or changed.

        A box key belongs to one seat and ends with it. If another seat shows it, or the same seat after it has left,
        the statement was replayed, so the member is not verified. Our own seat is checked first, then those seen
        before, then the others in the order of the server. So an earlier seat comes before a later one.
        """
        result: dict[int, RosterEntry] = {}
        for i in sorted(members, key=lambda i: (i != self.own, i not in self.members)):
            member = members[i]
            old = self.members.get(i)
            same = old is not None and _statement(old.member) == _statement(member)
            good = old.verified if old is not None and same else self._signed(member)
            belongs = self._box_keys.belongs(member.box_key, i)
            result[i] = RosterEntry(member, good and belongs)
        return {i: result[i] for i in members}

    def _signed(self, member: Member) -> bool:
        statement = MemberStatement(
            self.fingerprint,
            self.room.life,
            self.room.name,
            member.account,
            member.name,
            member.box_key,
            member.signed_at,
        )
        return verify_member(statement, member.signature, member.device_key)

    def _check_room(self, room: RoomInfo) -> None:
        if (room.name, room.life, room.e2ee) != (self.room.name, self.room.life, self.room.e2ee):
            raise Distrust("the server calls the room by another name, life or mode than when we entered")

    def _check_own(self, members: dict[int, Member], publications: dict[tuple[int, int], PublicationInfo]) -> None:
        """Raise ``Distrust`` unless we are in the room once, with the seat that we signed and what we publish."""
        own = members.get(self.own)
        if own is None:
            raise Distrust("the server shows the room without us")
        if (own.participant, *_statement(own)) != self._own_seat:
            raise Distrust("the server shows our seat in the room otherwise than we signed it")
        if any(_party(member) == _party(own) for i, member in members.items() if i != self.own):
            raise Distrust("the server shows our seat in the room twice")
        if not all(self._announced(info) for (i, _), info in publications.items() if i == self.own):
            raise Distrust("the server shows a publication of ours that we did not announce")

    def _streams(self) -> dict[int, Stream]:
        streams = {
            participant.member.beacon_stream: Stream(i, NO_PUBLICATION, PacketType.BEACON)
            for i, participant in self.members.items()
        }
        for (i, _), info in self.publications.items():
            if info.kind in PACKET_TYPES:
                streams[info.stream] = Stream(i, publication_id(info), PACKET_TYPES[info.kind])
        return streams


def _updates(old: RosterEntry, new: RosterEntry) -> list[Event]:
    """Return what has changed of a participant as events."""
    events: list[Event] = []
    if replace(new.member, hand=old.member.hand) != old.member or new.verified != old.verified:
        events.append(ParticipantUpdated(new))
    if new.member.hand != old.member.hand:
        events.append(HandChanged(new))
    return events


def _party(member: Member) -> tuple[bytes, bytes]:
    return member.device_key, member.box_key


def _statement(member: Member) -> tuple[str, str, bytes, bytes, int, bytes]:
    return member.account, member.name, member.device_key, member.box_key, member.signed_at, member.signature


def _apply(
    change: Change,
    members: dict[int, Member],
    publications: dict[tuple[int, int], PublicationInfo],
    codes: dict[int, ErrorCode],
) -> None:
    """Carry out one change. A change without its field, or of a later version, changes nothing."""
    what = change.what
    if what in (ChangeKind.MEMBER_JOINED, ChangeKind.MEMBER_UPDATED):
        if change.member is not None:
            members[change.member.participant] = change.member
    elif what in (ChangeKind.PUBLISHED, ChangeKind.PUBLICATION_UPDATED):
        if change.publication is not None:
            publications[change.publication.participant, change.publication.number] = change.publication
    elif change.participant is not None:
        if what is ChangeKind.MEMBER_LEFT:
            members.pop(change.participant, None)
            if change.code is not None:
                codes[change.participant] = change.code
        elif what is ChangeKind.UNPUBLISHED and change.number is not None:
            publications.pop((change.participant, change.number), None)
