"""When to send our beacons."""

from __future__ import annotations

from tcproto.beacon import BEACON_INTERVAL, BEACON_STARTS
from tcproto.keyring import MAX_SKIPPED_GENERATIONS
from tcproto.sender_key import SenderKey

GENERATIONS = MAX_SKIPPED_GENERATIONS // 4
"""Ratchets between beacons: a beacon reaches every member, also one that hears nothing else of us, and carries it
along before the generation is out of its reach; three may be lost."""
CLOCK_SPACING = 1.0
"""Seconds between beacons that only tell of a clock."""
NEVER = float("inf")


class BeaconSchedule:
    """A beacon every ten seconds while something is published, more when a stream starts or the key moves on."""

    def __init__(self) -> None:
        self.next_deadline = NEVER
        self._planned: list[float] = []
        self._told: SenderKey | None = None
        self._sent_at = -NEVER

    def begin(self, now: float) -> None:
        """Something is published: begin the regular beacons, if they do not run yet."""
        self.next_deadline = min(self.next_deadline, now + BEACON_INTERVAL)

    def stream_started(self, now: float) -> None:
        """A stream sent its first frame."""
        self._plan([now + start for start in BEACON_STARTS])

    def clock_moved(self, now: float) -> None:
        """A stream's clock and ours went apart; a live source may do so again and again."""
        at = max(now, self._sent_at + CLOCK_SPACING)
        if self.next_deadline > at:
            self._plan([at])

    def key_changed(self, key: SenderKey, now: float) -> None:
        """Plan a beacon where the receivers need one to keep up with our key."""
        told = self._told
        if told is not None and (key.number != told.number or key.generation >= told.generation + GENERATIONS):
            self._plan([now])

    def stop(self) -> None:
        """Nothing is published any more."""
        self.next_deadline, self._planned, self._told = NEVER, [], None

    def sent(self, key: SenderKey | None, now: float) -> None:
        """A beacon was due, and sent if the path was there."""
        self._told, self._sent_at = key, now
        self._planned = [at for at in self._planned if at > now]
        self.next_deadline = min([now + BEACON_INTERVAL, *self._planned])

    def _plan(self, times: list[float]) -> None:
        self._planned += times
        self.next_deadline = min(self.next_deadline, *times)
