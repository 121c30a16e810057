"""The replay window: which counters of a datagram key were seen."""

from __future__ import annotations

from array import array
from enum import StrEnum
from typing import Any

SESSION_WINDOW = 1024
"""Counters for a session key: a second of reordering at a thousand datagrams a second."""
SEALER_WINDOW = 8192
"""Counters for a room key: one counter runs over all datagrams of a room, and position statements come seldom."""
SEQUENCE_WINDOW = 1024
"""Sequence numbers for a spatial layer of a stream: a second of a fast stream."""
MAX_COUNTER = (1 << 48) - 1
"""The largest counter of a datagram header."""


class Verdict(StrEnum):
    """Whether a counter may be accepted, and why not."""

    NEW = "new"
    DUPLICATE = "duplicate"
    OLD = "old"
    """Below the window: seen or not, nobody knows any more."""
    AHEAD = "ahead"
    """Above the ceiling."""


_NEW = Verdict.NEW


class ReplayWindow:
    """Remembers the ``size`` counters up to the highest accepted one.

    First `check`, then verify the datagram, then `commit`: a forged datagram must not move the window.

    ``lowest`` is the lowest valid counter; all below are refused for ever, so that a newcomer, whose window is empty,
    does not take replays from before.

    A key that many know (a room key) needs more, since any of them can forge a datagram with a counter far ahead, which
    would push the honest counters out of the window. ``confirmed`` bounds the window by a counter that came over a
    channel that only the sealer can write (position statements; `confirm` raises it): a counter above the `ceiling`
    ``confirmed + size - 1`` is refused. So the highest accepted counter is at most that, the lowest counter in the
    window at most ``confirmed``, and an honest counter from ``confirmed`` on is never refused as old. The sealer has to
    state its position more often than every ``size`` datagrams. (Who forges exactly the counters that come next still
    takes their place: only the end-to-end layer tells such datagrams apart.)
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
        # A ring in which each slot holds the last counter committed to it. A counter within the window is the newest of
        # its slot, so it was seen if the slot holds it, and moving the window, however far, has nothing to erase.
        self._seen: Any = array("q", [-1]) * size

    def check(self, counter: int) -> Verdict:
        """What would become of a datagram with this counter; changes nothing."""
        if counter > self.highest:
            return _NEW if counter <= self.ceiling else Verdict.AHEAD
        if counter <= self.highest - self.size or counter < self.lowest:
            return Verdict.OLD
        return Verdict.DUPLICATE if self._seen[counter % self.size] == counter else _NEW

    def commit(self, counter: int) -> None:
        """Remember a counter of a datagram that was verified; `ValueError` if `check` would not call it new."""
        slot = counter % self.size
        # The window moves with most counters, and then there is less to check.
        if self.highest < counter <= self.ceiling:
            self.highest = counter
        elif self.check(counter) is not _NEW:
            raise ValueError(f"counter {counter} is not new")
        self._seen[slot] = counter

    def confirm(self, counter: int) -> None:
        """Take a position of the sealer that came over a channel which only the sealer can write.

        Never lowers the ceiling; without effect on a window that was made without ``confirmed``.
        """
        self.ceiling = max(self.ceiling, self._ceiling(counter))

    def _ceiling(self, confirmed: int) -> int:
        return min(confirmed + self.size - 1, MAX_COUNTER)


class CompactWindow(ReplayWindow):
    """The same in a bit for each counter: an eighth of a kilobyte for 1,024, and a fifth of a microsecond more.

    For windows of which others can make us keep many.
    """

    __slots__ = ("_mask",)

    def __init__(self, size: int, lowest: int = 0) -> None:
        super().__init__(0, lowest)
        self.size = size
        self._seen = 0
        """Bit n: whether ``highest - n`` was seen."""
        self._mask = (1 << size) - 1

    def check(self, counter: int) -> Verdict:
        """As in the class above."""
        if counter > self.highest:
            return _NEW if counter <= self.ceiling else Verdict.AHEAD
        if counter <= self.highest - self.size or counter < self.lowest:
            return Verdict.OLD
        return Verdict.DUPLICATE if self._seen >> (self.highest - counter) & 1 else _NEW

    def commit(self, counter: int) -> None:
        """As in the class above."""
        if self.check(counter) is not _NEW:
            raise ValueError(f"counter {counter} is not new")
        ahead = counter - self.highest
        if ahead > 0:
            self._seen = (self._seen << ahead | 1) & self._mask if ahead < self.size else 1
            self.highest = counter
        else:
            self._seen |= 1 << -ahead
