"""The lives of rooms that this client has been in. None of them comes back after another one has followed it.

What members signed is good for one life of a room. A server that begins an old life again could show everybody of that
time as present.
"""

from __future__ import annotations

from tcclient.core.membership.distrust import Distrust

MAX_LIVES = 65_536
"""Lives remembered, 16 bytes each: ten an hour for nine months. At the bound no new life is entered: if one were
forgotten, it could come back."""
MAX_ROOMS = 1024
"""Rooms whose present life may be entered again. Beyond the bound, the life of the room that was entered longest ago
counts as over."""
MAX_BOX_KEYS = 32_768
"""Box keys remembered of one life, some 6 MB: a join every minute for three weeks. At the bound each newcomer is shown
as not verified: if a key were forgotten, the statement with it could be replayed."""
MAX_KEPT = 16
"""Lives whose box keys are remembered: those that were entered last, 100 MB at the worst. A client that enters an older
life again begins with no box keys. Key boxes of the time before do not open then, since they were made for an earlier
box key of ours."""
_SPENT = -1


class BoxKeys:
    """The box keys of one life. Each key belongs to the seat that had it first, until that seat ends."""

    def __init__(self) -> None:
        self._seats: dict[bytes, int] = {}
        """The participant that each key was seen with first; ``_SPENT`` after that participant has left."""

    def belongs(self, box_key: bytes, participant: int) -> bool:
        """Note a box key, and return whether it is this participant's.

        It is not if it is spent, or was first seen with another participant.
        """
        if box_key not in self._seats:
            if len(self._seats) >= MAX_BOX_KEYS:
                return False
            self._seats[box_key] = participant
        return self._seats[box_key] == participant

    def spend(self, box_key: bytes, participant: int) -> None:
        """Note that the participant has left: nobody may have its box key again in this life."""
        if self._seats.get(box_key) == participant:
            self._seats[box_key] = _SPENT


class Lives:
    """What one running client remembers of lives; all its sessions share it."""

    def __init__(self) -> None:
        self._present: dict[tuple[bytes, str], bytes] = {}
        """The newest life by server and room; the room that was entered longest ago comes first."""
        self._rooms: dict[bytes, tuple[bytes, str] | None] = {}
        """Server and room of each life; None where the life is over."""
        self._box_keys: dict[bytes, BoxKeys] = {}
        """Box keys by life; the life that was entered longest ago comes first."""

    def enter(self, fingerprint: bytes, room: str, life: bytes) -> BoxKeys:
        """Return what is known of the life that the server offers for a room (``room`` is the folded name).

        The present life of a room may be entered again and again: a client may leave a meeting and come back. Raises
        ``Distrust`` for a life that is over, for one of another room or server, and for a new one beyond ``MAX_LIVES``.
        """
        here = (fingerprint, room)
        if life in self._rooms:
            if self._rooms[life] != here:
                raise Distrust("the server offers a life of a room that is over, or that belongs to another room")
        elif len(self._rooms) >= MAX_LIVES:
            raise Distrust("this program has been in too many meetings to tell new ones from old ones: start it again")
        known = self._present.pop(here, life)
        if known != life:
            self._over(known)
        self._present[here] = life
        self._rooms[life] = here
        box_keys = self._box_keys.pop(life) if life in self._box_keys else BoxKeys()
        self._box_keys[life] = box_keys
        if len(self._present) > MAX_ROOMS:
            self._over(self._present.pop(next(iter(self._present))))
        if len(self._box_keys) > MAX_KEPT:
            del self._box_keys[next(iter(self._box_keys))]
        return box_keys

    def _over(self, life: bytes) -> None:
        self._rooms[life] = None
        self._box_keys.pop(life, None)
