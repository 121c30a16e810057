"""Receivers: the addresses that get the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tcserver.media.interface import Address


class LaneReceivers:
    """The receivers of a set that are reached by the same lane; never changes."""

    __slots__ = ("addresses", "first", "lane", "prepared")

    def __init__(self, lane: int, first: int, addresses: tuple[Address, ...]) -> None:
        self.lane = lane
        """Index of the lane."""
        self.first = first
        """Index in the set of the first of them; the others follow it."""
        self.addresses = addresses
        self.prepared: object = None
        """Belongs to the lane, which may keep here what it prepared for these receivers."""


class ReceiverSet:
    """Addresses that get the same datagrams. It never changes: after any change there is a new one.

    So a transmission that was handed out keeps its receivers.
    """

    __slots__ = ("addresses", "by_lane", "handover", "indices", "media_ids")

    def __init__(self, members: Iterable[tuple[int, Address]], handover: Handover | None = None) -> None:
        ordered = sorted(members, key=lambda member: member[1].lane)
        self.addresses = tuple(address for _, address in ordered)
        """Ordered by lane."""
        self.media_ids = tuple(media_id for media_id, _ in ordered)
        """Media id of each address."""
        self.indices = {media_id: index for index, (media_id, _) in enumerate(ordered)}
        """Index of each media id."""
        self.by_lane = _by_lane(self.addresses)
        """The receivers of each lane."""
        self.handover = handover
        """Receivers of the same datagrams that other media workers serve."""

    def is_empty_without(self, skip: int) -> bool:
        """Return whether nobody, here or at another worker, is left if the receiver at index ``skip`` gets nothing."""
        return len(self.addresses) == (skip >= 0) and self.handover is None


class Handover:
    """Seats of other media workers that get what this one has sealed; the relay sends it to those workers."""

    __slots__ = ("__weakref__", "head", "members", "number", "peers", "room", "told_at")

    def __init__(
        self, number: int, room: int, members: Mapping[int, tuple[int, ...]], peers: ReceiverSet, head: bytes
    ) -> None:
        self.number = number
        """Number of the audience, by which the other workers know it."""
        self.room = room
        self.members = members
        """Media ids, by worker."""
        self.peers = peers
        """The addresses of those workers."""
        self.head = head
        """Bytes in front of each datagram that is handed on."""
        self.told_at = float("-inf")
        """When the workers were told which seats these are."""


class Transmission(NamedTuple):
    """A datagram that goes to each of the receivers but one."""

    datagram: bytes
    receivers: ReceiverSet
    skip: int = -1
    """Index of the receiver that gets nothing, which is the publisher; -1: all get it."""


class Audience:
    """Seats of a room that get the same series, the publisher included. All series with these seats share it."""

    __slots__ = ("__weakref__", "handover", "members", "receivers")

    def __init__(self, members: frozenset[int]) -> None:
        self.members = members
        """Media ids."""
        self.handover: Handover | None = None
        """Those that other media workers serve."""
        self.receivers: ReceiverSet | None = None
        """Those with a proven path; None: to be found again."""


def _by_lane(addresses: tuple[Address, ...]) -> tuple[LaneReceivers, ...]:
    if not addresses:
        return ()
    lane = addresses[0].lane
    if addresses[-1].lane == lane:  # ordered by lane: all are on one, as nearly always
        return (LaneReceivers(lane, 0, addresses),)
    starts = [at for at, address in enumerate(addresses) if not at or address.lane != addresses[at - 1].lane]
    ends = (*starts[1:], len(addresses))
    return tuple(LaneReceivers(addresses[at].lane, at, addresses[at:end]) for at, end in zip(starts, ends, strict=True))
