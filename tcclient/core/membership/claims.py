"""What one other member has said in its beacons, and whether it holds together."""

from __future__ import annotations

from tcproto.beacon import Beacon, ClockMapping
from tcproto.keyring import KeyRing

MISMATCH_AFTER = 10.0
"""Seconds over which two beacons must differ from our member set: joins and leaves reach members at different times."""


class Claims:
    """The beacons of one seat. Only a sequence number above all before it counts: nothing is played back."""

    def __init__(self) -> None:
        self.sequence = -1
        """Of the newest beacon; -1 before the first."""
        self.clocks: dict[int, ClockMapping] = {}
        """The newest clock mapping of each stream."""
        self.mismatch = False
        """The member has seen another set of members than we do for longer than a change takes to arrive."""
        self._differs_since: float | None = None
        self._committed: tuple[int, int, bytes] | None = None
        """Key number, generation and commitment of the newest beacon that named a key."""
        self._contradicted = False
        """The beacon before said something else of the same key, or of a later one."""
        self._accused = 0
        """The highest key number of which a difference was told."""

    def receive(self, beacon: Beacon, streams: set[int], member_set: bytes, now: float) -> None:
        """Take a beacon; ``streams`` are the sender's, ``member_set`` is our own hash."""
        self.clocks = {clock.stream: clock for clock in beacon.clocks if clock.stream in streams}
        if beacon.member_set == member_set:
            self._differs_since, self.mismatch = None, False
        elif self._differs_since is None:
            self._differs_since = now
        elif now >= self._differs_since + MISMATCH_AFTER:
            self.mismatch = True
        if beacon.key_number:
            committed = (beacon.key_number, beacon.generation, beacon.commitment)
            before = self._committed
            if before is not None:
                self._contradicted = committed[:2] < before[:2] or (committed[:2] == before[:2] and committed != before)
            self._committed = committed

    def differs(self, ring: KeyRing, now: float) -> bool:
        """Compare the key that the newest beacon commits to with the one that we were given.

        Tell whether they are now found to differ, once for each key. Equal ones take the ring along to the generation.
        Where we have no such key (yet), nothing is found.
        """
        if self._committed is None:
            return False
        equal = ring.follow(*self._committed, now)
        number = self._committed[0]
        if (equal is False or self._contradicted) and number > self._accused:
            self._accused = number
            return True
        return False
