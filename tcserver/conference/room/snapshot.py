"""The state of a room in pages, as a newcomer is told it."""

from __future__ import annotations

from collections.abc import Sequence

from tcproto.messages import Member, PublicationInfo, RoomInfo, Snapshot


def pages(
    number: int,
    room: RoomInfo,
    members: Sequence[Member],
    publications: Sequence[PublicationInfo],
    most: tuple[int, int],
) -> list[Snapshot]:
    """Return the pages of a room with at least one member, as of a change ``number``.

    ``most`` are the members and publications that a page holds.
    """
    most_members, most_publications = most
    count = max(-(-len(members) // most_members), -(-len(publications) // most_publications))
    return [
        Snapshot(
            number=number,
            room=room,
            members=tuple(members[page * most_members : (page + 1) * most_members]),
            publications=tuple(publications[page * most_publications : (page + 1) * most_publications]),
            last=page == count - 1,
        )
        for page in range(count)
    ]
