"""Whether datagrams with copies get through: some ways have no room for them, and do not say so."""

from __future__ import annotations

from collections.abc import Collection

from tcclient.core.media.statistics import StreamStatistics
from tcclient.core.timers import NEVER

TRIAL = 0.5
"""Seconds without any packet after copies were asked for, and before the first with copies: a pause, or they are too
long for the way."""
LOOKS = 5
"""How often is looked in that time."""
ENOUGH = 5
"""Packets that tell afterwards which of both it was."""


class Trial:
    """What comes after copies were asked for. Packets without them come until the server has heard of it.

    If nothing comes, it has failed. Forward numbers tell later whether packets were lost or nobody spoke.
    """

    def __init__(self) -> None:
        self.next_deadline = NEVER
        """When ``look`` is due; never without a trial."""
        self._came = self._lost = 0
        """Of all series, when they were looked at last."""
        self._quiet_since = NEVER

    def begin(self, series: Collection[StreamStatistics], now: float) -> None:
        """Note that copies are asked for."""
        self._note(series)
        self._quiet_since = now
        self.next_deadline = now + TRIAL / LOOKS

    def end(self) -> None:
        """Note that no copies are asked for any more."""
        self.next_deadline = NEVER

    def look(self, series: Collection[StreamStatistics], now: float) -> bool:
        """Return whether the trial goes on, or has succeeded."""
        came = self._came
        self._note(series)
        if self._came > came:
            self._quiet_since = now
        passed, failed = any(counts.farthest_copy for counts in series), now - self._quiet_since >= TRIAL
        self.next_deadline = NEVER if passed or failed else now + TRIAL / LOOKS
        return passed or not failed

    def verdict(self, series: Collection[StreamStatistics]) -> bool | None:
        """Return whether packets were lost in the trial that has failed; None: too few have come since to tell."""
        if sum(counts.received for counts in series) < self._came + ENOUGH:
            return None
        return sum(counts.lost + counts.repaired for counts in series) >= self._lost + ENOUGH

    def _note(self, series: Collection[StreamStatistics]) -> None:
        self._came = sum(counts.received for counts in series)
        self._lost = sum(counts.lost + counts.repaired for counts in series)
