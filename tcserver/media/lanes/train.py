"""Trains: datagrams that leave as one message to each receiver."""

from __future__ import annotations

from collections.abc import Iterable

from tcserver.media.forwarding.receivers import ReceiverSet, Transmission

MAX_SEGMENTS = 48
"""Datagrams of a train at most: older kernels take 64, newer ones 128."""
MAX_TRAIN = 65_507
"""Bytes of a train at most: the payload of the largest IPv4 datagram."""
_NOBODY = -1


class Train:
    """Datagrams for the same receivers, in order. All are of one size; only the last may be shorter.

    ``skips`` has for each datagram the index of the receiver that does not get it, its publisher's; -1: none.
    """

    __slots__ = ("datagrams", "ended", "receivers", "size", "skips")

    def __init__(self, datagram: bytes, receivers: ReceiverSet, skip: int) -> None:
        self.datagrams = [datagram]
        self.receivers = receivers
        self.skips = [skip]
        self.size = len(datagram)
        self.ended = self.size > MAX_TRAIN // 2

    def join(self, datagram: bytes, skip: int) -> bool:
        """Put a datagram at the end of the train, if it fits; return whether it did."""
        size = self.size
        length = len(datagram)
        if self.ended or length > size:
            return False
        datagrams = self.datagrams
        datagrams.append(datagram)
        self.skips.append(skip)
        count = len(datagrams)
        self.ended = length < size or count == MAX_SEGMENTS or (count + 1) * size > MAX_TRAIN
        return True


def couple(transmissions: Iterable[Transmission]) -> list[Train]:
    """Return trains of what is sent together, each as long as it may be.

    A datagram may overtake datagrams of other publishers, never one of its own publisher. So each receiver gets the
    datagrams of a publisher in order, also where its layers go to different sets of receivers.
    """
    trains: list[Train] = []
    open_trains: dict[ReceiverSet, int] = {}
    # The train with the last datagram of each publisher: its next ones go into that or into a later one.
    latest: dict[int, int] = {}
    for datagram, receivers, skip in transmissions:
        publisher = receivers.media_ids[skip] if skip >= 0 else _NOBODY
        at = open_trains.get(receivers, -1)
        if at < latest.get(publisher, 0) or not trains[at].join(datagram, skip):
            at = open_trains[receivers] = len(trains)
            trains.append(Train(datagram, receivers, skip))
        latest[publisher] = at
    return trains
