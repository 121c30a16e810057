"""A lane that makes faults on purpose: what is lost, late and slowed, and that all of it is bounded."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tcserver.media import ReceiverSet, Transmission
from tcserver.media.forwarding.receivers import LaneReceivers
from tcserver.media.interface import Address
from tcserver.media.lanes.faulty import HEADERS, QUEUE, Arrivals, FaultSettings, FaultyLane
from tcserver.media.lanes.lane import Lane
from tcserver.media.lanes.sender import Sender

EVERYBODY = ReceiverSet((number, Address(0, "10.0.0.1", number)) for number in range(3))
ONE = ReceiverSet([(7, Address(0, "10.0.0.1", 7))])


class Wire(Lane):
    """Notes what leaves, with the port of who gets it."""

    def __init__(self) -> None:
        super().__init__(trains=True)
        self.sent: list[tuple[bytes, int]] = []

    def send(self, payload: bytes, size: int, receivers: LaneReceivers, start: int, stop: int) -> None:
        assert stop == start + 1
        self.sent.append((payload, receivers.addresses[start].port))

    @property
    def waiting(self) -> int:
        return 5


class Line:
    """A faulty lane in virtual time."""

    def __init__(self, *settings: float, **limits: int) -> None:
        self.now = 100.0
        self.wire = Wire()
        self.due: list[tuple[float, Callable[[], None]]] = []
        chance = random.Random(1).random
        self.lane = FaultyLane(self.wire, FaultSettings(*settings), chance, self._later, lambda: self.now, **limits)

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self.due.append((self.now + seconds, call))

    def send(self, receivers: ReceiverSet, *datagrams: bytes, skip: int = -1) -> None:
        Sender([self.lane]).send([Transmission(datagram, receivers, skip) for datagram in datagrams])

    def run(self, seconds: float) -> list[tuple[bytes, int]]:
        """Let time pass; return what has left."""
        self.now += seconds
        for at, call in sorted(self.due, key=lambda entry: entry[0]):
            if at <= self.now + 1e-9:
                self.due.remove((at, call))
                call()
        sent, self.wire.sent = self.wire.sent, []
        return sent


def test_a_share_is_lost_for_each_receiver_by_itself() -> None:
    line = Line(0.25)
    line.send(EVERYBODY, *[bytes((number,)) for number in range(200)])
    sent = line.run(0)
    by_port = [{data for data, port in sent if port == receiver} for receiver in range(3)]
    assert len(sent) == pytest.approx(450, abs=40)
    assert by_port[0] != by_port[1] != by_port[2]
    assert line.lane.counts.errors["fault"] == 600 - len(sent)


def test_what_is_late_leaves_in_its_order_and_whom_it_is_not_for_gets_nothing() -> None:
    line = Line(0.0, 0.1)
    line.send(EVERYBODY, b"one", b"two", skip=1)
    assert line.lane.waiting == 5 + 4
    assert line.run(0.09) == []
    sent = line.run(0.01)
    assert [data for data, port in sent if port == 0] == [b"one", b"two"]
    assert {port for _, port in sent} == {0, 2}
    assert line.lane.waiting == 5


def test_each_receiver_has_a_rate_and_what_waits_too_long_is_lost() -> None:
    size = 1000
    line = Line(0.0, 0.0, (size + HEADERS) * 8 * 10)
    line.send(ONE, *[bytes(size)] * 10)
    fits = int(QUEUE * 10) + 1
    assert line.lane.counts.errors["fault"] == 10 - fits
    assert [len(line.run(0.1)) for _ in range(fits + 1)] == [1] * fits + [0]
    line.send(EVERYBODY, bytes(size))
    assert len(line.run(0.1)) == 3, "others do not wait for it"


def test_what_waits_and_who_is_remembered_is_bounded() -> None:
    line = Line(0.0, 1.0, 1e9, max_late=4, max_receivers=2)
    line.send(EVERYBODY, b"one", b"two")
    assert line.lane.waiting == 5 + 4
    assert line.lane.counts.errors["fault"] == 2
    assert len(line.run(1.1)) == 4


def test_a_share_of_what_arrives_is_lost() -> None:
    datagrams = [(bytes((number,)), Address(0, "10.0.0.1", 1)) for number in range(100)]
    assert Arrivals(1.0, random.Random(1).random).kept(datagrams) == []
    kept = Arrivals(0.5, random.Random(1).random).kept(datagrams)
    assert 30 < len(kept) < 70
    assert kept == [datagram for datagram in datagrams if datagram in kept]
