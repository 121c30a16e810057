"""Receivers: who gets the same bytes, and where these go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

from tcserver.media.interface import Address


class ReceiverSet:
    """Addresses that get the same datagrams. Never changes: after any change there is a new one.

    So what was handed out for sending keeps its meaning whatever happens meanwhile, and a sender may keep what it
    prepared for the set in ``prepared``.
    """

    __slots__ = ("addresses", "groups", "handover", "media_ids", "prepared", "slots")

    def __init__(self, members: Iterable[tuple[int, Address]], handover: Handover | None = None) -> None:
        ordered = sorted(members, key=lambda member: member[1].local)
        self.addresses = tuple(address for _, address in ordered)
        """One slot for each receiver, ordered by local socket."""
        self.media_ids = tuple(media_id for media_id, _ in ordered)
        """Media id of each slot."""
        self.slots = {media_id: slot for slot, (media_id, _) in enumerate(ordered)}
        """Slot of each media id."""
        self.groups = _groups(self.addresses)
        """(first slot, one past the last) of each local socket's."""
        self.handover = handover
        """Receivers of the same datagrams that other media workers serve."""
        self.prepared: object = None
        """Belongs to the sender."""

    def nobody_but(self, skip: int) -> bool:
        """Whether nobody, here or elsewhere, gets what one of the receivers (-1: none) is left out of."""
        return len(self.addresses) == (skip >= 0) and self.handover is None


class Handover:
    """Seats of other media workers that get what this one has sealed; the relay sends it to those workers."""

    __slots__ = ("__weakref__", "head", "members", "number", "peers", "room", "told_at")

    def __init__(
        self, number: int, room: int, members: Mapping[int, tuple[int, ...]], peers: ReceiverSet, head: bytes
    ) -> None:
        self.number = number
        """Of the audience, by which the other workers know it."""
        self.room = room
        self.members = members
        """Media ids, by worker."""
        self.peers = peers
        """The addresses of those workers."""
        self.head = head
        """What stands before each datagram that is handed on."""
        self.told_at = float("-inf")
        """When the workers were told which seats these are."""


class Transmission(NamedTuple):
    """A datagram that goes to each of the receivers but one."""

    datagram: bytes
    receivers: ReceiverSet
    skip: int = -1
    """Slot that gets nothing: the publisher's own. -1: nobody is left out."""


class Audience:
    """Members of a room who get the same series, the publisher included; shared by all series with these members."""

    __slots__ = ("__weakref__", "handover", "members", "receivers")

    def __init__(self, members: frozenset[int]) -> None:
        self.members = members
        """Media ids."""
        self.handover: Handover | None = None
        """Members that other media workers serve."""
        self.receivers: ReceiverSet | None = None
        """Those with a proven path; None where this has to be found out again."""


def _groups(addresses: tuple[Address, ...]) -> tuple[tuple[int, int], ...]:
    starts = [slot for slot, address in enumerate(addresses) if not slot or address.local != addresses[slot - 1].local]
    return tuple(pairwise((*starts, len(addresses))))
