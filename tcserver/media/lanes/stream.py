"""A lane in front of byte streams: each stream has a bounded queue, and all of them get the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import count
from typing import Protocol

from tcproto.stream_path import MAX_UNSENT, DatagramQueue, QueueDrops
from tcserver.media.forwarding.receivers import LaneReceivers
from tcserver.media.lanes.batch import Batch, Piece
from tcserver.media.lanes.feed import Feed
from tcserver.media.lanes.lane import Lane, Weight

FLUSH_INTERVAL = 0.004
"""Seconds for which datagrams are collected. Sound plays out 60 ms later at the earliest, and a write costs 20 µs."""
LONGEST_FLUSH_INTERVAL = 0.02
"""Seconds for which datagrams are collected at most, where writing takes long: the length of a packet of audio."""
FLUSH_SHARE = 0.0625
"""Part of the time that writing may take before more is collected. A write costs nearly as much with few datagrams as
with many, so a server writes less often the more streams it has: with 15 streams every 4 ms, from 75 on every 20 ms."""
MAX_PENDING = 32
"""Datagrams that are collected for one stream at most. Then it is written to at once, so that a large picture waits in
the queue of the stream only if the stream is slow."""
LEAST_UNSENT = 1200
"""Bytes that may be unsent while datagrams wait, on the slowest streams: one datagram of the largest size. Sound comes
later by what is in front of it: at 300 kbit/s 4,000 bytes would be 0.1 s."""
MAX_WRITE = 16_384
"""Bytes that are written at once to a stream that keeps up: a record of TLS. A write costs as much as sealing them."""


class StreamEnd(Protocol):
    """Where a stream is written to."""

    def write(self, data: bytes) -> None:
        """Send bytes, or keep them. Never raises."""

    def unsent(self) -> int:
        """Return the bytes that have not left this machine."""


class _Stream:
    __slots__ = ("ahead", "end", "is_slow", "is_waiting", "number", "pending", "queue", "room", "written")

    def __init__(self, number: int, end: StreamEnd | None, drops: QueueDrops) -> None:
        self.number = number
        self.end = end
        """None: it has ended."""
        self.queue = DatagramQueue(drops)
        self.is_slow = False
        """Whether something waits in the queue."""
        self.pending: Batch | None = None
        """Datagrams that came after the last write."""
        self.is_waiting = False
        self.written = 0
        """Bytes that were written in the last flush, while the stream keeps up."""
        self.room = MAX_UNSENT
        """Bytes that may be written at once when nothing is unsent."""
        self.ahead = MAX_UNSENT
        """Bytes that may be unsent while something waits in the queue."""

    def look(self, unsent: int) -> None:
        """Take note of what is unsent of the last flush.

        Who has sent much of it whole until the next one gets twice as much at once. Who has not begins anew.
        """
        if unsent:
            self.room = MAX_UNSENT
        elif 2 * self.written > self.room:
            self.room = min(2 * self.room, MAX_WRITE)
        self.written = 0

    def look_while_slow(self, unsent: int) -> None:
        """Take note of what is unsent of the last flush, while something waits.

        Who has sent all of it could have sent more, and gets twice as much. Who has not sent half of it gets half.
        """
        if not unsent:
            self.ahead = min(2 * self.ahead, MAX_UNSENT)
        elif 2 * unsent > self.ahead:
            self.ahead = max(self.ahead // 2, LEAST_UNSENT)


class StreamLane(Lane):
    """Sends to streams by their number, which is the port of their address.

    Datagrams are collected for some milliseconds. ``on_waiting`` is called with the seconds after which ``flush`` is
    due. What a stream cannot take soon waits in its ``DatagramQueue``; what is dropped there counts as having given
    way. ``clock`` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float], on_waiting: Callable[[float], None]) -> None:
        super().__init__(trains=False)  # to join datagrams and take them apart again would save nothing
        self._clock = clock
        self._on_waiting = on_waiting
        self._drops = QueueDrops()
        self._streams: dict[int, _Stream] = {}
        self._numbers = count(1)
        self._ended = _Stream(0, None, self._drops)
        """Stands for all streams that are not there."""
        self._waiting: list[_Stream] = []
        self._is_due = False
        self.interval = FLUSH_INTERVAL
        """Seconds for which datagrams are collected now."""
        self._numbers_of_pieces = count()
        self._feeds: list[Feed[_Stream]] = []
        """Those that hold something."""
        self._collected = 0
        """Datagrams in them, counted once for all who get them."""
        self._handed: dict[tuple[int, ...], Feed[_Stream]] = {}
        """Those of them that hold what another process sends, by the numbers of the streams."""

    def __len__(self) -> int:
        """Return the number of streams."""
        return len(self._streams)

    def open(self, end: StreamEnd) -> int:
        """Add a stream; return its number, which no other gets in the life of this lane."""
        number = next(self._numbers)
        self._streams[number] = _Stream(number, end, self._drops)
        return number

    def close(self, number: int) -> None:
        """Forget a stream, and what waits for it. May be called again."""
        stream = self._streams.pop(number, self._ended)
        stream.end = stream.pending = None

    @property
    def waiting(self) -> int:
        """Datagrams that are collected or wait."""
        collected = [batch for feed in self._feeds for stream, batch in feed if stream.end is not None]
        collected += [stream.pending for stream in self._streams.values() if stream.pending is not None]
        return sum(len(batch.pieces) for batch in collected) + sum(len(s.queue) for s in self._streams.values())

    def send(self, payload: bytes, size: int, receivers: LaneReceivers, start: int, stop: int) -> None:
        """Send a payload; as ``Lane.send``. One to a stream that has ended is lost."""
        feed = receivers.prepared
        if not isinstance(feed, Feed):
            feed = receivers.prepared = Feed([self._find(address.port) for address in receivers.addresses])
        self._put(payload, size, (receivers, size), feed, start, stop)

    def deliver(self, payload: bytes, size: int, numbers: tuple[int, ...], source: Hashable) -> None:
        """Send a payload to the streams of these numbers. The pieces of one picture have an equal ``source``."""
        feed = self._handed.get(numbers)
        if feed is None:
            feed = self._handed[numbers] = Feed([self._find(number) for number in numbers])
        self._put(payload, size, (source, size), feed, 0, len(numbers))

    def call(self) -> None:
        """Make ``flush`` due, if it is not."""
        if not self._is_due:
            self._is_due = True
            self._on_waiting(self.interval)

    def flush(self) -> None:
        """Write the datagrams that were collected, and those that wait and may leave; to be called when it is due."""
        began = self._clock()
        self._is_due = False
        self._distribute()
        waiting, self._waiting = self._waiting, []
        for stream in waiting:
            stream.is_waiting = False
            self._flush(stream, began)
        gave_way = self.counts.gave_way
        gave_way[Weight.SMALL], gave_way[Weight.LARGE] = self._drops.small, self._drops.large
        took = self._clock() - began
        self.interval = min(max(took / FLUSH_SHARE, FLUSH_INTERVAL), LONGEST_FLUSH_INTERVAL)

    def resume(self, number: int) -> None:
        """Write the datagrams that wait and may leave: the stream has taken all that was written before."""
        stream = self._find(number)
        if stream.is_slow:
            self._flush(stream, self._clock())

    def _find(self, number: int) -> _Stream:
        return self._streams.get(number, self._ended)

    def _put(self, payload: bytes, size: int, picture: Hashable, feed: Feed[_Stream], start: int, stop: int) -> None:
        parts = [payload[at : at + size] for at in range(0, len(payload), size)] if size < len(payload) else [payload]
        if not feed:
            self._feeds.append(feed)
        feed.put([Piece(next(self._numbers_of_pieces), part, picture) for part in parts], start, stop)
        self.call()
        self._collected += len(parts)
        if self._collected >= MAX_PENDING:
            self._hurry()

    def _distribute(self) -> None:
        """Tell each stream what was collected for it. Most streams get one batch, which they share."""
        feeds, self._feeds = self._feeds, []
        self._handed.clear()
        self._collected = 0
        sums: dict[tuple[Batch, Batch], Batch] = {}
        for feed in feeds:
            for stream, batch in feed:
                if stream.end is None:
                    continue
                before = stream.pending
                if before is None:
                    stream.pending = batch
                else:
                    stream.pending = sums.get((before, batch)) or sums.setdefault((before, batch), before + batch)
                if not stream.is_waiting:
                    stream.is_waiting = True
                    self._waiting.append(stream)
            feed.clear()

    def _hurry(self) -> None:
        """Write to those streams for which many datagrams were collected."""
        self._distribute()
        now = self._clock()
        for stream in self._waiting.copy():
            if stream.pending is not None and len(stream.pending.pieces) >= MAX_PENDING:
                self._flush(stream, now)

    def _flush(self, stream: _Stream, now: float) -> None:
        end, pending = stream.end, stream.pending
        if end is None:
            return
        if stream.is_slow:
            stream.look_while_slow(end.unsent())
        if pending is not None:
            left = pending.pieces if stream.is_slow else self._write(stream, pending, end)
            stream.pending = None
            if left:
                self._let_wait(stream, left, now)
        if stream.is_slow:
            self._write_queue(stream, end, now)

    def _let_wait(self, stream: _Stream, pieces: Sequence[Piece], now: float) -> None:
        stream.is_slow = True
        for piece in pieces:
            if piece.picture is None:
                stream.queue.put_small(piece.frame, now)
            else:
                stream.queue.put_large(piece.frame, piece.picture, now)

    def _write_queue(self, stream: _Stream, end: StreamEnd, now: float) -> None:
        queue = stream.queue
        while taken := queue.take(end.unsent() + MAX_UNSENT - stream.ahead, now):
            end.write(b"".join(taken))
            self.counts.sent += len(taken)
        stream.is_slow = bool(queue)
        if stream.is_slow and not stream.is_waiting:
            stream.is_waiting = True
            self._waiting.append(stream)
            self.call()

    def _write(self, stream: _Stream, batch: Batch, end: StreamEnd) -> Sequence[Piece]:
        """Write what a stream takes that keeps up; return the rest."""
        unsent = end.unsent()
        stream.look(unsent)
        written = 0
        for data, pieces in batch.portions(stream.room):
            if written:
                unsent = end.unsent()
            if unsent and unsent + len(data) > MAX_UNSENT:
                stream.look(unsent)
                break
            end.write(data)
            stream.written += len(data)
            written += pieces
        self.counts.sent += written
        return batch.pieces[written:]
