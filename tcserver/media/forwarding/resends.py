"""What is missing of a seat's datagrams, and when its client is asked for it."""

from __future__ import annotations

from collections.abc import Iterator

from tcproto.feedback import REPEAT_INTERVAL
from tcproto.replay import Verdict
from tcserver.media.forwarding.seat import UpKey

REORDER_WAIT = 0.02
"""Seconds for which a missing datagram may just have been overtaken, where that has happened."""
TRIES = 3
"""Requests for a datagram, in case the first is lost. An answer that is lost is missed itself."""
SECOND_AFTER = 0.03
"""Seconds from the first request to the second: a client answers one of them, and sound cannot wait for a round trip
to know that a request was lost."""
MAX_MISSING = 32
"""Datagrams of a seat that are missed at a time: 0.6 s of sound. The oldest are given up first."""
NEVER = float("inf")
UNKNOWN_RTT = 0.1
"""Seconds of a round trip that was not measured."""


class Resends:
    """The datagrams under one up key that have not come, by counter."""

    __slots__ = ("_missing", "scheduled", "up")

    def __init__(self, up: UpKey) -> None:
        self.up = up
        self.scheduled = NEVER
        """When the owner looks for what is due."""
        self._missing: dict[int, tuple[float, int]] = {}
        """When each is asked for next, and how often it was."""

    def miss(self, now: float) -> None:
        """Take in the gap before the newest datagram."""
        wait = REORDER_WAIT if self.up.reordered else 0.0
        for counter in self.up.take_gap():
            self._missing[counter] = now + wait, 0
            if len(self._missing) > MAX_MISSING:
                del self._missing[next(iter(self._missing))]

    @property
    def next_deadline(self) -> float | None:
        """When ``due`` has something; None: nothing is missing."""
        return min((at for at, _ in self._missing.values()), default=None)

    def due(self, rtt: float | None, now: float) -> list[int]:
        """Return the counters to ask for now, with this round trip in seconds, if it is known."""
        return list(self._due(max(UNKNOWN_RTT if rtt is None else rtt, REPEAT_INTERVAL), now))

    def _due(self, spacing: float, now: float) -> Iterator[int]:
        for counter, (at, tries) in list(self._missing.items()):
            if at > now:
                continue
            if tries == TRIES or self.up.window.check(counter) is not Verdict.NEW:
                del self._missing[counter]
                continue
            self._missing[counter] = now + (spacing if tries else SECOND_AFTER), tries + 1
            yield counter
