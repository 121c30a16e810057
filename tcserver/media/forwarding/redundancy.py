"""Redundancy: the variant of a stream of sound with copies of earlier packets, shaped by what its receivers lose."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from tcproto.copies import MAX_COPIES, RecentPackets
from tcproto.datagram import Item
from tcproto.feedback import REPORT_INTERVAL, Reception
from tcproto.packet import AudioHeader
from tcproto.serial import difference

START_COPIES = 1
"""Copies for a receiver that has not reported yet."""
FOLLOWED = 0.25
"""Share of the receivers of a variant that have to need more copies until all get them."""
AT_LEAST = 2
"""Receivers of it at least, unless there is only one: nobody alone decides what comes to others."""
NEAR = 0.1
"""Seconds of a round trip up to which a retransmission is played in time, so that fewer copies do."""
LOSSES = {True: (0.01, 0.25, 0.35), False: (0.01, 0.08, 0.15)}
"""Shares of lost packets from which one, two and three copies are sent, to a receiver that is near or is not."""
MAX_RECEPTIONS = 64
"""Series of a report that are looked at."""
REMEMBERED = 150
"""Packets that weigh as much as all those before them: three seconds of a talker. Of fewer, the share that is lost
varies so much that a copy more is sent now and then for nothing."""


def copies_needed(loss: float, rtt: float | None) -> int:
    """Return how many copies a receiver needs that loses this share, with this round trip in seconds, if known."""
    return sum(loss >= least for least in LOSSES[rtt is not None and rtt <= NEAR])


class ReportedLoss:
    """The share of packets that a receiver loses, as its reports tell. Nobody can check that: ``Redundancy`` bounds
    what it costs others."""

    __slots__ = ("_counts", "_next", "share")

    def __init__(self) -> None:
        self.share = 0.0
        """0 to 1."""
        self._counts: dict[tuple[int, int, int], tuple[int, int]] = {}
        """Received and lost in the last report, by sealer, stream and series code."""
        self._next = float("-inf")

    def update(self, report: Sequence[Reception], now: float) -> bool:
        """Take a report; return False for one that comes too soon after another, and is ignored."""
        if now < self._next:
            return False
        self._next = now + REPORT_INTERVAL / 2
        before, self._counts = self._counts, {}
        received = lost = 0
        for reception in report[:MAX_RECEPTIONS]:
            key = reception.sealer, reception.series.stream, reception.series.code()
            self._counts[key] = reception.received, reception.lost
            old = before.get(key, (0, 0))
            received += max(0, difference(reception.received, old[0]))
            lost += max(0, difference(reception.lost, old[1]))
        if count := received + lost:
            self.share += (lost / count - self.share) * count / (count + REMEMBERED)
        return True


class Redundancy:
    """The last packets of a stream of sound, and how many copies of them its receivers need.

    All get as many as a share of them needs. So one who claims to lose much adds no more to what the others get than
    the copy that each of them gets before it reports, and one who claims to lose nothing takes no more than the others.
    Who needs more copies than there are asks for what is still missing.
    """

    __slots__ = ("_copies", "_needing", "_needs", "_packets")

    def __init__(self) -> None:
        self._copies = START_COPIES
        self._needs: dict[int, int] = {}
        """Copies that each receiver of the variant needs, by media id."""
        self._needing = [0] * (MAX_COPIES + 1)
        """How many receivers need so many copies."""
        self._packets = RecentPackets()

    def __len__(self) -> int:
        """Receivers of the variant."""
        return len(self._needs)

    def add(self, media_id: int) -> None:
        """Note a receiver, unless it is known."""
        if media_id not in self._needs:
            self._change(media_id, START_COPIES)

    def remove(self, media_id: int) -> None:
        """Forget a receiver, if it is one."""
        self._change(media_id, None)

    def need(self, media_id: int, copies: int) -> None:
        """Note how many copies a receiver needs; one that does not get the variant is ignored."""
        if media_id in self._needs:
            self._change(media_id, copies)

    def _change(self, media_id: int, copies: int | None) -> None:
        """Note what a receiver needs; None: it is none any more."""
        if (before := self._needs.pop(media_id, None)) is not None:
            self._needing[before] -= 1
        if copies is not None:
            self._needs[media_id] = copies
            self._needing[copies] += 1
        self._copies = self._followed()

    def _followed(self) -> int:
        """Return how many copies all get."""
        receivers = len(self._needs)
        enough = min(receivers, max(AT_LEAST, ceil(FOLLOWED * receivers)))
        copies = max((copies for copies, count in enumerate(self._needing) if count), default=START_COPIES)
        while copies > START_COPIES and sum(self._needing[copies:]) < enough:
            copies -= 1
        return copies

    def note(self, header: AudioHeader, packet: bytes) -> None:
        """Keep a packet, for copies."""
        self._packets.note(header, packet)

    def behind(self, header: AudioHeader) -> list[Item]:
        """Return the copies that go behind a packet. Silence is not copied."""
        return self._packets.behind(header, self._copies)
