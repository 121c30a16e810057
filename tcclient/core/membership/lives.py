"""The lives of rooms that this client has been in: none of them comes back once another one has followed it.

Whatever members signed is good for one life of a room. A server that begins an old life again could show everybody of
that time as present.
"""

from __future__ import annotations

from tcclient.core.membership.distrust import Distrust

MAX_LIVES = 65_536
"""Lives remembered, 16 bytes each: ten an hour for nine months. At the bound no new life is entered, since to forget
one would let it come back."""
MAX_ROOMS = 1024
"""Rooms whose present life may be entered again; of more, that of the room entered longest ago counts as over."""
MAX_BOX_KEYS = 32_768
"""Box keys remembered of one life, some 6 MB: a join every minute for three weeks. At the bound whoever comes is shown
as not verified, since to forget a key would let its statement be played back."""
MAX_KEPT = 16
"""Lives of which box keys are remembered, those entered last, 100 MB at the worst. Who enters another one again begins
anew with them: key boxes of the time before do not open, since they were made for an earlier box key of ours."""
_SPENT = -1


class BoxKeys:
    """The box keys of one life. Each belongs to the seat that had it first, until that seat ends."""

    def __init__(self) -> None:
        self._seats: dict[bytes, int] = {}
        """The participant that each was seen with first; ``_SPENT`` once that one is gone."""

    def belongs(self, box_key: bytes, participant: int) -> bool:
        """Note a box key; tell whether it is this participant's: not spent, and not first seen with another one."""
        if box_key not in self._seats:
            if len(self._seats) >= MAX_BOX_KEYS:
                return False
            self._seats[box_key] = participant
        return self._seats[box_key] == participant

    def spend(self, box_key: bytes, participant: int) -> None:
        """The participant does not have it any more: nobody ever has it again in this life."""
        if self._seats.get(box_key) == participant:
            self._seats[box_key] = _SPENT


class Lives:
    """What one running client remembers; shared by all its sessions."""

    def __init__(self) -> None:
        self._present: dict[tuple[bytes, str], bytes] = {}
        """By server and room, the one entered longest ago first: its newest life."""
        self._rooms: dict[bytes, tuple[bytes, str] | None] = {}
        """Of each life its server and room, None where it is over."""
        self._box_keys: dict[bytes, BoxKeys] = {}
        """By life, the one entered longest ago first."""

    def enter(self, fingerprint: bytes, room: str, life: bytes) -> BoxKeys:
        """Return what is known of a life that the server offers as that of a room (by its folded name).

        The present life of a room may be entered again and again: one comes back to a meeting that goes on. Raises
        ``Distrust`` for a life that is over, one of another room or server, and a new one beyond ``MAX_LIVES``.
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
