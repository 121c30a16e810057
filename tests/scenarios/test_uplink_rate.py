"""The way up in virtual time: the server reports arrivals, and the client estimates what the way carries."""

from __future__ import annotations

import pytest

from tcclient.core.media.proof import Way
from tcclient.core.rate.estimator import LEAST
from tests.support.simulation.client import Client
from tests.support.simulation.network import Conditions
from tests.support.simulation.world import World

WAN = Conditions(delay=0.04)
VOICE = 40e3
"""Bits per second of a voice of the simulation, roughly, with all headers."""


def talking(world: World, up: Conditions = WAN) -> Client:
    ada = world.client("Ada", up)
    ben = world.client("Ben", WAN, microphone=False)
    world.until(lambda: world.ready(ada, ben))
    ada.talk()
    return ada


def test_who_sends_learns_what_the_way_carries_and_who_does_not_asks_nothing() -> None:
    world = World(1)
    ada = talking(world)
    ben = world.clients[1]
    world.run(5)
    rate = ada.session.seat.uplink_rate
    assert rate.bitrate is not None
    assert rate.bitrate > VOICE
    assert rate.estimator.received == pytest.approx(VOICE, rel=0.5)
    assert ben.session.seat.uplink_rate.bitrate is None


def test_a_way_that_becomes_narrow_is_noticed_within_two_seconds() -> None:
    world = World(2)
    ada = talking(world)
    world.run(5)
    ada.up.conditions = Conditions(delay=0.04, rate=VOICE / 2, queue=1.0)
    world.run(2)
    rate = ada.session.seat.uplink_rate
    assert rate.estimator.is_congested
    assert rate.bitrate is not None
    assert rate.bitrate == LEAST


def test_loss_of_the_way_down_is_none_of_the_way_up() -> None:
    world = World(3)
    ada = talking(world)
    ada.down.conditions = Conditions(delay=0.04, loss=0.2)
    world.run(20)
    assert ada.session.seat.uplink_rate.estimator.loss < 0.01


def test_a_stream_is_not_measured() -> None:
    world = World(4)
    ada = world.client("Ada", WAN, ways=(Way.UDP, Way.STREAM))
    world.until(lambda: world.ready(ada))
    ada.talk()
    world.run(3)
    assert ada.session.seat.uplink_rate.bitrate is not None
    ada.up.conditions = Conditions(blocked=True)
    world.until(lambda: ada.way is Way.STREAM)
    world.run(1)
    assert ada.session.seat.uplink_rate.bitrate is None
