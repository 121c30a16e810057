"""Which media worker gets a room."""

from __future__ import annotations

from collections.abc import Callable, Sequence


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
