"""One time line for the streams of a file, however its own timestamps jump. Pure."""

from __future__ import annotations

from dataclasses import dataclass

MAX_HOLE = 60.0
"""Longest hole, in seconds, in all streams of a file at once. A longer one is taken as a jump of the timestamps and
left out: otherwise listeners would think that the sender has gone."""

MAX_BACK = 0.1
"""Seconds by which the decoding times of a stream may go back before it counts as begun again: rounding and careless
writers, not a second recording."""

MAX_REORDERED = 2.0
"""The same for a packet without a decoding time, whose presentation time is used: pictures are stored in another order
than they are shown."""

LEAST_ROUND = 0.02
"""Seconds between two beginnings of a file at least. A click that is repeated would be opened a thousand times
a second."""


@dataclass(slots=True)
class _Stream:
    shift: float
    section: int
    end: float
    """Where the packets so far end, on the common line."""
    decoded: float | None = None
    """Latest time of decoding, as the file names it."""
    shown: float | None = None
    """Latest time of presentation, as the file names it."""

    def goes_back(self, decoded: float | None, shown: float) -> bool:
        if decoded is not None and self.decoded is not None:
            return decoded < self.decoded - MAX_BACK
        return self.shown is not None and shown < self.shown - MAX_REORDERED

    def took(self, decoded: float | None, shown: float) -> None:
        self.shown = shown if self.shown is None else max(shown, self.shown)
        if decoded is not None:
            self.decoded = decoded if self.decoded is None else max(decoded, self.decoded)

    def move(self, shift: float, section: int) -> None:
        self.shift, self.section = shift, section
        self.decoded = self.shown = None


class Splice:
    """Moves the times of packets, in seconds, to a line that begins at 0 and that all streams of a file share.

    The timestamps of a stream may begin again, in recordings that were joined without rewriting, or leap. Then the line
    continues from where the furthest stream ended, and the others follow when their timestamps do the same.
    """

    def __init__(self) -> None:
        self.end = 0.0
        """Where the furthest stream ends: the length so far."""
        self._begun = 0.0
        """Where the newest file began."""
        self._shift = 0.0
        self._section = 0
        self._streams: dict[int, _Stream] = {}

    def begin(self, start: float) -> None:
        """Begin a file, whose first packet is at ``start``, where the file before ended."""
        if self._section:
            self.end = max(self.end, self._begun + LEAST_ROUND)
        self._begun = self.end
        self._shift = self.end - start
        self._section += 1
        self._streams.clear()

    def place(self, stream: int, decoded: float | None, shown: float, duration: float) -> float:
        """Return what to add to the times of a packet, with these times of decoding and presentation."""
        known = self._streams.get(stream)
        if known is None:
            known = self._streams[stream] = _Stream(self._shift, self._section, self.end)
        if known.goes_back(decoded, shown) or shown + known.shift > self.end + MAX_HOLE:
            follows = known.section != self._section and (
                known.end - MAX_REORDERED <= shown + self._shift <= self.end + MAX_HOLE
            )
            if not follows:  # the others will follow this one
                self._shift = self.end - shown
                self._section += 1
            known.move(self._shift, self._section)
        known.took(decoded, shown)
        known.end = max(known.end, shown + known.shift + duration)
        self.end = max(self.end, known.end)
        return known.shift
