"""The rate of the way up: the server reports when our datagrams arrived, and the estimator is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tcclient.core.rate.estimator import RateEstimator
from tcclient.core.timers import NEVER
from tcproto.datagram import Item, ItemType, parse_header
from tcproto.feedback import DELTA_UNIT, pack_arrival_request, parse_arrival_report
from tcproto.serial import Unwrapper, clock_us

INTERVAL = 0.1
"""Seconds between reports, as RFC 8698 has it; one takes 60 to 100 bytes, 6 kbit/s of the way down."""
ASK_INTERVAL = 3.0
"""Seconds between requests: one is good for ten, and may be lost."""
MAX_SENT = 1024
"""Datagrams that wait for their report: seconds of sound and pictures. The oldest are forgotten first."""
FORGOTTEN = 2.0
"""Seconds after which a datagram without a report is forgotten: its report was lost, or the server wrote none."""


class _Sent:
    __slots__ = ("at", "is_missed", "size")

    def __init__(self, at: float, size: int) -> None:
        self.at = at
        self.size = size
        self.is_missed = False


class UplinkRate:
    """Asks for reports while media is sent, and tells the estimator of them. ``send`` sends an item.

    ``round_trip`` returns the seconds of a round trip, None until measured.
    """

    def __init__(self, send: Callable[[Item], None], round_trip: Callable[[], float | None]) -> None:
        self.estimator = RateEstimator()
        self.next_deadline = NEVER
        """When ``handle_timeout`` is due."""
        self._send = send
        self._round_trip = round_trip
        self._sent: dict[int, _Sent] = {}
        """By counter, the oldest first."""
        self._epoch = -1
        self._units = Unwrapper()
        self._is_reported = False
        self._asked_at = float("-inf")

    @property
    def bitrate(self) -> float | None:
        """Bits per second that may be sent, with the headers of IP and UDP; None: the server has told nothing."""
        return self.estimator.bitrate if self._is_reported else None

    def sent(self, datagrams: Iterable[bytes], is_media: bool, now: float) -> None:
        """Note datagrams that leave by UDP. With ``is_media`` reports are asked for, if it is time."""
        for datagram in datagrams:
            header = parse_header(datagram)
            if header.epoch != self._epoch:
                self._epoch = header.epoch
                self._sent.clear()
            self._sent[header.counter] = _Sent(now, len(datagram))
            if len(self._sent) > MAX_SENT:
                del self._sent[next(iter(self._sent))]
            if is_media and self.next_deadline == NEVER:
                self.next_deadline = max(now, self._asked_at + ASK_INTERVAL)

    def receive(self, value: bytes, now: float) -> None:
        """Take an arrival report; raises ``ValueError`` where it is malformed."""
        report = parse_arrival_report(value)
        self._is_reported = True
        for counter, arrival in enumerate(report.arrivals, report.base):
            sent = self._sent.get(counter)
            if sent is not None:
                self._count(counter, sent, arrival)
        self._forget(now)
        round_trip = self._round_trip()
        if round_trip is not None:
            self.estimator.round_trip = round_trip
        self.estimator.handle_timeout(now)

    def handle_timeout(self, now: float) -> None:
        """Ask for reports."""
        self.next_deadline = NEVER
        self._asked_at = now
        self._send(Item(ItemType.ARRIVAL_REQUEST, pack_arrival_request(INTERVAL)))

    def restart(self) -> None:
        """Begin again: the way is another one."""
        self.estimator.restart()
        self.next_deadline = NEVER
        self._sent.clear()
        self._units = Unwrapper()
        self._is_reported = False
        self._asked_at = float("-inf")

    def _count(self, counter: int, sent: _Sent, arrival: int | None) -> None:
        """Tell the estimator what a report says of a datagram. It says so twice, of which one counts."""
        if arrival is None:
            if not sent.is_missed:
                sent.is_missed = True
                self.estimator.missed(1)
            return
        del self._sent[counter]
        at = self._units(arrival // DELTA_UNIT & 0xFFFFFFFF) * DELTA_UNIT * 1e-6
        if sent.is_missed:
            self.estimator.missed(-1)
            self.estimator.repeated(at, sent.size)
        else:
            self.estimator.arrived(clock_us(sent.at), at, sent.size)

    def _forget(self, now: float) -> None:
        for counter, sent in list(self._sent.items()):
            if sent.at > now - FORGOTTEN:
                break
            del self._sent[counter]
