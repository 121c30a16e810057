"""A lane in front of byte streams, as a web page would have: a bounded queue for each stream."""

from collections import defaultdict, deque

from tcserver.media.forwarding.receivers import LaneReceivers
from tcserver.media.lanes.lane import Lane, weigh


class QueueLane(Lane):
    """Keeps the datagrams to each stream until they are taken; of too many the oldest gives way.

    A stream is known by its address, of which the host says what it is and the port which one.
    """

    def __init__(self, limit: int, trains: bool = False) -> None:
        super().__init__(trains)
        self._limit = limit
        self._queues: defaultdict[tuple[str, int], deque[bytes]] = defaultdict(deque)

    @property
    def waiting(self) -> int:
        return sum(map(len, self._queues.values()))

    def send(self, payload: bytes, size: int, receivers: LaneReceivers, start: int, stop: int) -> None:
        datagrams = [payload[at : at + size] for at in range(0, len(payload), size)]
        for index in range(start, stop):
            _, *stream = receivers.addresses[index % len(receivers.addresses)]
            queue = self._queues[*stream]
            for datagram in datagrams:
                if len(queue) == self._limit:
                    self.counts.gave_way[weigh(len(queue.popleft()))] += 1
                queue.append(datagram)

    def take(self, host: str, port: int) -> list[bytes]:
        """Return what waits for a stream, which the stream then has."""
        queue = self._queues[host, port]
        datagrams = [*queue]
        queue.clear()
        self.counts.sent += len(datagrams)
        return datagrams
