"""Which members send no beacons. They may not exist, or the server keeps their view of the room from us."""

from __future__ import annotations

from tcproto.beacon import SILENT_INTERVALS, beacon_interval

NEVER = float("inf")


class Silence:
    """Measures how long each member has been silent.

    Only time in which our own path is proved counts: without a path we hear nobody.
    """

    def __init__(self) -> None:
        self.silent: set[int] = set()
        """Participants that are silent."""
        self.next_deadline = NEVER
        """When ``handle_timeout`` is due, or earlier."""
        self._heard: dict[int, float] = {}
        """When each member was last heard, or came, in time on the path."""
        self._elapsed = 0.0
        self._since: float | None = None

    def path(self, proved: bool, now: float) -> None:
        """Note whether our path is proved from now on."""
        self._elapsed, self._since = self._time(now), now if proved else None
        self.next_deadline = now if proved else NEVER

    def came(self, participant: int, now: float) -> None:
        """Note that somebody is in the room from now on."""
        self._heard[participant] = self._time(now)
        if self._since is not None:
            self.next_deadline = min(self.next_deadline, now + SILENT_INTERVALS * beacon_interval(1))

    def left(self, participant: int) -> None:
        """Note that somebody has left."""
        self._heard.pop(participant, None)
        self.silent.discard(participant)

    def heard(self, participant: int, now: float) -> bool:
        """Note a valid beacon, and return whether the member was silent."""
        self.came(participant, now)
        was_silent = participant in self.silent
        self.silent.discard(participant)
        return was_silent

    def handle_timeout(self, members: int, now: float) -> list[int]:
        """Return the members that have become silent; ``members`` is the size of the room, ourselves included."""
        if now < self.next_deadline or self._since is None:
            return []
        limit = SILENT_INTERVALS * beacon_interval(members)
        ends = {i: self._since + (heard + limit - self._elapsed) for i, heard in self._heard.items()}
        found = [i for i, end in ends.items() if end <= now and i not in self.silent]
        self.silent.update(found)
        self.next_deadline = min((end for i, end in ends.items() if i not in self.silent), default=NEVER)
        return found

    def _time(self, now: float) -> float:
        return self._elapsed + (now - self._since if self._since is not None else 0.0)
