"""Ends of streams for a lane, in virtual time: what was written, and how much of it is unsent."""

from __future__ import annotations

from collections.abc import Callable

from tcproto.stream_path import MessageKind, parse
from tcserver.media.lanes.stream import StreamLane


def datagrams_of(data: bytes) -> list[bytes]:
    """Return the datagrams in frames of a server, all of which are whole and binary."""
    found, at = [], 0
    while at < len(data):
        assert data[at] == 0x82
        size, at = data[at + 1], at + 2
        if size == 126:
            size, at = int.from_bytes(data[at : at + 2], "big"), at + 2
        assert size < 65536
        kind, datagram = parse(data[at : at + size])
        assert kind is MessageKind.DATAGRAM
        found.append(datagram)
        at += size
    return found


class End:
    """The end of a stream. Unless it ``reads``, what is written stays unsent."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.reads = True
        self.waits = 0

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        if not self.reads:
            self.waits += len(data)

    def unsent(self) -> int:
        return self.waits

    def take(self) -> list[bytes]:
        """Return the datagrams that were written since the last call."""
        data, self.writes = b"".join(self.writes), []
        return datagrams_of(data)


class Lane(StreamLane):
    """A lane whose clock stands still, with an end for each stream; ``due`` has the seconds until its next flush."""

    def __init__(self, ends: int, clock: Callable[[], float] | None = None) -> None:
        self.now = 0.0
        self.due: list[float] = []
        super().__init__(clock or (lambda: self.now), self.due.append)
        self.ends = {self.open(end): end for end in (End() for _ in range(ends))}

    def run(self) -> None:
        """Flush once if that is due."""
        if self.due:
            self.now += self.due.pop()
            assert not self.due
            self.flush()
