"""The rate of the way up, from reports: of the scripted kind here, of the real server in ``tests/scenarios``."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tcclient.core.path.statistics import FULL_QUEUE
from tcclient.core.rate.estimator import START
from tcclient.core.rate.uplink import ASK_INTERVAL, FIRST_INTERVAL, FORGOTTEN, MAX_SENT, TRIAL, WAIT, UplinkRate
from tcclient.core.timers import NEVER
from tcproto.datagram import Item, ItemType, Kind, pack_header
from tcproto.feedback import DELTA_UNIT, ArrivalReport, parse_arrival_request
from tests.support.memory import largest_table

SPACING = 0.02
SIZE = 125


class Way:
    """A way up on which datagrams leave each 20 ms, and reports come each 100 ms."""

    def __init__(self) -> None:
        self.now = 0.0
        self.requests: list[Item] = []
        self.rate = UplinkRate(self.requests.append, lambda: 0.04)
        self.counter = 0
        self.delay = 0.02
        """Seconds of the way."""
        self._reported = 0
        self._arrived: dict[int, float] = {}

    def send(self, epoch: int = 0, is_media: bool = True) -> None:
        datagram = pack_header(Kind.UP, epoch, 1, self.counter) + bytes(SIZE - 12)
        self.rate.sent([datagram], is_media, self.now)
        self._arrived[self.counter] = self.now + self.delay
        self.counter += 1
        self.now += SPACING

    def report(self, base: int, arrivals: Iterable[float | None]) -> None:
        units = (None if at is None else int(at * 1e6) // DELTA_UNIT * DELTA_UNIT for at in arrivals)
        self.rate.receive(ArrivalReport(base, tuple(units)).pack(), self.now)

    def go(self, seconds: float, lost: frozenset[int] = frozenset(), extra: float = 0.0) -> None:
        """Send and report for a while; datagrams in ``lost`` do not come, the others ``extra`` s later each time."""
        end = self.now + seconds
        while self.now < end:
            base = max(0, self.counter - 5)
            for _ in range(5):
                self.send()
                self._arrived[self.counter - 1] += extra * (self.counter - self._reported)
            heard = range(base, self.counter)
            self.report(base, [None if n in lost else self._arrived[n] for n in heard])


def test_it_asks_while_media_is_sent() -> None:
    way = Way()
    way.send(is_media=False)
    assert way.rate.next_deadline == NEVER
    way.send()
    assert way.rate.next_deadline <= way.now
    way.rate.handle_timeout(way.now)
    (request,) = way.requests
    assert request.type == ItemType.ARRIVAL_REQUEST
    assert parse_arrival_request(request.value) == 0.1
    way.report(0, [0.0])
    way.send()
    assert way.rate.next_deadline == pytest.approx(way.now - SPACING + ASK_INTERVAL)


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_first_requests_that_are_lost_leave_no_time_without_a_bound(lost: int) -> None:
    way = Way()
    while len(way.requests) <= lost:
        way.send()
        assert way.rate.allowed == START
        if way.rate.next_deadline <= way.now:
            way.rate.handle_timeout(way.now)
    assert way.now == pytest.approx(lost * FIRST_INTERVAL, abs=3 * SPACING)
    assert way.rate.bitrate is None
    way.report(0, [0.0])
    assert way.rate.bitrate == way.rate.allowed


def test_who_gets_no_report_does_not_ask_often_and_sends_little() -> None:
    way = Way()
    while way.now < WAIT + 2 * ASK_INTERVAL:
        way.send()
        if way.rate.next_deadline <= way.now:
            way.rate.handle_timeout(way.now)
    assert WAIT / FIRST_INTERVAL <= len(way.requests) <= WAIT / FIRST_INTERVAL + 3
    assert way.rate.allowed == START


def test_nothing_is_known_before_a_report_and_after_a_restart() -> None:
    way = Way()
    assert way.rate.bitrate is None
    way.go(1.0)
    assert way.rate.bitrate is not None
    way.rate.restart(is_measured=True)
    assert way.rate.bitrate is None
    assert way.rate.next_deadline == NEVER


def test_each_datagram_counts_once_though_it_is_told_twice() -> None:
    way = Way()
    way.go(3.0)
    each = 8 * (SIZE + 28) / SPACING
    assert way.rate.estimator.received == pytest.approx(each, rel=0.1)
    assert way.rate.estimator.loss == 0


def test_loss_is_what_is_missing_in_both_reports() -> None:
    way = Way()
    way.go(3.0, lost=frozenset(range(0, 1000, 10)))
    assert way.rate.estimator.loss == pytest.approx(0.1, abs=0.02)


def test_what_is_lost_while_a_long_queue_stands_is_no_loss_of_the_line() -> None:
    way = Way()
    way.go(3.0, lost=frozenset(range(0, 1000, 10)))
    share, packets = way.rate.loss()
    assert share == pytest.approx(0.1, abs=0.02)
    assert packets > 50
    way.go(1.0, lost=frozenset(range(0, 1000, 10)), extra=FULL_QUEUE / 5)
    assert way.rate.estimator.loss > 0.05
    assert way.rate.loss() == (0.0, 0)


def test_what_a_full_queue_has_lost_of_late_is_no_loss_of_the_line() -> None:
    """A queue was full, and has drained since."""
    way = Way()
    way.go(4.0)
    way.delay += 1.5 * FULL_QUEUE
    way.go(1.0, lost=frozenset(range(0, 1000, 5)))
    way.delay -= 1.5 * FULL_QUEUE
    way.go(1.0)
    assert way.rate.estimator.queue_s < FULL_QUEUE
    assert way.rate.estimator.loss > 0.05
    assert way.rate.loss() == (0.0, 0)


def test_what_a_good_line_begins_to_lose_counts_at_once() -> None:
    way = Way()
    way.go(70.0)
    way.go(1.0, lost=frozenset(range(0, 10_000, 5)))
    share, packets = way.rate.loss()
    assert share == way.rate.estimator.loss > 0.05
    assert packets > 50


@pytest.mark.parametrize("every", [0, 10])
def test_more_is_tried_at_once_where_nothing_is_lost_by_chance(every: int) -> None:
    way = Way()
    way.rate.estimator.show(1e6)
    way.go(4.0, lost=frozenset(range(0, 1000, every)) if every else frozenset())
    assert way.rate.estimator.is_application_limited
    before = way.rate.estimator.bitrate
    way.rate.look_up()
    assert way.rate.estimator.bitrate == (before if every else TRIAL * before)


def test_where_packets_are_lost_by_chance_as_much_is_tried_as_came_when_the_way_was_full() -> None:
    way = Way()
    way.go(4.0, lost=frozenset(range(0, 10_000, 10)))
    way.delay += 0.05
    way.go(1.0, lost=frozenset(range(0, 10_000, 10)))
    way.delay -= 0.05
    way.rate.estimator.show(1e6)
    way.go(8.0, lost=frozenset(range(0, 10_000, 10)))
    before, bearable = way.rate.estimator.bitrate, way.rate.estimator.bearable
    assert 0 < bearable < float("inf")
    way.rate.look_up()
    assert way.rate.estimator.bitrate == max(before, min(TRIAL * before, bearable))


def test_what_comes_late_was_not_lost() -> None:
    way = Way()
    for _ in range(10):
        for _ in range(5):
            way.send()
        base = way.counter - 5
        way.report(base, [at if n != 2 else None for n, at in enumerate(way.now + i * 0.001 for i in range(5))])
        way.report(base, [way.now + 0.001 * i for i in range(5)])
    assert way.rate.estimator.loss == 0


def test_a_growing_wait_lowers_the_rate() -> None:
    way = Way()
    way.go(2.0)
    before = way.rate.bitrate
    assert before is not None
    way.go(2.0, extra=0.005)
    assert way.rate.bitrate is not None
    assert way.rate.bitrate < 0.8 * before
    assert way.rate.estimator.is_congested


def test_what_is_not_reported_is_forgotten() -> None:
    way = Way()
    for _ in range(MAX_SENT + 100):
        way.send()
    assert largest_table(way.rate) == MAX_SENT
    way.now += FORGOTTEN
    way.report(way.counter, [way.now])
    assert largest_table(way.rate) < 20


def test_counters_of_another_key_are_not_mixed_up() -> None:
    way = Way()
    for _ in range(5):
        way.send()
    way.counter = 0
    way.send(epoch=1)
    way.report(0, [0.1, None, None, 0.2])
    assert way.rate.estimator.loss == 0


def test_a_malformed_report_is_refused() -> None:
    with pytest.raises(ValueError, match="cut off"):
        Way().rate.receive(b"short", 0.0)


def train(way: Way, rate: float, count: int, at: float, split: int = 0) -> None:
    """Send large datagrams at once, which come with a rate; the first ``split`` of them are in a report before."""
    first, gap = way.counter, 8 * (1200 + 28) / rate
    for n in range(count):
        datagram = pack_header(Kind.UP, 0, 1, first + n) + bytes(1200 - 12)
        way.rate.sent([datagram], is_media=True, now=at)
    way.counter += count
    arrivals = [at + 0.02 + n * gap for n in range(count)]
    if split:
        way.report(first, arrivals[:split])
    way.report(first, arrivals)


@pytest.mark.parametrize("split", [0, 1, 2])
def test_the_first_train_shows_what_a_good_line_carries(split: int) -> None:
    way = Way()
    way.go(0.5)
    assert way.rate.bitrate is not None
    assert way.rate.bitrate < 200e3
    train(way, 10e6, 3, way.now, split)
    assert 700e3 < way.rate.bitrate < 1e6
    way.rate.estimator.restart()
    train(way, 10e6, 3, way.now)
    assert way.rate.bitrate < 200e3, "others may have come since"
    way.rate.look_up()
    train(way, 10e6, 3, way.now)
    assert way.rate.bitrate > 700e3


def test_a_train_on_a_thin_line_shows_nothing_new() -> None:
    way = Way()
    way.go(0.5)
    train(way, 200e3, 3, way.now)
    assert way.rate.bitrate is not None
    assert way.rate.bitrate < 200e3


def test_two_datagrams_are_no_train_and_neither_are_three_with_a_gap() -> None:
    way = Way()
    way.go(0.5)
    before = way.rate.bitrate
    train(way, 10e6, 2, way.now)
    way.counter += 1
    train(way, 10e6, 1, way.now)
    assert before is not None
    assert way.rate.bitrate is not None
    assert way.rate.bitrate < 1.3 * before
