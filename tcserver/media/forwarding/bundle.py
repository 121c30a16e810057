"""Bundles: the room datagrams that the packets of one up datagram become."""

from __future__ import annotations

from struct import Struct

from tcproto.datagram import LAST_ITEM, MAX_PLAINTEXT, RELAY_TIME_SIZE, Item, pack_items, pack_relay_time
from tcserver.media.forwarding.receivers import ReceiverSet, Transmission
from tcserver.media.forwarding.sealer import MediaSealer

MAX_ITEMS_SIZE = MAX_PLAINTEXT - RELAY_TIME_SIZE
"""Bytes that the items of a room datagram may take."""
ITEM_HEAD = 3
"""Bytes of an item's type and length."""

_LONE = Struct(">IBH")


def pack_lone(time: int, type_: int, number: int, packet: bytes) -> bytes:
    """Return the plaintext of a room datagram with one packet that was not held.

    It is the same as that of a bundle, and costs less.

    ``time`` is in µs, ``type_`` that of the item, ``number`` its forward number.
    """
    # For nearly every datagram: a mask costs less than a call of ``wrapped``.
    return _LONE.pack(time & 0xFFFFFFFF, type_ | LAST_ITEM, number) + packet


def items_size(items: list[Item]) -> int:
    """Return the bytes that items take, each with its length."""
    return sum(ITEM_HEAD + len(item.value) for item in items)


class Bundle:
    """Collects items. Those for the same receivers share a datagram as long as they fit."""

    __slots__ = ("_datagrams",)

    def __init__(self) -> None:
        self._datagrams: list[tuple[ReceiverSet, int, list[Item]]] = []

    def add(self, receivers: ReceiverSet, skip: int, items: list[Item]) -> int:
        """Add the items of a packet, at most ``MAX_ITEMS_SIZE`` bytes together.

        Return the index of their datagram among those of the bundle.
        """
        datagrams = self._datagrams
        for index, (others, other_skip, begun) in enumerate(datagrams):
            if others is receivers and other_skip == skip and items_size(begun) + items_size(items) <= MAX_ITEMS_SIZE:
                begun.extend(items)
                return index
        datagrams.append((receivers, skip, items))
        return len(datagrams) - 1

    def seal(self, sealer: MediaSealer, now: float) -> list[Transmission]:
        """Return the sealed datagrams; raises ``Dropped`` where the counter of the sealer is spent."""
        time = pack_relay_time(int(now * 1e6))
        return [
            Transmission(sealer.seal(pack_items(items, time), now), receivers, skip)
            for receivers, skip, items in self._datagrams
        ]
