"""The rate of the way up: the server reports when our datagrams arrived, and the estimator is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tcclient.core.path.statistics import FULL_QUEUE
from tcclient.core.path.train import HEADERS
from tcclient.core.rate.arrivals import LOSS_SPAN, STEP
from tcclient.core.rate.estimator import RateEstimator
from tcclient.core.timers import NEVER
from tcproto.datagram import Item, ItemType, parse_header
from tcproto.feedback import DELTA_UNIT, pack_arrival_request, parse_arrival_report
from tcproto.serial import Unwrapper, clock_us

INTERVAL = 0.1
"""Seconds between reports, as RFC 8698 has it; one takes 60 to 100 bytes, 6 kbit/s of the way down."""
ASK_INTERVAL = 3.0
"""Seconds between requests: one is good for ten, and may be lost."""
FIRST_INTERVAL = 0.3
"""The same until a first report has come, for as long as one is waited for: more than a round trip and ``INTERVAL``. A
call begins with few bits per second, and nobody should wait for more because the first request was lost."""
MAX_SENT = 1024
"""Datagrams that wait for their report: seconds of sound and pictures. The oldest are forgotten first."""
FORGOTTEN = 2.0
"""Seconds after which a datagram without a report is forgotten: its report was lost, or the server wrote none."""
WAIT = 1.0
"""Seconds from the first datagram of media in which a first report comes, unless one request after another is lost."""
TRAIN, TRAIN_GAP = 3, 0.002
"""Datagrams that left together, with so many seconds from one to the next at most, whose arrivals tell the rate of the
narrowest link (packet dispersion). Pictures leave so."""
TRAIN_SIZE = 800
"""Bytes of a datagram in it at least: for small ones the work of each hop counts more than their bits."""
GATHERED = 0.01
"""Seconds within which a radio link or a busy machine may hand over what came one after the other."""
SURE = 0.5
"""Share of what a train shows that is believed. Others may use the link too."""
TRIAL = 2.0
"""Times of the estimate that are tried where less is in use, so that nothing shows what the way carries."""


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

    def __init__(
        self, send: Callable[[Item], None], round_trip: Callable[[], float | None], is_measured: bool = True
    ) -> None:
        self.estimator = RateEstimator()
        self.next_deadline = NEVER
        """When ``handle_timeout`` is due."""
        self._send = send
        self._round_trip = round_trip
        self._sent: dict[int, _Sent] = {}
        """By counter, the oldest first."""
        self._epoch = -1
        self._units = Unwrapper()
        self._is_measured = is_measured
        self._begin()

    def _begin(self) -> None:
        self._is_reported = False
        self._asked_at = float("-inf")
        self._waits_until = float("inf")
        self._looks_up = True
        """Whether the next train may raise the rate."""
        self._train = _Train()
        self._full_at = float("-inf")
        """When the queue was full."""
        self._is_full = False
        """Whether something of what is lost may have been lost so."""

    @property
    def bitrate(self) -> float | None:
        """Bits per second that the way carries, with the headers of IP and UDP; None: the server has told nothing."""
        return self.estimator.bitrate if self._is_reported else None

    @property
    def allowed(self) -> float | None:
        """Bits per second that may be sent, with the headers of IP and UDP; None: no bound is known, as of a stream.

        They are few until a first report has come. Where none comes, they stay so: every server makes reports, so all
        requests or reports were lost, or wait behind pictures, and with more pictures the next ones would be, too.
        """
        return self.estimator.bitrate if self._is_measured else None

    def loss(self) -> tuple[float, int]:
        """Return the share that was lost in the last two seconds, as reported, and of how many datagrams.

        Reports come ten times as often as pongs. What a full queue loses, now or before, is no loss of the line.
        """
        return (0.0, 0) if self._is_full else (self.estimator.loss, self.estimator.packets)

    def look_up(self) -> None:
        """Try the way for more: let the next train raise the rate, and media itself where too little of it is sent.

        Small pictures make no trains. If the way carries no more, a queue shows that, and the estimate falls at once.
        Where packets are lost by chance no more is tried than the way was seen to carry: what is sent again would wait
        in that queue.
        """
        self._looks_up = True
        if self._is_reported and self.estimator.is_application_limited:
            self.estimator.show(min(TRIAL * self.estimator.bitrate, self.estimator.bearable))

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
                self._waits_until = min(self._waits_until, now + WAIT)
                is_first = not self._is_reported and now < self._waits_until
                self.next_deadline = max(now, self._asked_at + (FIRST_INTERVAL if is_first else ASK_INTERVAL))

    def receive(self, value: bytes, now: float) -> None:
        """Take an arrival report; raises ``ValueError`` where it is malformed."""
        report = parse_arrival_report(value)
        self._is_reported = True
        for counter, arrival in enumerate(report.arrivals, report.base):
            sent = self._sent.get(counter)
            if sent is not None:
                at = None if arrival is None else self._units(arrival // DELTA_UNIT & 0xFFFFFFFF) * DELTA_UNIT * 1e-6
                self._count(counter, sent, at)
                self._train.add(counter, sent, at)
        self._forget(now)
        round_trip = self._round_trip()
        if round_trip is not None:
            self.estimator.round_trip = round_trip
        self.estimator.handle_timeout(now)
        if self.estimator.queue_s >= FULL_QUEUE:
            self._full_at = now
        self._is_full = now < self._full_at + LOSS_SPAN + STEP
        shown = self._train.take_rate()
        if self._looks_up and shown is not None:
            self._looks_up = False
            self.estimator.show(SURE * shown)

    def handle_timeout(self, now: float) -> None:
        """Ask for reports."""
        self.next_deadline = NEVER
        self._asked_at = now
        self._send(Item(ItemType.ARRIVAL_REQUEST, pack_arrival_request(INTERVAL)))

    def restart(self, is_measured: bool) -> None:
        """Begin again: the way is another one. That of a stream is not measured."""
        self._is_measured = is_measured
        self.estimator.restart()
        self.next_deadline = NEVER
        self._sent.clear()
        self._units = Unwrapper()
        self._begin()

    def _count(self, counter: int, sent: _Sent, at: float | None) -> None:
        """Tell the estimator what a report says of a datagram. It says so twice, of which one counts."""
        if at is None:
            if not sent.is_missed:
                sent.is_missed = True
                self.estimator.missed(1)
            return
        del self._sent[counter]
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


class _Train:
    """Finds datagrams in the reports that left together."""

    def __init__(self) -> None:
        self._rate: float | None = None
        self._last = -1, float("-inf")
        """Counter of the datagram before, and when it left."""
        self._first = 0.0
        self._count = self._bits = 0

    def take_rate(self) -> float | None:
        """Return the bits per second with which the last long enough train came, once; None where there was none."""
        rate, self._rate = self._rate, None
        return rate

    def add(self, counter: int, sent: _Sent, at: float | None) -> None:
        """Take the next datagram of the report, and when it came."""
        follows = counter == self._last[0] + 1 and sent.at - self._last[1] <= TRAIN_GAP
        self._last = counter, sent.at
        if at is None or sent.size < TRAIN_SIZE or sent.is_missed:
            self._count = 0
        elif not follows or not self._count:
            self._first, self._count, self._bits = at, 1, 0
        else:
            self._count += 1
            self._bits += 8 * (sent.size + HEADERS)
            if self._count >= TRAIN:
                self._rate = self._bits / (max(0.0, at - self._first) + GATHERED)
