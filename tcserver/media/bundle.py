"""Bundles: the room datagrams that the packets of one up datagram become."""

from __future__ import annotations

from tcproto.datagram import MAX_PLAINTEXT, RELAY_TIME_SIZE, Item, pack_items, pack_relay_time
from tcserver.media.receivers import ReceiverSet, Transmission
from tcserver.media.sealer import Sealer

MAX_ITEMS_SIZE = MAX_PLAINTEXT - RELAY_TIME_SIZE
"""Bytes that the items of a room datagram may take."""
_ITEM_HEAD = 3


def items_size(items: list[Item]) -> int:
    """Return the bytes that items take, each with its length."""
    return sum(_ITEM_HEAD + len(item.value) for item in items)


class _Datagram:
    __slots__ = ("items", "receivers", "size", "skip")

    def __init__(self, receivers: ReceiverSet, skip: int, items: list[Item], size: int) -> None:
        self.receivers = receivers
        self.skip = skip
        self.items = items
        self.size = size


class Bundle:
    """Collects items; those for the same receivers share a datagram while they fit."""

    __slots__ = ("_datagrams",)

    def __init__(self) -> None:
        self._datagrams: list[_Datagram] = []

    def add(self, receivers: ReceiverSet, skip: int, items: list[Item]) -> None:
        """Add a packet, with what stands behind it, of at most ``MAX_ITEMS_SIZE`` bytes together."""
        size = items_size(items)
        for datagram in self._datagrams:
            if datagram.receivers is receivers and datagram.skip == skip and datagram.size + size <= MAX_ITEMS_SIZE:
                datagram.items += items
                datagram.size += size
                return
        self._datagrams.append(_Datagram(receivers, skip, items, size))

    def seal(self, sealer: Sealer, now: float) -> list[Transmission]:
        """Return the datagrams, sealed; raises ``Dropped`` where the sealer's counter is spent."""
        time = pack_relay_time(int(now * 1e6))
        return [
            Transmission((sealer.seal(time + pack_items(d.items), now),), d.receivers, d.skip) for d in self._datagrams
        ]
