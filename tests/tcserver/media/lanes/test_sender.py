"""The sender: what leaves as a train, and that nobody gets more or less for it."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from tcserver.media.forwarding.receivers import LaneReceivers, ReceiverSet, Transmission
from tcserver.media.interface import Address
from tcserver.media.lanes.lane import Lane
from tcserver.media.lanes.sender import Sender

RECEIVERS = 6


class Calls(Lane):
    """Notes the calls, and what each receiver gets."""

    def __init__(self, pays_by_call: bool) -> None:
        super().__init__(trains=True)
        self.pays_by_call = pays_by_call
        self.calls = 0
        self.got: dict[int, list[bytes]] = defaultdict(list)

    def send(self, payload: bytes, size: int, receivers: LaneReceivers, start: int, stop: int) -> None:
        self.calls += 1
        datagrams = [payload[at : at + size] for at in range(0, len(payload), size)]
        for index in range(start, stop):
            self.got[receivers.addresses[index % len(receivers.addresses)].port] += datagrams

    @property
    def waiting(self) -> int:
        return 0


def send(pays_by_call: bool, publishers: list[int]) -> Calls:
    """Send a datagram of each of these publishers together; each receiver but the publisher has to get it."""
    lane = Calls(pays_by_call)
    receivers = ReceiverSet((number, Address(0, "127.0.0.1", number)) for number in range(RECEIVERS))
    sent = [Transmission(bytes((at,)) * 100, receivers, publisher) for at, publisher in enumerate(publishers)]
    Sender([lane]).send(sent)
    for index in range(RECEIVERS):
        expected = [datagram for datagram, _, publisher in sent if publisher != index]
        assert sorted(lane.got[index]) == expected, index
    return lane


@given(st.lists(st.integers(-1, RECEIVERS - 1), min_size=1, max_size=12))
def test_where_a_call_is_what_costs_a_train_never_takes_more_of_them(publishers):
    assert send(True, publishers).calls <= len(publishers)


def test_a_train_leaves_as_few_calls_as_its_publishers_allow():
    assert [send(True, [2] * 5).calls, send(False, [2] * 5).calls] == [1, 1]
    assert [send(True, [1, 3]).calls, send(False, [1, 3]).calls] == [2, 4]
    assert [send(True, [1, 3, 1, 3, 1]).calls, send(False, [1, 3, 1, 3, 1]).calls] == [4, 4]
