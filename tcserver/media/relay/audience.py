"""Audiences of other workers: sets of seats here that get what another worker has sealed.

A worker that seals for seats of others gives each set of these seats a number. It tells each of the other workers
which of its seats the number stands for, and then hands on datagrams with the number. The other workers forget it after
a while, so nothing has to be taken back. They ask about a number that they do not know, so a lost message or a new
process does no harm.
"""

from __future__ import annotations

from tcserver.media.forwarding.receivers import ReceiverSet
from tcserver.media.forwarding.room import MediaRoom

TELL_INTERVAL = 30.0
"""Seconds after which an audience that is in use is told of again: half of the time that it is remembered."""
LIFETIME = 60.0
"""Seconds for which an audience is remembered after it was told of."""
MAX_AUDIENCES = 4096
"""Audiences that are remembered; the oldest gives way, and is asked for again if it is used."""


class RelayedAudience:
    """An audience that another worker has told of: seats of this worker."""

    __slots__ = ("_members", "_receivers", "_version", "room", "told_at")

    def __init__(self, room: MediaRoom, members: frozenset[int], now: float) -> None:
        self.room = room
        self.told_at = now
        self._members = members
        self._receivers: ReceiverSet | None = None
        self._version = 0

    def tell_again(self, room: MediaRoom, members: frozenset[int], now: float) -> bool:
        """Take an audience that is told again; return whether it is the same as before."""
        if room is not self.room or members != self._members:
            return False
        self.told_at = now
        return True

    @property
    def receivers(self) -> ReceiverSet:
        """Those with a proven path."""
        version = self.room.paths_version
        receivers = self._receivers
        if receivers is None or version != self._version:
            self._version = version
            receivers = self._receivers = ReceiverSet(self.room.proven(self._members))
        return receivers


class RelayedAudiences:
    """The audiences that other workers have told of, by worker and number."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], RelayedAudience] = {}

    def __len__(self) -> int:
        """Audiences that are remembered."""
        return len(self._known)

    def tell(self, worker: int, number: int, room: MediaRoom, members: frozenset[int], now: float) -> None:
        """Remember an audience."""
        known = self._known.pop((worker, number), None)
        if known is None or not known.tell_again(room, members, now):
            known = RelayedAudience(room, members, now)
        # It goes to the end, so the first is the one that was told of longest ago.
        self._known[worker, number] = known
        if len(self._known) > MAX_AUDIENCES:
            del self._known[next(iter(self._known))]

    def find(self, worker: int, number: int, now: float) -> RelayedAudience | None:
        """Return an audience; None: it is not known, or no longer."""
        found = self._known.get((worker, number))
        return None if found is None or now - found.told_at >= LIFETIME else found

    def forget_room(self, room: MediaRoom) -> None:
        """Forget the audiences of a room that is closed."""
        self._known = {key: known for key, known in self._known.items() if known.room is not room}

    def forget_old(self, now: float) -> None:
        """Forget the audiences that nobody has told of for ``LIFETIME``."""
        for key, known in list(self._known.items()):
            if now - known.told_at < LIFETIME:
                break
            del self._known[key]
