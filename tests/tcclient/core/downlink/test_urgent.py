"""A subscription by datagrams: at once, and again until it is answered in the channel."""

from tcclient.core.downlink.urgent import MAX_TRIES, PATIENCE, UrgentSubscription
from tcclient.core.timers import NEVER
from tcproto.datagram import Item, ItemType
from tcproto.messages import Source, StreamChoice, Subscribe, encode

WANTED = Subscribe(3, (Source.MICROPHONE,))


class Bench:
    def __init__(self) -> None:
        self.sent: list[Item] = []
        self.urgent = UrgentSubscription(self.sent.append)

    def run(self, now: float) -> int:
        """Return how many datagrams leave."""
        before = len(self.sent)
        self.urgent.handle_timeout(now)
        return len(self.sent) - before


def test_it_is_sent_at_once_and_again_until_it_is_answered():
    bench = Bench()
    assert bench.run(10.0) == 0
    bench.urgent.ask(WANTED, 7)
    assert bench.urgent.next_deadline <= 10.0
    assert bench.run(10.0) == 1
    assert bench.sent == [Item(ItemType.URGENT, encode(WANTED, 7))]
    assert bench.urgent.next_deadline == 10.0 + PATIENCE
    assert bench.run(10.1) == 0
    bench.urgent.answered(6)
    assert bench.run(10.2) == 1
    assert bench.urgent.next_deadline == 10.2 + 2 * PATIENCE
    bench.urgent.answered(7)
    assert bench.urgent.next_deadline == NEVER


def test_it_is_not_sent_for_ever():
    bench = Bench()
    bench.urgent.ask(WANTED, 7)
    now, sent = 10.0, 0
    while bench.urgent.next_deadline != NEVER:
        sent += bench.run(now)
        now = max(now, bench.urgent.next_deadline if bench.urgent.next_deadline != NEVER else now)
    assert sent == MAX_TRIES
    assert 6 < now - 10.0 < 7


def test_a_newer_one_takes_its_place_and_a_long_one_has_the_channel_alone():
    bench = Bench()
    bench.urgent.ask(WANTED, 7)
    newer = Subscribe(4, ())
    bench.urgent.ask(newer, 8)
    assert bench.run(10.0) == 1
    assert bench.sent == [Item(ItemType.URGENT, encode(newer, 8))]
    bench.urgent.ask(Subscribe(5, (), tuple(StreamChoice(stream) for stream in range(100))), 9)
    assert bench.urgent.next_deadline == NEVER
    assert bench.run(11.0) == 0
