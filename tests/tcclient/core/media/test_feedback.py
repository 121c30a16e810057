"""Reports of the receiver, and its choice of the variant with copies."""

from tcclient.core.media.feedback import (
    BARRED,
    COPIES_FROM,
    COPIES_UNTIL,
    ENOUGH,
    HURRY,
    MAX_BARRED,
    MAX_REPORTED,
    Feedback,
)
from tcclient.core.media.statistics import StreamStatistics
from tcclient.core.media.trial import TRIAL
from tcproto.datagram import ItemType
from tcproto.feedback import REPORT_INTERVAL, parse_receiver_report
from tcproto.packet import Series


class Bench:
    """A feedback by itself, with what it is told and what it says."""

    def __init__(self) -> None:
        self.loss = (0.0, 1000)
        self.series = {(77, Series(2)): StreamStatistics(farthest_copy=1)}
        self.reports = []
        self.choices: list[bool] = []
        self.may_choose = True
        self.by_requests = False
        self.asked: list[bool] = []
        self.feedback = Feedback(lambda: self.loss, self._by_requests, lambda: self.series, self._send, self._choose)
        self.now = 5.0

    def _send(self, item):
        assert item.type == ItemType.RECEIVER_REPORT
        self.reports.append(parse_receiver_report(item.value))

    def _by_requests(self, before: bool) -> bool:
        self.asked.append(before)
        return self.by_requests

    def _choose(self) -> bool:
        if self.may_choose:
            self.choices.append(self.feedback.redundant)
        return self.may_choose

    def tick(self, loss: float | None = None, packets: int = 1000) -> None:
        if loss is not None:
            self.loss = (loss, packets)
        assert self.feedback.next_deadline <= self.now
        self.feedback.handle_timeout(self.now)
        self.now += REPORT_INTERVAL

    def come(self, count: int, *, lost: int = 0, redundant: bool = False) -> None:
        for counts in self.series.values():
            counts.received += count
            counts.expected += count + lost
            counts.farthest_copy = redundant


def test_copies_are_chosen_by_loss_with_hysteresis():
    bench = Bench()
    bench.tick(COPIES_FROM - 0.01)
    bench.tick(1.0, ENOUGH - 1)
    assert bench.choices == []
    bench.tick(COPIES_FROM, ENOUGH)
    bench.tick(COPIES_UNTIL)
    assert bench.choices == [True]
    bench.tick(COPIES_UNTIL - 0.001)
    bench.tick(COPIES_FROM - 0.01)
    assert bench.choices == [True, False]


def test_no_copies_where_what_is_lost_is_better_asked_for():
    bench = Bench()
    bench.by_requests = True
    bench.tick(0.5)
    assert bench.choices == []
    bench.by_requests = False
    bench.tick(0.5)
    bench.by_requests = True
    bench.tick(0.5)
    assert bench.choices == [True, False]
    assert bench.asked == [True, True, False], "what was found last"


def test_without_sound_copies_are_given_up_for_a_while_and_for_longer_the_next_time():
    bench = Bench()
    bench.feedback.give_up_copies(bench.now)
    bench.tick(0.5)
    assert bench.choices == [True]
    barred = BARRED
    while barred <= 2 * MAX_BARRED:
        bench.feedback.give_up_copies(bench.now)
        assert not bench.feedback.redundant
        until = bench.now + min(barred, MAX_BARRED)
        while bench.now < until:
            bench.tick(0.5)
            assert not bench.feedback.redundant
        bench.tick(0.5)
        assert bench.feedback.redundant
        barred *= 2


def test_a_loss_is_looked_at_soon():
    bench = Bench()
    bench.tick()
    bench.feedback.missed(bench.now - 0.9)
    assert bench.feedback.next_deadline == bench.now - 0.9 + HURRY
    bench.tick(0.5)
    deadline = bench.feedback.next_deadline
    bench.feedback.missed(bench.now)
    assert bench.feedback.next_deadline == deadline


def test_a_choice_that_could_not_be_told_is_made_again():
    bench = Bench()
    bench.may_choose = False
    bench.tick(0.5)
    assert not bench.feedback.redundant
    bench.may_choose = True
    bench.tick(0.5)
    assert bench.choices == [True]


def test_reports_tell_what_was_lost_at_first_of_series_that_go_on():
    bench = Bench()
    plain, redundant = StreamStatistics(), StreamStatistics(redundant=True, farthest_copy=3)
    bench.series = {(77, Series(3)): plain, (77, Series(4)): redundant}
    bench.tick(0.01)
    bench.tick(0.2)
    assert bench.reports == [], "copies are wanted from now on"
    for forward in (0, 1, 4):
        plain.count(forward, None, 0.0)
        redundant.count(forward, None, 0.0)
    redundant.received, redundant.repaired, redundant.jitter_ms = 4, 1, 12.34
    bench.tick()
    ((told,),) = bench.reports
    assert (told.sealer, told.series, told.received, told.lost) == (77, Series(4, redundant=True), 3, 2)
    assert (told.highest, told.jitter, told.delay) == (4, 123, 0)
    bench.tick()
    assert len(bench.reports) == 1, "nothing new"
    redundant.received += 1
    redundant.jitter_ms = 1e9
    bench.tick()
    assert bench.reports[-1][0].jitter == 0xFFFF
    for stream in range(100):
        bench.series[77, Series(stream + 10)] = StreamStatistics(redundant=True, received=1)
    bench.tick()
    assert len(bench.reports[-1]) == MAX_REPORTED


def test_what_was_lost_while_no_copies_were_wanted_is_not_reported():
    bench = Bench()
    counts = StreamStatistics(redundant=True)
    bench.series = {(77, Series(4)): counts}

    def pass_by(received: int, lost: int, loss: float) -> None:
        counts.received += received
        counts.expected += received + lost
        bench.tick(loss)

    pass_by(500, 5, 0.2)
    pass_by(50, 10, 0.2)
    pass_by(50, 10, COPIES_UNTIL - 0.01)
    pass_by(500, 5, 0.2)
    pass_by(50, 20, 0.2)
    told = [(report.received, report.lost) for (report,) in bench.reports]
    assert told == [(50, 10), (100, 30)]


def trying() -> Bench:
    """Copies have just been asked for."""
    bench = Bench()
    bench.come(100)
    bench.tick(0.2)
    assert bench.choices == [True]
    return bench


def follow(bench: Bench, seconds: float, count: int, lost: int = 0, redundant: bool = False) -> None:
    """Let so many packets come in each tenth of a second."""
    end = bench.now = bench.now - REPORT_INTERVAL
    end += seconds
    while bench.now < end:
        bench.come(count, lost=lost, redundant=redundant)
        if bench.feedback.next_deadline <= bench.now:
            bench.feedback.handle_timeout(bench.now)
        bench.now += 0.1
    bench.now += REPORT_INTERVAL


def test_copies_that_come_are_kept_also_where_the_server_is_slow_to_send_them():
    bench = trying()
    follow(bench, 3 * TRIAL, 5)
    follow(bench, 3 * TRIAL, 5, redundant=True)
    follow(bench, 10, 0)
    assert bench.choices == [True]


def test_copies_that_are_too_long_for_the_way_are_given_up_soon_and_not_tried_again_soon():
    bench = trying()
    follow(bench, TRIAL + 0.2, 0)
    assert bench.choices == [True, False]
    follow(bench, 0.1, 1, lost=30)
    follow(bench, BARRED - 1, 5)
    assert bench.choices == [True, False]
    follow(bench, 3, 5)
    assert bench.choices == [True, False, True]


def test_a_pause_is_not_mistaken_for_copies_that_are_too_long():
    bench = trying()
    follow(bench, 20, 0)
    assert bench.choices == [True, False], "not again before somebody speaks"
    follow(bench, 2, 1)
    assert bench.choices == [True, False, True]


def test_a_trial_ends_where_copies_are_not_wanted_any_more():
    bench = trying()
    bench.by_requests = True
    bench.now = bench.feedback.next_deadline
    bench.tick()
    assert bench.choices == [True, False]
    follow(bench, 5, 0)
    bench.by_requests = False
    bench.tick(0.2)
    assert bench.choices == [True, False, True]
