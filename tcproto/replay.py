"""The replay window: which counters under a key were seen."""

from __future__ import annotations

from array import array
from enum import StrEnum
from typing import Any

from tcproto.datagram import MAX_COUNTER

SESSION_WINDOW = 1024
"""Counters in the window of a session key: a second of reordering at a thousand datagrams per second."""
SEALER_WINDOW = 8192
"""Counters in the window of a room key. One counter runs over all datagrams of a room, and positions come seldom."""
SEQUENCE_WINDOW = 1024
"""Sequence numbers in the window of a spatial layer of a stream: a second of a fast stream."""


class Verdict(StrEnum):
    """Whether a counter may be accepted, or the reason why not."""

    NEW = "new"
    DUPLICATE = "duplicate"
    OLD = "old"
    """Below the window, which no longer knows whether it was seen."""
    AHEAD = "ahead"
    """Above the ceiling."""


_NEW = Verdict.NEW


class ReplayWindow:
    """Remembers the ``size`` counters up to the highest accepted one.

    Call ``check``, verify the datagram, then call ``commit``: a forged datagram must not move the window.

    ``lowest`` is the lowest valid counter. All below it are refused for ever. So a newcomer, whose window is empty,
    takes no replays from before.

    A room key needs more, because many know it. Any of them can forge a datagram with a counter far ahead, which would
    push the honest counters out of the window. ``confirmed`` is a counter that came over a channel that only the sealer
    can write; ``confirm`` raises it. A counter above the ``ceiling``, ``confirmed + size - 1``, is refused. So the
    highest accepted counter is at most the ceiling, and the lowest counter in the window at most ``confirmed``. An
    honest counter from ``confirmed`` on is never refused as old. The sealer has to state its position more often than
    every ``size`` datagrams. A member can still forge the counters that come next, and take their place. Only the
    end-to-end layer tells such datagrams apart.
    """

    __slots__ = ("_seen", "ceiling", "highest", "lowest", "size")

    def __init__(self, size: int, lowest: int = 0, confirmed: int | None = None) -> None:
        self.size = size
        self.lowest = lowest
        self.highest = lowest - 1
        """The highest counter accepted, or ``lowest - 1`` before the first."""
        self.ceiling = MAX_COUNTER
        """The highest counter that may be accepted."""
        if confirmed is not None:
            self.ceiling = self._ceiling(confirmed)
        # A ring. Each cell holds the last counter that was committed to it. A counter in the window is the newest of
        # its cell, so it was seen if the cell holds it. When the window moves, nothing has to be erased.
        self._seen: Any = array("q", [-1]) * size

    def check(self, counter: int) -> Verdict:
        """Return what would become of a datagram with this counter. Changes nothing."""
        if counter > self.highest:
            return _NEW if counter <= self.ceiling else Verdict.AHEAD
        if counter <= self.highest - self.size or counter < self.lowest:
            return Verdict.OLD
        return Verdict.DUPLICATE if self._seen[counter % self.size] == counter else _NEW

    def commit(self, counter: int) -> None:
        """Remember the counter of a verified datagram. Raises ``ValueError`` if ``check`` does not call it new."""
        cell = counter % self.size
        # Most counters move the window, and need no further check.
        if self.highest < counter <= self.ceiling:
            self.highest = counter
        elif self.check(counter) is not _NEW:
            raise ValueError(f"counter {counter} is not new")
        self._seen[cell] = counter

    def confirm(self, counter: int) -> None:
        """Take a position of the sealer. It has to come over a channel that only the sealer can write.

        Never lowers the ceiling. Has no effect on a window that was made without ``confirmed``.
        """
        self.ceiling = max(self.ceiling, self._ceiling(counter))

    def _ceiling(self, confirmed: int) -> int:
        return min(confirmed + self.size - 1, MAX_COUNTER)


class CompactWindow(ReplayWindow):
    """A replay window with one bit for each counter. 1,024 take an eighth of a kilobyte, and 0.2 µs more time.

    It is for windows that others can make us keep many of.
    """

    __slots__ = ("_mask",)

    def __init__(self, size: int, lowest: int = 0) -> None:
        super().__init__(0, lowest)
        self.size = size
        self._seen = 0
        """Bit n: whether ``highest - n`` was seen."""
        self._mask = (1 << size) - 1

    def check(self, counter: int) -> Verdict:
        """See ``ReplayWindow``."""
        if counter > self.highest:
            return _NEW if counter <= self.ceiling else Verdict.AHEAD
        if counter <= self.highest - self.size or counter < self.lowest:
            return Verdict.OLD
        return Verdict.DUPLICATE if self._seen >> (self.highest - counter) & 1 else _NEW

    def commit(self, counter: int) -> None:
        """See ``ReplayWindow``."""
        if self.check(counter) is not _NEW:
            raise ValueError(f"counter {counter} is not new")
        ahead = counter - self.highest
        if ahead > 0:
            self._seen = (self._seen << ahead | 1) & self._mask if ahead < self.size else 1
            self.highest = counter
        else:
            self._seen |= 1 << -ahead
