"""Receivers of copies that claim to lose what they do not lose, beside others that lose as much as they say."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tcclient.core.timers import NEVER
from tcproto.datagram import Item, ItemType
from tcproto.feedback import REPORT_INTERVAL, Reception, pack_receiver_report
from tcproto.packet import Series
from tests.support.simulation.client import Client
from tests.support.simulation.network import LAN, Conditions
from tests.support.simulation.world import World

FAR = Conditions(delay=0.08, loss=0.045)
"""A line on which copies pay that are in use, and one of each packet is enough."""
WORSE = Conditions(delay=0.08, loss=0.2)
"""A line on which three are needed."""
SAME = 0.15
"""Share by which what comes differs where nothing is added: chance. A copy more of each packet adds a third."""
CLAIMS: tuple[Callable[[int], float], ...] = (
    lambda second: 0.95,
    lambda second: 0.95 * (second % 2),
    lambda second: 0.0,
)
"""The share that is lost in each second: nearly all, another one each time, nothing."""


def meeting(world: World, lines: list[Conditions]) -> tuple[Client, list[Client]]:
    """Let one talk to others who have chosen the variant with copies."""
    ada = world.client("ada", LAN, account="ada")
    others = [
        world.client(
            f"listener {n}", Conditions(delay=WORSE.delay), down=WORSE, microphone=False, account=f"agency-{n}"
        )
        for n in range(len(lines))
    ]
    world.until(lambda: world.ready(ada, *others))
    world.run(0.5)
    ada.talk()
    world.until(lambda: all(client.session.seat.downlink.feedback.redundant for client in others), limit=30)
    for client, line in zip(others, lines, strict=True):
        client.down.conditions = line
    world.run(8)
    return ada, others


def lie(world: World, client: Client, claim: Callable[[int], float], seconds: int) -> None:
    """Report a share as lost each second, in the place of the own reports."""
    downlink = client.session.seat.downlink
    downlink.feedback.next_deadline = NEVER
    sealer, series = next(key for key, counts in downlink.losses.statistics().items() if counts.redundant)
    received = lost = 0

    def report(second: int) -> None:
        nonlocal received, lost
        received += round(50 * (1 - claim(second)))
        lost += round(50 * claim(second))
        reception = Reception(sealer, Series(series.stream, redundant=True), received, lost, 0, 0, 0)
        client.session.seat.path.send(Item(ItemType.RECEIVER_REPORT, pack_receiver_report([reception])))
        client.pump()

    for second in range(seconds):
        world.clock.after(second * REPORT_INTERVAL, partial(report, second))


def received(world: World, ada: Client, clients: list[Client], seconds: float) -> tuple[float, float]:
    """Return the bytes that came to each of these, and those that ada sent."""
    before, sent = sum(client.down.bytes for client in clients), ada.up.bytes
    world.run(seconds)
    return (sum(client.down.bytes for client in clients) - before) / len(clients), ada.up.bytes - sent


@pytest.mark.parametrize("others", [1, 9])
def test_one_that_lies_adds_nothing_for_the_others_nor_for_the_talker(world, others):
    ada, (liar, *honest) = meeting(world, [FAR] * (1 + others))
    before = received(world, ada, honest, 8)
    for claim in CLAIMS:
        lie(world, liar, claim, 14)
        world.run(6)
        after = received(world, ada, honest, 8)
        assert after[0] == pytest.approx(before[0], rel=SAME)
        assert after[1] == pytest.approx(before[1], rel=SAME)


@pytest.mark.parametrize("others", [0, 1, 9])
def test_one_that_loses_a_fifth_hears_nearly_all_whoever_is_beside_it(world, others):
    """Alone it gets three copies, and beside others one; what that does not bring is sent to it again."""
    ada, (worse, *_) = meeting(world, [WORSE] + [FAR] * others)
    since = world.now
    world.run(10)
    assert len(worse.heard_from(ada, since=since)) >= 0.985 * 10 / 0.02
