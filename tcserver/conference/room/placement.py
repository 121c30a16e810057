"""Which media worker gets a room, and which of them a seat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence


def place(loads: Sequence[float], random_bytes: Callable[[int], bytes]) -> int:
    """Return the index of the lesser of two loads, chosen at random among all (at least one).

    Two choices spread rooms nearly as evenly as a look at all (Mitzenmacher, "The power of two choices", 2001), and
    do not send all rooms of a burst to the same worker, as the least of loads that lag behind would.
    """
    if len(loads) == 1:
        return 0
    first = int.from_bytes(random_bytes(4), "big") % len(loads)
    step = 1 + int.from_bytes(random_bytes(4), "big") % (len(loads) - 1)
    return min(first, (first + step) % len(loads), key=loads.__getitem__)


def place_seat(home: int, seats: Mapping[int, int], loads: Sequence[float], spread: int) -> int:
    """Return the slot of the worker for the next seat of a room.

    ``seats`` are those that the room has, by slot; ``loads`` the datagrams per second of each worker. A room stays
    where it began (``home``) while it has fewer than ``spread`` seats there: what is sealed in another worker has to be
    handed over. Then the seat goes where the room has fewest.
    """
    if len(loads) == 1 or seats.get(home, 0) < spread:
        return home
    return min(range(len(loads)), key=lambda slot: (seats.get(slot, 0), loads[slot]))
