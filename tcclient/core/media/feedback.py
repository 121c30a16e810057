"""Feedback: tells the server what is lost on the way down, and chooses the variant with copies where it pays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tcclient.core.media.copies import COPIES_FROM, COPIES_UNTIL, ENOUGH
from tcclient.core.media.statistics import StreamStatistics
from tcclient.core.media.trial import Trial
from tcproto.datagram import FORWARD_BITS, Item, ItemType
from tcproto.feedback import REPORT_INTERVAL, Reception, pack_receiver_report
from tcproto.packet import Series
from tcproto.serial import wrapped

HURRY = 0.1
"""Seconds after a loss in which the choice is made again."""
BARRED, MAX_BARRED = 60.0, 960.0
"""Seconds without copies after nothing came with them, as where a tunnel takes small datagrams only; twice as many
after each further time."""
MAX_REPORTED = 40
"""Series in one report, so that it fits a datagram; those of sound, and more than a room forwards."""
MAX_JITTER = 0xFFFF
"""The most jitter in a report, in units of 0.1 ms."""


class Feedback:
    """Reports each second, while the redundant variant is received.

    ``send`` sends an item. ``choose`` tells the server of another choice, and returns whether it could.

    ``loss`` returns the share that the way down has lost of late, and how many packets that share is of.
    ``by_requests`` returns whether what is lost is better asked for, and takes whether it was when asked last.
    ``series`` returns the counts of all series.
    """

    def __init__(
        self,
        loss: Callable[[], tuple[float, int]],
        by_requests: Callable[[bool], bool],
        series: Callable[[], Mapping[tuple[int, Series], StreamStatistics]],
        send: Callable[[Item], None],
        choose: Callable[[], bool],
    ) -> None:
        self.redundant = False
        """Whether the redundant variant of sound is wanted."""
        self.next_deadline = 0.0
        """When ``handle_timeout`` is due."""
        self._loss = loss
        self._by_requests = by_requests
        self._series = series
        self._send = send
        self._choose = choose
        self._barred = BARRED
        self._barred_until = float("-inf")
        self._trial = Trial()
        self._doubted = False
        """Whether a trial has failed, and it is not known why."""
        self._seen: dict[tuple[int, Series], _Counts] = {}
        """Of each series when it was looked at last, while copies are wanted."""
        self._told: dict[tuple[int, Series], tuple[int, int]] = {}
        """Packets of each series that have come at first, and that were lost, since copies are wanted."""

    def missed(self, now: float) -> None:
        """Note that something was lost: copies may be worth their bytes from now on."""
        if not self.redundant:
            self.next_deadline = min(self.next_deadline, now + HURRY)

    def give_up_copies(self, now: float) -> None:
        """Nothing comes: perhaps datagrams with copies are too long for the way. Do without for a while."""
        if self.redundant:
            self.redundant = False
            self._bar(now)

    def _bar(self, now: float) -> None:
        self._trial, self._doubted = Trial(), False
        self._barred_until = now + self._barred
        self._barred = min(2 * self._barred, MAX_BARRED)

    def handle_timeout(self, now: float) -> None:
        """Choose the variant again, and report."""
        series = self._series()
        if now >= self._trial.next_deadline and not self._trial.look(series.values(), now):
            self._doubted = True
        if self._doubted and (lost := self._trial.verdict(series.values())) is not None:
            self._doubted = False
            if lost:
                self._bar(now)
        wanted = self._wanted() and not self._doubted
        if wanted != self.redundant and (not wanted or now >= self._barred_until):
            self.redundant = wanted
            if not self._choose():
                self.redundant = not wanted  # next time
            elif wanted:
                self._seen = {key: _counts(counts) for key, counts in series.items()}
                self._trial.begin(series.values(), now)
            else:
                self._trial.end()
        if self.redundant:
            self._report()
        self.next_deadline = min(now + REPORT_INTERVAL, self._trial.next_deadline)

    def _wanted(self) -> bool:
        loss, packets = self._loss()
        if self.redundant:
            return loss >= COPIES_UNTIL and not self._by_requests(False)
        return loss >= COPIES_FROM and packets >= ENOUGH and not self._by_requests(True)

    def _report(self) -> None:
        """Report the series that went on. What was lost before copies were wanted tells nothing of what is now."""
        receptions: list[Reception] = []
        seen, self._seen = self._seen, {}
        told, self._told = self._told, {}
        for key, counts in self._series().items():
            now, before = _counts(counts), seen.get(key, _NOTHING)
            came, lost = told.get(key, (0, 0))
            self._seen[key] = now
            self._told[key] = came, lost = came + now.came - before.came, lost + now.lost - before.lost
            if counts.redundant and now.received != before.received and len(receptions) < MAX_REPORTED:
                receptions.append(_reception(*key, counts, came, lost))
        if receptions:
            self._send(Item(ItemType.RECEIVER_REPORT, pack_receiver_report(receptions)))


class _Counts(NamedTuple):
    received: int
    came: int
    """At first: what was repaired was lost all the same."""
    lost: int


_NOTHING = _Counts(0, 0, 0)


def _counts(counts: StreamStatistics) -> _Counts:
    came = counts.received - counts.repaired
    return _Counts(counts.received, came, max(0, counts.expected - came))


def _reception(sealer: int, series: Series, counts: StreamStatistics, came: int, lost: int) -> Reception:
    return Reception(
        sealer,
        series._replace(redundant=True),
        wrapped(came),
        wrapped(lost),
        wrapped(counts.highest, FORWARD_BITS),
        min(round(counts.jitter_ms * 10), MAX_JITTER),
        0,
    )
