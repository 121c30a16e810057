"""What the program reads and writes, as memory shared with the kernel: the control block and the entries."""

from __future__ import annotations

from tcserver.media.bpf.program import CONTROL, ENTRY_SIZE, NOT_SEEN, WRITTEN, WRITTEN_AT


class Placed:
    """Entries of a set of receivers, and where they were last put in the map."""

    __slots__ = ("count", "entries", "place")

    def __init__(self, entries: bytes) -> None:
        self.entries = entries
        self.count = len(entries) // ENTRY_SIZE
        self.place = -1


class Maps:
    """Writes the two maps of a program.

    The map of entries is a ring: a set is put behind the set before it, and overwrites what is oldest. A set that was
    overwritten is put there again when it is next needed, so sets need not be taken back. ``control`` and ``entries``
    are the memory of the maps.
    """

    def __init__(self, control: memoryview, entries: memoryview) -> None:
        self._control = control
        self._entries = entries
        self._size = len(entries) // ENTRY_SIZE
        self._head = 0
        """Entries that were put since the start, those left free at the end of the ring included."""

    def release(self) -> None:
        """Let go of the memory."""
        self._control.release()
        self._entries.release()

    def put(self, placed: Placed) -> int:
        """Put a set, unless it is there; return the index of its first entry. It has to fit into the map."""
        if placed.place >= 0 and self._head - placed.place <= self._size:
            return placed.place % self._size
        head = self._head
        at = head % self._size
        if at + placed.count > self._size:
            head, at = head + self._size - at, 0
        placed.place = head
        self._head = head + placed.count
        self._entries[at * ENTRY_SIZE : (at + placed.count) * ENTRY_SIZE] = placed.entries
        return at

    def arm(self, cookie: int, base: int, first: int, total: int, count: int) -> None:
        """Say what is to be done with the next trigger; see ``program``."""
        CONTROL.pack_into(self._control, 0, cookie, base, first, total, count, 0, 0, NOT_SEEN)

    def disarm(self) -> None:
        """Take that back: nothing is a trigger until the next ``arm``."""
        self.arm(0, 0, 0, 0, 0)

    def written(self) -> tuple[int, int, int]:
        """Return what was done with it: the clones, the answer to the last of them, the outcome; see ``program``."""
        cloned, answer, outcome = WRITTEN.unpack_from(self._control, WRITTEN_AT)
        return cloned, answer, outcome
