"""The sender: brings each transmission to the lanes of its receivers."""

from __future__ import annotations

from collections.abc import Sequence

from tcserver.media.forwarding.receivers import LaneReceivers, Transmission
from tcserver.media.lanes.lane import Lane
from tcserver.media.lanes.train import Train, couple


class Sender:
    """Sends datagrams to sets of receivers; ``Address.lane`` says by which of the lanes each receiver is reached.

    Where a lane takes trains, datagrams that are sent together leave in trains (see ``couple``).
    """

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = lanes

    def send(self, transmissions: Sequence[Transmission]) -> None:
        """Send each datagram to each of its receivers but the one that is left out."""
        if not self._may_couple(transmissions):
            for datagram, receivers, skip in transmissions:
                for group in receivers.by_lane:
                    self._send_one(datagram, group, skip)
            return
        for train in couple(transmissions):
            for group in train.receivers.by_lane:
                if len(train.datagrams) > 1 and self._lanes[group.lane].trains:
                    self._send_train(train, group)
                else:
                    for datagram, skip in zip(train.datagrams, train.skips, strict=True):
                        self._send_one(datagram, group, skip)

    def _may_couple(self, transmissions: Sequence[Transmission]) -> bool:
        """Return whether any of these can leave in a train."""
        if len(transmissions) == 1:
            return False
        sets = {receivers for _, receivers, _ in transmissions}
        if len(sets) == len(transmissions):
            return False  # each goes to other receivers, as from different rooms
        lanes = self._lanes
        return any(lanes[group.lane].trains for receivers in sets for group in receivers.by_lane)

    def _send_one(self, datagram: bytes, group: LaneReceivers, skip: int) -> None:
        count = len(group.addresses)
        index = skip - group.first
        if not 0 <= index < count:
            self._lanes[group.lane].send(datagram, len(datagram), group, 0, count)
        elif count > 1:
            self._lanes[group.lane].send(datagram, len(datagram), group, index + 1, index + count)

    def _send_train(self, train: Train, group: LaneReceivers) -> None:
        """Send a train to receivers that published none of it, and to each publisher the datagrams of others."""
        lane = self._lanes[group.lane]
        count = len(group.addresses)
        indices = [skip - group.first for skip in train.skips]
        publishers = sorted({index for index in indices if 0 <= index < count})
        runs = _runs(count, publishers)
        if lane.pays_by_call and len(runs) + len(publishers) > len(train.datagrams):
            for datagram, skip in zip(train.datagrams, train.skips, strict=True):
                self._send_one(datagram, group, skip)
            return
        payload = b"".join(train.datagrams)
        for start, stop in runs:
            lane.send(payload, train.size, group, start, stop)
        for publisher in publishers:
            others = [datagram for datagram, index in zip(train.datagrams, indices, strict=True) if index != publisher]
            if others:
                lane.send(b"".join(others), len(others[0]), group, publisher, publisher + 1)


def _runs(count: int, left_out: Sequence[int]) -> list[tuple[int, int]]:
    """Return the ranges (start, stop) of ``count`` indices without ``left_out``, which ascends. Indices go round."""
    if not left_out:
        return [(0, count)]
    ends = (*left_out[1:], left_out[0] + count)
    return [(index + 1, end) for index, end in zip(left_out, ends, strict=True) if index + 1 < end]
