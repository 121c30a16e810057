"""What may not wait for TCP: subscriptions and keys also travel in datagrams."""

import pytest

from tcclient.core import events
from tcclient.core.downlink.subscription import Wishes
from tcclient.core.keys.own_key import URGENT_AFTER
from tcproto.messages import Source
from tests.support.simulation.network import Conditions

STALL = 3.0
"""Seconds for which TCP waits, as after a few lost retransmissions."""
DELAY = 0.04
SLOW = Conditions(delay=DELAY)


def test_a_subscription_takes_effect_within_a_round_trip_while_tcp_stalls(world):
    ada, ben = world.room("ada", "ben", conditions=SLOW)
    world.run(0.5)
    ada.talk()
    world.run(1)
    ben.outage(STALL)
    ben.session.seat.downlink.wish(Wishes(()))
    ben.pump()
    world.run(2 * DELAY + 0.03)
    heard = len(ben.heard)
    world.run(0.5)
    assert len(ben.heard) == heard, "nothing is wanted, and nothing comes"
    ben.session.seat.downlink.wish(Wishes((Source.MICROPHONE,)))
    ben.pump()
    world.run(2 * DELAY + 0.03)
    assert len(ben.heard) > heard
    # The message of the channel comes late, and is the older one then.
    world.run(STALL + 1)
    heard = len(ben.heard)
    world.run(1)
    assert len(ben.heard) == heard + 50


def test_a_subscription_arrives_though_datagrams_are_lost(world):
    ada, ben = world.room("ada", "ben", conditions=SLOW)
    world.run(0.5)
    ada.talk()
    ben.outage(STALL)
    ben.up.change(blocked=True)
    ben.session.seat.downlink.wish(Wishes(()))
    ben.pump()
    world.run(0.1)
    ben.up.change(blocked=False)
    world.run(0.3)
    heard = len(ben.heard)
    world.run(0.5)
    assert len(ben.heard) == heard
    sent = ben.session.seat.downlink.subscription.urgent
    world.run(STALL)
    assert sent.next_deadline == float("inf"), "it was answered"


@pytest.mark.parametrize("loss", [0.0, 0.2])
def test_a_change_of_keys_is_heard_through_by_who_gets_nothing_by_tcp(world, loss):
    """Somebody leaves, so that the sender key and the room key change."""
    ada, ben, cleo = world.room("ada", "ben", "cleo", conditions=SLOW)
    world.run(0.5)
    ada.talk()
    world.run(1)
    ben.outage(STALL + 3)
    ben.change(loss=loss)
    cleo.leave()
    world.run(1.5)
    assert ada.session.seat.keys.current.number == 2, "it did not wait for the longest time that it may"
    world.run(1.5)
    since = world.now  # both keys are in use
    world.run(2)
    assert len(ben.heard_from(ada, since=since)) >= 100 * (1 - 2 * loss)
    world.run(2)
    assert not world.client_drops()["key_box"], "what came twice is no error"


def test_boxes_of_a_speaker_whose_tcp_stalls_arrive(world):
    ada, ben, cleo = world.room("ada", "ben", "cleo", conditions=SLOW)
    world.run(0.5)
    ada.talk()
    world.run(2)  # a new key may follow at once
    cleo.leave()
    world.until(lambda: ada.told(events.ParticipantLeft))
    ada.outage(STALL)
    assert ada.session.seat.keys.current.number == 1
    taken = world.until(lambda: ada.session.seat.keys.current.number == 2)
    assert taken < URGENT_AFTER + 4 * DELAY + 0.05
    since = world.now
    world.run(1)
    assert len(ben.heard_from(ada, since=since)) > 45
