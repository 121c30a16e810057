"""Arrival reports: what the log of a seat tells, and when the plane sends it."""

from __future__ import annotations

from random import Random

import pytest

from tcproto.datagram import Item, ItemType
from tcproto.feedback import (
    LEAST_ARRIVAL_INTERVAL,
    MAX_ARRIVALS,
    MOST_ARRIVAL_INTERVAL,
    ArrivalReport,
    pack_arrival_request,
    parse_arrival_report,
)
from tcserver.media.forwarding.arrivals import ASKED_FOR, PAUSE, ArrivalLog
from tcserver.media.forwarding.drops import Drop
from tcserver.media.interface import STREAM_HOST, Address, RekeySeat
from tests.support.media.world import MediaClient, World, audio, packet_item

INTERVAL = 0.1 - 1e-6  # sums of floats are not exact
SPACING = 0.02


def asked(now: float = 0.0) -> ArrivalLog:
    log = ArrivalLog()
    log.ask(INTERVAL, now)
    return log


def come(log: ArrivalLog, counters: list[int], start: float = 0.0, epoch: int = 0) -> list[ArrivalReport]:
    """Let datagrams come, 20 ms apart; return the reports."""
    reports = [log.arrive(epoch, counter, start + SPACING * i) for i, counter in enumerate(counters)]
    return [report for report in reports if report is not None]


def ms(report: ArrivalReport) -> list[float | None]:
    return [None if at is None else at / 1000 for at in report.arrivals]


def test_a_report_comes_each_interval_and_has_each_arrival_in_two() -> None:
    first, second, third = come(asked(), [*range(5, 21)])
    assert (first.base, ms(first)) == (5, [0, 20, 40, 60, 80, 100])
    assert (second.base, ms(second)) == (5, [*range(0, 220, 20)])
    assert (third.base, ms(third)) == (11, [*range(120, 320, 20)])


def test_what_is_missing_is_told_and_what_comes_late_in_the_next_report() -> None:
    first, second = come(asked(), [0, 1, 4, 3, 5, 6, 2, 7, 8, 9, 10])
    assert ms(first) == [0, 20, None, 60, 40, 80, 100]
    assert ms(second)[:5] == [0, 20, 120, 60, 40]
    assert parse_arrival_report(second.pack()) == second


def test_nothing_is_told_unasked_or_long_after() -> None:
    assert come(ArrivalLog(), [*range(50)]) == []
    log = asked()
    assert come(log, [*range(50)], ASKED_FOR - 0.5)
    assert come(log, [*range(50, 100)], ASKED_FOR + 0.01) == []


def test_no_shorter_interval_than_the_least_is_granted() -> None:
    log = ArrivalLog()
    log.ask(0.0, 0.0)
    assert len(come(log, [*range(101)])) <= 100 * SPACING / LEAST_ARRIVAL_INTERVAL


@pytest.mark.parametrize("again", ["pause", "epoch", "skip"])
def test_it_begins_anew_after_a_pause_a_new_key_and_what_was_let_wait(again: str) -> None:
    log = asked()
    come(log, [*range(9)])
    if again == "skip":
        log.skip()
    start = 0.2 if again != "pause" else 0.16 + PAUSE + SPACING
    (report, *_) = come(log, [*range(40, 50)], start, int(again == "epoch"))
    assert report.base == 40
    assert None not in report.arrivals


def test_a_leap_of_the_counter_forgets_the_oldest() -> None:
    log = asked()
    (report,) = come(log, [0, 1, 10 * MAX_ARRIVALS, 1, 10 * MAX_ARRIVALS + 1, 10 * MAX_ARRIVALS + 2])
    assert len(report.arrivals) == MAX_ARRIVALS
    assert report.arrivals[-1] == 100_000
    assert report.arrivals.count(None) == MAX_ARRIVALS - 3
    report.pack()


def test_a_hostile_client_gets_reports_that_can_be_written() -> None:
    """It asks for the longest interval, and lets its datagrams come in any order, as late as they count."""
    random, log, now, told = Random(1), asked(), 0.0, 0
    for _ in range(5000):
        log.ask(65.0, now)
        now += random.choice((0.0, 0.01, 0.9 * PAUSE))
        report = log.arrive(0, random.choice((0, 1, 200, 255, 256, 511, random.randrange(1 << 48))), now)
        if report is not None:
            told += 1
            assert len(report.arrivals) <= MAX_ARRIVALS
            assert parse_arrival_report(report.pack()).base == report.base
    assert 1 < told <= now / MOST_ARRIVAL_INTERVAL


class Sender:
    """A participant who sends sound and asks for reports."""

    def __init__(self) -> None:
        self.world = World(2)
        self.client, other = self.world.clients
        self.world.publish(self.client, 7, to=[other])
        self.sequence = 0

    def ask(self, value: bytes = pack_arrival_request(INTERVAL)) -> None:
        self.world.receive(self.client, self.client.up(Item(ItemType.ARRIVAL_REQUEST, value)))

    def speak(self, count: int, lost: frozenset[int] = frozenset()) -> list[ArrivalReport]:
        reports = []
        for i in range(count):
            self.world.now += SPACING
            datagram = self.client.up(packet_item(audio(7, self.sequence)))
            self.sequence += 1
            if i not in lost:
                reports += arrival_reports(self.client, self.world.receive(self.client, datagram))
        return reports


def arrival_reports(client: MediaClient, sent: list[tuple[Address, bytes]]) -> list[ArrivalReport]:
    return [
        parse_arrival_report(item.value)
        for address, datagram in sent
        if address == client.address
        for item in client.open_down(datagram)
        if item.type == ItemType.ARRIVAL_REPORT
    ]


def test_the_plane_tells_who_asks() -> None:
    sender = Sender()
    assert sender.speak(20) == []
    sender.ask()
    reports = sender.speak(20, frozenset((7,)))
    assert len(reports) == 3
    missing = [report.base + i for report in reports for i, at in enumerate(report.arrivals) if at is None]
    assert len(set(missing)) == 1
    assert reports[-1].arrivals[-1] == pytest.approx(sender.world.now * 1e6, abs=2 * SPACING * 1e6)


def test_a_request_of_another_length_is_dropped() -> None:
    sender = Sender()
    sender.ask(b"\0")
    assert sender.speak(20) == []
    assert sender.world.drops() == {Drop.ITEM: 1}


def test_nothing_is_told_of_a_stream_and_of_what_is_let_wait() -> None:
    sender = Sender()
    sender.ask()
    sender.world.plane.suppressed.media_ids.add(sender.client.media_id)
    assert sender.speak(8) == []
    streaming = Sender()
    streaming.world.prove(streaming.client, Address(1, STREAM_HOST, 1))
    streaming.ask()
    assert streaming.speak(20) == []


def test_what_is_late_under_the_key_before_is_left_out() -> None:
    sender = Sender()
    sender.ask()
    late, sender.sequence = sender.client.up(packet_item(audio(7, 0))), 1
    sender.speak(2)
    client = sender.client
    sender.world.apply(RekeySeat(client.media_id, 1, b"u" * 32, b"d" * 32))
    client.epoch, client.counter, client.up_key, client.down_key = 1, 0, b"u" * 32, b"d" * 32
    assert sender.speak(4) == []
    sender.world.receive(client, late)
    (report,) = sender.speak(3)
    assert report.base == 0
    assert len(report.arrivals) >= 6
