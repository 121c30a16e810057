"""A lane in front of byte streams, as a web page has it: a bounded queue for each stream."""

from collections import defaultdict, deque

from tcserver.media.forwarding.receivers import LaneReceivers
from tcserver.media.lanes.lane import Lane, weigh


class QueueLane(Lane):
    """Keeps the datagrams to each stream until they are taken. Of too many the oldest is dropped.

    An address names a stream: the host says that it is one, and the port says which.
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
        """Return the datagrams that wait for a stream. The stream has them then."""
        queue = self._queues[host, port]
        datagrams = [*queue]
        queue.clear()
        self.counts.sent += len(datagrams)
        return datagrams
