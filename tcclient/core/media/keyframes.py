"""Requests for keyframes, in both directions.

Our publications make at most one keyframe in ``KEYFRAME_INTERVAL``, however many are requested. A server that requests
more is wrong, or hostile.
"""

from __future__ import annotations

from tcproto.packet import KEYFRAME_INTERVAL, KEYFRAME_REQUEST_INTERVAL

NEVER = float("inf")


class KeyframeRequests:
    """The requests for our layers, each by publication number and spatial layer."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, int], float] = {}
        """When the application was last told."""
        self._due: dict[tuple[int, int], float] = {}

    @property
    def next_deadline(self) -> float:
        """When ``take`` has something."""
        return min(self._due.values(), default=NEVER)

    def ask(self, number: int, spatial: int, now: float) -> None:
        """Note that a keyframe is needed. It is due at once, or when the last one is old enough."""
        layer = number, spatial
        self._due.setdefault(layer, max(now, self._made.get(layer, -NEVER) + KEYFRAME_INTERVAL))

    def take(self, now: float) -> list[tuple[int, int]]:
        """Return the layers whose keyframe is due, each once."""
        due = [layer for layer, at in self._due.items() if at <= now]
        for layer in due:
            del self._due[layer]
            self._made[layer] = now
        return due

    def forget(self, number: int) -> None:
        """Note that a publication has ended."""
        for table in (self._made, self._due):
            for layer in [layer for layer in table if layer[0] == number]:
                del table[layer]


class KeyframeSpacing:
    """When we may ask for a keyframe of somebody else's layer."""

    def __init__(self) -> None:
        self._asked: dict[tuple[int, int], float] = {}
        """When we requested a keyframe of each layer, by stream and spatial layer; only recent requests."""

    def due(self, stream: int, spatial: int, now: float) -> bool:
        """Return whether to request a keyframe now. True counts as a request."""
        self._asked = {layer: at for layer, at in self._asked.items() if now < at + KEYFRAME_REQUEST_INTERVAL}
        if (stream, spatial) in self._asked:
            return False
        self._asked[stream, spatial] = now
        return True
