"""The state of a room in pages, as a newcomer is told it."""

from __future__ import annotations

from collections.abc import Collection
from itertools import chain

from tcproto.messages import RoomInfo, Snapshot
from tcserver.conference.room.seat import Seat

MEMBERS_PER_PAGE = 48
"""With `PUBLICATIONS_PER_PAGE` of the longest names, a page still fits a message of 65,518 bytes."""
PUBLICATIONS_PER_PAGE = 64


def pages(number: int, room: RoomInfo, seats: Collection[Seat]) -> list[Snapshot]:
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
