"""When the datagrams of a seat arrived, for its client, which chooses its bitrate by that."""

from __future__ import annotations

from tcproto.feedback import DELTA_UNIT, LEAST_ARRIVAL_INTERVAL, MAX_ARRIVALS, MOST_ARRIVAL_INTERVAL, ArrivalReport

ASKED_FOR = 10.0
"""Seconds for which a request is good: longer than three that are lost, and soon over when a client sends no more."""
PAUSE = 1.0
"""Seconds without a datagram after which a report begins anew. What was before tells nothing of now."""


class ArrivalLog:
    """The last ``MAX_ARRIVALS`` arrivals of one seat. Each is told in two reports, since one may be lost."""

    __slots__ = (
        "_base",
        "_epoch",
        "_highest",
        "_interval",
        "_latest",
        "_next_base",
        "_reported_at",
        "_slots",
        "_until",
    )

    def __init__(self) -> None:
        self._epoch = -1
        self._slots: list[tuple[int, float]] = []
        """Counter and seconds of arrivals, at the place of the counter modulo ``MAX_ARRIVALS``: one look for each."""
        self._base = self._highest = self._next_base = 0
        """First counter of the next report, the highest that came, and the first of the report after the next."""
        self._latest = self._reported_at = float("-inf")
        self._until = float("-inf")
        self._interval = LEAST_ARRIVAL_INTERVAL

    def ask(self, interval: float, now: float) -> None:
        """Report from now on, every ``interval`` seconds while datagrams come."""
        self._interval = min(max(interval, LEAST_ARRIVAL_INTERVAL), MOST_ARRIVAL_INTERVAL)
        self._until = now + ASKED_FOR

    def skip(self) -> None:
        """Leave out what comes now: it has waited here, so that its arrival tells nothing of the way."""
        self._epoch = -1

    def arrive(self, epoch: int, counter: int, now: float) -> ArrivalReport | None:
        """Note a datagram under the key of an epoch, and return the report that is due, if there is one."""
        if now >= self._until:
            return None
        if epoch != self._epoch or now - self._latest > PAUSE:
            self._restart(epoch, counter, now)
        self._latest = now
        if counter > self._highest:
            self._highest = counter
        if counter >= self._base and counter > self._highest - MAX_ARRIVALS:
            self._slots[counter % MAX_ARRIVALS] = counter, now
        return self._report(now) if now - self._reported_at >= self._interval else None

    def _restart(self, epoch: int, counter: int, now: float) -> None:
        self._epoch = epoch
        self._slots = [(-1, 0.0)] * MAX_ARRIVALS
        self._base = self._highest = self._next_base = counter
        self._reported_at = now

    def _report(self, now: float) -> ArrivalReport | None:
        """Return the report; None where all that came was in two reports before."""
        arrivals: list[int | None] = []
        base = max(self._base, self._highest - MAX_ARRIVALS + 1)
        for counter in range(base, self._highest + 1):
            known, at = self._slots[counter % MAX_ARRIVALS]
            arrivals.append(int(at * 1e6) // DELTA_UNIT * DELTA_UNIT if known == counter else None)
        self._reported_at = now
        self._base, self._next_base = self._next_base, self._highest + 1
        return ArrivalReport(base, tuple(arrivals)) if arrivals else None
