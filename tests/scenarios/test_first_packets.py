"""After each change of subscriptions the first packet is delivered, also if TCP is slower than UDP."""

import pytest

from tcclient.core import events
from tcclient.core.downlink.subscription import Wishes
from tcproto.messages import Kind, Source
from tests.support.simulation.network import LAN

SLOW_TCP = 0.15
"""Seconds one way; UDP takes 1 ms."""


@pytest.mark.parametrize("tcp_delay", [0.001, SLOW_TCP])
def test_first_frame_after_publishing_is_heard_by_all(world, tcp_delay):
    listeners = world.room("ben", "cleo", microphone=False, tcp_delay=tcp_delay)
    ada = world.client("ada", tcp_delay=tcp_delay)
    world.until(lambda: ada.in_room and ada.session.seat.publications.can_send(ada.microphone))
    ada.say()
    world.run(2)
    for listener in listeners:
        assert listener.heard_from(ada) == ada.spoken
    assert len(ada.spoken) == 1


@pytest.mark.parametrize("tcp_delay", [0.001, SLOW_TCP])
def test_first_frame_after_subscribing_is_heard(world, tcp_delay):
    """A subscription holds from the moment the server has it: a frame sent after the reply is delivered."""
    (ada,) = world.room("ada")
    (ben,) = world.room("ben", microphone=False, sources=(), tcp_delay=tcp_delay)
    world.run(0.5)
    number = ben.session.seat.downlink.wish(Wishes((Source.MICROPHONE,)))
    ben.pump()
    world.until(lambda: events.RequestDone(number) in ben.events)
    ada.say()
    world.run(1)
    assert ben.heard_from(ada) == ada.spoken
    assert len(ada.spoken) == 1


@pytest.mark.parametrize("tcp_delay", [0.001, 0.02, SLOW_TCP])
def test_a_newcomer_hears_all_from_the_moment_its_path_is_proven(world, tcp_delay):
    ada, ben = world.room("ada", "ben", conditions=LAN)
    ada.talk()
    ben.talk()
    world.run(1)
    cleo = world.client("cleo", microphone=False, tcp_delay=tcp_delay)
    world.until(lambda: cleo.udp == "ok")
    already = len(ada.spoken), len(ben.spoken)
    world.run(2)
    ada.hush()
    ben.hush()
    world.run(1)
    for speaker, before in ((ada, already[0]), (ben, already[1])):
        heard = cleo.heard_from(speaker)
        assert heard == speaker.spoken[-len(heard) :]
        first = speaker.spoken.index(heard[0])
        # The sender ratchets when it hears of the join. What it sealed before is not for the newcomer.
        assert first <= before + 2 + int((tcp_delay + 0.002) / 0.02)


def test_first_frame_after_moving_to_another_address_is_heard(world):
    ada, ben = world.room("ada", "ben")
    ada.rebind()
    ada.say()
    world.run(0.5)
    assert ben.heard_from(ada) == ada.spoken
    assert len(ada.spoken) == 1


def test_first_frame_after_unmuting_is_heard(world):
    ada, ben = world.room("ada", "ben")
    ada.mute()
    world.run(1)
    ada.mute(False)
    world.run(0.01)
    ada.say()
    world.run(0.5)
    assert ben.heard_from(ada) == ada.spoken
    assert len(ada.spoken) == 1


def test_changes_that_come_together_lose_nothing(world):
    """Several joins, a leave and publications in one moment of talk: participants that stay miss no frame."""
    ada, ben, cleo = world.room("ada", "ben", "cleo", tcp_delay=0.05)
    ada.talk()
    world.run(1)
    for name in ("dora", "emil", "fred"):
        world.client(name, tcp_delay=SLOW_TCP)
    cleo.leave()
    ben.mute()
    ben.mute(False)
    world.run(6)
    ada.hush()
    world.run(1)
    assert ben.heard_from(ada) == ada.spoken
    assert not ada.unsent


def test_publishing_again_and_again_loses_no_first_frame(world):
    ada, ben = world.room("ada", "ben", tcp_delay=0.03)
    for _ in range(5):
        ada.session.seat.publishing.unpublish(ada.microphone)
        ada.microphone = ada.publish(Kind.AUDIO, Source.MICROPHONE, "opus")
        world.until(lambda: ada.session.seat.publications.can_send(ada.microphone))
        ada.say()
        world.run(1)
    assert ben.heard_from(ada) == ada.spoken
    assert len(ada.spoken) == 5
