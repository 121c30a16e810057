"""What is missing of a seat's datagrams, and when its client is asked for it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from tcproto.copies import copied_within
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

    __slots__ = ("_gap", "_missing", "_sequences", "scheduled", "up")

    def __init__(self, up: UpKey) -> None:
        self.up = up
        self.scheduled = NEVER
        """When the owner looks for what is due."""
        self._missing: dict[int, tuple[float, int]] = {}
        """When each is asked for next, and how often it was."""
        self._gap = up.gap
        """Of these, those before the newest datagram when it came."""
        self._sequences: dict[tuple[int, int], int] = {}
        """Counters of packets of sound of which a copy may come, by stream and sequence number; as many at most."""

    @property
    def gap(self) -> int:
        """How many are missing just before the newest datagram."""
        return len(self._gap) if self._gap.stop == self.up.window.highest else 0

    def miss(self, now: float) -> None:
        """Take in the gap before the newest datagram, or its end: a client may skip hundreds each time."""
        wait = REORDER_WAIT if self.up.reordered else 0.0
        self._gap = self.up.take_gap()[-MAX_MISSING:]
        for counter in self._gap:
            self._missing[counter] = now + wait, 0
            if len(self._missing) > MAX_MISSING:
                del self._missing[next(iter(self._missing))]

    def expect_copies(self, stream: int, sequence: int, farthest: int, frame: float) -> None:
        """Ask for what is missing before the newest datagram no sooner than its copies may have come.

        All of it is packets of the stream, before the one with this sequence number. Copies reach ``farthest`` packets
        back, and packets last ``frame`` seconds.
        """
        for back, counter in enumerate(reversed(self._gap), 1):
            if counter in self._missing:
                at, tries = self._missing[counter]
                self._missing[counter] = at + copied_within(farthest, frame, back), tries
                self._sequences[stream, sequence - back] = counter
        while len(self._sequences) > MAX_MISSING:
            del self._sequences[next(iter(self._sequences))]

    def recovered(self, stream: int, sequences: Collection[int]) -> None:
        """Ask for these packets of sound no more: copies of them have come."""
        for sequence in sequences:
            counter = self._sequences.pop((stream, sequence), None)
            if counter is not None:
                self._missing.pop(counter, None)

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
