"""When our beacons are due, and which sequence numbers they have."""

from __future__ import annotations

from collections.abc import Callable

from tcproto.beacon import BEACON_SPACING, BEACON_STARTS, beacon_interval, beacon_spacing
from tcproto.keyring import MAX_SKIPPED_GENERATIONS
from tcproto.sender_key import SenderKey

GENERATIONS = MAX_SKIPPED_GENERATIONS // 4
"""Ratchets between two beacons. A beacon reaches every member, also a member that receives nothing else from us. It
moves that member's copy of our key forward before the generation is out of reach. Three beacons in a row may be lost.
"""
NEVER = float("inf")


class BeaconSchedule:
    """Plans one beacon in each interval, and an additional one when there is something to tell.

    Two beacons are never closer together than the size of the room allows. ``members`` is that size, ourselves
    included; ``random_bytes`` spreads the answers of many members to one newcomer.
    """

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self.next_deadline = NEVER
        self.sequence = 0
        """Sequence number of the next beacon."""
        self._random_bytes = random_bytes
        self._members = 1
        self.is_running = False
        """Whether beacons have begun. Once begun, they go on until the seat ends."""
        self._planned: list[float] = []
        self._told: SenderKey | None = None
        self._sent_at = -NEVER
        self._since = 0.0
        """When the present interval began."""

    def begin(self, now: float) -> None:
        """Plan the first beacon soon: the room is known, and there is or may be a path.

        In a large room the members do not all send in the same moment.
        """
        self.is_running, self._since = True, now
        spread = self._offset() if beacon_spacing(self._members) > BEACON_SPACING else 0.0
        self._plan(*(now + start + spread for start in BEACON_STARTS))

    def resize(self, members: int) -> None:
        """Note how many members the room has now."""
        self._members = members
        self._schedule()

    def answer(self, now: float) -> None:
        """Plan a beacon soon, since somebody came, or was heard for the first time, or the path works.

        Each member waits a random time, so that not all answer at once.
        """
        self._plan(now + self._offset())

    def stream_started(self, now: float) -> None:
        """Plan a beacon: a stream sent its first frame."""
        self._plan(*(now + start for start in BEACON_STARTS))

    def clock_moved(self, now: float) -> None:
        """Plan a beacon: the clock of a stream and ours moved apart. A live source may do so again and again."""
        self._plan(now)

    def key_changed(self, key: SenderKey, now: float) -> None:
        """Plan a beacon where the receivers need one to keep up with our key."""
        told = self._told
        if told is None or key.number != told.number or key.generation >= told.generation + GENERATIONS:
            self._plan(now)

    def sent(self, key: SenderKey | None, now: float) -> None:
        """Note that a beacon was sent."""
        self.sequence += 1
        self._told, self._sent_at, self._since = key, now, now
        self._planned = [at for at in self._planned if at > now]
        self._schedule()

    def _offset(self) -> float:
        return int.from_bytes(self._random_bytes(2), "big") / 65536 * beacon_spacing(self._members)

    def _plan(self, *times: float) -> None:
        """Plan beacons, unless one is planned shortly before; drop the one that is planned shortly after."""
        if not self.is_running:
            return
        spacing = beacon_spacing(self._members)
        for time in times:
            at = max(time, self._sent_at + spacing)
            if not any(at - spacing < planned <= at for planned in self._planned):
                self._planned = [planned for planned in self._planned if not at < planned < at + spacing]
                self._planned.append(at)
        self._schedule()

    def _schedule(self) -> None:
        if self.is_running:
            due = min([self._since + beacon_interval(self._members), *self._planned])
            self.next_deadline = max(due, self._sent_at + beacon_spacing(self._members))
