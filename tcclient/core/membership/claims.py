"""What another member has said in its beacons, and whether it is consistent."""

from __future__ import annotations

from tcproto.beacon import Beacon, ClockMapping
from tcproto.keyring import KeyRing

MISMATCH_AFTER = 10.0
"""Seconds for which the member set in a beacon may differ from ours. Joins and leaves reach members at different times.
"""


class Claims:
    """The beacons of one seat. Only a beacon with a higher sequence number than all before it counts, so none is
    replayed."""

    def __init__(self) -> None:
        self.sequence = -1
        """Sequence number of the newest beacon; -1 before the first."""
        self.clocks: dict[int, ClockMapping] = {}
        """The newest clock mapping of each stream."""
        self.mismatch = False
        """Whether the member has seen another member set than ours for longer than a change takes to arrive."""
        self._differs_since: float | None = None
        self._committed: tuple[int, int, bytes] | None = None
        """Key number, generation and commitment of the newest beacon that named a key."""
        self._contradicted = False
        """Whether the beacon before it said something else about the same key, or named a later key."""
        self._accused = 0
        """Highest key number for which a difference was reported."""

    def receive(self, beacon: Beacon, streams: set[int], member_set: bytes, now: float) -> None:
        """Take a beacon. ``streams`` are those of the sender, ``member_set`` is our own hash."""
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
        """Compare the key that the newest beacon commits to with the key that we were given.

        Return True once for each key, when the two are found to differ. If they are equal, the ring moves forward to
        the generation of the beacon. If we do not have the key (yet), return False.
        """
        if self._committed is None:
            return False
        equal = ring.follow(*self._committed, now)
        number = self._committed[0]
        if (equal is False or self._contradicted) and number > self._accused:
            self._accused = number
            return True
        return False
